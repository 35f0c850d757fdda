//! Any text at all as an address, a query and a header: parsed or refused, and what is parsed reads back from its spelling.
//!
//! `cargo install cargo-fuzz`, then, from `crates/server`:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run parse -- -max_len=512 -timeout=5 -max_total_time=600`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| server::fuzzing::parse(text));
