//! The trainer on libtorch, where there is one: lints and tests of what the feature `torch` adds.

use std::process::Command;

use crate::{Outcome, cargo, run, said};

/// What a Python says of its PyTorch: its version, and where its libraries lie.
const ASK: &str = "import os, torch; print(torch.__version__, os.path.join(os.path.dirname(torch.__file__), 'lib'))";
/// The version that the crate `tch` wants.
const VERSION: &str = "2.11.";

/// The libraries of a libtorch, and how the build is told of them.
struct Libtorch {
    folder: String,
    /// Whether they are those of the `python3` on the path.
    python: bool,
}

/// `LIBTORCH`, or the PyTorch of the Python that the build asks; or why there is none.
fn find() -> Result<Libtorch, String> {
    if let Ok(root) = std::env::var("LIBTORCH") {
        return Ok(Libtorch { folder: format!("{root}/lib"), python: false });
    }
    let python = if std::env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let found = said(Command::new(python).args(["-c", ASK])).map_err(|_| format!("{python} has no PyTorch"))?;
    match found.trim().split_once(' ') {
        Some((version, folder)) if version.starts_with(VERSION) => Ok(Libtorch { folder: folder.into(), python: true }),
        _ => Err(format!("{python} has another PyTorch: {}", found.trim())),
    }
}

/// Lints the two packages that have the feature, and runs the tests of the second backend and of several processes.
pub(crate) fn check() -> Outcome {
    let libtorch = match find() {
        Ok(libtorch) => libtorch,
        Err(why) => {
            println!("no libtorch, left out: {why} (LIBTORCH names one; pip install torch==2.11.0 brings one)");
            return Ok(());
        }
    };
    println!("libtorch in {}", libtorch.folder);
    let before = std::env::var("LD_LIBRARY_PATH").map_or_else(|_| String::new(), |path| format!(":{path}"));
    let with = |arguments: &[&str]| {
        let mut command = cargo(arguments);
        command.env("LD_LIBRARY_PATH", format!("{}{before}", libtorch.folder));
        if libtorch.python {
            command.env("LIBTORCH_USE_PYTORCH", "1");
        }
        command
    };
    let packages = ["--locked", "-ptadne-gan", "-ptadne", "--features", "torch"];
    run(with(&["clippy"]).args(packages).args(["--all-targets", "--", "-D", "warnings"]))?;
    run(&mut with(&["test", "--locked", "-ptadne-gan", "--features", "torch", "--lib", "torch::"]))?;
    run(&mut with(&["test", "--locked", "-ptadne", "--features", "torch", "--test", "ranks"]))
}
