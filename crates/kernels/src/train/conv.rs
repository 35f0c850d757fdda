//! Convolution as the discriminator has it: bias, leaky ReLU, a mean of 2x2 or a sum with another map after it; its gradients, and its
//! derivative along a direction.

use std::ops::Range;

use super::cpu::{Core, Cpu};
use super::element::Element;
use super::filter::Filter;
use super::layout::Chunk;
use super::map::{Map, Mask, Room, Shared, beyond};
use super::pass::{Pass, Prepare, Task, WeightGradient, add_up, chunk, compiled};
use super::pointwise::{self, SLOPE};
use super::rgb::{self, COLOURS, WINDOW};
use super::scratch::Scratch;
use super::work::{Ending, Work};
use crate::simd::Simd;

/// A convolution and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// `gain leaky_relu(x)` with slope 0.2, if anything.
    pub gain: Option<f32>,
    /// Whether the mean of 2x2 is taken at the end.
    pub pooled: bool,
}

/// What a convolution is of. All but a map is made a few pictures at a time, forwards and again backwards, and never kept.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a, E> {
    /// A map.
    Map(&'a Map<E>),
    /// Means of 2x2 of a map.
    Halved(&'a Map<E>),
    /// Windows of 3x3 of planar pictures, [pictures, 3, height, width], zeros beyond the edge: channel `3 (3 dy + dx) + colour` of 32, so that a 1x1
    /// convolution of them is a 3x3 convolution of the pictures with the same weights. Those from 27 on are not specified: their weights are zero.
    Windows(&'a [f32], [usize; 2]),
}

impl<E: Element> Source<'_, E> {
    /// [pictures, height, width, channels] of the map that is convolved.
    pub fn shape(&self) -> [usize; 4] {
        match self {
            Self::Map(map) => map.shape(),
            Self::Halved(map) => {
                let [n, h, w, c] = map.shape();
                [n, h / 2, w / 2, c]
            }
            Self::Windows(pictures, [h, w]) => [pictures.len() / (COLOURS * h * w), *h, *w, WINDOW],
        }
    }

    /// Elements of one picture, its border included.
    fn stride(&self) -> usize {
        let [_, h, w, c] = self.shape();
        (h + 2) * (w + 2) * c
    }

    /// Pictures `of` side by side with their borders, in `room` where they are made.
    #[inline(always)]
    fn take<S: Simd>(&self, s: S, of: Range<usize>, room: &mut Room) -> *const E {
        let ([_, h, w, c], stride) = (self.shape(), self.stride());
        if let Self::Map(map) = self {
            return map.start().wrapping_add(of.start * stride);
        }
        let to = room.take::<E>(of.len() * stride + beyond(w, c));
        for (i, picture) in of.enumerate() {
            // SAFETY: there is room for so many pictures, and both of what they are made of have as many.
            unsafe {
                let to = to.add(i * stride);
                pointwise::clear_border(to, h, w, c);
                match self {
                    Self::Map(_) => unreachable!("returned above"),
                    Self::Halved(map) => {
                        let from = map.start().add(picture * map.stride());
                        pointwise::halve(s, from, [map.height(), map.width(), c], to);
                    }
                    Self::Windows(pictures, size) => {
                        let area = COLOURS * h * w;
                        rgb::windows(s, &pictures[picture * area..(picture + 1) * area], *size, to);
                    }
                }
            }
        }
        to
    }
}

/// What is added to a convolution's result.
#[derive(Clone, Copy, Debug)]
pub enum Addend<'a, E> {
    /// Nothing.
    None,
    /// Another map.
    Map(&'a Map<E>),
    /// What is there already where the result goes.
    Result,
}

/// Which of the layer's two functions a forward pass is.
#[derive(Debug)]
pub enum Forward<'a> {
    /// The layer itself.
    Value {
        /// A number a channel, padded ones included; none for no bias.
        bias: Option<&'a [f32]>,
        /// Where it is kept which results were not above zero.
        mask: Option<&'a mut Mask>,
    },
    /// Its derivative along `x`: no bias, and the slopes of an earlier pass.
    Tangent {
        /// That pass's signs; none where nothing is activated.
        mask: Option<&'a Mask>,
        /// Which picture of that pass each picture is.
        pictures: &'a [usize],
    },
}

