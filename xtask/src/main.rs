//! The parts of what every change must pass, each as one command: `cargo xtask PART...`. `.ci/run` installs what they need and runs them
//! (`ci` adds NEON, Miri, detectors, the cluster, and libtorch where there is one).

mod js;
mod torch;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// A part, or why it failed.
type Outcome = Result<(), String>;

/// Name, what it does, and the part itself.
type Part = (&'static str, &'static str, fn() -> Outcome);

/// In the order of `ci`.
const PARTS: &[Part] = &[
    ("fmt", "the format of all files", fmt),
    ("lint", "clippy on everything but the cluster, with and without detectors, warnings are errors", lint),
    ("targets", "clippy for AArch64 and WebAssembly (rustup adds what is missing)", targets),
    ("deps", "the number of crates in the default build, licences, bans and sources", deps),
    ("docs", "the documentation of all crates but the cluster's, warnings are errors", docs),
    ("js", "types and lints of the page's scripts (npm installs the tools)", js::check),
    ("fuzz", "the fuzz targets compile", fuzz),
    ("test", "the README's test command; leaving a test out is an error", test),
    ("wasm", "the module for web pages, built anew and compared with the committed one", wasm),
    ("neon", "the kernels' tests on AArch64, by QEMU", neon),
    ("miri", "the kernels' quick tests under Miri, by a nightly toolchain", miri),
    ("detect", "tests of detectors, which are no part of the default build", detect),
    (
        "cluster",
        "clippy and tests of the cluster, which is no part of the default build: DataFusion is compiled first",
        cluster,
    ),
    ("torch", "the trainer on libtorch, where there is one", torch::check),
];

/// Crates in the default build, at most. A new one is a decision: raise the number with it.
const MOST_CRATES: usize = 240;

/// The package that brings Ballista and what it needs, some 180 crates more.
const CLUSTER: &str = "tadne-cluster";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut parts = Vec::new();
    for name in &wanted {
        let start = parts.len();
        parts.extend(PARTS.iter().filter(|part| name == "ci" || name == part.0));
        if parts.len() == start {
            eprintln!("cargo xtask: there is no part {name:?}\n");
            return usage();
        }
    }
    if parts.is_empty() {
        return usage();
    }
    let mut took = Vec::new();
    for (name, _, part) in parts {
        println!("== {name}");
        let start = Instant::now();
        if let Err(problem) = part() {
            eprintln!("{name} failed: {problem}");
            return ExitCode::FAILURE;
        }
        took.push(format!("{name} {} s", start.elapsed().as_secs()));
    }
    println!("== passed: {}", took.join(", "));
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("Usage: cargo xtask PART...\n\n  {:8} all of them, in this order", "ci");
    for (name, what, _) in PARTS {
        eprintln!("  {name:8} {what}");
    }
    ExitCode::from(2)
}

fn fmt() -> Outcome {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn lint() -> Outcome {
    let clippy = ["clippy", "--workspace", "--exclude", CLUSTER, "--all-targets", "--locked"];
    run(cargo(&clippy).args(["--", "-D", "warnings"]))?;
    let detectors = ["clippy", "-ptadne", "-ptadne-cli", "--features", "detect", "--all-targets", "--locked"];
    run(cargo(&detectors).args(["--", "-D", "warnings"]))
}

fn targets() -> Outcome {
    const PACKAGES: [&str; 5] = ["clippy", "--locked", "-ptadne-kernels", "-ptadne-synth", "--target"];
    const STRICT: [&str; 3] = ["--", "-D", "warnings"];
    let toolchain = said(Command::new("rustup").args(["show", "active-toolchain"]))?;
    let toolchain = toolchain.split_whitespace().next().ok_or("rustup names no toolchain")?.to_owned();
    let (arm, wasm) = ("aarch64-unknown-linux-gnu", "wasm32-unknown-unknown");
    run(Command::new("rustup").args(["target", "add", "--toolchain", &toolchain, arm, wasm]))?;
    run(cargo(&PACKAGES).arg(arm).args(STRICT))?;
    for features in ["+simd128", "+simd128,+relaxed-simd"] {
        let flags = format!("-Ctarget-feature={features}");
        run(cargo(&PACKAGES).arg(wasm).args(STRICT).env("RUSTFLAGS", flags))?;
    }
    Ok(())
}

fn deps() -> Outcome {
    let tree = said(&mut cargo(&["tree", "--locked", "--package", "tadne", "--edges", "normal", "--prefix", "none"]))?;
    let mut crates: Vec<_> = tree.lines().map(|line| line.split(" (").next().unwrap_or(line)).collect();
    crates.sort_unstable();
    crates.dedup();
    println!("{} crates in the default build, at most {MOST_CRATES}", crates.len());
    if crates.len() > MOST_CRATES {
        return Err(format!("{} crates are too many", crates.len()));
    }
    if Command::new("cargo-deny").arg("--version").output().is_err() {
        println!("no cargo-deny: licences, bans and sources are not looked at (cargo install cargo-deny)");
        return Ok(());
    }
    run(&mut cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]))
}

