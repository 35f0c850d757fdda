//! Plots as SVG text. Lengths are in units of the picture's 720 columns; colours come from the page's style.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 720.0;
/// Of a plot with axes.
const HEIGHT: f64 = 320.0;
/// Left, right, top and bottom of what the axes enclose.
const FRAME: [f64; 4] = [64.0, 700.0, 28.0, 272.0];
/// Of a bar and the gap below it.
const BAR: f64 = 26.0;
/// Where bars begin, and the longest that one becomes: room for its value is left.
const BARS: [f64; 2] = [220.0, 410.0];
/// Colours that the style has.
const COLOURS: usize = 4;

/// Points to be joined.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A point with a name.
pub(crate) struct Spot {
    pub(crate) name: String,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

fn open(caption: &str, height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n", escape(caption))
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(words));
}

/// A bar for each value.
pub(super) fn bars(caption: &str, values: &[(String, f64)]) -> String {
    let largest = values.iter().map(|v| v.1).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let mut svg = open(caption, BAR * values.len() as f64 + 4.0);
    let [left, longest] = BARS;
    for (row, (name, value)) in values.iter().enumerate() {
        let top = BAR * row as f64 + 4.0;
        text(&mut svg, "end", left - 8.0, top + 14.0, name);
        if !value.is_finite() {
            text(&mut svg, "quiet", left, top + 14.0, "not measured");
            continue;
        }
        let length = if largest > 0.0 { (value / largest).max(0.0) * longest } else { 0.0 };
        let _ =
            writeln!(svg, "<rect class=\"s0 mark\" x=\"{left}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"18\"/>");
        text(&mut svg, "", left + length + 6.0, top + 14.0, &number(*value));
    }
    svg + "</svg>\n"
}

/// Lines over common axes; points that are not finite are left out.
pub(super) fn lines(caption: &str, axes: [&str; 2], lines: &[Line]) -> String {
    let finite = |line: &Line| -> Vec<(f64, f64)> {
        line.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
    };
    let all: Vec<_> = lines.iter().flat_map(finite).collect();
    let plane = Plane::around(&all);
    let mut svg = open(caption, HEIGHT);
    plane.draw(&mut svg, axes);
    for (index, line) in lines.iter().enumerate() {
        let colour = index % COLOURS;
        let places: Vec<_> = finite(line).into_iter().map(|point| plane.place(point)).collect();
        let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(svg, "<polyline class=\"s{colour} line\" points=\"{}\"/>", path.join(" "));
        for (x, y) in places {
            let _ = writeln!(svg, "<circle class=\"s{colour} mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
        }
        if lines.len() > 1 {
            let x = FRAME[0] + 150.0 * index as f64;
            let _ = writeln!(svg, "<rect class=\"s{colour} mark\" x=\"{x:.1}\" y=\"6\" width=\"10\" height=\"10\"/>");
            text(&mut svg, "", x + 16.0, 16.0, &line.name);
        }
    }
    svg + "</svg>\n"
}

/// Named points; those that are not finite are left out.
pub(super) fn spots(caption: &str, axes: [&str; 2], spots: &[Spot]) -> String {
    let finite: Vec<_> = spots.iter().filter(|spot| spot.x.is_finite() && spot.y.is_finite()).collect();
    let plane = Plane::around(&finite.iter().map(|spot| (spot.x, spot.y)).collect::<Vec<_>>());
    let mut svg = open(caption, HEIGHT);
    plane.draw(&mut svg, axes);
    for (index, spot) in finite.into_iter().enumerate() {
        let ((x, y), colour) = (plane.place((spot.x, spot.y)), index % COLOURS);
        let _ = writeln!(svg, "<circle class=\"s{colour} mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>");
        // A name stays within the picture.
        let (class, x) = if x > WIDTH * 0.75 { ("end", x - 9.0) } else { ("", x + 9.0) };
        text(&mut svg, class, x, y + 4.0, &spot.name);
    }
    svg + "</svg>\n"
}

/// From values to places in the picture.
struct Plane {
    /// Marks of x and of y, rising, at equal distances; the first and last are the ends of the axis.
    marks: [Vec<f64>; 2],
}

impl Plane {
    /// Axes that hold all points and the 0 of y.
    fn around(points: &[(f64, f64)]) -> Self {
        let span = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (x0, x1) = span(&mut points.iter().map(|p| p.0));
        let (y0, y1) = span(&mut points.iter().map(|p| p.1));
        // Without points, any axes.
        let (x0, x1) = if x0 <= x1 { (x0, x1) } else { (0.0, 1.0) };
        let (y0, y1) = if y0 <= y1 { (y0.min(0.0), y1.max(0.0)) } else { (0.0, 1.0) };
        // A single place lies between 0 and itself.
        let x0 = if x0 < x1 { x0 } else { x0.min(0.0) };
        Self { marks: [marks(x0, x1), marks(y0, y1)] }
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let share = |marks: &[f64], v: f64| (v - marks[0]) / (marks[marks.len() - 1] - marks[0]);
        let [left, right, top, bottom] = FRAME;
        (left + share(&self.marks[0], x) * (right - left), bottom - share(&self.marks[1], y) * (bottom - top))
    }

    fn draw(&self, svg: &mut String, [x_name, y_name]: [&str; 2]) {
        let [left, right, top, bottom] = FRAME;
        for &mark in &self.marks[1] {
            let (_, y) = self.place((self.marks[0][0], mark));
            let _ = writeln!(svg, "<line class=\"rule\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>");
            text(svg, "quiet end", left - 8.0, y + 4.0, &number(mark));
        }
        for &mark in &self.marks[0] {
            let (x, _) = self.place((mark, self.marks[1][0]));
            text(svg, "quiet middle", x, bottom + 20.0, &number(mark));
        }
        text(svg, "quiet middle", f64::midpoint(left, right), bottom + 40.0, x_name);
        let _ = writeln!(
            svg,
            "<text class=\"quiet middle\" transform=\"translate(16 {:.1}) rotate(-90)\">{}</text>",
            f64::midpoint(top, bottom),
            escape(y_name)
        );
    }
}

/// Three to eight round numbers at equal distances that enclose `low` to `high`.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let span = if high > low { high - low } else { low.abs().max(1.0) };
    let rough = span / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|&step| step >= rough).unwrap_or(rough);
    // The slack keeps a rounding error from adding a mark.
    let first = (low / step + 1e-9).floor();
    let last = (high / step - 1e-9).ceil().max(first + 1.0);
    (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect()
}

