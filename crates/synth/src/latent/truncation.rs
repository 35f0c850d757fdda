//! Truncation: how far `w` goes from what is usual, so that creativity stays meaningful from calm to strange.
//!
//! Plain truncation, `w' = w_avg + psi (w - w_avg)` (Karras et al. 2019, section 2.3), has two weaknesses: towards 0 all
//! pictures become the same mean face, and above 1 they fall apart. Where a model file holds what was measured of its `w`,
//! this goes further (after Mokady et al., "Self-Distilled StyleGAN", arXiv 2202.12211, for the centres):
//!
//! - below 1, `w` is pulled towards the kind of picture that it already resembles: `w' = c + psi (w - c)` with
//!   `c = sum_k p_k c_k` and `p = softmax(-|w - c_k|^2 / 2 t)`, which moves smoothly as `w` does;
//! - above 1, the layers up to 16 pixels follow `w_avg + (w - w_avg) r' / r`
//!   where `r' = r + (R - r) tanh(s r / (R - r))`, `r = |w - w_avg|`, `s = a + a^2`, `a = psi - 1`: as far as plain truncation at
//!   first, then farther, since the farther `w` goes the less a step changes the picture, and never beyond the radius `R`. Finer
//!   layers keep psi 1, for colours break before shapes do;
//! - the creativity 0.3, 1 and 2 mean the psi that were found calmest, best and strangest, with straight lines between them.

use crate::formula::truncate;
use crate::model::{CENTRES, SPREAD};
use crate::{Calibration, Creativity, ModelFile};

/// Largest size, in pixels, that goes beyond psi 1.
const COARSE: usize = 16;
/// How much the way outwards grows with psi: what made the steps of creativity above 1 change as much of the pictures as those
/// below, for the model of 2026 (docs/training.md).
const QUICKENING: f32 = 1.0;

/// Where a model's `w` lie.
#[derive(Debug)]
pub(crate) struct Truncation {
    pub(crate) w_avg: Vec<f32>,
    /// [K, `w_dim`]; empty without.
    centres: Vec<f32>,
    /// The radius `R` and the temperature `t`.
    spread: Option<[f32; 2]>,
    calibration: Option<Calibration>,
    /// The first convolution that stays at psi 1 when the others go beyond.
    first_fine: usize,
}

/// The style vectors of a picture, truncated and ready for [`Worker::draw_styles`](crate::Worker::draw_styles).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Styles {
    /// `w` of all layers, or of the coarse ones.
    pub w: Vec<f32>,
    /// From which convolution on (counted from 0) another `w` rules, and which.
    pub fine: Option<(usize, Vec<f32>)>,
}

impl Truncation {
    /// From a checked model.
    pub(crate) fn new(model: &ModelFile) -> Self {
        let values = |name| model.tensors.get(name).map_or(&[][..], |tensor| &tensor.data);
        let convs = model.architecture.convs();
        Truncation {
            w_avg: model.values("mapping.w_avg").to_vec(),
            centres: values(CENTRES).to_vec(),
            spread: values(SPREAD).try_into().ok(),
            calibration: model.metadata.calibration,
            first_fine: convs.iter().position(|conv| conv.size.0.max(conv.size.1) > COARSE).unwrap_or(convs.len()),
        }
    }

    /// Centres of kinds of pictures, [K, `w_dim`]; empty without.
    pub(crate) fn centres(&self) -> &[f32] {
        &self.centres
    }

    /// `w` at a creativity into `styles`, whose memory is used again, with `scratch` for more. Beyond psi 1 the finer layers keep `w` as it is.
    pub(crate) fn apply(&self, w: &[f32], creativity: Creativity, scratch: &mut Vec<f32>, styles: &mut Styles) {
        let psi = self.calibration.map_or(creativity.get(), |calibration| calibration.psi(creativity));
        let fine = styles.fine.take();
        let truncated = &mut styles.w;
        truncated.clear();
        truncated.extend_from_slice(w);
        match self.spread {
            Some([_, temperature]) if psi < 1.0 && !self.centres.is_empty() => {
                truncate(truncated, self.usual(w, temperature, scratch), psi);
            }
            Some([radius, _]) if psi > 1.0 => {
                let square: f32 = w.iter().zip(&self.w_avg).map(|(w, mean)| (w - mean) * (w - mean)).sum();
                truncate(truncated, &self.w_avg, bounded(square.sqrt(), radius, psi));
                let mut fine = fine.map_or_else(Vec::new, |(_, fine)| fine);
                fine.clear();
                fine.extend_from_slice(w);
                styles.fine = Some((self.first_fine, fine));
            }
            _ => truncate(truncated, &self.w_avg, psi),
        }
    }

