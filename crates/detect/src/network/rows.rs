//! What comes out of networks of the family, and which of it are faces.

use crate::Found;

/// Boxes are compared with the best so many: what is beyond is not needed by anyone, and comparing takes the square of it.
const CANDIDATES: usize = 300;
/// Boxes that share more of what they cover together are of one face, as in Ultralytics' programs.
const SAME: f32 = 0.45;
/// Rows of a network that has done away with overlaps itself, at most; 300 is usual.
const FINAL_ROWS: usize = 1000;

/// How the numbers of an output `[1, a, b]` are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[1, 4 + classes, n]`: centre, width and height, scores (YOLOv8 to v12).
    Wide,
    /// `[1, n, 5 + classes]`: centre, width and height, how sure that anything is there, scores (YOLOv5 to v7).
    Tall,
    /// `[1, n, 6]`: edges, score, class; one box an object (YOLOv10, YOLO26, exports with `nms=True`).
    Final,
}

impl Layout {
    /// By the shape of what comes out for an input of this size.
    pub(crate) fn of(shape: &[usize], width: usize, height: usize) -> Result<Self, String> {
        let &[1, a, b] = shape else {
            return Err(format!("{shape:?} comes out, where [1, rows, columns] is wanted"));
        };
        // A network of version 5 has three boxes for each cell of 8, 16 and 32 pixels; of one class it has six columns too.
        let cells: usize = [8, 16, 32].map(|stride| (width / stride) * (height / stride)).iter().sum();
        match (a, b) {
            (_, 6) if a != 3 * cells && a <= FINAL_ROWS => Ok(Self::Final),
            (5.., 1..) if a < b => Ok(Self::Wide),
            (1.., 6..) if a >= b => Ok(Self::Tall),
            _ => Err(format!(
                "{shape:?} comes out, which is neither [1, 4 + classes, n] nor [1, n, 5 + classes] nor [1, n, 6]"
            )),
        }
    }

    /// Looks whether scores are any: what points of a face or masks there are would be taken for classes.
    pub(crate) fn check(self, numbers: &[f32], shape: &[usize]) -> Result<(), String> {
        let (rows, at) = self.rows(numbers, shape)?;
        let first = 4;
        let last = if self == Self::Final { 4 } else { self.columns(shape) - 1 };
        for row in 0..rows {
            if let Some(score) =
                (first..=last).map(|column| at(row, column)).find(|score| !(-0.01..=1.01).contains(score))
            {
                return Err(format!(
                    "{score} comes out where scores from 0 to 1 should be; a detector of boxes alone is wanted, without points or masks"
                ));
            }
        }
        Ok(())
    }

    fn columns(self, shape: &[usize]) -> usize {
        if self == Self::Wide { shape[1] } else { shape[2] }
    }

