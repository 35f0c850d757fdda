//! Properties: on every instruction set of this machine, alone or with helpers, one picture or several at a time, every
//! kernel gives what the plain loops give, whatever the sizes. Inputs are in -1 to 1; tolerances are for sums of up to a few hundred products of such numbers.

#[path = "../src/testing.rs"]
mod testing;

use kernels::{
    Activation, Conv3x3, Crew, Edge, Epilogue, Isa, Linear, Method, Rgb, Scratch, Shape, ToRgb, padded, reference,
    upsample2x,
};
use proptest::prelude::*;
use testing::numbers;

/// How often each property is tried, and how many channels at most: Miri, which looks at every access to memory, is
/// thousands of times slower.
const CASES: u32 = if cfg!(miri) { 3 } else { 40 };
const CHANNELS: usize = if cfg!(miri) { 18 } else { 40 };
/// Just more than two blocks at least, so that there are two panels of output.
const MANY: usize = if cfg!(miri) { 34 } else { 70 };

/// Relative to the largest value before clamping: Winograd's F(4x4) loses two to three digits of f32's seven.
const TOLERANCE: f32 = 3e-5;

/// The largest absolute value, or 1.
fn largest(values: &[f32]) -> f32 {
    values.iter().fold(1.0, |m, v| m.max(v.abs()))
}

fn close(found: &[f32], expected: &[f32], scale: f32, what: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        prop_assert!((f - e).abs() <= TOLERANCE * scale, "{what}: number {i} is {f}, not {e}");
    }
    Ok(())
}

/// Everything an epilogue can do, in plain words.
struct End {
    scale: Vec<f32>,
    bias: Vec<f32>,
    noise: Option<Vec<f32>>,
    slope: f32,
    clamp: f32,
}

impl End {
    fn new(pictures: usize, channels: usize, area: usize, noise: bool, clamp: bool) -> Self {
        End {
            scale: numbers(pictures * padded(channels), 11),
            bias: numbers(padded(channels), 12),
            noise: noise.then(|| numbers(pictures * area, 13)),
            slope: 0.2,
            clamp: if clamp { 0.7 } else { f32::INFINITY },
        }
    }

    fn epilogue(&self) -> Epilogue<'_> {
        Epilogue {
            scale: &self.scale,
            bias: &self.bias,
            noise: self.noise.as_deref(),
            slope: self.slope,
            clamp: self.clamp,
        }
    }

    /// The result for one picture.
    fn apply(&self, picture: usize, y: &mut [f32], area: usize) {
        let padded = padded(y.len() / area);
        for (index, v) in y.iter_mut().enumerate() {
            let noise = self.noise.as_ref().map_or(0.0, |noise| noise[picture * area + index % area]);
            let linear = *v * self.scale[picture * padded + index / area] + noise + self.bias[index / area];
            *v = linear.max(self.slope * linear).clamp(-self.clamp, self.clamp);
        }
    }
}

fn styled(x: &[f32], area: usize, style: &[f32]) -> Vec<f32> {
    x.iter().enumerate().map(|(i, v)| v * style[i / area]).collect()
}

/// An activation whose memory is full of another picture's numbers, as it is when buffers are used again.
fn used(seed: u64) -> Activation {
    let mut y = Activation::new(Shape { pictures: 1, channels: 33, height: 19, width: 19 });
    y.fill(&numbers(33 * 19 * 19, seed));
    y
}

/// Every instruction set, alone and with helpers.
fn crews() -> Vec<Crew> {
    Isa::available().iter().flat_map(|isa| [Crew::alone(*isa), Crew::new(*isa, 3)]).collect()
}

