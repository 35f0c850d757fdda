//! The operations that are not convolutions, and their gradients: poolings, sums, joinings, means.

use kernels::nhwc::Windows;

/// Calls `f(window, pixel)` for every pixel under every window, window by window.
fn each_pixel(windows: &Windows, mut f: impl FnMut(usize, usize)) {
    for window in 0..windows.count() {
        let (down, across) = (window / windows.output[1], window % windows.output[1]);
        for row in windows.inside(0, down) {
            let line = windows.source(0, down, row) * windows.input[1];
            for column in windows.inside(1, across) {
                f(window, line + windows.source(1, across, column));
            }
        }
    }
}

/// Pixels of the picture under a window, one over.
fn share(windows: &Windows, window: usize) -> f32 {
    let (down, across) = (window / windows.output[1], window % windows.output[1]);
    1.0 / (windows.inside(0, down).len() * windows.inside(1, across).len()) as f32
}

fn add(to: &mut [f32], from: &[f32], factor: f32) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

/// Averages over the pixels under each window.
pub(crate) fn average_pool(windows: &Windows, channels: usize, x: &[f32], y: &mut [f32]) {
    y.fill(0.0);
    each_pixel(windows, |window, pixel| {
        add(&mut y[window * channels..][..channels], &x[pixel * channels..][..channels], 1.0);
    });
    for (window, y) in y.chunks_exact_mut(channels).enumerate() {
        let share = share(windows, window);
        for y in y {
            *y *= share;
        }
    }
}

/// Adds to `dx` what [`average_pool`] passes back.
pub(crate) fn average_pool_gradient(windows: &Windows, channels: usize, dy: &[f32], dx: &mut [f32]) {
    each_pixel(windows, |window, pixel| {
        let share = share(windows, window);
        add(&mut dx[pixel * channels..][..channels], &dy[window * channels..][..channels], share);
    });
}

/// Adds to `dx` what a maximum over windows passes back: all to the first of the greatest, as PyTorch has it.
pub(crate) fn max_pool_gradient(windows: &Windows, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
    let channels = y.len() / windows.count();
    let (mut given, mut current) = (vec![false; channels], usize::MAX);
    each_pixel(windows, |window, pixel| {
        if window != current {
            given.fill(false);
            current = window;
        }
        let (y, dy) = (&y[window * channels..][..channels], &dy[window * channels..][..channels]);
        let (x, dx) = (&x[pixel * channels..][..channels], &mut dx[pixel * channels..][..channels]);
        for c in 0..channels {
            if !given[c] && x[c] >= y[c] {
                given[c] = true;
                dx[c] += dy[c];
            }
        }
    });
}

/// The sum of two values.
pub(crate) fn sum(a: &[f32], b: &[f32], y: &mut [f32]) {
    y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = a + b);
}

/// Channels of several values one after the other.
pub(crate) fn concat(inputs: &[(&[f32], usize)], y: &mut [f32]) {
    let channels: usize = inputs.iter().map(|(_, c)| c).sum();
    let mut first = 0;
    for &(x, c) in inputs {
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(c)) {
            y[first..first + c].copy_from_slice(x);
        }
        first += c;
    }
}

/// Adds to `dx`, whose channels begin at `first` among those of `dy`, what [`concat`] passes back.
pub(crate) fn concat_gradient(dy: &[f32], all: usize, first: usize, channels: usize, dx: &mut [f32]) {
    for (dy, dx) in dy.chunks_exact(all).zip(dx.chunks_exact_mut(channels)) {
        add(dx, &dy[first..first + channels], 1.0);
    }
}

/// The mean over all pixels.
pub(crate) fn mean(x: &[f32], y: &mut [f32]) {
    // Sums of a few hundred pixels in f64 cost nothing and spare the features an error that grows with the grid.
    let mut sums = vec![0.0_f64; y.len()];
    for x in x.chunks_exact(y.len()) {
        sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let pixels = (x.len() / y.len()) as f64;
    y.iter_mut().zip(sums).for_each(|(y, sum)| *y = (sum / pixels) as f32);
}

/// Adds to `dx` what [`mean`] passes back.
pub(crate) fn mean_gradient(dy: &[f32], dx: &mut [f32]) {
    let share = dy.len() as f32 / dx.len() as f32;
    dx.chunks_exact_mut(dy.len()).for_each(|dx| add(dx, dy, share));
}
