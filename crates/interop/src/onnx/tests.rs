//! The graph computed node by node, in plain loops, draws what [`synth::reference`] draws. (ONNX Runtime itself is asked by
//! `tests/golden/check_onnx.py`.)

use std::collections::HashMap;

use prost::Message;
use synth::{Architecture, Ink, LabelNorm, Labels, ModelFile, NoiseInputs, Seed, Upsample, latent, reference};

use super::proto::{Model, Node};
use super::{Input, Noise, Options, export};

/// Shape and values.
type Array = (Vec<usize>, Vec<f32>);

fn model(upsample: Upsample, noise: NoiseInputs, labels: Option<Labels>, conv_clamp: Option<f32>) -> ModelFile {
    let architecture =
        Architecture { base: [2, 3], upsample, noise, conv_clamp, labels, ..Architecture::plain(6, 5, &[4, 3, 2]) };
    ModelFile::random(architecture, Seed(3)).unwrap()
}

#[test]
fn the_graph_draws_the_reference_picture() {
    let labels = |normalize| Some(Labels { classes: 3, features: 2, normalize });
    for model in [
        model(Upsample::StyleGan2, NoiseInputs::All, labels(LabelNorm::Apart), Some(0.8)),
        model(Upsample::ConvUp, NoiseInputs::None, labels(LabelNorm::Joined), None),
        model(Upsample::UpConv, NoiseInputs::All, None, None),
    ] {
        for input in [Input::Z, Input::W] {
            let exported = export(&model, Options { input, noise: Noise::Input }).unwrap();
            let mut feed = HashMap::new();
            // A batch of two seeds, each with its own psi, class and noise.
            let (seeds, psis) = ([Seed(8), Seed(9)], [0.5, 1.3]);
            let architecture = &model.architecture;
            let mut put = |name: &str, row: &dyn Fn(usize) -> Vec<f32>, tail: &[usize]| {
                feed.insert(name.to_owned(), ([&[2], tail].concat(), [row(0), row(1)].concat()));
            };
            let truncated = |i: usize| {
                let mut w = reference::w(&model, seeds[i]).unwrap();
                reference::truncate(&mut w, &model.tensors["mapping.w_avg"].data, psis[i]);
                w
            };
            if input == Input::W {
                put("w", &truncated, &[5]);
            } else {
                put("z", &|i| latent::z(seeds[i], 6), &[6]);
                put("psi", &|i| vec![psis[i]], &[1]);
                if let Some(labels) = architecture.labels {
                    let one_hot =
                        |i: usize| (0..3).map(|k| f32::from(k == latent::class(seeds[i], labels.classes))).collect();
                    put("c", &one_hot, &[3]);
                }
            }
            if architecture.noise == NoiseInputs::All {
                for (k, name) in ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"].into_iter().enumerate()
                {
                    let (height, width) = (2 << k.div_ceil(2), 3 << k.div_ceil(2));
                    let noise = |i: usize| {
                        let mut noise = vec![0.0; height * width];
                        latent::normal(seeds[i], 1 + k as u32, &mut noise);
                        noise
                    };
                    put(&format!("noise.{name}"), &noise, &[1, height, width]);
                }
            }
            assert_eq!(exported.inputs.len(), feed.len(), "{:?}", exported.inputs);
            let (shape, drawn) = run(&exported.bytes, feed);
            assert_eq!(shape, [2, 3, 8, 12]);
            for (i, drawn) in drawn.chunks_exact(3 * 8 * 12).enumerate() {
                let expected = reference::synthesize(&model, &truncated(i), seeds[i]).unwrap();
                let worst = drawn.iter().zip(&expected).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
                assert!(worst < 2e-5, "{:?} {input:?} picture {i}: {worst}", architecture.upsample);
            }
        }
    }
}

#[test]
fn stored_noise_becomes_part_of_the_graph_unless_it_is_not_wanted() {
    let mut model = model(Upsample::StyleGan2, NoiseInputs::All, None, None);
    let inputs = |model: &ModelFile, noise| export(model, Options { input: Input::W, noise }).unwrap().inputs;
    assert_eq!(inputs(&model, Noise::Const).len(), 6, "what is not stored is an input");
    assert_eq!(inputs(&model, Noise::None), ["w [N, 5]"]);
    for (name, shape) in model.architecture.optional_tensors() {
        let data = vec![0.5; shape.iter().product()];
        model.tensors.insert(name, synth::Tensor { shape, data });
    }
    assert_eq!(inputs(&model, Noise::Const), ["w [N, 5]"]);
    assert_eq!(inputs(&model, Noise::Input)[1], "noise.b4.conv1 [M, 1, 2, 3]");
    let w = reference::w(&model, Seed(1)).unwrap();
    let exported = export(&model, Options { input: Input::W, noise: Noise::Const }).unwrap();
    let (_, drawn) = run(&exported.bytes, HashMap::from([("w".into(), (vec![1, 5], w.clone()))]));
    let expected = reference::synthesize(&model, &w, Seed(1)).unwrap();
    assert!(drawn.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-5));
}