    /// How many rows there are, and the number in a row's column.
    fn rows<'a>(
        self,
        numbers: &'a [f32],
        shape: &[usize],
    ) -> Result<(usize, impl Fn(usize, usize) -> f32 + use<'a>), String> {
        // Of an open input another shape may come out for each picture.
        let &[1, a, b] = shape else { return Err(format!("{shape:?} comes out")) };
        let (rows, columns) = if self == Self::Wide { (b, a) } else { (a, b) };
        let least = if self == Self::Wide { 5 } else { 6 };
        if columns < least || numbers.len() != rows * columns {
            return Err(format!("{shape:?} comes out"));
        }
        let (down, along) = if self == Self::Wide { (1, rows) } else { (columns, 1) };
        Ok((rows, move |row: usize, column: usize| numbers[row * down + column * along]))
    }

    /// The faces with at least this score, in pixels of the input, of those that overlap the best.
    pub(crate) fn found(self, numbers: &[f32], shape: &[usize], least: f64) -> Result<Vec<Found>, String> {
        let (rows, at) = self.rows(numbers, shape)?;
        let columns = self.columns(shape);
        let best =
            |row: usize, from: usize| (from..columns).map(|column| at(row, column)).fold(f32::NEG_INFINITY, f32::max);
        let score = |row: usize| match self {
            Self::Wide => best(row, 4),
            Self::Tall => at(row, 4) * best(row, 5),
            Self::Final => at(row, 4),
        };
        let edges = |row: usize| {
            let [x, y, z, w] = [0, 1, 2, 3].map(|column| at(row, column));
            if self == Self::Final { [x, y, z, w] } else { [x - z / 2.0, y - w / 2.0, x + z / 2.0, y + w / 2.0] }
        };
        let mut found: Vec<Found> = (0..rows)
            .map(|row| Found { edges: edges(row), score: score(row) })
            .filter(|found| f64::from(found.score) >= least && found.score.is_finite())
            .filter(|found| {
                found.edges.iter().all(|edge| edge.is_finite())
                    && found.edges[0] < found.edges[2]
                    && found.edges[1] < found.edges[3]
            })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(CANDIDATES);
        let mut kept: Vec<Found> = Vec::new();
        for one in found {
            if kept.iter().all(|other| overlap(one, *other) <= SAME) {
                kept.push(one);
            }
        }
        Ok(kept)
    }
}

/// What two boxes share of what they cover together.
fn overlap(a: Found, b: Found) -> f32 {
    let shared = |at: usize| (a.edges[at + 2].min(b.edges[at + 2]) - a.edges[at].max(b.edges[at])).max(0.0);
    let both = shared(0) * shared(1);
    both / (a.area() + b.area() - both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_by_their_shapes() {
        let of = |shape: &[usize]| Layout::of(shape, 640, 640);
        for (shape, layout) in [
            ([1, 5, 8400], Layout::Wide),
            ([1, 6, 8400], Layout::Wide),
            ([1, 84, 8400], Layout::Wide),
            ([1, 5, 33600], Layout::Wide),
            ([1, 25200, 6], Layout::Tall),
            ([1, 25200, 85], Layout::Tall),
            ([1, 300, 6], Layout::Final),
        ] {
            assert_eq!(of(&shape), Ok(layout), "{shape:?}");
        }
        assert_eq!(Layout::of(&[1, 252, 6], 64, 64), Ok(Layout::Tall));
        for bad in [&[1, 8400][..], &[2, 5, 8400], &[1, 4, 8400], &[1, 8400, 5], &[1, 0, 0], &[1, 80, 80, 255]] {
            assert!(of(bad).unwrap_err().contains("comes out"), "{bad:?}");
        }
    }

    #[test]
    fn of_boxes_that_overlap_the_best_stays() {
        let rows = [
            [10.0, 10.0, 30.0, 30.0, 0.6, 0.0],
            [11.0, 10.0, 31.0, 30.0, 0.9, 0.0],
            [40.0, 10.0, 50.0, 30.0, 0.7, 0.0],
            [40.0, 10.0, 40.0, 30.0, 0.8, 0.0],
            [f32::NAN, 10.0, 40.0, 30.0, 0.8, 0.0],
            [0.0, 0.0, 9.0, 9.0, f32::NAN, 0.0],
            [0.0, 0.0, 9.0, 9.0, 0.4, 0.0],
        ]
        .concat();
        let found = Layout::Final.found(&rows, &[1, 7, 6], 0.5).unwrap();
        assert_eq!(found.iter().map(|found| found.score).collect::<Vec<_>>(), [0.9, 0.7]);
        assert!(Layout::Final.found(&rows, &[1, 6, 6], 0.5).is_err());
        assert!(Layout::Final.check(&rows[..12], &[1, 2, 6]).is_ok());
        assert!(
            Layout::Tall.check(&[0.0, 0.0, 1.0, 1.0, 0.3, 17.0], &[1, 1, 6]).unwrap_err().contains("without points")
        );
    }
}
