//! What is done to single pixels and to windows of 2x2 of one picture; pictures are given with their borders.

use super::element::Element;
use crate::simd::Simd;

/// Slope of the leaky ReLU below zero.
pub(crate) const SLOPE: f32 = 0.2;

/// Sets the border of a picture to zero.
///
/// # Safety
/// `p` is a picture of `height` x `width` pixels of `c` channels with its border.
#[inline(always)]
pub(crate) unsafe fn clear_border<E: Element>(p: *mut E, height: usize, width: usize, c: usize) {
    let row = (width + 2) * c;
    // SAFETY: the caller vouches for the picture.
    unsafe {
        p.write_bytes(0, row);
        for y in 1..=height {
            p.add(y * row).write_bytes(0, c);
            p.add(y * row + row - c).write_bytes(0, c);
        }
        p.add((height + 1) * row).write_bytes(0, row);
    }
}

/// Gradient before a leaky ReLU from the one after it: `to = from * slope * gain` by the signs in `bits`; adds its sums a channel to `sums`.
/// With `spread`, `from` has half the size, and every number goes to its four pixels as a quarter: the mean of 2x2 came after.
///
/// # Safety
/// `from` and `to` are pictures with borders (`from`'s zero) of `height` x `width` pixels, `from` of half of that with `spread`; `bits` are the
/// picture's signs or null, `sums` `c` numbers or null.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(crate) unsafe fn before_activation<S: Simd, E: Element>(
    s: S,
    from: *const E,
    bits: *const u16,
    gain: f32,
    spread: bool,
    [height, width, c]: [usize; 3],
    to: *mut E,
    sums: *mut f32,
) {
    let gain = if spread { gain / 4.0 } else { gain };
    let from_row = if spread { (width / 2 + 2) * c } else { (width + 2) * c };
    // SAFETY: the caller vouches for the pictures; channels are a multiple of 16.
    unsafe {
        clear_border(to, height, width, c);
        if !sums.is_null() {
            sums.write_bytes(0, c);
        }
        // A row at a time, so that it is near for all of its channels.
        for y in 1..=height {
            for lane in (0..c).step_by(S::LANES) {
                let mut total = s.splat(0.0);
                let from = from.add(if spread { y.div_ceil(2) } else { y } * from_row + lane);
                for x in 1..=width {
                    let pixel = y * (width + 2) + x;
                    let mut v = s.mul(E::load(s, from.add(if spread { x.div_ceil(2) } else { x } * c)), s.splat(gain));
                    if !bits.is_null() {
                        let word = u32::from(bits.add((pixel * c + lane) / 16).read());
                        v = s.scale_where(word >> (lane % 16), v, SLOPE);
                    }
                    E::store(s, to.add(pixel * c + lane), v);
                    total = s.add(total, v);
                }
                if !sums.is_null() {
                    s.store(sums.add(lane), s.add(total, s.load(sums.add(lane))));
                }
            }
        }
    }
}

/// Means of 2x2: `to` has half the size of `from`, which has `height` x `width` pixels.
///
/// # Safety
/// Both are pictures with borders.
#[inline(always)]
pub(crate) unsafe fn halve<S: Simd, E: Element>(s: S, from: *const E, [height, width, c]: [usize; 3], to: *mut E) {
    let row = (width + 2) * c;
    // SAFETY: the caller vouches for the pictures; channels are a multiple of 16.
    unsafe {
        for y in 0..height / 2 {
            for x in 0..width / 2 {
                let from = from.add((2 * y + 1) * row + (2 * x + 1) * c);
                let to = to.add((y + 1) * (width / 2 + 2) * c + (x + 1) * c);
                for lane in (0..c).step_by(S::LANES) {
                    let p = from.add(lane);
                    let upper = s.add(E::load(s, p), E::load(s, p.add(c)));
                    let lower = s.add(E::load(s, p.add(row)), E::load(s, p.add(row + c)));
                    E::store(s, to.add(lane), s.mul(s.add(upper, lower), s.splat(0.25)));
                }
            }
        }
    }
}