#[test]
fn ink_becomes_nodes_of_the_graph() {
    for factor in [2, 4] {
        let mut model = model(Upsample::ConvUp, NoiseInputs::None, None, None);
        let ink = Some(Ink { channels: 5, blocks: 2, factor });
        model = ModelFile::random(Architecture { ink, ..model.architecture }, Seed(4)).unwrap();
        let exported = export(&model, Options { input: Input::W, noise: Noise::None }).unwrap();
        let seeds = [Seed(1), Seed(2)];
        let w = seeds.map(|seed| reference::w(&model, seed).unwrap());
        let (shape, drawn) = run(&exported.bytes, HashMap::from([("w".into(), (vec![2, 5], w.concat()))]));
        assert_eq!(shape, [2, 3, 8 * factor, 12 * factor]);
        for (i, drawn) in drawn.chunks_exact(drawn.len() / 2).enumerate() {
            let expected = reference::synthesize(&model, &w[i], seeds[i]).unwrap();
            assert_eq!(drawn.len(), expected.len());
            let worst = drawn.iter().zip(&expected).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(worst < 2e-5, "factor {factor}, picture {i}: {worst}");
        }
    }
}

/// Computes a graph.
fn run(bytes: &[u8], feed: HashMap<String, Array>) -> Array {
    let model = Model::decode(bytes).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
    let graph = model.graph.unwrap();
    let mut values = feed;
    for tensor in graph.initializer {
        let shape = tensor.dims.iter().map(|&n| n as usize).collect();
        let data = match tensor.data_type {
            1 => tensor.raw_data.as_chunks().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect(),
            _ => tensor.raw_data.as_chunks().0.iter().map(|&raw| i64::from_le_bytes(raw) as f32).collect(),
        };
        assert!(values.insert(tensor.name.clone(), (shape, data)).is_none(), "{} is there twice", tensor.name);
    }
    for node in &graph.node {
        let inputs: Vec<&Array> = node.input.iter().filter(|name| !name.is_empty()).map(|name| &values[name]).collect();
        let result = compute(node, &inputs);
        assert!(values.insert(node.output[0].clone(), result).is_none(), "{} is computed twice", node.output[0]);
    }
    values.remove(&graph.output[0].name).expect("the output is computed")
}

fn compute(node: &Node, inputs: &[&Array]) -> Array {
    let ints = |name: &str| node.attribute.iter().find(|a| a.name == name).map(|a| a.ints.clone());
    let int = |name: &str, default| node.attribute.iter().find(|a| a.name == name).map_or(default, |a| a.i);
    let each = |f: &dyn Fn(f32) -> f32| (inputs[0].0.clone(), inputs[0].1.iter().map(|&v| f(v)).collect());
    match node.op_type.as_str() {
        "Identity" => inputs[0].clone(),
        "Sqrt" => each(&f32::sqrt),
        "LeakyRelu" => {
            let alpha = node.attribute[0].f;
            each(&|v| if v < 0.0 { alpha * v } else { v })
        }
        "Clip" => each(&|v| v.clamp(inputs[1].1[0], inputs[2].1[0])),
        "Add" => broadcast(inputs[0], inputs[1], |a, b| a + b),
        "Sub" => broadcast(inputs[0], inputs[1], |a, b| a - b),
        "Mul" => broadcast(inputs[0], inputs[1], |a, b| a * b),
        "Div" => broadcast(inputs[0], inputs[1], |a, b| a / b),
        "Unsqueeze" => ([&inputs[0].0[..], &[1, 1]].concat(), inputs[0].1.clone()),
        "ReduceMean" => {
            let [rows, columns] = inputs[0].0[..] else { panic!("two axes") };
            let means = inputs[0].1.chunks_exact(columns).map(|row| row.iter().sum::<f32>() / columns as f32);
            (vec![rows, 1], means.collect())
        }
        "Concat" => {
            let [(a, x), (b, y)] = inputs[..] else { panic!("two parts") };
            let length = |shape: &[usize]| shape[1..].iter().product();
            let rows = x.chunks_exact(length(a)).zip(y.chunks_exact(length(b)));
            ([&[a[0], a[1] + b[1]], &a[2..]].concat(), rows.flat_map(|(x, y)| [x, y].concat()).collect())
        }
        "Gemm" => {
            assert_eq!(int("transB", 0), 1);
            let ((a, x), (b, weight)) = (inputs[0], inputs[1]);
            let dot = |row: &[f32], w: &[f32]| row.iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
            let rows = x.chunks_exact(a[1]).flat_map(|row| weight.chunks_exact(b[1]).map(move |w| dot(row, w)));
            broadcast(&(vec![a[0], b[0]], rows.collect()), inputs[2], |a, b| a + b)
        }
        "Conv" | "ConvTranspose" => {
            let pad = ints("pads").map_or(0, |pads| pads[0] as usize);
            let stride = ints("strides").map_or(1, |strides| strides[0] as usize);
            let y =
                convolve(inputs[0], inputs[1], pad, stride, int("group", 1) as usize, node.op_type == "ConvTranspose");
            match inputs.get(2) {
                Some((shape, bias)) => broadcast(&y, &(vec![1, shape[0], 1, 1], bias.clone()), |a, b| a + b),
                None => y,
            }
        }
        "Resize" => resize(inputs[0], inputs[1].1[3] as usize),
        "DepthToSpace" => {
            assert_eq!(node.attribute.iter().find(|a| a.name == "mode").unwrap().s, b"CRD");
            shuffle(inputs[0], int("blocksize", 0) as usize)
        }
        other => panic!("the test does not know {other}"),
    }
}

