//! The 3x3 convolution: weights packed once, then run for any pictures and styles.

use std::ops::Range;

use crate::activation::{Activation, Block, Shape, Shared, Target};
use crate::crew::Crew;
use crate::direct::Direct;
use crate::epilogue::Epilogue;
use crate::gemm::Gemm;
use crate::pack::pack;
use crate::scheme::{Backwards, Forwards, Input, Layout, Output, Scheme, Tiles};
use crate::transposed::{Spread1, Spread2, Spread4};
use crate::winograd::{F2, F4};

/// How the sums of a convolution are computed. All give the same result up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The plain sum; up to about 4x4 pixels.
    Direct,
    /// Tiles of 2x2, 2.25 times fewer products (1.44 times for a doubling convolution); about 8x8 pixels, where reading
    /// the weights of `F4` would cost more than it saves.
    F2,
    /// Tiles of 4x4, 4 times fewer products (1.78 times for a doubling convolution); larger pictures.
    F4,
}

impl Method {
    /// The fastest for a picture of this size, as measured with AVX-512 and 128 to 256 channels: at 8x8 pixels F(2x2)
    /// takes 0.7 of F(4x4)'s time, at 12x12 F(4x4) takes 0.6 of F(2x2)'s. At 4x4 the plain sum is slower than F(2x2)
    /// alone but not within a network, where its weights, half the size, leave the caches to the other layers.
    pub fn for_size(height: usize, width: usize) -> Method {
        match height * width {
            0..=32 => Method::Direct,
            33..=100 => Method::F2,
            _ => Method::F4,
        }
    }
}

/// A 3x3 convolution with zeros outside the picture, its weights packed for one [`Method`].
///
/// Computes `y_o = sum_i W_oi * (style_i x_i)` followed by an [`Epilogue`]. As the style scales the input, one set of
/// weights serves all pictures; demodulation is the epilogue's scale.
#[derive(Clone, Debug)]
pub struct Conv3x3 {
    /// Channels of the input.
    pub(crate) input: usize,
    /// Channels of the result.
    pub(crate) output: usize,
    method: Method,
    /// Whether the result is twice as large as the input.
    pub(crate) doubles: bool,
    /// Panels of up to 32 output channels, each [position][tap, if direct][input channel][panel's blocks][16].
    weights: Vec<Block>,
}

/// Memory for the intermediate results of a convolution. Grows to the largest need and stays.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(crate) memory: Memory,
    /// What a convolution gives to what follows it at once: some lines of it.
    pub(crate) strip: Activation,
}

/// Factors and products of all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) factors: Vec<Block>,
    pub(crate) products: Vec<Block>,
}

/// Bytes of factors and products a thread works on at once, chosen to leave room for weights in a second-level cache.
pub(crate) const WORKING_SET: usize = 512 << 10;
/// The same where all threads work on one run, or weights are too large to be read for every small one: in a third-level
/// cache.
pub(crate) const LARGE_SET: usize = 12 << 20;
/// Bytes of weights that a third-level cache keeps from run to run.
pub(crate) const KEPT_WEIGHTS: usize = 24 << 20;
/// Parts that a phase is cut into for every thread, so that one that comes late costs little.
const PARTS: usize = 16;
/// Rows that keep the registers of the largest tile of products busy.
const FEW_ROWS: usize = 12;

impl Conv3x3 {
    /// Packs `weight` [output, input, 3, 3].
    ///
    /// # Panics
    /// If `weight` is not `9 * output * input` long, or that is zero.
    pub fn new(weight: &[f32], output: usize, input: usize, method: Method) -> Self {
        let weights = match method {
            Method::Direct => pack::<Direct>(weight, output, input),
            Method::F2 => pack::<F2>(weight, output, input),
            Method::F4 => pack::<F4>(weight, output, input),
        };
        Conv3x3 { input, output, method, doubles: false, weights }
    }

