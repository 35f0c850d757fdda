//! Detectors as curation takes them.

use std::path::Path;

use anyhow::{Context, ensure};
use detect::Detector;
use prepare::{Face, Faces, Find};

/// Opens a detector; with the rule that it is, by a margin and a score or, without one, its usual score.
///
/// # Errors
/// It is none that can be read, or never gives such a score.
pub(crate) fn rule(path: &Path, margin: f64, score: Option<f64>) -> anyhow::Result<(Faces, Box<Find>)> {
    let detector = Detector::open(path).context("--detector")?;
    let usual = detector.usual_score();
    let score = score.unwrap_or(usual);
    // A cascade counts windows.
    ensure!(usual > 1.0 || score <= 1.0, "--detector-score {score}: a network's scores are from 0 to 1");
    Ok((Faces { detector: detector.hash().to_owned(), margin, score }, find(detector, score)))
}

/// Opens the detector of a rule, for [`prepare::do_shard`].
///
/// # Errors
/// It is another one, or none that can be read.
pub fn open(path: &Path, faces: &Faces) -> Result<Box<Find>, String> {
    let detector = Detector::open(path).map_err(|error| error.to_string())?;
    if detector.hash() != faces.detector {
        return Err("it is another one than the command has; all machines must see the same file".into());
    }
    Ok(find(detector, faces.score))
}

fn find(detector: Detector, least: f64) -> Box<Find> {
    Box::new(move |picture| {
        let found = detector.detect(picture, least).map_err(|error| error.to_string())?;
        Ok(found.first().map(|found| Face { edges: found.edges, score: found.score }))
    })
}
