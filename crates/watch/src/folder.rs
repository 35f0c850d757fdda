//! What lies in a run's folder, as the page wants it. Files that are being written may end in half a line; it is left for next time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

/// A run as it stands.
#[derive(Debug, Serialize)]
pub(crate) struct State {
    /// Name of the folder.
    pub(crate) name: String,
    /// The configuration as stored.
    pub(crate) config: Value,
    /// Lines of statistics after the point that was asked for.
    pub(crate) ticks: Vec<Value>,
    /// All measurements.
    pub(crate) measurements: Vec<Value>,
    /// All sample grids, by pictures seen.
    pub(crate) grids: Vec<Grid>,
    /// Seconds since the statistics changed.
    pub(crate) age: Option<u64>,
}

/// A sample grid on disk.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Grid {
    /// Real pictures seen when it was drawn.
    pub(crate) images: u64,
    /// Its truncation, as in its name.
    pub(crate) psi: String,
    /// File name.
    pub(crate) file: String,
}

/// Reads the run in `folder`; ticks up to `since` kimg are left out. What is missing is empty.
pub(crate) fn read(folder: &Path, since: f64) -> State {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let mut ticks = lines(&text("stats.jsonl"));
    ticks.retain(|tick| tick["kimg"].as_f64().is_some_and(|kimg| kimg > since));
    let changed = fs::metadata(folder.join("stats.jsonl")).and_then(|m| m.modified()).ok();
    let age = changed.and_then(|t| SystemTime::now().duration_since(t).ok());
    State {
        name: folder.file_name().map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned()),
        config: serde_json::from_str(&text("config.json")).unwrap_or(Value::Null),
        ticks,
        measurements: lines(&text("metrics.jsonl")),
        grids: grids(folder),
        age: age.map(|a| a.as_secs()),
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn grids(folder: &Path) -> Vec<Grid> {
    let entries = fs::read_dir(folder.join("grids")).into_iter().flatten().flatten();
    let mut found: Vec<Grid> = entries.filter_map(|e| grid(e.file_name().to_str()?)).collect();
    found.sort();
    found
}

/// `000118016-psi-0.7.png`, and nothing else.
fn grid(file: &str) -> Option<Grid> {
    let (images, psi) = file.strip_suffix(".png")?.split_once("-psi-")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, tenth) = psi.split_once('.')?;
    (digits(images) && digits(whole) && digits(tenth)).then_some(())?;
    Some(Grid { images: images.parse().ok()?, psi: psi.into(), file: file.into() })
}

/// Where the grid called `file` lies, if that is the name of a grid.
pub(crate) fn grid_path(folder: &Path, file: &str) -> Option<PathBuf> {
    grid(file).map(|g| folder.join("grids").join(g.file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_grids_are_names_of_grids() {
        assert_eq!(grid("000118016-psi-0.7.png").unwrap().images, 118_016);
        for other in
            ["../config.json", "x-psi-0.7.png", "1-psi-0..7.png", "1-psi-/etc.png", "1-psi-0.7.webp", "-psi-.png"]
        {
            assert!(grid(other).is_none(), "{other}");
        }
    }

    #[test]
    fn half_a_line_is_left_for_next_time() {
        assert_eq!(lines("{\"kimg\": 1}\n{\"kimg\": 2}\n{\"kim").len(), 2);
    }
}
