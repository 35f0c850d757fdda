//! The scripts of the page: types by TypeScript's checker over `JSDoc`, and what `ESLint` sees. The page itself is built by nothing.

use std::path::Path;
use std::process::Command;

use crate::{Outcome, root, run};

/// Where the tools are declared, with a lock file.
const TOOLS: &str = "tools/js";
/// Pages whose elements scripts ask for.
const PAGES: [&str; 4] = ["web/index.html", "web/montage.html", "web/not-found.html", "web/api/index.html"];

/// Installs the tools where they are not, and runs them.
pub(crate) fn check() -> Outcome {
    install()?;
    run(Command::new("node").args(["tools/js/ids.mjs", "target/js/ids.d.ts"]).args(PAGES))?;
    run(tool("tsc").args(["-p", TOOLS]))?;
    run(tool("eslint").args(["--config", "tools/js/eslint.config.js", "--max-warnings", "0"]).args([
        "web/js",
        "web/api",
        "tools/js",
        "crates/browser",
    ]))
}

/// Runs `npm ci` unless what the lock file says is installed.
fn install() -> Outcome {
    let changed = |path: &str| root().join(path).metadata().and_then(|data| data.modified()).ok();
    // npm writes this one last.
    let installed = changed("tools/js/node_modules/.package-lock.json");
    if installed.is_some() && installed >= changed("tools/js/package-lock.json") {
        return Ok(());
    }
    if Command::new("npm").arg("--version").output().is_err() {
        return Err("there is no npm: install Node.js 20 or newer".into());
    }
    run(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund", "--prefix", TOOLS]))
}

fn tool(name: &str) -> Command {
    Command::new(Path::new(TOOLS).join("node_modules/.bin").join(name))
}