    /// What is usual near `w`: the centres, weighed by their nearness.
    fn usual<'a>(&self, w: &[f32], temperature: f32, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let square = |centre: &[f32]| centre.iter().zip(w).map(|(c, w)| (c - w) * (c - w)).sum::<f32>();
        let centres = self.centres.chunks_exact(w.len());
        scratch.clear();
        scratch.extend(centres.clone().map(square));
        let nearest = scratch.iter().copied().fold(f32::INFINITY, f32::min);
        for share in scratch.iter_mut() {
            *share = libm::expf((nearest - *share) / (2.0 * temperature));
        }
        let total: f32 = scratch.iter().sum();
        let count = scratch.len();
        scratch.resize(count + w.len(), 0.0);
        let (shares, usual) = scratch.split_at_mut(count);
        for (share, centre) in shares.iter().zip(centres) {
            usual.iter_mut().zip(centre).for_each(|(sum, c)| *sum += share / total * c);
        }
        usual
    }
}

/// What to multiply a deviation of length `r` with so that it is `r + (R - r) tanh(s r / (R - r))` long; 1 beyond `R`.
fn bounded(r: f32, radius: f32, psi: f32) -> f32 {
    let (room, beyond) = (radius - r, psi - 1.0);
    let way = beyond * (1.0 + QUICKENING * beyond);
    if r <= 0.0 || room <= 0.0 { 1.0 } else { 1.0 + room / r * libm::tanhf(way * r / room) }
}

impl Calibration {
    /// The psi that a creativity means: straight lines through (0, 0), (0.3, `psi_low`), (1, `psi_best`), (2, `psi_high`).
    pub fn psi(&self, creativity: Creativity) -> f32 {
        let knots = [(0.0, 0.0), (0.3, self.psi_low), (1.0, self.psi_best), (2.0, self.psi_high)];
        let c = creativity.get();
        let mut psi = self.psi_high;
        for pair in knots.windows(2) {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            if c <= to {
                psi = low + (high - low) * (c - from) / (to - from);
                break;
            }
        }
        psi.clamp(0.0, 2.0)
    }

    /// Whether the three are numbers from 0 to 2 in rising order.
    pub(crate) fn is_sound(&self) -> bool {
        0.0 < self.psi_low && self.psi_low <= self.psi_best && self.psi_best <= self.psi_high && self.psi_high <= 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured(calibration: Option<Calibration>) -> Truncation {
        Truncation {
            w_avg: vec![0.0, 0.0],
            centres: vec![-1.0, 0.0, 1.0, 0.0],
            spread: Some([4.0, 0.1]),
            calibration,
            first_fine: 3,
        }
    }

    /// The styles of a `w` at a creativity.
    fn styles(truncation: &Truncation, w: &[f32], creativity: f32) -> Styles {
        let mut styles = Styles::default();
        truncation.apply(w, Creativity::new(creativity).unwrap(), &mut Vec::new(), &mut styles);
        styles
    }

    #[test]
    fn calm_pictures_keep_their_kind() {
        let truncation = measured(None);
        let [left, right] = [-1.5, 1.5].map(|x| styles(&truncation, &[x, 0.5], 0.0));
        assert_eq!(left.fine, None);
        let (left, right) = (left.w, right.w);
        assert!((left[0] + 1.0).abs() < 1e-3 && (right[0] - 1.0).abs() < 1e-3, "{left:?} {right:?}");
    }

    #[test]
    fn halfway_between_two_kinds_lies_their_mean() {
        let w = styles(&measured(None), &[0.0, 2.0], 0.5).w;
        assert!(w[0].abs() < 1e-6 && (w[1] - 1.0).abs() < 1e-6, "{w:?}");
    }

    #[test]
    fn creativity_goes_through_its_landmarks() {
        let calibration = Calibration { psi_low: 0.5, psi_best: 0.8, psi_high: 1.4 };
        for (creativity, expected) in [(0.0, 0.0), (0.15, 0.25), (0.3, 0.5), (1.0, 0.8), (1.5, 1.1), (2.0, 1.4)] {
            assert!((calibration.psi(Creativity::new(creativity).unwrap()) - expected).abs() < 1e-6, "{creativity}");
        }
    }

    proptest! {
        #[test]
        fn at_psi_1_nothing_moves_and_nothing_jumps(x in -3.0f32..3.0, y in -3.0f32..3.0) {
            let truncation = measured(None);
            for (creativity, allowed) in [(1.0, 1e-6), (0.999, 0.01), (1.001, 0.01)] {
                let w = styles(&truncation, &[x, y], creativity).w;
                prop_assert!((w[0] - x).abs() <= allowed && (w[1] - y).abs() <= allowed, "{:?} at {}", w, creativity);
            }
        }

        #[test]
        fn strange_pictures_go_outwards_but_never_beyond_the_radius(
            x in 0.01f32..3.0, y in 0.01f32..3.0, creativity in 1.01f32..2.0,
        ) {
            let Styles { w, fine } = styles(&measured(None), &[x, y], creativity);
            prop_assert_eq!(fine, Some((3, vec![x, y])));
            let (before, after) = (x.hypot(y), w[0].hypot(w[1]));
            let limit = before.max(4.0) * 1.0001;
            prop_assert!(after >= before * 0.9999 && after <= limit, "{} to {}", before, after);
            let way = creativity - 1.0;
            prop_assert!(after <= (1.0 + way * (1.0 + QUICKENING * way)) * before * 1.0001, "farther than meant");
        }
    }
}
