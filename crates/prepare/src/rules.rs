//! What is worth training on.

use dataset::Crop;
use serde::{Deserialize, Serialize};

use crate::face::Faces;
use crate::measure::Measures;

/// The rules of a selection; a picture that breaks one is thrown out. [`Rules::default`] is careful: it throws out what nobody
/// wants, and of measures that depend on the style of the pictures only the extremes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Pixels of the shorter side, at least.
    pub min_side: usize,
    /// How often the longer side may hold the shorter one.
    pub max_aspect: f64,
    /// [`Measures::sharpness`], at least.
    pub min_sharpness: f64,
    /// [`Measures::chroma`], at least.
    pub min_chroma: f64,
    /// [`Measures::brightness`], at least.
    pub min_brightness: f64,
    /// [`Measures::bars`], at most.
    pub max_bars: f64,
    /// Bits that perceptual hashes of near duplicates may differ in, 0 to [`MAX_HASH_DISTANCE`](crate::MAX_HASH_DISTANCE); none to keep them all.
    pub near: Option<u32>,
    /// How pictures become square: `centre`, `top` or `pad`; for measuring, and for writing where `size` is given.
    pub crop: String,
    /// Pixels of the square pictures that are written; none to keep files as they are.
    pub size: Option<usize>,
    /// By which detector faces are looked for; none to take pictures as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faces: Option<Faces>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            min_side: 64,
            max_aspect: 4.0,
            min_sharpness: 15.0,
            min_chroma: 2.0,
            min_brightness: 20.0,
            max_bars: 0.1,
            near: Some(4),
            crop: "centre".into(),
            size: None,
            faces: None,
        }
    }
}

impl Rules {
    /// How pictures become square.
    pub(crate) fn crop(&self) -> Crop {
        self.crop.parse().unwrap_or_default()
    }

    /// What is wrong with a picture of this size.
    pub(crate) fn of_size(&self, width: usize, height: usize) -> Option<(&'static str, String)> {
        let (shorter, longer) = (width.min(height), width.max(height));
        if shorter < self.min_side {
            return Some(("tiny", format!("{width} x {height} pixels, the shorter side must have {}", self.min_side)));
        }
        let aspect = longer as f64 / shorter.max(1) as f64;
        let limit = self.max_aspect;
        (aspect > limit).then(|| ("oblong", format!("{width} x {height} pixels, at most {limit} to 1 is wanted")))
    }

    /// What is wrong with a picture of these measures.
    pub(crate) fn of_measures(&self, measures: &Measures) -> Option<(&'static str, String)> {
        let Measures { sharpness, chroma, brightness, bars, .. } = *measures;
        let below = |name, what: &str, value: f64, least: f64| {
            (value < least).then(|| (name, format!("{what} {value:.1}, at least {least} is wanted")))
        };
        below("dark", "brightness", brightness, self.min_brightness)
            .or_else(|| (bars > self.max_bars).then(|| ("bars", format!("bars take {:.0} %", 100.0 * bars))))
            .or_else(|| below("grey", "colour", chroma, self.min_chroma))
            .or_else(|| below("blurred", "sharpness", sharpness, self.min_sharpness))
    }
}
