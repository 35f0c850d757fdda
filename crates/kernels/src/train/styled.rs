//! The generator's convolution: its input scaled by a style, its sums by a demodulation, then bias and leaky ReLU, with a bilinear doubling
//! between the last two where the size grows (StyleGAN2, arXiv 1912.04958, section 2.2).

use std::ops::Range;

use super::cpu::{Core, Cpu};
use super::element::Element;
use super::filter::Filter;
use super::layout::Chunk;
use super::map::{Map, Shared, beyond};
use super::pass::{Pass, Prepare, Task, WeightGradient, add_up, chunk, compiled};
use super::pointwise::{self, SLOPE};
use super::scratch::Scratch;
use super::work::{Ending, Work};
use crate::simd::Simd;

/// `y = gain leaky_relu(scale conv(style x) + bias)` with slope 0.2, doubled bilinearly before the activation where `y` is twice as large.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Styled {
    /// Factor after the leaky ReLU; none for no activation, and then nothing is doubled.
    pub gain: Option<f32>,
}

/// What goes into a [`Styled`] convolution besides its filter. Numbers a channel are as many as a map has, with zeros for padded ones.
#[derive(Clone, Copy, Debug)]
pub struct StyledInput<'a, E> {
    /// The map.
    pub x: &'a Map<E>,
    /// [pictures, inputs]
    pub style: &'a [f32],
    /// [pictures, outputs]; above zero for real channels.
    pub scale: &'a [f32],
    /// `[outputs]`
    pub bias: &'a [f32],
}

impl<E: Element> StyledInput<'_, E> {
    fn check(&self, outputs: usize) {
        let [n, _, _, inputs] = self.x.shape();
        assert_eq!(self.style.len(), n * inputs, "a style a picture and input");
        assert_eq!(self.scale.len(), n * outputs, "a scale a picture and output");
        assert_eq!(self.bias.len(), outputs, "a bias an output");
    }
}

struct Finish<E> {
    scale: *const f32,
    bias: *const f32,
    /// None: what is written is to be doubled.
    gain: Option<f32>,
    y: *mut E,
    stride: usize,
    channels: usize,
}
// SAFETY: pictures are shared out among threads, and all that is written lies in one picture.
unsafe impl<E> Sync for Finish<E> {}

impl<E: Element> Ending for Finish<E> {
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, picture: usize, pixel: usize, channel: usize, values: *const f32) {
        // SAFETY: the caller vouches for the place.
        unsafe {
            let to = self.y.add(picture * self.stride + pixel * self.channels + channel);
            let (scale, bias) = (self.scale.add(picture * self.channels + channel), self.bias.add(channel));
            for lane in (0..16).step_by(S::LANES) {
                let mut v = s.mul_add(s.load(values.add(lane)), s.load(scale.add(lane)), s.load(bias.add(lane)));
                if let Some(gain) = self.gain {
                    v = s.mul(v, s.splat(gain));
                    v = s.max(v, s.mul(v, s.splat(SLOPE)));
                }
                E::store(s, to.add(lane), v);
            }
        }
    }
}

struct ForwardTask<'a, E> {
    x: *const E,
    style: *const f32,
    first: usize,
    pictures: usize,
    size: [usize; 2],
    filter: &'a Filter<E>,
    finish: &'a Finish<E>,
    gain: f32,
    /// Where the doubled picture goes.
    doubled: Option<*mut E>,
    scratch: &'a mut Scratch,
}

impl<E: Element> Task for ForwardTask<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, core: &Core) {
        let ([height, width], c) = (self.size, self.filter.inputs);
        let pixels = (height + 2) * (width + 2);
        let styled = self.scratch.maps[1].take::<E>(self.pictures * pixels * c + beyond(width, c));
        let f = self.finish;
        // SAFETY: the pictures lie in the maps, which `Styled::forward` has compared; nobody else has them; the scratch is as large.
        unsafe {
            for i in 0..self.pictures {
                let style = self.style.add((self.first + i) * c);
                pointwise::scale(s, self.x.add(i * pixels * c), style, pixels, c, styled.add(i * pixels * c));
            }
            let (filter, picture, pictures) = (self.filter, self.first, self.pictures);
            let memory = &mut self.scratch.convolution;
            Work { x: styled, picture, pictures, height, width, filter, ending: f }.run(s, core, memory);
            if let Some(to) = self.doubled {
                let large = (2 * height + 2) * (2 * width + 2) * f.channels;
                for i in self.first..self.first + self.pictures {
                    let shape = [height, width, f.channels];
                    let from = f.y.add(i * f.stride);
                    pointwise::double(s, from, shape, self.gain, to.add(i * large));
                }
            }
        }
    }
}

