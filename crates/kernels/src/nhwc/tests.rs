use proptest::prelude::*;

use super::*;
use crate::testing::numbers;

/// Windows over a small picture, some of them reaching out of it on every side.
fn windows() -> impl Strategy<Value = Windows> {
    (
        proptest::array::uniform2(1_usize..9),
        proptest::array::uniform2(1_usize..6),
        proptest::array::uniform2(1_usize..4),
    )
        .prop_flat_map(|(input, size, stride)| {
            let before = [0..size[0], 0..size[1]];
            (Just((input, size, stride)), before, proptest::array::uniform2(0_usize..3))
        })
        .prop_map(|((input, size, stride), before, after)| {
            let along = |axis: usize| {
                let length = input[axis] + before[axis] + after[axis];
                (length.saturating_sub(size[axis]) / stride[axis] + 1)
                    .min((input[axis] + before[axis]).div_ceil(stride[axis]))
            };
            Windows { input, output: [along(0), along(1)], size, stride, before }
        })
}

/// Calls `f(window, place in it, pixel)` for every pixel under every window, counting with signs.
fn each(windows: &Windows, mut f: impl FnMut(usize, usize, usize)) {
    let [height, width] = windows.input.map(|n| n as isize);
    for window in 0..windows.count() {
        for place in 0..windows.size[0] * windows.size[1] {
            let at = |axis: usize, window: usize, place: usize| {
                (window * windows.stride[axis] + place) as isize - windows.before[axis] as isize
            };
            let y = at(0, window / windows.output[1], place / windows.size[1]);
            let x = at(1, window % windows.output[1], place % windows.size[1]);
            if (0..height).contains(&y) && (0..width).contains(&x) {
                f(window, place, (y * width + x) as usize);
            }
        }
    }
}

fn near(found: &[f32], expected: &[f32], isa: Isa) -> Result<(), TestCaseError> {
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        prop_assert!(f.to_bits() == e.to_bits() || (f - e).abs() < 1e-4, "{isa} at {i}: {f} is not {e}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 48 }))]
    #[test]
    fn windows_equal_the_plain_loops(windows in windows(), channels in 1_usize..40) {
        let places = windows.size[0] * windows.size[1];
        let (x, weight) = (numbers(windows.pixels() * channels, 1), numbers(places * channels, 2));
        let (bias, dy) = (numbers(channels, 3), numbers(windows.count() * channels, 4));
        let clamp = [-0.75, 0.5];
        let before = numbers(x.len(), 5);
        let mut sum: Vec<f32> = bias.iter().copied().cycle().take(dy.len()).collect();
        let mut most = vec![f32::NEG_INFINITY; dy.len()];
        let mut back = before.clone();
        each(&windows, |window, place, pixel| for c in 0..channels {
            let (y, x_at, w) = (window * channels + c, pixel * channels + c, weight[place * channels + c]);
            sum[y] += x[x_at] * w;
            most[y] = most[y].max(x[x_at]);
            back[x_at] += dy[y] * w;
        });
        let sum: Vec<f32> = sum.into_iter().map(|y| y.clamp(clamp[0], clamp[1])).collect();
        for isa in Isa::available() {
            let mut y = vec![7.0; dy.len()];
            depthwise(*isa, &windows, &x, &weight, &bias, clamp, &mut y);
            near(&y, &sum, *isa)?;
            max_pool(*isa, &windows, channels, &x, &mut y);
            near(&y, &most, *isa)?;
            let mut dx = before.clone();
            depthwise_gradient(*isa, &windows, &dy, &weight, &mut dx);
            near(&dx, &back, *isa)?;
        }
    }

    #[test]
    fn bias_and_clamp_equal_the_plain_loops(rows in 0_usize..5, channels in 1_usize..40) {
        let (y, bias) = (numbers(rows * channels, 1), numbers(channels, 2));
        let expected: Vec<f32> =
            y.iter().zip(bias.iter().cycle()).map(|(y, b)| (y + b).clamp(0.0, 0.5)).collect();
        for isa in Isa::available() {
            let mut found = y.clone();
            add_bias(*isa, &mut found, &bias, [0.0, 0.5]);
            near(&found, &expected, *isa)?;
        }
    }
}
