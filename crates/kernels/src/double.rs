//! Runs a doubling convolution: the transposed convolution of some rows of tiles, then at once the filter behind it, while
//! their lines are in a cache.

use crate::activation::{Activation, Block, Shape, Shared, Target};
use crate::conv::{Job, KEPT_WEIGHTS, LARGE_SET, Memory, WORKING_SET, run_length, space};
use crate::crew::Crew;
use crate::scheme::{Backwards, Layout, Output, Scheme, Tiles};
use crate::smooth::Smooth;
use crate::transposed::LINES_ABOVE;

/// A run of tiles: some whole pictures, or some rows of tiles of one.
#[derive(Clone, Copy)]
struct Run {
    tiles: Tiles,
    /// Its first picture, and how many.
    picture: usize,
    pictures: usize,
    /// Its first row of tiles, and how many of each picture.
    row: usize,
    rows: usize,
}

impl Job<'_> {
    /// Convolves and filters from `self.x` to `y`, which has its shape. The strip holds, for each picture of a run, the last
    /// [`LINES_ABOVE`] lines of the run before, its own lines, and one line of zeros.
    pub(crate) fn double<X: Scheme>(&self, crew: &Crew, memory: &mut Memory, strip: &mut Activation, y: Target<'_>) {
        let (shape, blocks, panels) = (self.x.shape(), self.x.shape().blocks(), self.conv.panels());
        let all = Tiles::all(shape, X::TILE);
        let kept = self.conv.bytes() <= KEPT_WEIGHTS;
        let alone = crew.threads() == 1 && kept;
        let columns = if alone { 2 } else { 2 * panels };
        let set = if kept { WORKING_SET * crew.threads() } else { LARGE_SET };
        let most = run_length::<X>(all.count, blocks, columns, set, 1);
        let (pictures, rows) = ((most / (all.across * all.down)).max(1), most.div_ceil(all.across).min(all.down));
        let (height, width) = (LINES_ABOVE + 2 * X::TILE * rows + 2, 2 * shape.width + 1);
        strip.reshape(Shape { pictures: pictures.min(shape.pictures), channels: y.shape.channels, height, width });
        strip.zero_border();
        let longest = Layout::new::<X>(blocks, pictures.min(shape.pictures) * rows * all.across, 2);
        let factors = Shared::new(space(&mut memory.factors, longest.factors));
        let products = space(&mut memory.products, longest.products * if alone { 1 } else { panels });
        for picture in (0..shape.pictures).step_by(pictures) {
            let pictures = pictures.min(shape.pictures - picture);
            strip.reshape(Shape { pictures, ..strip.shape() });
            for row in (0..all.down).step_by(rows) {
                let rows_here = rows.min(all.down - row);
                let (first, count) = ((picture * all.down + row) * all.across, pictures * rows_here * all.across);
                let tiles = Tiles { first, count, ..all };
                let run = Run { tiles, picture, pictures, row, rows: rows_here };
                carry::<X>(strip, row > 0, rows);
                if alone {
                    self.double_alone::<X>(crew, run, factors, products, strip, y);
                } else {
                    self.double_together::<X>(crew, run, factors, Shared::new(products), strip, y);
                }
            }
        }
    }

    /// Panel by panel, so that a panel's lines are filtered while they are in the second-level cache.
    fn double_alone<X: Scheme>(
        &self,
        crew: &Crew,
        run: Run,
        factors: Shared<'_>,
        products: &mut [Block],
        strip: &mut Activation,
        y: Target<'_>,
    ) {
        let (isa, blocks, tiles) = (crew.isa(), self.x.shape().blocks(), run.tiles);
        isa.run(self.input::<X>(tiles, 0..blocks, factors));
        for panel in 0..self.conv.panels() {
            let (block, columns) = self.conv.panel(panel);
            let layout = Layout::new::<X>(blocks, tiles.count, columns);
            // SAFETY: there is but this thread, and the factors are complete.
            let factors = unsafe { factors.read(0..layout.factors) };
            for group in &layout.groups {
                let sums = &mut products[group.products..][..group.positions * group.product];
                isa.run(self.product::<X>(panel, &layout, group.first, group.positions, factors, sums));
            }
            for odd in [false, true] {
                for part in run.rows_of_tiles(odd) {
                    let (sums, epilogue, y) = (&*products, *self.epilogue, strip.target());
                    isa.run(Backwards::<X>::new(Output { sums, tiles, part, layout, block, epilogue, y, adds: false }));
                }
            }
            run.finish::<X>(strip, y.shape.height);
            let (rows, line) = run.results::<X>(y.shape.height);
            let (blocks, picture, epilogue) = (block..block + columns, run.picture, self.epilogue);
            isa.run(Smooth { strip, line, rows, blocks, picture, epilogue, y });
        }
    }

    /// Phase by phase, all threads at each.
    fn double_together<X: Scheme>(
        &self,
        crew: &Crew,
        run: Run,
        factors: Shared<'_>,
        products: Shared<'_>,
        strip: &mut Activation,
        y: Target<'_>,
    ) {
        let (isa, blocks, tiles, panels) = (crew.isa(), self.x.shape().blocks(), run.tiles, self.conv.panels());
        let length = products.len() / panels;
        crew.run(blocks, |_, block| isa.run(self.input::<X>(tiles, block..block + 1, factors)));
        self.products::<X>(crew, tiles, factors, products, length);
        for odd in [false, true] {
            let target = strip.target();
            let count = run.rows_of_tiles(odd).count();
            crew.run(panels * count, |_, task| {
                let panel = task / count;
                let (block, columns) = self.conv.panel(panel);
                let layout = Layout::new::<X>(blocks, tiles.count, columns);
                // SAFETY: the products are only read in this phase.
                let sums = unsafe { products.read(panel * length..(panel + 1) * length) };
                let (epilogue, y) = (*self.epilogue, target);
                for part in run.rows_of_tiles(odd).skip(task % count).take(1) {
                    isa.run(Backwards::<X>::new(Output { sums, tiles, part, layout, block, epilogue, y, adds: false }));
                }
            });
        }
        run.finish::<X>(strip, y.shape.height);
        let (rows, line) = run.results::<X>(y.shape.height);
        let (strip, picture, epilogue) = (&*strip, run.picture, self.epilogue);
        let blocks = y.shape.blocks();
        let parts = (4 * crew.threads()).div_ceil(blocks).min(rows.len());
        crew.run(blocks * parts, |_, task| {
            let (block, part) = (task / parts, task % parts);
            let (start, end) = (part * rows.len() / parts, (part + 1) * rows.len() / parts);
            let (blocks, line) = (block..block + 1, line + start);
            isa.run(Smooth { strip, line, rows: rows.start + start..rows.start + end, blocks, picture, epilogue, y });
        });
    }
}

