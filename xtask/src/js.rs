//! The scripts of the page: types by TypeScript's checker over `JSDoc`, and what `ESLint` sees. The page itself is built by nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, root, run};

/// Where the tools are declared, with a lock file.
const TOOLS: &str = "tools/js";
/// Scripts that do not pass `--strict` yet, a line each; they pass without it. The list only ever gets shorter.
const LOOSE: &str = "tools/js/not-strict.txt";
/// Pages whose elements scripts ask for.
const PAGES: [&str; 4] = ["web/index.html", "web/montage.html", "web/not-found.html", "web/api/index.html"];

/// Installs the tools where they are not, and runs them.
pub(crate) fn check() -> Outcome {
    install()?;
    run(Command::new("node").args(["tools/js/ids.mjs", "target/js/ids.d.ts"]).args(PAGES))?;
    run(tool("tsc").args(["-p", TOOLS, "--strict", "false"]))?;
    let list = std::fs::read_to_string(root().join(LOOSE)).map_err(|e| format!("{LOOSE}: {e}"))?;
    let loose: Vec<_> = list.lines().filter(|line| !line.is_empty()).collect();
    let output = tool("tsc").args(["-p", TOOLS, "--pretty", "false"]).current_dir(root()).output();
    let output = output.map_err(|e| format!("tsc: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let (strict, summary) = judge(&said, &loose, output.status.success())?;
    println!("{summary}");
    if !strict.is_empty() {
        return Err(format!("these must pass tsc --strict:\n{}", strict.join("\n")));
    }
    run(tool("eslint").args(["--config", "tools/js/eslint.config.js", "--max-warnings", "0"]).args([
        "web/js",
        "web/api",
        "tools/js",
        "crates/browser",
    ]))
}

/// Errors of strict files among what the checker said, and a sentence on all; an error where `loose` names files that pass.
fn judge<'a>(said: &'a str, loose: &[&str], passed: bool) -> Result<(Vec<&'a str>, String), String> {
    let mut errors: BTreeMap<&str, usize> = BTreeMap::new();
    let mut strict = Vec::new();
    for line in said.lines().filter(|line| line.contains(": error TS")) {
        let file = line.split_once('(').map_or(line, |(file, _)| file);
        *errors.entry(file).or_default() += 1;
        if !loose.contains(&file) {
            strict.push(line);
        }
    }
    if errors.is_empty() && !passed {
        return Err(format!("tsc failed: {said}"));
    }
    if let Some(done) = loose.iter().find(|file| !errors.contains_key(**file)) {
        return Err(format!("{done} passes tsc --strict, or is gone: take it out of {LOOSE}"));
    }
    let open: usize = errors.values().sum();
    Ok((strict, format!("tsc --strict: {} scripts are not strict yet ({LOOSE}), {open} places in all", loose.len())))
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

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "web/js/a.js(1,2): error TS1: no\n  because\nweb/js/b.js(3,4): error TS2: no\n";

    #[test]
    fn only_listed_files_may_fail_and_the_list_holds_no_others() {
        let (strict, _) = judge(SAID, &["web/js/a.js"], false).unwrap();
        assert_eq!(strict, ["web/js/b.js(3,4): error TS2: no"]);
        let (strict, summary) = judge(SAID, &["web/js/a.js", "web/js/b.js"], false).unwrap();
        assert!(strict.is_empty() && summary.contains("2 scripts"), "{summary}");
        assert!(
            judge(SAID, &["web/js/a.js", "web/js/b.js", "web/js/c.js"], false).unwrap_err().contains("web/js/c.js")
        );
        assert!(judge("", &[], true).unwrap().0.is_empty());
        assert!(judge("error TS5058: no such config", &[], false).is_err());
    }
}
