//! Cascades of boosted stages, looked for at every place and size: Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple
//! Features", 2001; with LBP features, Liao et al., "Learning Multi-scale Block Local Binary Patterns for Face Recognition", 2007. Sizes, steps, rounding
//! and grouping are those of OpenCV's `detectMultiScale` with a `scaleFactor` of 1.1, so that the same windows are found.

mod grey;
mod group;
mod read;

use dataset::Decoded;

use crate::Found;
use crate::cascade::grey::{Grey, Sums};
use crate::cascade::group::{Window, grouped};

/// How much larger each size is than the one before.
const FACTOR: f64 = 1.1;
/// Larger pictures are reduced to so many pixels of their longer side: time grows with pixels, and who is smaller than a window of 24 pixels then is no
/// picture's subject.
const LONGEST: usize = 1024;
/// Windows that are looked at closer. A cascade that takes more for faces takes anything, and comparing them takes the square of it.
const WINDOWS: usize = 10_000;

/// A cascade.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cascade {
    /// Pixels of a window.
    width: usize,
    height: usize,
    stages: Vec<Stage>,
    nodes: Vec<Node>,
    leaves: Vec<f32>,
    features: Features,
}

/// A window passes if its trees' leaves sum up to the threshold.
#[derive(Clone, Debug, PartialEq)]
struct Stage {
    threshold: f32,
    trees: Vec<Tree>,
}

/// Where a tree's nodes and leaves begin.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tree {
    node: usize,
    leaf: usize,
}

/// A question about a feature. An answer from 1 on is the tree's node of that number, one from 0 down its leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    feature: usize,
    ask: Ask,
    yes: i32,
    no: i32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    /// Whether the value is below.
    Below(f32),
    /// Whether the value, 0 to 255, is one of these.
    Among([u32; 8]),
}

/// A rectangle in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Features {
    /// The upper left of three by three cells of one size: which of the eight around are no darker than the one in the middle.
    Lbp(Vec<Part>),
    /// Rectangles and their weights; the third may be missing.
    Haar(Vec<[(Part, f32); 3]>),
}

impl Cascade {
    /// Reads OpenCV's XML; the error is a reason to show.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        read::cascade(text)
    }

    /// Faces on which at least so many windows agree.
    pub(crate) fn detect(&self, picture: &Decoded, least: f64) -> Vec<Found> {
        let (width, height) = picture.pixels();
        let longer = width.max(height);
        let grey = if longer > LONGEST {
            let side = |pixels: usize| (pixels * LONGEST / longer).max(1);
            let (width, height) = (side(width), side(height));
            Grey::of_rgb(&picture.scaled(width, height), width)
        } else {
            Grey::of_rgb(picture.rgb(), width)
        };
        let (x, y) = (picture.width as f32 / grey.width as f32, picture.height as f32 / grey.height as f32);
        let within = |edge: i32, most: usize| edge.clamp(0, most as i32) as f32;
        let found = |(window, count): (Window, usize)| {
            let Window { x: left, y: top, width, height } = window;
            let edges = [
                within(left, grey.width) * x,
                within(top, grey.height) * y,
                within(left + width, grey.width) * x,
                within(top + height, grey.height) * y,
            ];
            Found { edges, score: count as f32 }
        };
        let groups = grouped(&self.windows(&grey.equalised()), least.ceil().max(1.0) as usize);
        groups.into_iter().map(found).filter(|found| found.area() > 0.0).collect()
    }

    /// All windows that pass.
    fn windows(&self, grey: &Grey) -> Vec<Window> {
        let mut windows = Vec::new();
        let mut factor = 1.0;
        loop {
            // OpenCV decides by the exact factor, and works with the rounded one.
            let side = |pixels: usize| (pixels as f64 * factor).round_ties_even() as usize;
            if side(self.width) > grey.width || side(self.height) > grey.height {
                return windows;
            }
            self.at_scale(grey, factor as f32, &mut windows);
            if windows.len() >= WINDOWS {
                return windows;
            }
            factor *= FACTOR;
        }
    }

    /// Windows of one size: the picture becomes smaller, and the window stays as it is.
    fn at_scale(&self, grey: &Grey, scale: f32, windows: &mut Vec<Window>) {
        let round = |value: f32| value.round_ties_even() as usize;
        let reduced = grey.reduced(round(grey.width as f32 / scale), round(grey.height as f32 / scale));
        if reduced.width < self.width || reduced.height < self.height {
            return;
        }
        let sums = reduced.sums();
        let placed = Placed::new(self, sums.stride);
        let (width, height) = (round(self.width as f32 * scale) as i32, round(self.height as f32 * scale) as i32);
        let step = if scale >= 2.0 { 1 } else { 2 };
        for y in (0..=reduced.height - self.height).step_by(step) {
            let mut x = 0;
            while x <= reduced.width - self.width {
                match placed.passes(&sums, y * sums.stride + x) {
                    Passes::All => {
                        if windows.len() >= WINDOWS {
                            return;
                        }
                        let at = |place: usize| round(place as f32 * scale) as i32;
                        windows.push(Window { x: at(x), y: at(y), width, height });
                    }
                    // Where nothing looks like a face at all, the next place is passed over.
                    Passes::None => x += step,
                    Passes::Some => {}
                }
                x += step;
            }
        }
    }
}

