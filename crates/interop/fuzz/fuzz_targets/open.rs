//! Any bytes at all are opened as a model file of someone else's; what opens and is small is loaded and drawn from.
//!
//! `cargo install cargo-fuzz`, then, from `crates/interop`:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run open -- -max_len=32768 -rss_limit_mb=1024 -timeout=10 -max_total_time=1800`
#![no_main]

use std::sync::Arc;

use interop::WeightSet;
use interop::blob::Blob;
use libfuzzer_sys::fuzz_target;
use synth::{Creativity, Generator, Metadata, Seed};

fuzz_target!(|bytes: &[u8]| {
    let blob = Blob::from(bytes.to_vec());
    for which in [WeightSet::Ema, WeightSet::Raw] {
        let Ok(network) = interop::open_blob(&blob, which) else { continue };
        let (height, width) = network.architecture.resolution();
        if network.parameters() > 20_000 || height * width > 1 << 12 || network.architecture.macs() > 1 << 20 {
            continue;
        }
        let Ok(model) = network.load(Metadata::default(), &mut |_| ()) else { continue };
        let generator = Arc::new(Generator::new(&model).expect("what was loaded is valid"));
        generator.worker().draw(Seed(1), Creativity::default());
    }
});