/// The shapes' axes are aligned at their ends.
fn broadcast(a: &Array, b: &Array, f: impl Fn(f32, f32) -> f32) -> Array {
    let axes = a.0.len().max(b.0.len());
    let long = |shape: &[usize]| [vec![1; axes - shape.len()], shape.to_vec()].concat();
    let (left, right) = (long(&a.0), long(&b.0));
    let shape: Vec<usize> = left.iter().zip(&right).map(|(&l, &r)| if l == 1 { r } else { l }).collect();
    assert!(left.iter().zip(&right).all(|(&l, &r)| l == r || l == 1 || r == 1), "{left:?} {right:?}");
    let value = |array: &[f32], own: &[usize], mut place: usize| {
        let (mut index, mut step) = (0, 1);
        for axis in (0..axes).rev() {
            index += step * ((place % shape[axis]) % own[axis]);
            step *= own[axis];
            place /= shape[axis];
        }
        array[index]
    };
    let count = shape.iter().product();
    let data = (0..count).map(|place| f(value(&a.1, &left, place), value(&b.1, &right, place))).collect();
    (shape, data)
}

/// Convolution with stride 1, or transposed with any stride.
fn convolve(x: &Array, weight: &Array, pad: usize, stride: usize, groups: usize, transposed: bool) -> Array {
    let ([n, channels, h, w], [first, second, k, _]) = (x.0[..].try_into().unwrap(), weight.0[..].try_into().unwrap());
    let outputs = if transposed { second * groups } else { first };
    let size = |side: usize| if transposed { (side - 1) * stride + k - 2 * pad } else { side + 2 * pad + 1 - k };
    let (rows, columns) = (size(h), size(w));
    let (per_in, per_out) = (channels / groups, outputs / groups);
    let mut out = vec![0.0; n * outputs * rows * columns];
    for picture in 0..n {
        for (o, i, ky, kx) in
            (0..outputs * per_in * k * k).map(|p| (p / (per_in * k * k), p / (k * k) % per_in, p / k % k, p % k))
        {
            let input = o / per_out * per_in + i;
            let tap = if transposed { (input * per_out + o % per_out, ky, kx) } else { (o * per_in + i, ky, kx) };
            let tap = weight.1[(tap.0 * k + tap.1) * k + tap.2];
            for (yy, xx) in (0..h * w).map(|p| (p / w, p % w)) {
                let place = if transposed {
                    ((yy * stride + ky).checked_sub(pad), (xx * stride + kx).checked_sub(pad))
                } else {
                    ((yy + pad).checked_sub(ky), (xx + pad).checked_sub(kx))
                };
                if let (Some(y), Some(x_out)) = place
                    && y < rows
                    && x_out < columns
                {
                    let value = x.1[((picture * channels + input) * h + yy) * w + xx];
                    out[((picture * outputs + o) * rows + y) * columns + x_out] += tap * value;
                }
            }
        }
    }
    (vec![n, outputs, rows, columns], out)
}

/// `factor` times the size, bilinear between the centres of pixels, edges repeated.
fn resize(x: &Array, factor: usize) -> Array {
    let [n, channels, h, w] = x.0[..].try_into().unwrap();
    let source = |place: usize, side: usize| {
        let at = ((place as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        (at as usize, (at as usize + 1).min(side - 1), at.fract())
    };
    let (rows, columns) = (factor * h, factor * w);
    let mut out = Vec::with_capacity(x.1.len() * factor * factor);
    for plane in x.1.chunks_exact(h * w) {
        for (y, x) in (0..rows * columns).map(|p| (p / columns, p % columns)) {
            let ((y0, y1, fy), (x0, x1, fx)) = (source(y, h), source(x, w));
            let row = |y: usize| plane[y * w + x0] * (1.0 - fx) + plane[y * w + x1] * fx;
            out.push(row(y0) * (1.0 - fy) + row(y1) * fy);
        }
    }
    (vec![n, channels, rows, columns], out)
}

/// Channel `c b^2 + i b + j` becomes row `i`, column `j` within each pixel of channel `c`.
fn shuffle(x: &Array, b: usize) -> Array {
    let [n, channels, h, w] = x.0[..].try_into().unwrap();
    let shape = vec![n, channels / (b * b), h * b, w * b];
    let mut out = vec![0.0; x.1.len()];
    for (place, value) in x.1.iter().enumerate() {
        let (plane, row, column) = (place / (h * w), place / w % h, place % w);
        let (colour, i, j) = (plane / (b * b), plane / b % b, plane % b);
        out[(colour * h * b + row * b + i) * w * b + column * b + j] = *value;
    }
    (shape, out)
}
