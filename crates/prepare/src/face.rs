//! Faces: what a detector finds of a picture, and what of the picture counts then.

use std::path::{Path, PathBuf};

use dataset::{Decoded, Files, Region};
use serde::{Deserialize, Serialize};

use crate::row::{Looked, Row};

/// A rule: of each picture its best face counts, and what is around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Faces {
    /// BLAKE3 of the detector's file.
    pub detector: String,
    /// Sides of the square that counts, by the longer side of the face.
    pub margin: f64,
    /// Score of a face, at least; what it means is the detector's own.
    pub score: f64,
}

/// A face, as a detector finds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Left, top, right and bottom, in pixels.
    pub edges: [f32; 4],
    /// How sure the detector is.
    pub score: f32,
}

/// The best face of a picture that the rule takes for one; an error is a reason to show.
pub type Find = dyn Fn(&Decoded) -> Result<Option<Face>, String> + Send + Sync;

/// Opens the detector of a rule; an error is a reason to show.
pub type Open<'a> = dyn Fn(&Path, &Faces) -> Result<Box<Find>, String> + 'a;

/// A detector that was opened.
pub struct Detector {
    /// Its file.
    pub path: PathBuf,
    /// What it does.
    pub find: Box<Find>,
}

impl Faces {
    /// What of a picture counts: a square around the face's middle, as far as the picture reaches. None if that is no pixel.
    pub(crate) fn around(&self, face: &Face, width: usize, height: usize) -> Option<Region> {
        let [left, top, right, bottom] = face.edges.map(f64::from);
        let half = self.margin * (right - left).max(bottom - top) / 2.0;
        let (x, y) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
        // The cast ends at 0.
        let edge = |place: f64, most: usize| (place.round() as u32).min(most as u32);
        let region = Region {
            left: edge(x - half, width),
            top: edge(y - half, height),
            right: edge(x + half, width),
            bottom: edge(y + half, height),
        };
        (region.left < region.right && region.top < region.bottom).then_some(region)
    }
}

/// From here on of each picture with a face only its region counts, as if it had been listed with it.
pub fn crop(files: &mut Files, rows: &[Row]) {
    for (number, row) in rows.iter().enumerate() {
        if let Looked::Picture { face: Some((region, _)), .. } = row.looked {
            files.crop_to(number, region);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_around_a_face_ends_with_the_picture() {
        let faces = Faces { detector: String::new(), margin: 2.0, score: 0.5 };
        let around = |edges| faces.around(&Face { edges, score: 1.0 }, 200, 100);
        let region = |left, top, right, bottom| Some(Region { left, top, right, bottom });
        assert_eq!(around([80.0, 40.0, 100.0, 60.0]), region(70, 30, 110, 70));
        assert_eq!(around([80.0, 45.0, 100.0, 55.0]), region(70, 30, 110, 70));
        assert_eq!(around([0.0, 0.0, 40.0, 40.0]), region(0, 0, 60, 60));
        assert_eq!(around([150.0, 20.0, 200.0, 100.0]), region(95, 0, 200, 100));
        assert_eq!(around([250.0, 20.0, 260.0, 30.0]), None);
        assert_eq!(around([f32::NAN; 4]), None);
    }
}
