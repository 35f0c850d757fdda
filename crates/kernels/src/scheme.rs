//! What the ways to compute a convolution have in common: tiles of the input are transformed, multiplied position by
//! position with transformed weights, and the products transformed back.

use std::marker::PhantomData;
use std::ops::Range;

use crate::activation::{Activation, Block, Shape, Shared, Target};
use crate::epilogue::Epilogue;
use crate::simd::{Kernel, Simd};

/// One way to compute a convolution.
pub(crate) trait Scheme {
    /// Side of the square of input pixels that a tile stands for.
    const TILE: usize;
    /// Taps that belong to the inner dimension of the products: 9 for the plain sum, else 1.
    const TAPS: usize;
    /// The products: (how many matrices of weights, how many rows of each belong to a tile).
    const GROUPS: [(usize, usize); 3];
    /// The transformed weights of one 3x3 kernel, in the order of the groups; for the plain sum its nine taps.
    fn weights(kernel: &[f32; 9], out: &mut [f32]);
    /// Transforms some channels of a run of tiles.
    fn input<S: Simd>(s: S, job: &Input<'_>);
    /// Transforms products back and writes what becomes of them.
    fn output<S: Simd>(s: S, job: &Output<'_>);

    /// Matrices of weights.
    fn positions() -> usize {
        Self::GROUPS.iter().map(|(positions, _)| positions).sum()
    }

    /// Rows of all products that belong to a tile.
    fn rows() -> usize {
        Self::GROUPS.iter().map(|(positions, rows)| positions * rows).sum()
    }
}

/// Where the factors and the products of a run of tiles lie. All lengths count blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) groups: [Group; 3],
    /// Blocks of channels of the input.
    pub(crate) chunks: usize,
    /// Tiles of the run.
    pub(crate) count: usize,
    /// Blocks of output channels.
    pub(crate) columns: usize,
    /// Length of the factors.
    pub(crate) factors: usize,
    /// Length of the products.
    pub(crate) products: usize,
}

/// Products of equal size: the factors lie as [position][tap][chunk][row][16], the results as [position][row][columns][16].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    pub(crate) positions: usize,
    /// Rows of a product.
    pub(crate) rows: usize,
    /// The first position's matrix of weights.
    pub(crate) first: usize,
    /// Where the factors start.
    pub(crate) factors: usize,
    /// From one position's factors to the next's.
    pub(crate) factor: usize,
    /// Where the results start.
    pub(crate) products: usize,
    /// From one position's results to the next's.
    pub(crate) product: usize,
}

impl Layout {
    pub(crate) fn new<X: Scheme>(chunks: usize, count: usize, columns: usize) -> Self {
        let mut layout = Layout { groups: Default::default(), chunks, count, columns, factors: 0, products: 0 };
        let mut first = 0;
        for (group, (positions, rows)) in layout.groups.iter_mut().zip(X::GROUPS) {
            let rows = rows * count;
            // One block between positions, so that they do not all fall into the same set of the cache.
            let (factor, product) = (X::TAPS * chunks * rows + 1, rows * columns + 1);
            *group =
                Group { positions, rows, first, factors: layout.factors, factor, products: layout.products, product };
            layout.factors += positions * factor;
            layout.products += positions * product;
            first += positions;
        }
        layout
    }

    /// The group of a position, counted over all groups, and its number within it.
    pub(crate) fn of_position(&self, position: usize) -> (Group, usize) {
        let group = self.groups.iter().rfind(|group| group.first <= position).expect("the first group starts at 0");
        (*group, position - group.first)
    }
}

/// A run of tiles, counted over the rows of tiles of one picture after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    /// The first tile.
    pub(crate) first: usize,
    /// How many.
    pub(crate) count: usize,
    /// Tiles in a row of a picture.
    pub(crate) across: usize,
    /// Rows of tiles of a picture.
    pub(crate) down: usize,
}

impl Tiles {
    /// All tiles of pictures of a shape.
    pub(crate) fn all(shape: Shape, side: usize) -> Self {
        let (across, down) = (shape.width.div_ceil(side), shape.height.div_ceil(side));
        Tiles { first: 0, count: shape.pictures * down * across, across, down }
    }