fn name(crew: &Crew) -> String {
    format!("{} with {} threads", crew.isa(), crew.threads())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn convolution(
        pictures in 1_usize..4, (input, output) in (1..CHANNELS, 1..MANY),
        (height, width) in (1_usize..14, 1_usize..14), noise: bool, clamp: bool, doubling: bool,
    ) {
        let weight = numbers(9 * input * output, 1);
        let area = height * width;
        let x = numbers(pictures * input * area, 2);
        let style = numbers(pictures * padded(input), 3);
        let results = if doubling { 4 * area } else { area };
        let end = End::new(pictures, output, results, noise, clamp);
        let (mut expected, mut scale) = (Vec::new(), 1.0_f32);
        for (picture, x) in x.chunks(input * area).enumerate() {
            let by_style = styled(x, area, &style[picture * padded(input)..]);
            let mut y = if doubling {
                reference::doubling_conv3x3(&by_style, [height, width], &weight, output)
            } else {
                reference::conv3x3(&by_style, [height, width], &weight, output)
            };
            scale = scale.max(largest(&y));
            end.apply(picture, &mut y, results);
            expected.extend(y);
        }
        let crews = crews();
        for method in [Method::Direct, Method::F2, Method::F4] {
            let conv = if doubling {
                Conv3x3::doubling(&weight, output, input, method)
            } else {
                Conv3x3::new(&weight, output, input, method)
            };
            for crew in &crews {
                let (mut source, mut y) = (used(4), used(5));
                source.reshape(Shape { pictures, channels: input, height, width });
                source.fill(&x);
                conv.run(crew, &mut source, &style, &end.epilogue(), &mut Scratch::default(), &mut y);
                close(&y.to_planar(), &expected, scale, &format!("{} {method:?}", name(crew)))?;
            }
        }
    }

    #[test]
    fn upsampling(
        pictures in 1_usize..4, channels in 1..CHANNELS, (height, width) in (1_usize..10, 1_usize..10),
        noise: bool, clamp: bool,
    ) {
        let area = height * width;
        let x = numbers(pictures * channels * area, 6);
        let end = End::new(pictures, channels, 4 * area, noise, clamp);
        let (mut expected, mut scale) = (Vec::new(), 1.0_f32);
        for (picture, x) in x.chunks(channels * area).enumerate() {
            let mut y = reference::upsample2x(x, [height, width], Edge::Replicate);
            scale = scale.max(largest(&y));
            end.apply(picture, &mut y, 4 * area);
            expected.extend(y);
        }
        for crew in crews() {
            let (mut source, mut y) = (used(7), used(8));
            source.reshape(Shape { pictures, channels, height, width });
            source.fill(&x);
            upsample2x(&crew, &mut source, &end.epilogue(), &mut y);
            close(&y.to_planar(), &expected, scale, &name(&crew))?;
        }
    }

    #[test]
    fn colours(
        channels in 1..MANY, (height, width) in (1_usize..6, 1_usize..6), zero_edge: bool, clamp: bool,
    ) {
        let (fine_height, fine_width) = (2 * height, 2 * width);
        let edge = if zero_edge { Edge::Zero } else { Edge::Replicate };
        let clamp = if clamp { 0.5 } else { f32::INFINITY };
        let bias = [0.1, -0.2, 0.3];
        let layer = |channels: usize, height: usize, width: usize, seed: u64| {
            let (x, weight) = (numbers(channels * height * width, seed), numbers(3 * channels, seed + 1));
            let mut packed = vec![0.0; 3 * padded(channels)];
            for (row, packed) in weight.chunks(channels).zip(packed.chunks_mut(padded(channels))) {
                packed[..channels].copy_from_slice(row);
            }
            let mut y = reference::conv1x1(&x, height * width, &weight, &bias);
            for v in &mut y {
                *v = v.clamp(-clamp, clamp);
            }
            // The picture stands behind another one.
            let mut activation = Activation::new(Shape { pictures: 2, channels, height, width });
            activation.fill(&[numbers(x.len(), 99), x].concat());
            (activation, packed, y)
        };
        let (coarse_x, coarse_weight, coarse) = layer(channels, height, width, 20);
        let (fine_x, fine_weight, mut expected) = layer(channels, fine_height, fine_width, 30);
        let doubled = reference::upsample2x(&coarse, [height, width], edge);
        expected.iter_mut().zip(doubled).for_each(|(a, b)| *a += b);
        for crew in crews() {
            let (mut first, mut second) = (Rgb::default(), Rgb::default());
            ToRgb { weight: &coarse_weight, bias, clamp }.run(&crew, &coarse_x, 1, None, &mut first);
            ToRgb { weight: &fine_weight, bias, clamp }.run(&crew, &fine_x, 1, Some((&mut first, edge)), &mut second);
            let mut found = vec![0.0; expected.len()];
            second.write_planar(&mut found);
            close(&found, &expected, (channels as f32).sqrt().max(largest(&expected)), &name(&crew))?;
            let mut bytes = vec![0; expected.len()];
            second.write_bytes(&mut bytes);
            let area = fine_height * fine_width;
            for (i, &byte) in bytes.iter().enumerate() {
                let value = found[i % 3 * area + i / 3];
                prop_assert_eq!(i32::from(byte), ((value * 127.5 + 128.0).floor() as i32).clamp(0, 255));
            }
        }
    }

    #[test]
    fn matrix_times_vectors(
        vectors in 1_usize..4, (input, output) in (1_usize..90, 1_usize..90), some in (0_usize..6, 0_usize..6),
    ) {
        let (weight, bias) = (numbers(input * output, 40), numbers(output, 41));
        let x = numbers(vectors * input, 42);
        let layer = Linear::new(&weight, &bias);
        for crew in crews() {
            let mut y = vec![9.0; vectors * layer.padded_output()];
            layer.run(&crew, &x, &mut y);
            for (x, y) in x.chunks(input).zip(y.chunks(layer.padded_output())) {
                let expected = reference::linear(&weight, &bias, x);
                close(&y[..output], &expected, largest(&expected), &name(&crew))?;
                prop_assert!(y[output..].iter().all(|v| v.abs() < f32::MIN_POSITIVE));
            }
            let all = layer.padded_output();
            let [from, to] = [some.0.min(some.1), some.0.max(some.1)].map(|block| (16 * block).min(all));
            let mut part = vec![9.0; vectors * (to - from)];
            layer.run_part(&crew, from..to, &x, &mut part);
            let expected: Vec<f32> = y.chunks(all).flat_map(|y| y[from..to].to_vec()).collect();
            prop_assert_eq!(part, expected);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "would take Miri days")]
fn large_pictures_are_worked_on_in_parts() {
    // Factors for 256 channels of that many tiles are more than is worked on at once.
    let (channels, side) = (256, 40);
    let (weight, x) = (numbers(9 * channels * 3, 50), numbers(channels * side * side, 51));
    let (style, ones, zeros) = (vec![1.0; channels], [1.0; 16], [0.0; 16]);
    let plain = Epilogue { scale: &ones, bias: &zeros, noise: None, slope: 1.0, clamp: f32::INFINITY };
    let expected =
        [reference::conv3x3(&x, [side, side], &weight, 3), reference::doubling_conv3x3(&x, [side, side], &weight, 3)];
    for method in [Method::Direct, Method::F2, Method::F4] {
        let convs = [Conv3x3::new(&weight, 3, channels, method), Conv3x3::doubling(&weight, 3, channels, method)];
        for (conv, expected) in convs.iter().zip(&expected) {
            for crew in crews() {
                let mut source = Activation::new(Shape { pictures: 1, channels, height: side, width: side });
                source.fill(&x);
                let mut y = Activation::default();
                conv.run(&crew, &mut source, &style, &plain, &mut Scratch::default(), &mut y);
                close(&y.to_planar(), expected, largest(expected), &format!("{} {method:?}", name(&crew))).unwrap();
            }
        }
    }
}

#[test]
#[should_panic(expected = "input channels")]
fn a_picture_with_other_channels_is_refused() {
    let (ones, zeros) = ([1.0; 16], [0.0; 16]);
    let plain = Epilogue { scale: &ones, bias: &zeros, noise: None, slope: 1.0, clamp: f32::INFINITY };
    let mut x = Activation::new(Shape { pictures: 1, channels: 2, height: 4, width: 4 });
    let conv = Conv3x3::new(&[1.0; 9], 1, 1, Method::Direct);
    let crew = Crew::alone(Isa::best());
    conv.run(&crew, &mut x, &ones, &plain, &mut Scratch::default(), &mut Activation::default());
}
