//! Any bytes at all are brought as a zip, a tar and a picture: listed, read and opened as a data set.
//!
//! `cargo install cargo-fuzz`, then, from `crates/dataset`:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run bring -- -max_len=32768 -rss_limit_mb=1024 -timeout=10 -max_total_time=1800`
#![no_main]

use std::sync::LazyLock;

use dataset::{Dataset, Files, Options};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// Where the bytes lie, in memory where the system has such a folder.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    folder.expect("a folder for what is brought")
});

fuzz_target!(|bytes: &[u8]| {
    for name in ["brought.zip", "brought.tar", "brought.png"] {
        let path = FOLDER.path().join(name);
        std::fs::write(&path, bytes).expect("there is room for what is brought");
        if let Ok(files) = Files::list(&[&path]) {
            for number in 0..files.len().min(16) {
                let _ = files.read(number);
            }
        }
        let _ = Dataset::open(&[&path], &Options { min_side: Some(1), ..Options::new(8) });
    }
});