struct Finish<'a, E> {
    bias: *const f32,
    write: *mut u16,
    read: *const u16,
    pictures: &'a [usize],
    gain: f32,
    slope: f32,
    add: *const E,
    y: *mut E,
    /// Number of the picture that `y` begins with.
    base: usize,
    /// Elements of a picture.
    stride: usize,
    channels: usize,
}
// SAFETY: pictures are shared out among threads, and all that is written lies in one picture.
unsafe impl<E> Sync for Finish<'_, E> {}

impl<E: Element> Ending for Finish<'_, E> {
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, picture: usize, pixel: usize, channel: usize, values: *const f32) {
        let at = pixel * self.channels + channel;
        // SAFETY: the caller vouches for the place; pointers that may be null are asked first.
        unsafe {
            let signs = if self.read.is_null() {
                0
            } else {
                u32::from(self.read.add((self.pictures[picture] * self.stride + at) / 16).read())
            };
            let mut bits = 0;
            for lane in (0..16).step_by(S::LANES) {
                let mut v = s.load(values.add(lane));
                if !self.bias.is_null() {
                    v = s.add(v, s.load(self.bias.add(channel + lane)));
                }
                if !self.write.is_null() {
                    bits |= s.not_positive(v) << lane;
                }
                v = s.mul(v, s.splat(self.gain));
                if self.read.is_null() {
                    v = s.max(v, s.mul(v, s.splat(self.slope)));
                } else {
                    v = s.scale_where(signs >> lane, v, SLOPE);
                }
                if !self.add.is_null() {
                    v = s.add(v, E::load(s, self.add.add(picture * self.stride + at + lane)));
                }
                E::store(s, self.y.wrapping_add((picture - self.base) * self.stride + at + lane), v);
            }
            if !self.write.is_null() {
                self.write.add((picture * self.stride + at) / 16).write(bits as u16);
            }
        }
    }
}

struct ForwardTask<'a, 'b, E> {
    x: Source<'a, E>,
    first: usize,
    pictures: usize,
    shape: [usize; 3],
    filter: &'a Filter<E>,
    finish: &'a Finish<'b, E>,
    /// Where means go, where they are taken.
    pooled: Option<*mut E>,
    scratch: &'a mut Scratch,
}

impl<E: Element> Task for ForwardTask<'_, '_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S, core: &Core) {
        let [height, width, c] = self.shape;
        let (f, filter) = (self.finish, self.filter);
        let x = self.x.take(s, self.first..self.first + self.pictures, &mut self.scratch.maps[1]);
        let work = Work { x, picture: self.first, pictures: self.pictures, height, width, filter, ending: f };
        // SAFETY: the pictures lie in the map, which `Conv::forward` has compared with all others; nobody else has them.
        unsafe {
            let Some(to) = self.pooled else { return work.run(s, core, &mut self.scratch.convolution) };
            let whole = self.scratch.maps[0].take::<E>(self.pictures * f.stride);
            let inner = Finish { y: whole, base: self.first, ..*f };
            Work { ending: &inner, ..work }.run(s, core, &mut self.scratch.convolution);
            let small = (height / 2 + 2) * (width / 2 + 2) * c;
            for i in 0..self.pictures {
                pointwise::halve(s, whole.add(i * f.stride), self.shape, to.add((self.first + i) * small));
            }
        }
    }
}

/// What a backward pass needs and where its results go.
#[derive(Debug)]
pub struct Backward<'a, E> {
    /// The pictures that take part, of those of the forward pass.
    pub range: Range<usize>,
    /// What went in.
    pub x: Source<'a, E>,
    /// The gradient at the result.
    pub back: &'a Map<E>,
    /// The signs that the forward pass wrote or read; none where nothing is activated.
    pub mask: Option<&'a Mask>,
    /// For a tangent, which picture of the signs each picture is.
    pub pictures: Option<&'a [usize]>,
    /// Where the gradient at `x` goes, if anybody wants it.
    pub input: Input<'a, E>,
    /// Where the gradient of the weights is added.
    pub weights: Option<WeightGradient<'a>>,
    /// Where the gradient of the bias is added, `[outputs]`, and its gain.
    pub bias: Option<(&'a mut [f32], f32)>,
}