    /// Packs `weight` [output, input, 3, 3] for `StyleGAN2`'s doubling convolution: transposed with stride 2 (no
    /// padding), then the filter [1, 3, 3, 1] x [1, 3, 3, 1] / 16 with one zero outside.
    ///
    /// # Panics
    /// If `weight` is not `9 * output * input` long, or that is zero.
    pub fn doubling(weight: &[f32], output: usize, input: usize, method: Method) -> Self {
        let weights = match method {
            Method::Direct => pack::<Spread1>(weight, output, input),
            Method::F2 => pack::<Spread2>(weight, output, input),
            Method::F4 => pack::<Spread4>(weight, output, input),
        };
        Conv3x3 { input, output, method, doubles: true, weights }
    }

    /// Panels of up to 32 output channels.
    pub(crate) fn panels(&self) -> usize {
        self.output.div_ceil(32)
    }

    /// A panel's first block of output channels, and how many it has.
    pub(crate) fn panel(&self, panel: usize) -> (usize, usize) {
        (2 * panel, (self.output.div_ceil(16) - 2 * panel).min(2))
    }

    /// The method its weights are packed for.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Bytes of packed weights.
    pub fn bytes(&self) -> usize {
        size_of_val(self.weights.as_slice())
    }

    /// Convolves pictures.
    ///
    /// `style` holds for every picture a factor for every input channel, rounded up to whole blocks of 16. `x` is read
    /// with zeros outside; its border is set by this. `y` is given its shape; its border is unspecified afterwards.
    ///
    /// # Panics
    /// If `x` has another number of channels or no pixels, or `style` or the epilogue are too short.
    pub fn run(
        &self,
        crew: &Crew,
        x: &mut Activation,
        style: &[f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut Scratch,
        y: &mut Activation,
    ) {
        assert_eq!(x.shape().channels, self.input, "the convolution's input channels");
        x.zero_border();
        let Shape { height, width, .. } = x.shape();
        let Scratch { memory, strip } = scratch;
        let result = Shape { channels: self.output, ..x.shape() };
        let job = Job { conv: self, x, style, epilogue };
        if self.doubles {
            y.reshape(Shape { height: 2 * height, width: 2 * width, ..result });
            match self.method {
                Method::Direct => job.double::<Spread1>(crew, memory, strip, y.target()),
                Method::F2 => job.double::<Spread2>(crew, memory, strip, y.target()),
                Method::F4 => job.double::<Spread4>(crew, memory, strip, y.target()),
            }
        } else {
            y.reshape(result);
            match self.method {
                Method::Direct => job.run::<Direct>(crew, memory, y.target()),
                Method::F2 => job.run::<F2>(crew, memory, y.target()),
                Method::F4 => job.run::<F4>(crew, memory, y.target()),
            }
        }
    }
}

/// One call of [`Conv3x3::run`].
pub(crate) struct Job<'a> {
    pub(crate) conv: &'a Conv3x3,
    pub(crate) x: &'a Activation,
    pub(crate) style: &'a [f32],
    pub(crate) epilogue: &'a Epilogue<'a>,
}

/// Where the results of some tiles go.
#[derive(Clone, Copy)]
pub(crate) struct Results<'a> {
    /// Their tiles.
    pub(crate) tiles: Tiles,
    pub(crate) y: Target<'a>,
    /// Whether they are added to what is there.
    pub(crate) adds: bool,
}

impl Results<'_> {
    /// `count` of the tiles from `first` on.
    fn part(self, first: usize, count: usize) -> Self {
        Results { tiles: Tiles { first: self.tiles.first + first, count, ..self.tiles }, ..self }
    }
}

/// How the tiles are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Every thread takes runs of tiles from beginning to end; each run reads all weights.
    Runs,
    /// One run after the other, all threads at each of its phases: factors, products, results.
    Phases,
}

