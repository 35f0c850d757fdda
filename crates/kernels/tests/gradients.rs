//! Properties of the layers with gradients: on every instruction set, with `f32` and bfloat16, with the processor's own products and
//! without, forward passes, tangents and gradients equal plain loops; and nothing depends on the number of threads.

#[path = "../src/testing.rs"]
mod testing;

use kernels::Isa;
use kernels::train::{
    Addend, Backward, Bf16, Conv, Cpu, Element, Filter, FilterShape, Forward, Input, Map, Mask, Source, WeightGradient,
    halve_backward,
};
use proptest::prelude::*;
use testing::numbers;

const CASES: u32 = if cfg!(miri) { 2 } else { 24 };

/// A convolution and nothing after it.
const LINEAR: Conv = Conv { gain: None, pooled: false };

fn lrelu(v: f32) -> f32 {
    if v > 0.0 { v } else { 0.2 * v }
}

/// A convolution in plain loops, planar: x [n, ci, h, w], weights [k, k, ci, co].
struct Plain {
    n: usize,
    ci: usize,
    co: usize,
    h: usize,
    w: usize,
    k: usize,
}

impl Plain {
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let Self { n, ci, co, h, w, k } = *self;
        for p in 0..n {
            for y in 0..h {
                for x in 0..w {
                    for dy in 0..k {
                        for dx in 0..k {
                            let (sy, sx) = (y + dy, x + dx);
                            let r = k / 2;
                            if sy < r || sx < r || sy >= h + r || sx >= w + r {
                                continue;
                            }
                            for i in 0..ci {
                                for o in 0..co {
                                    let from = ((p * ci + i) * h + sy - r) * w + sx - r;
                                    f(((p * co + o) * h + y) * w + x, from, ((dy * k + dx) * ci + i) * co + o);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn forward(&self, x: &[f32], weights: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; self.n * self.co * self.h * self.w];
        self.each(|to, from, weight| y[to] += x[from] * weights[weight]);
        y
    }

    /// The gradients at `x` and of the weights from `back`, the one at the result.
    fn backward(&self, x: &[f32], weights: &[f32], back: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
        self.each(|to, from, weight| {
            dx[from] += weights[weight] * back[to];
            dw[weight] += x[from] * back[to];
        });
        (dx, dw)
    }
}

/// A map [n, h, w, c] of planar numbers.
fn map_of<E: Element>([n, h, w, c]: [usize; 4], values: &[f32]) -> Map<E> {
    let mut map = Map::new(n, h, w, c);
    map.fill_planar(values, c);
    map
}

/// Weights packed for the way forwards, or transposed for the way back.
fn packed<E: Element>(cpu: &Cpu, weights: &[f32], shape: FilterShape, transposed: bool) -> Filter<E> {
    let mut filter = Filter::default();
    filter.pack(cpu, weights, shape, 1.0, transposed);
    filter
}

/// The gradient of the weights of a convolution without an activation, [size, size, inputs, outputs], of all pictures; the one at its input goes to `input`.
fn backward_linear<E: Element>(
    cpu: &Cpu,
    x: Source<'_, E>,
    back: &Map<E>,
    input: Input<'_, E>,
    [size, inputs, outputs]: [usize; 3],
) -> Vec<f32> {
    let mut dw = vec![0.0; size * size * inputs * outputs];
    let b = Backward {
        range: 0..back.pictures(),
        x,
        back,
        mask: None,
        pictures: None,
        input,
        weights: Some(WeightGradient { sum: &mut dw, inputs, outputs, gain: 1.0 }),
        bias: None,
    };
    LINEAR.backward(cpu, size, b);
    dw
}

/// Means of 2x2 of planes of `w` columns.
fn halve(x: &[f32], w: usize) -> Vec<f32> {
    let (rows, half) = (x.len() / w, w / 2);
    let at = |i: usize| {
        let (y, x0) = (i / half * 2, i % half * 2);
        (x[y * w + x0] + x[y * w + x0 + 1] + x[(y + 1) * w + x0] + x[(y + 1) * w + x0 + 1]) / 4.0
    };
    (0..rows / 2 * half).map(at).collect()
}

fn close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len(), "{}", what);
    let largest = expected.iter().fold(0.1f32, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        prop_assert!((f - e).abs() <= tolerance * largest, "{what}: number {i} is {f}, not {e} (largest {largest})");
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
struct Case {
    n: usize,
    ci: usize,
    co: usize,
    h: usize,
    w: usize,
    k: usize,
    activated: bool,
    pooled: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let most: usize = if cfg!(miri) { 17 } else { 70 };
    // Half of them whole tiles of 4x4.
    let side = || prop_oneof![1usize..9, (1usize..5).prop_map(|tiles| 2 * tiles)];
    let width = prop_oneof![4 => side(), 1 => Just(if cfg!(miri) { 2 } else { 16 }), 1 => Just(if cfg!(miri) { 4 } else { 32 })];
    (1usize..6, 1..most, 1..most, side(), width, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(n, ci, co, h, w, three, activated, pooled)| Case {
            n,
            ci,
            co,
            h: 2 * h,
            w: 2 * w,
            k: if three { 3 } else { 1 },
            activated,
            pooled,
        },
    )
}

/// Values that bfloat16 holds exactly, so that only sums differ.
fn exact(n: usize, seed: u64) -> Vec<f32> {
    numbers(n, seed).iter().map(|v| Bf16::from_f32(*v).to_f32()).collect()
}

/// Each bias, moved until no sum of its channel is as near to zero as other orders of summing could turn its sign, and with it a slope.
fn away_from_zero(sums: &[f32], area: usize, biases: Vec<f32>) -> Vec<f32> {
    let channels = biases.len();
    let moved = |(channel, bias): (usize, f32)| {
        let own = || sums.chunks_exact(area).skip(channel).step_by(channels).flatten();
        let mut candidates = (0..1000).map(|k| bias + 0.013 * k as f32);
        candidates.find(|bias| own().all(|v| (v + bias).abs() > 1e-3)).expect("a place between the sums")
    };
    biases.into_iter().enumerate().map(moved).collect()
}

fn check<E: Element>(cpu: &Cpu, c: Case, tolerance: f32) -> Result<(), TestCaseError> {
    let Case { n, ci, co, h, w, k, activated, pooled } = c;
    let plain = Plain { n, ci, co, h, w, k };
    let (x, weights) = (exact(n * ci * h * w, 1), exact(k * k * ci * co, 2));
    let without_bias = plain.forward(&x, &weights);
    let bias = away_from_zero(&without_bias, h * w, exact(co, 3));
    let conv = Conv { gain: activated.then_some(1.5), pooled };
    let gain = conv.gain.unwrap_or(1.0);
    let (oh, ow) = if pooled { (h / 2, w / 2) } else { (h, w) };

    let map = map_of::<E>([n, h, w, ci], &x);
    let shape = FilterShape { size: k, inputs: ci, outputs: co, map: [h, w] };
    let [filter, turned] = [false, true].map(|transposed| packed::<E>(cpu, &weights, shape, transposed));
    let mut padded_bias = bias.clone();
    padded_bias.resize(co.next_multiple_of(16), 0.0);
    let mut mask = Mask::new([n, h, w, co.next_multiple_of(16)]);
    let mut y = Map::<E>::new(n, oh, ow, co);
    let how = Forward::Value { bias: Some(&padded_bias), mask: activated.then_some(&mut mask) };
    conv.forward(cpu, Source::Map(&map), &filter, how, Addend::None, &mut y);

    let sums: Vec<f32> = without_bias.iter().enumerate().map(|(i, v)| v + bias[i / (h * w) % co]).collect();
    let slopes: Vec<f32> =
        sums.iter().map(|v| if activated { gain * if *v > 0.0 { 1.0 } else { 0.2 } } else { 1.0 }).collect();
    let expected: Vec<f32> = sums.iter().map(|v| if activated { gain * lrelu(*v) } else { *v }).collect();
    let expected = if pooled { halve(&expected, w) } else { expected };
    close(&y.to_planar(co), &expected, tolerance, "result")?;

    // A direction for the last picture and the first.
    let pictures = [n - 1, 0];
    let direction = exact(2 * ci * h * w, 4);
    let tangent = map_of::<E>([2, h, w, ci], &direction);
    let mut ty = Map::<E>::new(2, oh, ow, co);
    let signs = activated.then_some(&mask);
    let how = Forward::Tangent { mask: signs, pictures: &pictures };
    conv.forward(cpu, Source::Map(&tangent), &filter, how, Addend::None, &mut ty);
    let area = co * h * w;
    let of = |i: usize| slopes[pictures[i / area] * area + i % area];
    let along: Vec<f32> =
        Plain { n: 2, ..plain }.forward(&direction, &weights).iter().enumerate().map(|(i, v)| v * of(i)).collect();
    let along = if pooled { halve(&along, w) } else { along };
    close(&ty.to_planar(co), &along, tolerance, "tangent")?;

    // Gradients of all but the first picture.
    let back = exact(n * co * oh * ow, 5);
    let gradient = map_of::<E>([n, oh, ow, co], &back);
    let range = usize::from(n > 1)..n;
    let mut dx = Map::<E>::new(n, h, w, ci);
    let before = exact(n * ci * h * w, 6);
    dx.fill_planar(&before, ci);
    let (mut dw, mut db) = (vec![1.0; weights.len()], vec![1.0; co]);
    conv.backward(
        cpu,
        k,
        Backward {
            range: range.clone(),
            x: Source::Map(&map),
            back: &gradient,
            mask: signs,
            pictures: None,
            input: Input::Map(&mut dx, true, &turned),
            weights: Some(WeightGradient { sum: &mut dw, inputs: ci, outputs: co, gain: 0.5 }),
            bias: Some((&mut db, 2.0)),
        },
    );
    let at = |to: usize| {
        let (px, py, plane) = (to % w, to / w % h, to / (w * h));
        let v = if pooled { back[(plane * oh + py / 2) * ow + px / 2] / 4.0 } else { back[to] };
        if range.contains(&(plane / co)) { v * slopes[to] } else { 0.0 }
    };
    let (mut edx, mut edw, mut edb) = (before.clone(), vec![0.0; weights.len()], vec![0.0; co]);
    plain.each(|to, from, weight| {
        edx[from] += weights[weight] * at(to);
        edw[weight] += x[from] * at(to);
    });
    (0..n * co * h * w).for_each(|to| edb[to / (h * w) % co] += at(to));
    close(&dx.to_planar(ci), &edx, tolerance, "gradient at the input")?;
    close(&dw, &edw.iter().map(|v| 1.0 + 0.5 * v).collect::<Vec<_>>(), tolerance, "gradient of the weights")?;
    close(&db, &edb.iter().map(|v| 1.0 + 2.0 * v).collect::<Vec<_>>(), tolerance, "gradient of the bias")?;
    let inside = |v: &[f32]| v.iter().all(|v| v.is_finite());
    prop_assert!(inside(&dw) && inside(&db));
    // The border stays zero, without which the next layer would be wrong.
    let pixel = |i: usize| i / dx.channels() % ((h + 2) * (w + 2));
    let outside = |i: usize| [0, h + 1].contains(&(pixel(i) / (w + 2))) || [0, w + 1].contains(&(pixel(i) % (w + 2)));
    let stained = dx.elements().iter().enumerate().filter(|(i, v)| outside(*i) && v.to_f32() != 0.0).count();
    prop_assert_eq!(stained, 0);
    Ok(())
}

#[test]
fn gradients_of_more_tiles_than_are_multiplied_at_once_equal_plain_loops() {
    let size = if cfg!(miri) { 8 } else { 64 };
    let case = Case { n: 1, ci: 9, co: 20, h: size, w: size, k: 3, activated: true, pooled: false };
    for isa in Isa::available() {
        check::<f32>(&Cpu::new(*isa, 2), case, 2e-5).unwrap();
    }
}

/// A convolution of means of 2x2, summed with another map, with its gradients.
fn check_halved<E: Element>(
    cpu: &Cpu,
    Case { n, ci, co, h, w, k, .. }: Case,
    tolerance: f32,
) -> Result<(), TestCaseError> {
    let (large, weights) = (exact(n * ci * 4 * h * w, 1), exact(k * k * ci * co, 2));
    let plain = Plain { n, ci, co, h, w, k };
    let small: Vec<f32> = halve(&large, 2 * w).iter().map(|v| E::from_f32(*v).to_f32()).collect();
    let map = map_of::<E>([n, 2 * h, 2 * w, ci], &large);
    let source = Source::Halved(&map);
    prop_assert_eq!(source.shape(), [n, h, w, map.channels()]);
    let shape = FilterShape { size: k, inputs: ci, outputs: co, map: [h, w] };
    let [filter, turned] = [false, true].map(|transposed| packed::<E>(cpu, &weights, shape, transposed));
    let other = exact(n * co * h * w, 3);
    let mut there = map_of::<E>([n, h, w, co], &other);
    let mut y = Map::<E>::new(n, h, w, co);
    let how = || Forward::Value { bias: None, mask: None };
    LINEAR.forward(cpu, source, &filter, how(), Addend::Map(&there), &mut y);
    LINEAR.forward(cpu, source, &filter, how(), Addend::Result, &mut there);
    prop_assert!(y.elements() == there.elements(), "a sum is the same wherever it goes");
    let sums: Vec<f32> = plain.forward(&small, &weights).iter().zip(&other).map(|(v, other)| v + other).collect();
    close(&y.to_planar(co), &sums, tolerance, "sum")?;

    let back = exact(n * co * h * w, 5);
    let gradient = map_of::<E>([n, h, w, co], &back);
    let (mut at_means, mut at_map) = (Map::<E>::new(n, h, w, ci), Map::<E>::new(n, 2 * h, 2 * w, ci));
    let dw = backward_linear(cpu, source, &gradient, Input::Map(&mut at_means, false, &turned), [k, ci, co]);
    halve_backward(cpu, 0..n, &at_means, &mut at_map, false);
    let (edx, edw) = plain.backward(&small, &weights, &back);
    let spread = |i: usize| edx[(i / (4 * w * h) * h + i / (2 * w) % (2 * h) / 2) * w + i % (2 * w) / 2] / 4.0;
    let spread: Vec<f32> = (0..large.len()).map(spread).collect();
    close(&at_map.to_planar(ci), &spread, tolerance, "gradient at the map")?;
    close(&dw, &edw, tolerance, "gradient of the weights")
}

/// A 3x3 convolution of pictures, as a 1x1 one of their windows, with its gradients.
fn check_windows<E: Element>(cpu: &Cpu, Case { n, co, h, w, .. }: Case, tolerance: f32) -> Result<(), TestCaseError> {
    let plain = Plain { n, ci: 3, co, h, w, k: 3 };
    let (pictures, weights) = (exact(n * 3 * h * w, 1), exact(27 * co, 2));
    let source = Source::Windows(&pictures, [h, w]);
    prop_assert_eq!(source.shape(), [n, h, w, 32]);
    let filter = packed::<E>(cpu, &weights, FilterShape { size: 1, inputs: 27, outputs: co, map: [h, w] }, false);
    let turned = packed::<E>(cpu, &weights, FilterShape { size: 3, inputs: 3, outputs: co, map: [h, w] }, true);
    let mut y = Map::<E>::new(n, h, w, co);
    LINEAR.forward(cpu, source, &filter, Forward::Value { bias: None, mask: None }, Addend::None, &mut y);
    close(&y.to_planar(co), &plain.forward(&pictures, &weights), tolerance, "result")?;

    let back = exact(n * co * h * w, 5);
    let gradient = map_of::<E>([n, h, w, co], &back);
    let mut dx = vec![0.0; pictures.len()];
    let dw = backward_linear(cpu, source, &gradient, Input::Pictures(&mut dx, &turned), [1, 27, co]);
    let (edx, edw) = plain.backward(&pictures, &weights, &back);
    close(&dx, &edx, tolerance, "gradient at the pictures")?;
    close(&dw, &edw, tolerance, "gradient of the weights")
}

#[test]
fn windows_of_wide_pictures_equal_plain_loops() {
    let case = Case { n: 1, ci: 3, co: 5, h: 2, w: 132, k: 3, activated: false, pooled: false };
    for isa in Isa::available() {
        check_windows::<f32>(&Cpu::new(*isa, 2), case, 2e-5).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_equal_plain_loops(case in cases(), threads in 1usize..4) {
        for isa in Isa::available() {
            check::<f32>(&Cpu::new(*isa, threads), case, 2e-5)?;
            // Results are rounded to 8 bits, and so are the gradients on their way.
            for cpu in Cpu::variants(*isa, threads) {
                check::<Bf16>(&cpu, case, 1.2e-2)?;
            }
        }
    }

    #[test]
    fn what_is_made_a_few_pictures_at_a_time_equals_plain_loops(case in cases(), threads in 1usize..4) {
        for isa in Isa::available() {
            let cpu = Cpu::new(*isa, threads);
            check_halved::<f32>(&cpu, case, 2e-5)?;
            check_windows::<f32>(&cpu, case, 2e-5)?;
            for cpu in Cpu::variants(*isa, threads) {
                check_halved::<Bf16>(&cpu, case, 1.2e-2)?;
                check_windows::<Bf16>(&cpu, case, 1.2e-2)?;
            }
        }
    }
}