/// What the gradients of a [`Styled`] convolution need and where they go. All are added to what is there, but for the input's.
#[derive(Debug)]
pub struct StyledBackward<'a, E> {
    /// What went in.
    pub input: StyledInput<'a, E>,
    /// What came out.
    pub y: &'a Map<E>,
    /// What was doubled, where it was.
    pub low: Option<&'a Map<E>>,
    /// The gradient at `y`.
    pub back: &'a Map<E>,
    /// The transposed filter.
    pub filter: &'a Filter<E>,
    /// Where the gradient at `x` goes, and whether it is added to what is there.
    pub dx: Option<(&'a mut Map<E>, bool)>,
    /// [pictures, inputs]
    pub style: &'a mut [f32],
    /// [pictures, outputs]
    pub scale: &'a mut [f32],
    /// The weights' gradient.
    pub weights: Option<WeightGradient<'a>>,
    /// The bias's gradient, a number a real channel, and its gain.
    pub bias: Option<(&'a mut [f32], f32)>,
}

struct Before<'a, E> {
    input: StyledInput<'a, E>,
    y: *const E,
    low: Option<*const E>,
    back: *const E,
    gain: Option<f32>,
    outputs: usize,
    bias_sums: *mut f32,
    scale_sums: *mut f32,
}
// SAFETY: maps are only read, and every picture's sums are written by the thread that has the picture.
unsafe impl<E> Sync for Before<'_, E> {}

impl<E: Element> Prepare<E> for Before<'_, E> {
    #[inline(always)]
    unsafe fn prepare<S: Simd>(&self, s: S, pictures: Range<usize>, scratch: &mut Scratch) -> (*const E, *const E) {
        let [_, h, w, inputs] = self.input.x.shape();
        let (outputs, pixels, count) = (self.outputs, (h + 2) * (w + 2), pictures.len());
        let slack = beyond(w, inputs.max(outputs));
        let g = scratch.maps[0].take::<E>(count * pixels * outputs + slack);
        let x = scratch.maps[1].take::<E>(count * pixels * inputs + slack);
        let spread = scratch.maps[2].take::<E>(pixels * outputs);
        let shape = [h, w, outputs];
        for (i, picture) in pictures.enumerate() {
            // SAFETY: the caller vouches for the pictures, and the scratch is as large.
            unsafe {
                let to = g.add(i * pixels * outputs);
                let numbers = [self.input.scale.as_ptr().add(picture * outputs), self.input.bias.as_ptr()];
                let sums = [self.bias_sums.add(picture * outputs), self.scale_sums.add(picture * outputs)];
                if let Some(low) = self.low {
                    let large = picture * (2 * h + 2) * (2 * w + 2) * outputs;
                    let gain = self.gain.unwrap_or(1.0);
                    pointwise::double_adjoint(s, self.back.add(large), self.y.add(large), gain, shape, spread);
                    let pre = low.add(picture * pixels * outputs);
                    pointwise::before_scale(s, spread, pre, None, numbers, shape, to, sums);
                } else {
                    let at = picture * pixels * outputs;
                    let (back, y) = (self.back.add(at), self.y.add(at));
                    pointwise::before_scale(s, back, y, self.gain, numbers, shape, to, sums);
                }
                let style = self.input.style.as_ptr().add(picture * inputs);
                let from = self.input.x.start().add(picture * pixels * inputs);
                pointwise::scale(s, from, style, pixels, inputs, x.add(i * pixels * inputs));
            }
        }
        (g, x)
    }
}

/// The gradient at the styled input becomes those at the input and at the style.
struct Restyle<E> {
    x: *const E,
    style: *const f32,
    sums: *mut f32,
    dx: *mut E,
    add: bool,
    stride: usize,
    channels: usize,
}
// SAFETY: pictures are shared out among threads, and all that is written lies in one picture or belongs to it.
unsafe impl<E> Sync for Restyle<E> {}

impl<E: Element> Ending for Restyle<E> {
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, picture: usize, pixel: usize, channel: usize, values: *const f32) {
        // SAFETY: the caller vouches for the place.
        unsafe {
            let at = picture * self.stride + pixel * self.channels + channel;
            let place = picture * self.channels + channel;
            for lane in (0..16).step_by(S::LANES) {
                let v = s.load(values.add(lane));
                let sum = self.sums.add(place + lane);
                s.store(sum, s.mul_add(v, E::load(s, self.x.add(at + lane)), s.load(sum)));
                if !self.dx.is_null() {
                    let mut v = s.mul(v, s.load(self.style.add(place + lane)));
                    if self.add {
                        v = s.add(v, E::load(s, self.dx.add(at + lane)));
                    }
                    E::store(s, self.dx.add(at + lane), v);
                }
            }
        }
    }
}