    /// Picture, row and column of tile `index` of the run.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize) -> (usize, usize, usize) {
        let tile = self.first + index;
        (tile / self.across / self.down, tile / self.across % self.down, tile % self.across)
    }

    /// The tiles of a part of the run with the picture, row and column of each. They are counted: three divisions for each
    /// took about a tenth of its transform's time on a Skylake.
    #[inline(always)]
    pub(crate) fn places(&self, part: Range<usize>) -> Places {
        let next = if part.is_empty() { (0, 0, 0) } else { self.at(part.start) };
        Places { part, next, across: self.across, down: self.down }
    }

    /// Cuts a part of the run where pictures end: calls with (picture, tiles of the run).
    #[inline(always)]
    pub(crate) fn by_picture(&self, part: Range<usize>, mut each: impl FnMut(usize, Range<usize>)) {
        let area = self.across * self.down;
        let mut start = part.start;
        while start < part.end {
            let picture = (self.first + start) / area;
            let end = part.end.min((picture + 1) * area - self.first);
            each(picture, start..end);
            start = end;
        }
    }

    /// Panics if there are more pictures here than in `shape`, or more rows and columns than tiles of `side` cover.
    pub(crate) fn check(&self, shape: Shape, side: usize) {
        assert!(self.across == shape.width.div_ceil(side) && self.down == shape.height.div_ceil(side));
        assert!(self.count > 0 && self.first + self.count <= shape.pictures * self.across * self.down);
    }
}

/// See [`Tiles::places`].
pub(crate) struct Places {
    part: Range<usize>,
    next: (usize, usize, usize),
    across: usize,
    down: usize,
}

impl Iterator for Places {
    type Item = (usize, (usize, usize, usize));

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let tile = self.part.start;
        if tile >= self.part.end {
            return None;
        }
        let place @ (mut picture, mut row, mut column) = self.next;
        column += 1;
        if column == self.across {
            (row, column) = (row + 1, 0);
            if row == self.down {
                (picture, row) = (picture + 1, 0);
            }
        }
        self.next = (picture, row, column);
        self.part.start += 1;
        Some((tile, place))
    }
}

/// The first half of a scheme: from the picture to the factors of the products.
pub(crate) struct Input<'a> {
    /// With zeros in its border.
    pub(crate) x: &'a Activation,
    /// For every picture a factor for every channel, rounded up to whole blocks.
    pub(crate) style: &'a [f32],
    pub(crate) tiles: Tiles,
    /// Blocks of channels to do.
    pub(crate) blocks: Range<usize>,
    pub(crate) layout: Layout,
    pub(crate) out: Shared<'a>,
}

impl Input<'_> {
    /// Panics unless everything that a scheme with tiles of `side` reads and writes is there.
    pub(crate) fn check(&self, side: usize) {
        let shape = self.x.shape();
        self.tiles.check(shape, side);
        assert!(self.blocks.end <= shape.blocks() && self.layout.chunks == shape.blocks());
        assert!(self.style.len() >= shape.planes() * 16 && self.x.data().len() >= shape.size());
        assert!(self.layout.count == self.tiles.count && self.out.len() >= self.layout.factors);
    }
}

/// The second half of a scheme: from the products to the picture.
pub(crate) struct Output<'a> {
    pub(crate) sums: &'a [Block],
    /// Where the run lies in the result.
    pub(crate) tiles: Tiles,
    /// Which tiles of the run to do.
    pub(crate) part: Range<usize>,
    pub(crate) layout: Layout,
    /// First block of output channels.
    pub(crate) block: usize,
    pub(crate) epilogue: Epilogue<'a>,
    pub(crate) y: Target<'a>,
    /// Whether the results are added to what is there.
    pub(crate) adds: bool,
}

impl Output<'_> {
    /// Panics unless everything that a scheme reads and writes is there.
    pub(crate) fn check(&self) {
        let Output { sums, tiles, part, layout, block, y, .. } = self;
        assert!(part.start <= part.end && part.end <= tiles.count && layout.count == tiles.count);
        assert!(block + layout.columns <= y.shape.blocks() && y.data.len() >= y.shape.size());
        assert!(sums.len() >= layout.products);
    }
}

/// [`Scheme::input`] as a kernel.
pub(crate) struct Forwards<'a, X>(Input<'a>, PhantomData<X>);

impl<'a, X> Forwards<'a, X> {
    pub(crate) fn new(job: Input<'a>) -> Self {
        Forwards(job, PhantomData)
    }
}

impl<X: Scheme> Kernel for Forwards<'_, X> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        X::input(s, &self.0);
    }
}

/// [`Scheme::output`] as a kernel.
pub(crate) struct Backwards<'a, X>(Output<'a>, PhantomData<X>);

impl<'a, X> Backwards<'a, X> {
    pub(crate) fn new(job: Output<'a>) -> Self {
        Backwards(job, PhantomData)
    }
}

impl<X: Scheme> Kernel for Backwards<'_, X> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        X::output(s, &self.0);
    }
}