impl Job<'_> {
    fn run<X: Scheme>(&self, crew: &Crew, memory: &mut Memory, y: Target<'_>) {
        let tiles = Tiles::all(self.x.shape(), X::TILE);
        self.run_part::<X>(crew, memory, tiles, Results { tiles, y, adds: false });
    }

    /// Convolves some tiles of the input.
    pub(crate) fn run_part<X: Scheme>(&self, crew: &Crew, memory: &mut Memory, tiles: Tiles, into: Results<'_>) {
        assert_eq!(tiles.count, into.tiles.count, "tiles of the input and of the result");
        match self.plan::<X>(crew, tiles) {
            (Order::Runs, count) => self.runs::<X>(crew, memory, tiles, count, into),
            (Order::Phases, count) => self.phases::<X>(crew, memory, tiles, count, into),
        }
    }

    /// The order and the tiles of a run.
    fn plan<X: Scheme>(&self, crew: &Crew, tiles: Tiles) -> (Order, usize) {
        let (threads, chunks) = (crew.threads(), self.x.shape().blocks());
        let small = run_length::<X>(tiles.count, chunks, 2, WORKING_SET, threads);
        let read_again = tiles.count > small && self.conv.bytes() > KEPT_WEIGHTS;
        if (threads == 1 || small >= FEW_ROWS) && !read_again {
            (Order::Runs, small)
        } else {
            (Order::Phases, run_length::<X>(tiles.count, chunks, self.conv.output.div_ceil(16), LARGE_SET, 1))
        }
    }

    fn runs<X: Scheme>(&self, crew: &Crew, memory: &mut Memory, tiles: Tiles, count: usize, into: Results<'_>) {
        let (isa, threads, blocks) = (crew.isa(), crew.threads(), self.x.shape().blocks());
        let longest = Layout::new::<X>(blocks, count, 2);
        let factors = Shared::new(space(&mut memory.factors, threads * longest.factors));
        let products = Shared::new(space(&mut memory.products, threads * longest.products));
        crew.run(tiles.count.div_ceil(count), |thread, run| {
            let first = run * count;
            let tiles = Tiles { first: tiles.first + first, count: count.min(tiles.count - first), ..tiles };
            // SAFETY: no other call has this thread's number while this one runs.
            let (factors, products) = unsafe {
                let of = |length: usize| thread * length..(thread + 1) * length;
                (factors.part(of(longest.factors)), products.part(of(longest.products)))
            };
            isa.run(self.input::<X>(tiles, 0..blocks, Shared::new(factors)));
            for panel in 0..self.conv.panels() {
                let (block, columns) = self.conv.panel(panel);
                let layout = Layout::new::<X>(blocks, tiles.count, columns);
                for position in layout.groups.iter().filter(|group| group.positions > 0) {
                    let sums = &mut products[position.products..][..position.positions * position.product];
                    isa.run(self.product::<X>(panel, &layout, position.first, position.positions, factors, sums));
                }
                isa.run(Backwards::<X>::new(self.output(
                    products,
                    into.part(first, tiles.count),
                    0..tiles.count,
                    layout,
                    block,
                )));
            }
        });
    }

    fn phases<X: Scheme>(&self, crew: &Crew, memory: &mut Memory, tiles: Tiles, count: usize, into: Results<'_>) {
        let (isa, blocks, panels) = (crew.isa(), self.x.shape().blocks(), self.conv.panels());
        let longest = Layout::new::<X>(blocks, count, 2);
        let factors = Shared::new(space(&mut memory.factors, longest.factors));
        let products = Shared::new(space(&mut memory.products, panels * longest.products));
        let all = tiles.count;
        for first in (0..all).step_by(count) {
            let count = count.min(all - first);
            let (tiles, into) = (Tiles { first: tiles.first + first, count, ..tiles }, into.part(first, count));
            crew.run(blocks, |_, block| isa.run(self.input::<X>(tiles, block..block + 1, factors)));
            let of_panel = |panel: usize| panel * longest.products..(panel + 1) * longest.products;
            self.products::<X>(crew, tiles, factors, products, longest.products);
            let unit = tiles.count.div_ceil(2 * crew.threads());
            let parts = tiles.count.div_ceil(unit);
            crew.run(panels * parts, |_, task| {
                let (panel, part) = (task / parts, task % parts);
                let (block, columns) = self.conv.panel(panel);
                let layout = Layout::new::<X>(blocks, tiles.count, columns);
                // SAFETY: the products are only read in this phase.
                let sums = unsafe { products.read(of_panel(panel)) };
                let part = part * unit..tiles.count.min((part + 1) * unit);
                isa.run(Backwards::<X>::new(self.output(sums, into, part, layout, block)));
            });
        }
    }

    fn output<'b>(
        &'b self,
        sums: &'b [Block],
        into: Results<'b>,
        part: Range<usize>,
        layout: Layout,
        block: usize,
    ) -> Output<'b> {
        let Results { tiles, y, adds } = into;
        Output { sums, tiles, part, layout, block, epilogue: *self.epilogue, y, adds }
    }

    pub(crate) fn input<'b, X: Scheme>(
        &'b self,
        tiles: Tiles,
        blocks: Range<usize>,
        out: Shared<'b>,
    ) -> Forwards<'b, X> {
        let Job { x, style, .. } = *self;
        let layout = Layout::new::<X>(x.shape().blocks(), tiles.count, 1);
        Forwards::new(Input { x, style, tiles, blocks, layout, out })
    }

    /// All products of a run, shared out: each panel's `length` blocks after the panel's before.
    pub(crate) fn products<X: Scheme>(
        &self,
        crew: &Crew,
        tiles: Tiles,
        factors: Shared<'_>,
        products: Shared<'_>,
        length: usize,
    ) {
        let (isa, positions) = (crew.isa(), X::positions());
        // Some positions of a panel after each other, as their weights follow each other in memory; the last positions have
        // the most rows, so they come first.
        let all = self.conv.panels() * positions;
        let part = (all / (PARTS * crew.threads())).max(1);
        crew.run(all.div_ceil(part), |_, task| {
            for index in task * part..all.min((task + 1) * part) {
                let (panel, position) = (index / positions, positions - 1 - index % positions);
                let layout = Layout::new::<X>(self.x.shape().blocks(), tiles.count, self.conv.panel(panel).1);
                let (group, within) = layout.of_position(position);
                let start = panel * length + group.products + within * group.product;
                // SAFETY: the factors are only read in this phase, and each index has the results of one position.
                let (factors, sums) =
                    unsafe { (factors.read(0..layout.factors), products.part(start..start + group.product)) };
                isa.run(self.product::<X>(panel, &layout, position, 1, factors, sums));
            }
        });
    }

    /// The products of some positions of one group and panel.
    pub(crate) fn product<'b, X: Scheme>(
        &'b self,
        panel: usize,
        layout: &Layout,
        position: usize,
        positions: usize,
        factors: &'b [Block],
        sums: &'b mut [Block],
    ) -> Gemm<'b> {
        let (group, within) = layout.of_position(position);
        let (chunks, columns) = (X::TAPS * layout.chunks, layout.columns);
        // All panels before this one are two blocks wide.
        let matrices = panel * 2 * X::positions() + position * columns;
        let end = matrices + positions * columns;
        Gemm {
            positions,
            rows: group.rows,
            chunks,
            columns,
            a: &factors[group.factors + within * group.factor..],
            a_chunk: group.rows,
            a_position: group.factor,
            b: &self.conv.weights[matrices * chunks * 16..end * chunks * 16],
            c: sums,
            c_position: group.product,
        }
    }
}

/// The first `blocks` blocks of a memory that grows if it must.
pub(crate) fn space(memory: &mut Vec<Block>, blocks: usize) -> &mut [Block] {
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    &mut memory[..blocks]
}

/// How many of `tiles` tiles to work on at once, so that factors of `chunks` and products of `columns` blocks fill about
/// `memory` bytes: parts of nearly equal size, a multiple of `multiple` of them.
pub(crate) fn run_length<X: Scheme>(
    tiles: usize,
    chunks: usize,
    columns: usize,
    memory: usize,
    multiple: usize,
) -> usize {
    let most = (memory / (X::rows() * (X::TAPS * chunks + columns) * size_of::<Block>())).max(FEW_ROWS);
    let each = tiles.div_ceil(tiles.div_ceil(most).next_multiple_of(multiple));
    // Whole register tiles: with heights that change, products of 16 channels took 1.3 times as long.
    if each > FEW_ROWS { each.next_multiple_of(FEW_ROWS).min(tiles) } else { each }
}