/// How many stages a window passes.
enum Passes {
    None,
    Some,
    All,
}

/// A cascade whose features are places in sums of some stride.
struct Placed<'a> {
    cascade: &'a Cascade,
    features: PlacedFeatures,
    /// The part whose contrast HAAR features are measured by: corners, and pixels.
    inner: ([usize; 4], f64),
}

enum PlacedFeatures {
    /// The sixteen corners of nine cells.
    Lbp(Vec<[usize; 16]>),
    Haar(Vec<[([usize; 4], f32); 3]>),
}

impl<'a> Placed<'a> {
    fn new(cascade: &'a Cascade, stride: usize) -> Self {
        let corners = |Part { x, y, width, height }: Part| {
            [y * stride + x, y * stride + x + width, (y + height) * stride + x, (y + height) * stride + x + width]
        };
        let grid = |&Part { x, y, width, height }: &Part| {
            std::array::from_fn(|at| (y + at / 4 * height) * stride + x + at % 4 * width)
        };
        let features = match &cascade.features {
            Features::Lbp(cells) => PlacedFeatures::Lbp(cells.iter().map(grid).collect()),
            Features::Haar(features) => PlacedFeatures::Haar(
                features.iter().map(|parts| parts.map(|(part, weight)| (corners(part), weight))).collect(),
            ),
        };
        let inner = Part { x: 1, y: 1, width: cascade.width - 2, height: cascade.height - 2 };
        Self { cascade, features, inner: (corners(inner), (inner.width * inner.height) as f64) }
    }

    fn passes(&self, sums: &Sums, at: usize) -> Passes {
        match &self.features {
            PlacedFeatures::Lbp(features) => {
                self.stages(|node| pattern(&features[node.feature], &sums.plain[at..]), |_| 0.0)
            }
            PlacedFeatures::Haar(features) => {
                // What is too even to tell anything passes over no place. "area / norm" as in OpenCV, which refuses what is below 10 a pixel.
                let (corners, area) = (&self.inner.0, self.inner.1);
                let sum = f64::from(rectangle(corners, &sums.plain[at..]));
                let squares = wide_rectangle(corners, &sums.squares[at..]) as f64;
                let contrast = area * squares - sum * sum;
                if contrast <= 0.0 {
                    return Passes::Some;
                }
                let norm = (1.0 / contrast.sqrt()) as f32;
                if area * f64::from(norm) >= 0.1 {
                    return Passes::Some;
                }
                let value = |node: &Node| {
                    let part =
                        |(corners, weight): &([usize; 4], f32)| weight * rectangle(corners, &sums.plain[at..]) as f32;
                    let [first, second, third] = &features[node.feature];
                    let mut value = part(first) + part(second);
                    if third.1 != 0.0 {
                        value += part(third);
                    }
                    value * norm
                };
                self.stages(|_| 0, value)
            }
        }
    }

    fn stages(&self, pattern: impl Fn(&Node) -> usize, value: impl Fn(&Node) -> f32) -> Passes {
        let Cascade { stages, nodes, leaves, .. } = self.cascade;
        for (number, stage) in stages.iter().enumerate() {
            let mut sum = 0.0;
            for tree in &stage.trees {
                let mut answer = 0;
                loop {
                    let node = &nodes[tree.node + answer as usize];
                    let yes = match node.ask {
                        Ask::Below(limit) => value(node) < limit,
                        Ask::Among(set) => {
                            let value = pattern(node);
                            set[value >> 5] & (1 << (value & 31)) != 0
                        }
                    };
                    answer = if yes { node.yes } else { node.no };
                    if answer <= 0 {
                        break;
                    }
                }
                sum += f64::from(leaves[tree.leaf + answer.unsigned_abs() as usize]);
            }
            if sum < f64::from(stage.threshold) {
                return if number == 0 { Passes::None } else { Passes::Some };
            }
        }
        Passes::All
    }
}

/// The sum of a rectangle's pixels, by its corners.
fn rectangle(corners: &[usize; 4], sums: &[u32]) -> i32 {
    let [a, b, c, d] = corners.map(|at| sums[at]);
    d.wrapping_sub(b).wrapping_sub(c).wrapping_add(a) as i32
}

fn wide_rectangle(corners: &[usize; 4], sums: &[u64]) -> u64 {
    let [a, b, c, d] = corners.map(|at| sums[at]);
    d.wrapping_sub(b).wrapping_sub(c).wrapping_add(a)
}

/// Which cells are no darker than the middle: clockwise from the upper left, the first one's bit being the highest.
fn pattern(corners: &[usize; 16], sums: &[u32]) -> usize {
    let cell = |at: usize| rectangle(&[corners[at], corners[at + 1], corners[at + 4], corners[at + 5]], sums);
    let middle = cell(5);
    [0, 1, 2, 6, 10, 9, 8, 4].iter().fold(0, |pattern, &at| pattern << 1 | usize::from(cell(at) >= middle))
}
