//! Starting the binary under test.

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
