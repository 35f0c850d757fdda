//! Starting the binary under test.

// Each test program uses its own part of this.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;

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