fn docs() -> Outcome {
    run(cargo(&["doc", "--workspace", "--exclude", CLUSTER, "--no-deps", "--locked"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

fn fuzz() -> Outcome {
    for manifest in
        ["crates/dataset/fuzz/Cargo.toml", "crates/interop/fuzz/Cargo.toml", "crates/server/fuzz/Cargo.toml"]
    {
        // A check links nothing, so libFuzzer itself need not be compiled.
        let mut check = cargo(&["check", "--locked", "--manifest-path", manifest]);
        check.args(["--target-dir", "target/fuzz"]);
        run(check.env("RUSTFLAGS", "--cfg fuzzing").env("CUSTOM_LIBFUZZER_PATH", "/unused/libfuzzer.a"))?;
    }
    Ok(())
}

fn test() -> Outcome {
    run(cargo(&["test", "--locked"]).env("TADNE_TEST_ALL", "1"))
}

fn wasm() -> Outcome {
    let libraries =
        said(Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]))?;
    if !Path::new(libraries.trim()).is_dir() {
        return Err("no standard library for WebAssembly: rustup target add wasm32-unknown-unknown".into());
    }
    let (fresh, committed) = ("target/browser-fresh", "web/wasm");
    run(Command::new("crates/browser/build.sh").arg(fresh))?;
    let compare = ["--experimental-wasm-relaxed-simd", "crates/browser/compare.mjs"];
    run(Command::new("node").args(compare).args([fresh, committed, "models/tadne.safetensors"]))
}

fn neon() -> Outcome {
    const TARGET: &str = "aarch64-unknown-linux-gnu";
    for (program, package) in
        [("qemu-aarch64", "qemu-user"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross")]
    {
        if Command::new(program).arg("--version").output().is_err() {
            return Err(format!("no {program} here: apt install {package}"));
        }
    }
    run(Command::new("rustup").args(["target", "add", TARGET]))?;
    run(&mut cargo(&["test", "--locked", "-ptadne-kernels", "--target", TARGET]))
}

/// Miri knows nothing of vector units, so it sees what all of them share: threads, places in memory, packing.
fn miri() -> Outcome {
    const QUICK: [&str; 10] = [
        "activation",
        "crew",
        "ink::",
        "nhwc",
        "simd",
        "winograd",
        "packed_matrices",
        "single_rows",
        "what_does_not",
        "scheme",
    ];
    // `cargo` here may be a toolchain's own, which takes no `+nightly`.
    let mut tests = Command::new("rustup");
    tests.args(["run", "nightly", "cargo", "miri", "test", "--locked", "-ptadne-kernels", "--lib", "--"]).args(QUICK);
    run(tests.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "1"))
        .map_err(|problem| format!("{problem} (rustup toolchain install nightly --component miri,rust-src)"))
}

fn detect() -> Outcome {
    run(&mut cargo(&["test", "--locked", "-ptadne-detect"]))?;
    run(&mut cargo(&["test", "--locked", "-ptadne", "--features", "detect", "--test", "prepare"]))
}

fn cluster() -> Outcome {
    let package = ["--package", CLUSTER, "--profile", "cluster", "--locked"];
    run(cargo(&["clippy", "--all-targets"]).args(package).args(["--", "-D", "warnings"]))?;
    run(cargo(&["test"]).args(package))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// The repository, where every part runs.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository holds this package")
}

/// Runs a command, whose output goes to the terminal.
fn run(command: &mut Command) -> Outcome {
    let status = command.current_dir(root()).status().map_err(|e| format!("{command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// What a command says on its standard output.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.current_dir(root()).output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{command:?}: {e}"))
}
