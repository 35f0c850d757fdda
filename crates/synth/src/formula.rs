//! What the layers have in common.

/// The gain of the leaky `ReLU`, `lrelu(v) = GAIN * max(v, SLOPE * v)`.
pub(crate) const GAIN: f32 = std::f32::consts::SQRT_2;
/// Its slope below zero.
pub(crate) const SLOPE: f32 = 0.2;

/// Divides by the root mean square, `x * rsqrt(mean(x^2) + 1e-8)`, in place.
pub(crate) fn normalise(x: &mut [f32]) {
    let mean = x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32;
    let scale = (mean + 1e-8).sqrt().recip();
    for v in x {
        *v *= scale;
    }
}

/// `w' = centre + psi (w - centre)`, in place.
pub(crate) fn truncate(w: &mut [f32], centre: &[f32], psi: f32) {
    for (w, &centre) in w.iter_mut().zip(centre) {
        *w = centre + psi * (*w - centre);
    }
}