impl Run {
    /// The even or the odd rows of tiles of every picture, as parts of the run.
    fn rows_of_tiles(&self, odd: bool) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (rows, across) = (self.rows, self.tiles.across);
        let all = (0..self.pictures * rows).filter(move |row| (row % rows) % 2 == usize::from(odd));
        all.map(move |row| row * across..(row + 1) * across)
    }

    /// Which rows of the result can be made now, and the strip's line that the first of them starts from: all that need no
    /// line of the next run. `height` is that of the result.
    fn results<X: Scheme>(&self, height: usize) -> (std::ops::Range<usize>, usize) {
        // The strip's first line is line `2 TILE row - 3`, and row j of the result takes from line j - 1 on.
        let (above, below) = (2 * X::TILE * self.row, 2 * X::TILE * (self.row + self.rows));
        let start = above.saturating_sub(2);
        let end = if below >= height { height } else { below - 2 };
        (start..end, start + LINES_ABOVE - 1 - above)
    }

    /// After a picture's last line, line `2 H`, there are zeros.
    fn finish<X: Scheme>(&self, strip: &mut Activation, height: usize) {
        if 2 * X::TILE * (self.row + self.rows) >= height {
            strip.zero_line(LINES_ABOVE + height + 1 - 2 * X::TILE * self.row);
        }
    }
}

/// Prepares a strip for a run: its first lines become the last ones of the run before, which had `rows` rows of tiles, or
/// zeros.
fn carry<X: Scheme>(strip: &mut Activation, goes_on: bool, rows: usize) {
    for line in 0..=LINES_ABOVE {
        if goes_on {
            strip.copy_line(2 * X::TILE * rows + line, line);
        } else {
            strip.zero_line(line);
        }
    }
}