/// Where the gradient at a convolution's input goes.
#[derive(Debug)]
pub enum Input<'a, E> {
    /// Nowhere.
    None,
    /// To a map of the source's shape, or added to what is there; with the transposed filter.
    Map(&'a mut Map<E>, bool, &'a Filter<E>),
    /// To pictures [pictures, 3, height, width], whose windows the source is; the transposed filter is of 3x3.
    Pictures(&'a mut [f32], &'a Filter<E>),
}

struct Before<'a, E> {
    /// What went in, where it is asked for.
    x: Option<Source<'a, E>>,
    back: *const E,
    mask: Option<&'a Mask>,
    pictures: Option<&'a [usize]>,
    gain: f32,
    pooled: bool,
    shape: [usize; 3],
    sums: *mut f32,
}
// SAFETY: maps are only read, and every picture's sums are written by the thread that has the picture.
unsafe impl<E> Sync for Before<'_, E> {}

impl<E: Element> Prepare<E> for Before<'_, E> {
    #[inline(always)]
    unsafe fn prepare<S: Simd>(&self, s: S, pictures: Range<usize>, scratch: &mut Scratch) -> (*const E, *const E) {
        let [h, w, c] = self.shape;
        let stride = (h + 2) * (w + 2) * c;
        let back = if self.pooled { (h / 2 + 2) * (w / 2 + 2) * c } else { stride };
        // Not by `map_or`: a closure is compiled without the instruction set.
        let x = match self.x {
            Some(x) => x.take(s, pictures.clone(), &mut scratch.maps[1]),
            None => std::ptr::null(),
        };
        if self.mask.is_none() && !self.pooled && self.sums.is_null() {
            return (self.back.wrapping_add(pictures.start * back), x);
        }
        let count = pictures.len();
        let to = scratch.maps[0].take::<E>(count * stride + beyond(w, c));
        for (i, picture) in pictures.enumerate() {
            let bits = self.mask.map_or(std::ptr::null(), |mask| {
                let source = self.pictures.map_or(picture, |p| p[picture]);
                mask.bits.as_ptr().wrapping_add(source * mask.stride())
            });
            let sums = if self.sums.is_null() { self.sums } else { self.sums.wrapping_add(picture * c) };
            // SAFETY: the caller vouches for the pictures, the scratch is as large, and signs were compared with it.
            unsafe {
                let from = self.back.add(picture * back);
                let to = to.add(i * stride);
                pointwise::before_activation(s, from, bits, self.gain, self.pooled, self.shape, to, sums);
            }
        }
        (to, x)
    }
}

/// Writes a gradient at a convolution's input, or adds it to what is there, or writes its first three channels as planes.
struct Store<E> {
    y: *mut E,
    stride: usize,
    channels: usize,
    add: bool,
    planes: *mut f32,
    size: [usize; 2],
}
// SAFETY: pictures are shared out among threads, and all that is written lies in one picture.
unsafe impl<E> Sync for Store<E> {}

impl<E: Element> Ending for Store<E> {
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, picture: usize, pixel: usize, channel: usize, values: *const f32) {
        // SAFETY: the caller vouches for the place.
        unsafe {
            if !self.planes.is_null() {
                let [h, w] = self.size;
                let inside = (pixel / (w + 2) - 1) * w + pixel % (w + 2) - 1;
                for k in 0..3 {
                    self.planes.add((picture * 3 + k) * h * w + inside).write(values.add(k).read());
                }
                return;
            }
            let to = self.y.add(picture * self.stride + pixel * self.channels + channel);
            for lane in (0..16).step_by(S::LANES) {
                let mut v = s.load(values.add(lane));
                if self.add {
                    v = s.add(v, E::load(s, to.add(lane)));
                }
                E::store(s, to.add(lane), v);
            }
        }
    }
}

