//! The best face of each picture, as lines for `tadne prepare --boxes`:
//! `cargo run --release -p tadne-detect --example find -- DETECTOR [--all] [--score X] PICTURE...`

use std::path::Path;
use std::process::ExitCode;

use detect::Detector;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1).peekable();
    let file = arguments.next().ok_or("name a detector and pictures")?;
    let detector = Detector::open(file.as_ref()).map_err(|error| error.to_string())?;
    let all = arguments.next_if(|argument| argument == "--all").is_some();
    let score = match arguments.next_if(|argument| argument == "--score") {
        Some(_) => arguments.next().and_then(|score| score.parse().ok()).ok_or("--score takes a number")?,
        None => detector.usual_score(),
    };
    for path in arguments {
        let picture = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
        let picture = dataset::decode(&picture).map_err(|unread| format!("{path}: {unread}"))?;
        let found = detector.detect(&picture, score).map_err(|error| format!("{path}: {error}"))?;
        let name = Path::new(&path).file_name().unwrap_or_default().to_string_lossy();
        for found in found.iter().take(if all { usize::MAX } else { 1 }) {
            let [x0, y0, x1, y1] = found.edges;
            println!(r#"{{"id": {name:?}, "x0": {x0}, "y0": {y0}, "x1": {x1}, "y1": {y1}, "score": {}}}"#, found.score);
        }
    }
    Ok(())
}