/// Three significant digits, or all of a larger number's whole part.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_enclose() {
        assert_eq!(marks(0.0, 1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|m: f64| (m * 5.0).round() * 0.2));
        assert_eq!(marks(0.0, 0.0).first(), Some(&0.0));
        for (low, high) in [(0.0, 3.7), (0.3, 2.0), (-4.0, 11.0), (5.0, 5.0), (1e-6, 3e-6), (0.0, 123_456.0)] {
            let marks = marks(low, high);
            assert!((2..=9).contains(&marks.len()), "{marks:?}");
            assert!(marks[0] <= low + 1e-12 && marks[marks.len() - 1] >= high - 1e-12, "{low} to {high}: {marks:?}");
        }
    }

    #[test]
    fn numbers_are_short() {
        let of = [0.0, 0.1 + 0.2, 12.0, 1234.5, 0.001_234_5, -2.5];
        assert_eq!(of.map(number), ["0", "0.3", "12", "1234", "0.00123", "-2.5"]);
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let svg = bars("ms", &[("a".into(), 2.0), ("b".into(), 0.5), ("c".into(), f64::NAN)]);
        assert!(svg.contains("width=\"410.0\"") && svg.contains("width=\"102.5\""), "{svg}");
        assert_eq!((svg.matches("<rect").count(), svg.matches("not measured").count()), (2, 1));
    }

    #[test]
    fn points_lie_where_the_axes_say() {
        let plane = Plane::around(&[(0.0, 1.0), (2.0, 4.0)]);
        let [left, right, top, bottom] = FRAME;
        assert_eq!(plane.place((0.0, 0.0)), (left, bottom));
        assert_eq!(plane.place((2.0, 4.0)), (right, top));
        // One point, or none, has axes as well.
        for points in [vec![(1.0, 0.0)], vec![]] {
            let (x, y) = Plane::around(&points).place((1.0, 0.0));
            assert!((left..=right).contains(&x) && (top..=bottom).contains(&y), "{x} {y}");
        }
    }
}