/// The adjoint of [`halve`]: adds a quarter of every number of `from` to its four pixels of `to`, or writes it there.
///
/// # Safety
/// Both are pictures with borders; `from` has half the size of `to`, which has `height` x `width` pixels.
#[inline(always)]
pub(crate) unsafe fn halve_adjoint<S: Simd, E: Element>(
    s: S,
    from: *const E,
    [height, width, c]: [usize; 3],
    to: *mut E,
    add: bool,
) {
    // SAFETY: the caller vouches for the pictures; channels are a multiple of 16.
    unsafe {
        for y in 1..=height {
            for x in 1..=width {
                let from = from.add((y.div_ceil(2) * (width / 2 + 2) + x.div_ceil(2)) * c);
                let to = to.add((y * (width + 2) + x) * c);
                for lane in (0..c).step_by(S::LANES) {
                    let mut v = s.mul(E::load(s, from.add(lane)), s.splat(0.25));
                    if add {
                        v = s.add(v, E::load(s, to.add(lane)));
                    }
                    E::store(s, to.add(lane), v);
                }
            }
        }
    }
}

/// `to = from * factors`, a factor a channel, border included.
///
/// # Safety
/// Both are pictures with borders of `pixels` pixels in all; `factors` are `c` numbers.
#[inline(always)]
pub(crate) unsafe fn scale<S: Simd, E: Element>(
    s: S,
    from: *const E,
    factors: *const f32,
    pixels: usize,
    c: usize,
    to: *mut E,
) {
    // SAFETY: the caller vouches for the pictures; channels are a multiple of 16.
    unsafe {
        for pixel in 0..pixels {
            for lane in (0..c).step_by(S::LANES) {
                let at = pixel * c + lane;
                E::store(s, to.add(at), s.mul(E::load(s, from.add(at)), s.load(factors.add(lane))));
            }
        }
    }
}

/// `0.75 a + 0.25 b`
#[inline(always)]
fn between<S: Simd>(s: S, a: S::V, b: S::V) -> S::V {
    s.mul_add(s.splat(0.25), b, s.mul(s.splat(0.75), a))
}

/// Doubles a picture bilinearly, borders repeating (half-pixel centres); then `gain leaky_relu(x)`.
///
/// # Safety
/// `from` is a picture of `height` x `width` pixels with its border, `to` one of twice the size.
#[inline(always)]
pub(crate) unsafe fn double<S: Simd, E: Element>(
    s: S,
    from: *const E,
    [height, width, c]: [usize; 3],
    gain: f32,
    to: *mut E,
) {
    let (row, wide) = ((width + 2) * c, (2 * width + 2) * c);
    // SAFETY: the caller vouches for the pictures; channels are a multiple of 16.
    unsafe {
        for y in 0..2 * height {
            let own = from.add((y / 2 + 1) * row);
            let other = if y % 2 == 0 { (y / 2).max(1) } else { (y / 2 + 2).min(height) };
            let other = from.add(other * row);
            let to = to.add((y + 1) * wide);
            for lane in (0..c).step_by(S::LANES) {
                let mut before = between(s, E::load(s, own.add(c + lane)), E::load(s, other.add(c + lane)));
                let mut here = before;
                for x in 1..=width {
                    let next = (x + 1).min(width) * c + lane;
                    let after = between(s, E::load(s, own.add(next)), E::load(s, other.add(next)));
                    let at = (2 * x - 1) * c + lane;
                    E::store(s, to.add(at), activate(s, between(s, here, before), gain));
                    E::store(s, to.add(at + c), activate(s, between(s, here, after), gain));
                    (before, here) = (here, after);
                }
            }
        }
    }
}

/// `gain leaky_relu(v)`
#[inline(always)]
fn activate<S: Simd>(s: S, v: S::V, gain: f32) -> S::V {
    let v = s.mul(v, s.splat(gain));
    s.max(v, s.mul(v, s.splat(SLOPE)))
}

/// A gradient on its way back through `gain leaky_relu`, whose result is at `sign`.
///
/// # Safety
/// Both can be read.
#[inline(always)]
unsafe fn sloped<S: Simd, E: Element>(s: S, from: *const E, sign: *const E, gain: f32) -> S::V {
    // SAFETY: the caller vouches for the numbers.
    unsafe { s.scale_where(s.not_positive(E::load(s, sign)), s.mul(E::load(s, from), s.splat(gain)), SLOPE) }
}

