//! A model as an ONNX graph (opset 17, no custom operators), for any runtime that reads those.
//!
//! Styles scale the input of a convolution and demodulation its result, so one shared weight serves every picture of a
//! batch and the batch's size stays open. The graph is [`synth::reference`]'s forward pass, layer by layer.

mod graph;
mod proto;
#[cfg(test)]
mod tests;

use prost::Message;
use synth::{Ink, LabelNorm, ModelFile, Upsample};

use crate::error::Error;
use graph::{Graph, ints};

/// The gain of the leaky `ReLU`.
const GAIN: f32 = std::f32::consts::SQRT_2;
/// `StyleGAN2`'s resampling filter, which sums to 8.
const FILTER: [f32; 4] = [1.0, 3.0, 3.0, 1.0];

/// What a graph takes and adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What it draws from.
    pub input: Input,
    /// The noise it adds.
    pub noise: Noise,
}

/// What a graph draws from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// `z` [N, `z_dim`] and `psi` [1, 1] or [N, 1]; of a class-conditional model also `c` [N, classes], one-hot.
    #[default]
    Z,
    /// `w` [N, `w_dim`], truncated already.
    W,
}

/// The noise a graph adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Noise {
    /// The noise stored in the model; what is not stored becomes an input.
    #[default]
    Const,
    /// None.
    None,
    /// Inputs, one a convolution: `noise.b8.conv0` [1 or N, 1, H, W] and so on.
    Input,
}

/// A graph as bytes, and how to feed it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The contents of the `.onnx` file.
    pub bytes: Vec<u8>,
    /// Names and shapes of its inputs, for people. Its output is `image` [N, 3, H, W], about -1 to 1.
    pub inputs: Vec<String>,
}

/// Writes a model as an ONNX graph.
///
/// # Errors
/// The model is not valid.
pub fn export(model: &ModelFile, options: Options) -> Result<Exported, Error> {
    model.check()?;
    let mut writer = Writer { model, options, graph: Graph::default() };
    let w = match options.input {
        Input::Z => writer.mapping(),
        Input::W => writer.graph.input("w", &["N".into(), model.architecture.w_dim.into()]),
    };
    let image = writer.synthesis(&w);
    let (height, width) = model.architecture.resolution();
    writer.graph.node_named("Identity", &[&image], vec![], "image");
    let inputs = writer.graph.described_inputs();
    let mut proto = writer.graph.finish("image", &["N".into(), 3.into(), height.into(), width.into()]);
    for (key, value) in [
        ("architecture", serde_json::to_string(&model.architecture).unwrap_or_default()),
        ("provenance", model.metadata.provenance.to_string()),
        ("license", model.metadata.license.clone()),
    ] {
        proto.metadata_props.push(proto::StringEntry { key: key.into(), value });
    }
    Ok(Exported { bytes: proto.encode_to_vec(), inputs })
}

struct Writer<'m> {
    model: &'m ModelFile,
    options: Options,
    graph: Graph,
}