impl Styled {
    /// Convolves every picture. With `low`, what comes before the doubling is kept there, and `y` has twice the size.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn forward<E: Element>(
        &self,
        cpu: &Cpu,
        input: StyledInput<'_, E>,
        filter: &Filter<E>,
        low: Option<&mut Map<E>>,
        y: &mut Map<E>,
    ) {
        let [n, h, w, c] = input.x.shape();
        let outputs = filter.outputs;
        assert_eq!(c, filter.inputs, "the filter is for maps of other channels");
        assert!(filter.suits([h, w]), "the filter is for maps of another size");
        input.check(outputs);
        assert!(low.is_none() || self.gain.is_some(), "what is doubled is activated");
        let doubled = low.is_some().then(|| {
            assert_eq!(y.shape(), [n, 2 * h, 2 * w, outputs], "the result's shape");
            Shared(y.start_mut())
        });
        let target = low.unwrap_or(y);
        assert_eq!(target.shape(), [n, h, w, outputs], "the shape before doubling");
        let finish = &Finish {
            scale: input.scale.as_ptr(),
            bias: input.bias.as_ptr(),
            gain: self.gain.filter(|_| doubled.is_none()),
            y: target.start_mut(),
            stride: (h + 2) * (w + 2) * outputs,
            channels: outputs,
        };
        let (size, gain, core) = (chunk(h, w), self.gain.unwrap_or(1.0), &cpu.core);
        cpu.crew.run(n.div_ceil(size), |thread, task| {
            let first = task * size;
            let mut scratch = core.scratch(thread);
            let work = ForwardTask {
                x: input.x.start().wrapping_add(first * input.x.stride()),
                style: input.style.as_ptr(),
                first,
                pictures: size.min(n - first),
                size: [h, w],
                filter,
                finish,
                gain,
                doubled: doubled.map(|p| p.at(0)),
                scratch: &mut scratch,
            };
            compiled(core, work);
        });
    }

    /// Gradients of a forward pass.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn backward<E: Element>(&self, cpu: &Cpu, b: StyledBackward<'_, E>) {
        let [n, h, w, inputs] = b.input.x.shape();
        let outputs = b.y.channels();
        b.input.check(outputs);
        assert!(b.low.is_none() || self.gain.is_some(), "what is doubled is activated");
        let (height, width) = if b.low.is_some() { (2 * h, 2 * w) } else { (h, w) };
        assert_eq!(b.y.shape(), [n, height, width, outputs], "the result's shape");
        assert_eq!(b.back.shape(), b.y.shape(), "the gradient's shape");
        assert!(b.low.is_none_or(|low| low.shape() == [n, h, w, outputs]), "the shape before doubling");
        assert_eq!((b.filter.inputs, b.filter.outputs), (outputs, inputs), "the transposed filter");
        assert!(b.filter.suits([h, w]), "the transposed filter is for maps of another size");
        assert!(b.style.len() == n * inputs && b.scale.len() == n * outputs, "the small gradients' number");
        let (mut biases, mut scales) = (vec![0.0; n * outputs], vec![0.0; n * outputs]);
        let prepare = Before {
            input: b.input,
            y: b.y.start(),
            low: b.low.map(Map::start),
            back: b.back.start(),
            gain: self.gain,
            outputs,
            bias_sums: biases.as_mut_ptr(),
            scale_sums: scales.as_mut_ptr(),
        };
        let mut restyle = Restyle {
            x: b.input.x.start(),
            style: b.input.style.as_ptr(),
            sums: b.style.as_mut_ptr(),
            dx: std::ptr::null_mut(),
            add: false,
            stride: b.input.x.stride(),
            channels: inputs,
        };
        if let Some((dx, add)) = b.dx {
            assert_eq!(dx.shape(), b.input.x.shape(), "the input gradient's shape");
            (restyle.dx, restyle.add) = (dx.start_mut(), add);
        }
        let shape = Chunk { pictures: 0, height: h, width: w, inputs, outputs, size: b.filter.size };
        Pass { range: 0..n, chunk: shape, prepare: &prepare, input: Some((b.filter, &restyle)), weights: b.weights }
            .run(cpu);
        b.scale.iter_mut().zip(&scales).for_each(|(to, v)| *to += v);
        if let Some((to, gain)) = b.bias {
            add_up(&biases, 0..n, outputs, gain, to);
        }
    }
}
