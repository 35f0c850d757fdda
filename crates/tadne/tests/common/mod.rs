//! Starting the binary under test.

// Each test program uses its own part of this.
#![allow(dead_code)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

/// The binary with arguments, not yet started.
pub(crate) fn tadne(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tadne"));
    // Feature networks that lie on this machine are not for tests.
    command.args(arguments).env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-cache"));
    command
}

/// What the binary prints when it succeeds, which it must.
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let output = tadne(arguments).output().expect("the binary starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tadne {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).expect("output is text")
}

/// What it complains of when it fails, which it must.
pub(crate) fn fail(arguments: &[&str]) -> String {
    let output = tadne(arguments).output().expect("the binary starts");
    assert!(!output.status.success(), "tadne {arguments:?} should fail");
    String::from_utf8(output.stderr).expect("errors are text")
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are text")
}

/// A feature network of one layer, which sees the mean colour.
pub(crate) fn network(path: &Path) {
    let graph = json!({
        "name": "colours", "source": "made here", "license": "none needed", "size": 8, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "taps": [1],
        "nodes": [
            {"op": "conv", "from": [0], "name": "c", "stride": [1, 1], "pad": "same", "groups": 1, "act": "none"},
            {"op": "mean", "from": [1]},
        ],
    });
    let weights: Vec<f32> = (0..3 * 3).map(|i| if i % 4 == 0 { 1.0 } else { 0.0 }).chain([0.0; 3]).collect();
    let header = json!({
        "__metadata__": {"format": "tadne-features", "format_version": "1", "graph": graph.to_string()},
        "c.weight": {"dtype": "F32", "shape": [3, 3, 1, 1], "data_offsets": [0, 36]},
        "c.bias": {"dtype": "F32", "shape": [3], "data_offsets": [36, 48]},
    });
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    let values = weights.iter().flat_map(|v| v.to_le_bytes());
    fs::write(path, length.into_iter().chain(header.bytes()).chain(values).collect::<Vec<u8>>()).unwrap();
}