/// One column of [`double_adjoint`]: four rows to one, the two in the middle three quarters each.
///
/// # Safety
/// `from` and `signs` are pictures with borders, `rows` the places of four of their rows, `at` that of channels within a row:
/// `S::LANES` numbers can be read at each of `rows` plus `at` in both.
#[inline(always)]
unsafe fn column<S: Simd, E: Element>(
    s: S,
    from: *const E,
    signs: *const E,
    gain: f32,
    rows: [usize; 4],
    at: usize,
) -> S::V {
    // SAFETY: the caller vouches for the pictures.
    unsafe {
        let [a, b, c, d] = [rows[0] + at, rows[1] + at, rows[2] + at, rows[3] + at];
        let middle = s.add(sloped(s, from.add(b), signs.add(b), gain), sloped(s, from.add(c), signs.add(c), gain));
        let outer = s.add(sloped(s, from.add(a), signs.add(a), gain), sloped(s, from.add(d), signs.add(d), gain));
        between(s, middle, outer)
    }
}

/// The adjoint of [`double`] at what it wrote, `signs`: `to` has `height` x `width` pixels, `from` and `signs` twice the size.
///
/// # Safety
/// All are pictures with borders.
#[inline(always)]
pub(crate) unsafe fn double_adjoint<S: Simd, E: Element>(
    s: S,
    from: *const E,
    signs: *const E,
    gain: f32,
    [height, width, c]: [usize; 3],
    to: *mut E,
) {
    let wide = (2 * width + 2) * c;
    // SAFETY: the caller vouches for the pictures; channels are a multiple of 16.
    unsafe {
        clear_border(to, height, width, c);
        for y in 0..height {
            // The rows above, at and below; at the edge a row stands for the one beyond it.
            let rows =
                [(2 * y).max(1) * wide, (2 * y + 1) * wide, (2 * y + 2) * wide, (2 * y + 3).min(2 * height) * wide];
            for lane in (0..c).step_by(S::LANES) {
                let mut before = column(s, from, signs, gain, rows, c + lane);
                let mut left = before;
                for x in 1..=width {
                    let right = column(s, from, signs, gain, rows, 2 * x * c + lane);
                    let after =
                        if x == width { right } else { column(s, from, signs, gain, rows, (2 * x + 1) * c + lane) };
                    let v = between(s, s.add(left, right), s.add(before, after));
                    E::store(s, to.add(((y + 1) * (width + 2) + x) * c + lane), v);
                    (before, left) = (right, after);
                }
            }
        }
    }
}

/// Gradients around a demodulated convolution `pre = scale * conv + bias`, `y = gain leaky_relu(pre)`, of one picture: from the gradient at `y` (or,
/// without an activation, at `pre`), writes the one at `conv` and, a number a channel, those of `bias` and `scale`. `pre` is not kept where `y` is: it
/// follows from it.
///
/// # Safety
/// `from`, `y` and `to` are pictures with borders of `height` x `width` pixels (`y` is `pre` without an activation); the others are `c` numbers.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(crate) unsafe fn before_scale<S: Simd, E: Element>(
    s: S,
    from: *const E,
    y: *const E,
    gain: Option<f32>,
    [scale, bias]: [*const f32; 2],
    [height, width, c]: [usize; 3],
    to: *mut E,
    [bias_gradient, scale_gradient]: [*mut f32; 2],
) {
    let back = gain.unwrap_or(1.0);
    // SAFETY: the caller vouches for the pictures; channels are a multiple of 16.
    unsafe {
        clear_border(to, height, width, c);
        bias_gradient.write_bytes(0, c);
        scale_gradient.write_bytes(0, c);
        for row in 1..=height {
            for lane in (0..c).step_by(S::LANES) {
                let factor = s.load(scale.add(lane));
                let (mut total, mut product) = (s.load(bias_gradient.add(lane)), s.load(scale_gradient.add(lane)));
                for column in 1..=width {
                    let at = (row * (width + 2) + column) * c + lane;
                    let (mut v, mut pre) = (E::load(s, from.add(at)), E::load(s, y.add(at)));
                    if gain.is_some() {
                        let signs = s.not_positive(pre);
                        v = s.scale_where(signs, s.mul(v, s.splat(back)), SLOPE);
                        pre = s.scale_where(signs, pre, 1.0 / SLOPE);
                    }
                    total = s.add(total, v);
                    product = s.mul_add(v, pre, product);
                    E::store(s, to.add(at), s.mul(v, factor));
                }
                s.store(bias_gradient.add(lane), total);
                s.store(scale_gradient.add(lane), product);
            }
        }
        for k in 0..c {
            let (total, product) = (bias_gradient.add(k).read(), scale_gradient.add(k).read());
            let scale = scale.add(k).read();
            // Padded channels have a scale of zero.
            let gradient = if scale == 0.0 { 0.0 } else { (product / back - bias.add(k).read() * total) / scale };
            scale_gradient.add(k).write(gradient);
        }
    }
}