impl Conv {
    /// Convolves every picture of `x`, and adds what `add` says.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn forward<E: Element>(
        &self,
        cpu: &Cpu,
        x: Source<'_, E>,
        filter: &Filter<E>,
        how: Forward<'_>,
        add: Addend<'_, E>,
        y: &mut Map<E>,
    ) {
        let [n, h, w, c] = x.shape();
        let full = [n, h, w, filter.outputs];
        assert_eq!(c, filter.inputs, "the filter is for maps of other channels");
        assert!(filter.suits([h, w]), "the filter is for maps of another size");
        assert_eq!(y.shape(), if self.pooled { [n, h / 2, w / 2, filter.outputs] } else { full }, "the result's shape");
        let add = match add {
            Addend::None => std::ptr::null(),
            Addend::Map(map) => {
                assert!(map.shape() == full && !self.pooled, "only maps of one shape can be summed");
                map.start()
            }
            Addend::Result => {
                assert!(!self.pooled, "only maps of one shape can be summed");
                y.start_mut().cast_const()
            }
        };
        let mut finish = Finish {
            bias: std::ptr::null(),
            write: std::ptr::null_mut(),
            read: std::ptr::null(),
            pictures: &[],
            gain: self.gain.unwrap_or(1.0),
            slope: if self.gain.is_some() { SLOPE } else { 1.0 },
            add,
            y: y.start_mut(),
            base: 0,
            stride: (h + 2) * (w + 2) * filter.outputs,
            channels: filter.outputs,
        };
        match how {
            Forward::Value { bias, mask } => {
                if let Some(bias) = bias {
                    assert_eq!(bias.len(), filter.outputs, "a bias a channel");
                    finish.bias = bias.as_ptr();
                }
                if let Some(mask) = mask {
                    assert_eq!(mask.shape, full, "the signs' shape");
                    finish.write = mask.bits.as_mut_ptr();
                }
            }
            Forward::Tangent { mask, pictures } => {
                finish.slope = 1.0;
                if let Some(mask) = mask {
                    assert_eq!(mask.shape[1..], full[1..], "the signs' shape");
                    assert!(
                        pictures.len() == n && pictures.iter().all(|&i| i < mask.shape[0]),
                        "pictures of the signs"
                    );
                    (finish.read, finish.pictures) = (mask.bits.as_ptr(), pictures);
                }
            }
        }
        let size = chunk(h, w);
        let to = Shared(y.start_mut());
        let (pooled, finish, core) = (self.pooled, &finish, &cpu.core);
        cpu.crew.run(n.div_ceil(size), move |thread, task| {
            let first = task * size;
            let mut scratch = core.scratch(thread);
            compiled(
                core,
                ForwardTask {
                    x,
                    first,
                    pictures: size.min(n - first),
                    shape: [h, w, filter.outputs],
                    filter,
                    finish,
                    pooled: pooled.then(|| to.at(0)),
                    scratch: &mut scratch,
                },
            );
        });
    }

    /// Gradients of a forward pass, or of a tangent's.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn backward<E: Element>(&self, cpu: &Cpu, size: usize, b: Backward<'_, E>) {
        let [n, h, w, inputs] = b.x.shape();
        assert!(matches!(size, 1 | 3) && h > 0 && w > 0, "a filter of {size} on maps of {w} x {h}");
        let outputs = b.back.channels();
        let back = if self.pooled { [n, h / 2, w / 2, outputs] } else { [n, h, w, outputs] };
        assert_eq!(b.back.shape(), back, "the gradient's shape");
        assert!(b.range.end <= n, "pictures that are not there");
        assert_eq!(b.mask.is_some(), self.gain.is_some(), "signs belong to an activation");
        if let Some(mask) = b.mask {
            assert_eq!(mask.shape[1..], [h, w, outputs], "the signs' shape");
            assert!(
                b.pictures.map_or(n <= mask.shape[0], |p| p.len() == n && p.iter().all(|&i| i < mask.shape[0])),
                "pictures of the signs"
            );
        }
        let mut each = vec![0.0; if b.bias.is_some() { n * outputs } else { 0 }];
        let prepare = Before {
            x: b.weights.is_some().then_some(b.x),
            back: b.back.start(),
            mask: b.mask,
            pictures: b.pictures,
            gain: self.gain.unwrap_or(1.0),
            pooled: self.pooled,
            shape: [h, w, outputs],
            sums: if b.bias.is_some() { each.as_mut_ptr() } else { std::ptr::null_mut() },
        };
        let mut store = Store {
            y: std::ptr::null_mut(),
            stride: b.x.stride(),
            channels: inputs,
            add: false,
            planes: std::ptr::null_mut(),
            size: [h, w],
        };
        let filter = match b.input {
            Input::None => None,
            Input::Map(dx, add, filter) => {
                assert_eq!(dx.shape(), b.x.shape(), "the input gradient's shape");
                assert_eq!(
                    (filter.inputs, filter.outputs, filter.size),
                    (outputs, inputs, size),
                    "the transposed filter"
                );
                (store.y, store.add) = (dx.start_mut(), add);
                Some(filter)
            }
            Input::Pictures(planes, filter) => {
                assert_eq!(planes.len(), n * 3 * h * w, "the pictures' number");
                assert_eq!((filter.inputs, filter.outputs, filter.size), (outputs, 16, 3), "the transposed filter");
                store.planes = planes.as_mut_ptr();
                Some(filter)
            }
        };
        assert!(filter.is_none_or(|filter| filter.suits([h, w])), "the transposed filter is for maps of another size");
        Pass {
            range: b.range.clone(),
            chunk: Chunk { pictures: 0, height: h, width: w, inputs, outputs, size },
            prepare: &prepare,
            input: filter.map(|filter| (filter, &store)),
            weights: b.weights,
        }
        .run(cpu);
        if let Some((to, gain)) = b.bias {
            add_up(&each, b.range, outputs, gain, to);
        }
    }
}