impl Writer<'_> {
    fn values(&self, name: &str) -> &[f32] {
        &self.model.tensors[name].data
    }

    /// A tensor of the model as a constant of the graph.
    fn weight(&mut self, name: &str) -> String {
        let tensor = &self.model.tensors[name];
        self.graph.constant(name, &tensor.shape, &tensor.data)
    }

    /// `x W' + b` for the tensors `{name}.weight` and `{name}.bias`.
    fn affine(&mut self, name: &str, x: &str) -> String {
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        self.graph.node("Gemm", &[x, &weight, &bias], vec![graph::int("transB", 1)])
    }

    /// `x * rsqrt(mean(x^2) + 1e-8)` along the last axis.
    fn normalise(&mut self, x: &str) -> String {
        let square = self.graph.node("Mul", &[x, x], vec![]);
        let mean = self.graph.node("ReduceMean", &[&square], vec![ints("axes", &[1]), graph::int("keepdims", 1)]);
        let small = self.graph.scalar("epsilon", 1e-8);
        let sum = self.graph.node("Add", &[&mean, &small], vec![]);
        let root = self.graph.node("Sqrt", &[&sum], vec![]);
        self.graph.node("Div", &[x, &root], vec![])
    }

    /// From `z`, the class and psi to the truncated `w`.
    fn mapping(&mut self) -> String {
        let architecture = &self.model.architecture;
        let mut x = self.graph.input("z", &["N".into(), architecture.z_dim.into()]);
        let joined = architecture.labels.is_some_and(|labels| labels.normalize == LabelNorm::Joined);
        if architecture.normalize_z && !joined {
            x = self.normalise(&x);
        }
        if let Some(labels) = architecture.labels {
            let class = self.graph.input("c", &["N".into(), labels.classes.into()]);
            let mut embedded = self.affine("mapping.embed", &class);
            if labels.normalize == LabelNorm::Apart {
                embedded = self.normalise(&embedded);
            }
            x = self.graph.node("Concat", &[&x, &embedded], vec![graph::int("axis", 1)]);
            if architecture.normalize_z && joined {
                x = self.normalise(&x);
            }
        }
        let gain = self.graph.scalar("gain", GAIN);
        for layer in 0..architecture.mapping_layers {
            let y = self.affine(&format!("mapping.fc{layer}"), &x);
            let y = self.graph.node("LeakyRelu", &[&y], vec![graph::float("alpha", 0.2)]);
            x = self.graph.node("Mul", &[&y, &gain], vec![]);
        }
        let psi = self.graph.input("psi", &["P".into(), 1.into()]);
        let mean =
            self.graph.constant("mapping.w_avg", &[1, architecture.w_dim], &self.model.tensors["mapping.w_avg"].data);
        let away = self.graph.node("Sub", &[&x, &mean], vec![]);
        let away = self.graph.node("Mul", &[&away, &psi], vec![]);
        self.graph.node("Add", &[&mean, &away], vec![])
    }

    fn synthesis(&mut self, w: &str) -> String {
        let architecture = self.model.architecture.clone();
        let [height, width] = architecture.base;
        let constant = self.values("synthesis.b4.const").to_vec();
        let mut x = self.graph.constant("synthesis.b4.const", &[1, architecture.channels[0], height, width], &constant);
        let mut picture: Option<String> = None;
        for block in 0..architecture.channels.len() {
            let name = format!("synthesis.b{}", 4_u64 << block);
            if block > 0 {
                x = self.conv(&format!("{name}.conv0"), &x, w, block, true);
            }
            x = self.conv(&format!("{name}.conv1"), &x, w, block, false);
            let colours = self.colours(&format!("{name}.torgb"), &x, w);
            picture = Some(match picture {
                None => colours,
                Some(coarse) => {
                    let doubled = self.double_picture(&coarse);
                    self.graph.node("Add", &[&doubled, &colours], vec![])
                }
            });
        }
        let picture = picture.expect("an architecture has a block");
        match architecture.ink {
            Some(ink) => self.ink(ink, &picture),
            None => picture,
        }
    }

    /// The composed picture, redrawn at the larger size.
    fn ink(&mut self, ink: Ink, picture: &str) -> String {
        let (low, high) = (self.graph.scalar("ink.low", -1.0), self.graph.scalar("ink.high", 1.0));
        let bounded = self.graph.node("Clip", &[picture, &low, &high], vec![]);
        let places = self.places(&bounded);
        let x = self.graph.node("Concat", &[&bounded, &places], vec![graph::int("axis", 1)]);
        let mut y = self.ink_conv("ink.conv_in", &x, true);
        for block in 0..ink.blocks {
            let inner = self.ink_conv(&format!("ink.b{block}.conv0"), &y, true);
            let residual = self.ink_conv(&format!("ink.b{block}.conv1"), &inner, true);
            y = self.graph.node("Add", &[&y, &residual], vec![]);
        }
        let fine = self.ink_conv("ink.conv_out", &y, false);
        let attributes = vec![graph::int("blocksize", ink.factor as i64), graph::string("mode", "CRD")];
        let fine = self.graph.node("DepthToSpace", &[&fine], attributes);
        let enlarged = self.enlarged(&bounded, ink.factor);
        self.graph.node("Add", &[&enlarged, &fine], vec![])
    }

    /// The planes of x and y [N, 2, H, W]. A constant serves one picture only, so it is added to zeros of the batch's size.
    fn places(&mut self, picture: &str) -> String {
        let (height, width) = self.model.architecture.composed();
        let area = height * width;
        let x = (0..area).map(|pixel| Ink::place(pixel % width, width));
        let planes: Vec<f32> = x.chain((0..area).map(|pixel| Ink::place(pixel / width, height))).collect();
        let planes = self.graph.constant("ink.places", &[1, 2, height, width], &planes);
        // The picture is bounded, so that zero times it is zero.
        let zero = self.graph.constant("ink.none", &[2, 3, 1, 1], &[0.0; 6]);
        let zeros = self.graph.node("Conv", &[picture, &zero], vec![ints("kernel_shape", &[1, 1])]);
        self.graph.node("Add", &[&zeros, &planes], vec![])
    }

    /// A 3x3 convolution with bias and, if wanted, the leaky `ReLU` without gain.
    fn ink_conv(&mut self, name: &str, x: &str, activated: bool) -> String {
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        let attributes = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])];
        let y = self.graph.node("Conv", &[x, &weight, &bias], attributes);
        if activated { self.graph.node("LeakyRelu", &[&y], vec![graph::float("alpha", 0.2)]) } else { y }
    }

    /// Styles of a layer [N, C].
    fn style(&mut self, name: &str, w: &str) -> String {
        self.affine(&format!("{name}.affine"), w)
    }

    /// [N, C] to [N, C, 1, 1].
    fn over_pixels(&mut self, x: &str) -> String {
        let axes = self.graph.axes();
        self.graph.node("Unsqueeze", &[x, &axes], vec![])
    }

    /// A modulated 3x3 convolution with everything around it.
    fn conv(&mut self, name: &str, x: &str, w: &str, block: usize, doubles: bool) -> String {
        let style = self.style(name, w);
        // d_o = rsqrt(sum_i s_i^2 sum_k W_oik^2 + 1e-8), times the gain of the activation, which is homogeneous.
        let tensor = &self.model.tensors[&format!("{name}.weight")];
        let (shape, weight) = (tensor.shape.clone(), tensor.data.clone());
        let energy: Vec<f32> = weight.chunks_exact(9).map(|taps| taps.iter().map(|v| v * v).sum()).collect();
        let energy = self.graph.constant(&format!("{name}.energy"), &shape[..2], &energy);
        let small = self.graph.scalar("epsilon", 1e-8);
        let square = self.graph.node("Mul", &[&style, &style], vec![]);
        let sum = self.graph.node("Gemm", &[&square, &energy, &small], vec![graph::int("transB", 1)]);
        let root = self.graph.node("Sqrt", &[&sum], vec![]);
        let gain = self.graph.scalar("gain", GAIN);
        let scale = self.graph.node("Div", &[&gain, &root], vec![]);
        let (style, scale) = (self.over_pixels(&style), self.over_pixels(&scale));

        let x = self.graph.node("Mul", &[x, &style], vec![]);
        let upsample = doubles.then_some(self.model.architecture.upsample);
        let y = match upsample {
            None => self.conv3x3(name, &x),
            Some(Upsample::UpConv) => {
                let fine = self.bilinear(&x);
                self.conv3x3(name, &fine)
            }
            Some(Upsample::ConvUp) => {
                let y = self.conv3x3(name, &x);
                self.bilinear(&y)
            }
            Some(Upsample::StyleGan2) => self.transposed(name, &shape, &weight, &x),
        };
        let y = self.graph.node("Mul", &[&y, &scale], vec![]);
        let y = match self.noise(name, block) {
            Some(noise) => self.graph.node("Add", &[&y, &noise], vec![]),
            None => y,
        };
        let bias: Vec<f32> = self.values(&format!("{name}.bias")).iter().map(|v| v * GAIN).collect();
        let bias = self.graph.constant(&format!("{name}.bias"), &[1, shape[0], 1, 1], &bias);
        let y = self.graph.node("Add", &[&y, &bias], vec![]);
        let y = self.graph.node("LeakyRelu", &[&y], vec![graph::float("alpha", 0.2)]);
        self.clamp(y)
    }

    fn conv3x3(&mut self, name: &str, x: &str) -> String {
        let weight = self.weight(&format!("{name}.weight"));
        self.graph.node("Conv", &[x, &weight], vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])])
    }

    /// Transposed convolution with stride 2, then the filter over each channel.
    fn transposed(&mut self, name: &str, shape: &[usize], weight: &[f32], x: &str) -> String {
        let (output, input) = (shape[0], shape[1]);
        let turned = (0..input).flat_map(|i| (0..output).flat_map(move |o| &weight[(o * input + i) * 9..][..9]));
        let weight = self.graph.constant(
            &format!("{name}.weight"),
            &[input, output, 3, 3],
            &turned.copied().collect::<Vec<f32>>(),
        );
        let attributes = vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])];
        let y = self.graph.node("ConvTranspose", &[x, &weight], attributes);
        let filter = self.filter(output);
        let attributes = vec![ints("kernel_shape", &[4, 4]), ints("pads", &[1; 4]), graph::int("group", output as i64)];
        self.graph.node("Conv", &[&y, &filter], attributes)
    }

    /// The filter's outer product with gain 4, once for each channel.
    fn filter(&mut self, channels: usize) -> String {
        let one: Vec<f32> = FILTER.iter().flat_map(|a| FILTER.map(|b| a * b / 16.0)).collect();
        self.graph.constant(&format!("filter.{channels}"), &[channels, 1, 4, 4], &one.repeat(channels))
    }

    /// Noise of a layer times its strength and the gain of the activation.
    fn noise(&mut self, name: &str, block: usize) -> Option<String> {
        let architecture = &self.model.architecture;
        let [height, width] = architecture.base.map(|side| side << block);
        if !architecture.noise.at(height) || self.options.noise == Noise::None {
            return None;
        }
        let strength = GAIN * self.values(&format!("{name}.noise_strength"))[0];
        match self.model.tensors.get(&format!("{name}.noise_const")) {
            Some(stored) if self.options.noise == Noise::Const => {
                let scaled: Vec<f32> = stored.data.iter().map(|v| v * strength).collect();
                Some(self.graph.constant(&format!("{name}.noise"), &[1, 1, height, width], &scaled))
            }
            _ => {
                let place = name.strip_prefix("synthesis.").unwrap_or(name);
                let sizes = ["M".into(), 1.into(), height.into(), width.into()];
                let noise = self.graph.input(&format!("noise.{place}"), &sizes);
                let strength = self.graph.constant(&format!("{name}.noise_strength"), &[], &[strength]);
                Some(self.graph.node("Mul", &[&noise, &strength], vec![]))
            }
        }
    }

    fn colours(&mut self, name: &str, x: &str, w: &str) -> String {
        let style = self.style(name, w);
        let style = self.over_pixels(&style);
        let x = self.graph.node("Mul", &[x, &style], vec![]);
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        let y = self.graph.node("Conv", &[&x, &weight, &bias], vec![ints("kernel_shape", &[1, 1])]);
        self.clamp(y)
    }

    fn clamp(&mut self, y: String) -> String {
        match self.model.architecture.conv_clamp {
            None => y,
            Some(bound) => {
                let (low, high) = (self.graph.scalar("clamp.low", -bound), self.graph.scalar("clamp.high", bound));
                self.graph.node("Clip", &[&y, &low, &high], vec![])
            }
        }
    }

    fn double_picture(&mut self, coarse: &str) -> String {
        if self.model.architecture.upsample != Upsample::StyleGan2 {
            return self.bilinear(coarse);
        }
        let filter = self.filter(3);
        let attributes = vec![
            ints("kernel_shape", &[4, 4]),
            ints("strides", &[2, 2]),
            ints("pads", &[1; 4]),
            graph::int("group", 3),
        ];
        self.graph.node("ConvTranspose", &[coarse, &filter], attributes)
    }

    /// Twice the size, bilinear, edges repeated.
    fn bilinear(&mut self, x: &str) -> String {
        self.enlarged(x, 2)
    }

    /// So many times the size, bilinear, edges repeated.
    fn enlarged(&mut self, x: &str, factor: usize) -> String {
        let side = factor as f32;
        let scales = self.graph.constant(&format!("scales.{factor}"), &[4], &[1.0, 1.0, side, side]);
        let attributes =
            vec![graph::string("mode", "linear"), graph::string("coordinate_transformation_mode", "half_pixel")];
        // The region of interest, left out.
        self.graph.node("Resize", &[x, "", &scales], attributes)
    }
}
