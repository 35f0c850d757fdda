//! Windows around one face become one: OpenCV's `groupRectangles` with an `eps` of 0.2.

/// How far edges of windows around one face may lie apart, by the windows' size.
const APART: f64 = 0.2;

/// A window in the picture's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Window {
    fn edges(self) -> [i32; 4] {
        [self.x, self.y, self.x + self.width, self.y + self.height]
    }

    fn like(self, other: Self) -> bool {
        let apart = APART * f64::from(self.width.min(other.width) + self.height.min(other.height)) / 2.0;
        self.edges().iter().zip(other.edges()).all(|(a, b)| f64::from((a - b).abs()) <= apart)
    }

    /// Whether it lies in another one or little beyond.
    fn within(self, other: Self) -> bool {
        // As OpenCV rounds it.
        let slack = |side: i32| (f64::from(side) * APART).round_ties_even() as i32;
        let (x, y) = (slack(other.width), slack(other.height));
        let ([left, top, right, bottom], [l, t, r, b]) = (self.edges(), other.edges());
        left >= l - x && top >= t - y && right <= r + x && bottom <= b + y
    }
}

/// The mean of the windows of each group, and how many they are: at least so many. Windows are of one group where a chain of alike ones joins
/// them. A group that lies in one of more windows is a part of a face.
pub(super) fn grouped(windows: &[Window], least: usize) -> Vec<(Window, usize)> {
    let groups: Vec<(Window, usize)> = groups(windows).into_iter().filter(|group| group.1 >= least).collect();
    let inside = |at: usize| {
        let (window, count) = groups[at];
        groups
            .iter()
            .enumerate()
            .any(|(other, &(large, more))| other != at && window.within(large) && (more > count.max(3) || count < 3))
    };
    (0..groups.len()).filter(|&at| !inside(at)).map(|at| groups[at]).collect()
}

/// The window that stands for the group of another one.
fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}

fn groups(windows: &[Window]) -> Vec<(Window, usize)> {
    let mut parents: Vec<usize> = (0..windows.len()).collect();
    for (at, window) in windows.iter().enumerate() {
        for (before, other) in windows[..at].iter().enumerate() {
            if window.like(*other) {
                let (one, other) = (root(&mut parents, at), root(&mut parents, before));
                // The first of a group stands for it.
                parents[one.max(other)] = one.min(other);
            }
        }
    }
    let mut sums = vec![([0_i64; 4], 0_usize); windows.len()];
    for (at, window) in windows.iter().enumerate() {
        let (sum, count) = &mut sums[root(&mut parents, at)];
        let Window { x, y, width, height } = *window;
        sum.iter_mut().zip([x, y, width, height]).for_each(|(sum, value)| *sum += i64::from(value));
        *count += 1;
    }
    let mean = |(sum, count): ([i64; 4], usize)| {
        // In 32 bits, as OpenCV has it.
        let share = 1.0 / count as f32;
        let [x, y, width, height] = sum.map(|value| (value as f32 * share).round_ties_even() as i32);
        (Window { x, y, width, height }, count)
    };
    sums.into_iter().filter(|group| group.1 > 0).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(x: i32, y: i32, side: i32) -> Window {
        Window { x, y, width: side, height: side }
    }

    #[test]
    fn windows_alike_are_one_and_parts_go() {
        let face = [window(10, 10, 50), window(12, 10, 50), window(14, 13, 53), window(11, 10, 50)];
        let part = [window(30, 30, 20), window(31, 30, 20)];
        let all = [&face[..], &part, &[window(200, 9, 24)]].concat();
        assert_eq!(grouped(&all, 1), [(window(12, 11, 51), 4), (window(200, 9, 24), 1)]);
        assert_eq!(grouped(&all, 2), [(window(12, 11, 51), 4)]);
        assert_eq!(grouped(&all, 5), []);
        // 10 and 26 are not alike, and 18 is like both.
        let chain = [window(10, 0, 50), window(26, 0, 50), window(18, 0, 50)];
        assert_eq!(grouped(&chain[..2], 1).len(), 2);
        assert_eq!(grouped(&chain, 1), [(window(18, 0, 50), 3)]);
        assert_eq!(grouped(&[], 1), []);
    }
}