/// The gradient at a map of one at its means of 2x2 ([`Source::Halved`]), of pictures `range`; with `add` it is added to what is there.
///
/// # Panics
/// If shapes do not fit.
pub fn halve_backward<E: Element>(cpu: &Cpu, range: Range<usize>, back: &Map<E>, dx: &mut Map<E>, add: bool) {
    let [n, h, w, c] = dx.shape();
    assert_eq!(back.shape(), [n, h / 2, w / 2, c], "the gradient's shape");
    assert!(range.end <= n, "pictures that are not there");
    let task = HalveAdjoint {
        from: back.start(),
        strides: [back.stride(), dx.stride()],
        to: dx.start_mut(),
        shape: [h, w, c],
        add,
    };
    each_picture(cpu, range, &task);
}

#[derive(Clone, Copy)]
struct HalveAdjoint<E> {
    from: *const E,
    strides: [usize; 2],
    to: *mut E,
    shape: [usize; 3],
    add: bool,
}
// SAFETY: pictures are shared out among threads, and all that is written lies in one picture.
unsafe impl<E> Sync for HalveAdjoint<E> {}

impl<E: Element> Picture for HalveAdjoint<E> {
    #[inline(always)]
    fn run<S: Simd>(&self, s: S, picture: usize) {
        let (from, to) =
            (self.from.wrapping_add(picture * self.strides[0]), self.to.wrapping_add(picture * self.strides[1]));
        // SAFETY: the caller has compared the shapes, and nobody else has the picture.
        unsafe { pointwise::halve_adjoint(s, from, self.shape, to, self.add) }
    }
}

/// Something done to one picture.
pub(crate) trait Picture: Sync {
    fn run<S: Simd>(&self, s: S, picture: usize);
}

/// Does it to all of a range, on all threads.
pub(crate) fn each_picture<P: Picture>(cpu: &Cpu, range: Range<usize>, work: &P) {
    struct One<'a, P>(&'a P, Range<usize>);
    impl<P: Picture> Task for One<'_, P> {
        #[inline(always)]
        fn run<S: Simd>(self, s: S, _: &Core) {
            self.1.for_each(|picture| self.0.run(s, picture));
        }
    }
    let start = range.start;
    let core = &cpu.core;
    cpu.crew.in_parts(range.len(), |part| compiled(core, One(work, start + part.start..start + part.end)));
}
