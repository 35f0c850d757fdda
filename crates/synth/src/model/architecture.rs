//! The generator as data: sizes, order of operations, and the tensors that follow from them.

use serde::{Deserialize, Serialize};

/// Everything about a generator that is not a weight. Stored as JSON in the model file.
///
/// Block `i` works at `base * 2^i` with `channels[i]` channels; its tensors are named `synthesis.b{4 * 2^i}.*`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Length of the latent vector `z`.
    pub z_dim: usize,
    /// Length of `w`, the latent vector that the mapping network makes of `z`.
    pub w_dim: usize,
    /// Fully connected layers from `z` to `w`, each followed by the leaky `ReLU`.
    pub mapping_layers: usize,
    /// Whether `z` is divided by its root mean square before the first layer.
    pub normalize_z: bool,
    /// Height and width of the learned constant.
    pub base: [usize; 2],
    /// Channels of each block, coarse to fine.
    pub channels: Vec<usize>,
    /// How the first convolution of every block but block 0 doubles the size.
    pub upsample: Upsample,
    /// Which convolutions add noise.
    pub noise: NoiseInputs,
    /// Bound on the absolute value after every activation and `toRGB`, if any.
    #[serde(default)]
    pub conv_clamp: Option<f32>,
    /// How a class enters, if the model is class-conditional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// The network that redraws the composed picture at a larger size, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ink: Option<Ink>,
    /// The network that redraws the picture, ink and all, once more: for whoever looks at it closer than its own size, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<Ink>,
}

/// A residual convolutional network that redraws a picture at `factor` times its size: [`Architecture::ink`] that of the last block,
/// [`Architecture::lens`] the whole network's.
///
/// Its input is that picture, bounded to -1 to 1, and two planes that say where a pixel lies: `x` and `y` run from -1 at
/// the centre of the first column and row to 1 at the centre of the last. With `l(v) = max(v, 0.2 v)` and 3x3 convolutions with zeros outside:
/// `y = l(conv_in(input))`, then per block `y = y + l(conv1(l(conv0(y))))`. `conv_out` gives `3 factor^2` channels, of which channel
/// `c factor^2 + i factor + j` is what is added to colour `c` at row `i`, column `j` within the enlarged pixel (`PyTorch`'s pixel shuffle). They
/// are added to the bounded picture, enlarged bilinearly with the edge pixels repeated outside (half-pixel centres).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ink {
    /// Channels between the first and the last convolution.
    pub channels: usize,
    /// Residual blocks of two convolutions.
    pub blocks: usize,
    /// Pixels of the result for each pixel of the composed picture, along a side: 2 or 4.
    pub factor: usize,
}

impl Ink {
    /// Planes of the input: three colours, `x` and `y`.
    pub const INPUTS: usize = 5;

    /// The coordinate, in the plane x or y, of the row or column `index` of `side`; -1 if there is only one.
    pub fn place(index: usize, side: usize) -> f32 {
        2.0 * index as f32 / (side.max(2) - 1) as f32 - 1.0
    }

    /// What the tensors of [`Architecture::ink`] begin with.
    pub const INK: &str = "ink";
    /// What the tensors of [`Architecture::lens`] begin with.
    pub const LENS: &str = "lens";

    /// The convolutions in order: name, which begins with `network`, input and output channels. All are 3x3 with a bias, at the size of the picture
    /// that is redrawn.
    pub fn convs(self, network: &str) -> Vec<(String, usize, usize)> {
        let mut list = vec![(format!("{network}.conv_in"), Self::INPUTS, self.channels)];
        for block in 0..self.blocks {
            list.extend((0..2).map(|conv| (format!("{network}.b{block}.conv{conv}"), self.channels, self.channels)));
        }
        list.push((format!("{network}.conv_out"), self.channels, 3 * self.factor * self.factor));
        list
    }

    /// Whether its numbers are within what [`Architecture::validate`] allows for a picture of `height` and `width` pixels.
    fn fits(self, (height, width): (usize, usize)) -> bool {
        let Self { channels, blocks, factor } = self;
        // The numbers themselves first: of larger ones the products would not fit.
        (1..=256).contains(&channels)
            && (1..=32).contains(&blocks)
            && matches!(factor, 2 | 4)
            && height.max(width) * factor <= 8192
            && height * width * channels.max(3 * factor * factor) <= 1 << 27
    }

    /// Height and width of what it makes of a picture.
    fn enlarged(self, (height, width): (usize, usize)) -> (usize, usize) {
        (height * self.factor, width * self.factor)
    }
}

/// The classes of a class-conditional model. The embedding of a class is put behind `z` as further inputs of the mapping
/// network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// How many classes there are, 1 to 65,536.
    pub classes: usize,
    /// Length of the embedding of a class, 1 to 4096.
    pub features: usize,
    /// How the embedding is normalised.
    pub normalize: LabelNorm,
}

/// How the embedding of a class is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelNorm {
    /// By its own root mean square, apart from `z` (`StyleGAN2-ADA`).
    Apart,
    /// Together with `z`, if `z` is normalised at all (`StyleGAN2`).
    Joined,
}

/// How a block doubles the size. The variants' names in the file stand with them.
///
/// Bilinear upsampling makes each new value of 3/4 of the nearest old one and 1/4 of the next, in both directions, so that a constant stays what it is.
/// The same doubles the picture of the block before, which is added to a block's own. Convolutions have zeros outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upsample {
    /// `up_conv`: bilinear upsampling of the input, with the edge's values repeated outside, then the convolution at the high resolution.
    UpConv,
    /// `conv_up`: the convolution at the low resolution, then bilinear upsampling of its result, with the edge's values repeated outside: a quarter of
    /// the work.
    ConvUp,
    /// `stylegan2`: the transposed convolution with stride 2, then the filter [1, 3, 3, 1] / 4 in both directions (gain 4 in all, for the zeros between
    /// the values), with zeros outside; zeros are outside the picture that is doubled, too.
    #[serde(rename = "stylegan2")]
    StyleGan2,
}

/// Which convolutions add noise, scaled by a learned strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseInputs {
    /// No layer.
    None,
    /// Every convolution but `toRGB` below 32 pixels of height: coarse variation, and no grain.
    Coarse,
    /// Every convolution but `toRGB`.
    All,
}

impl NoiseInputs {
    /// Whether the convolutions whose results are `height` pixels high add noise.
    pub fn at(self, height: usize) -> bool {
        match self {
            Self::None => false,
            Self::Coarse => height < 32,
            Self::All => true,
        }
    }
}

/// An architecture outside the bounds of [`Architecture::validate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the architecture's {field} is {value}; it must be {allowed}")]
pub struct ArchitectureError {
    field: &'static str,
    value: String,
    allowed: &'static str,
}

/// One 3x3 convolution: where it stands and what it maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConvPlan {
    /// `synthesis.b8.conv0` and so on.
    pub(crate) name: String,
    /// Channels of its input.
    pub(crate) input: usize,
    /// Channels of its result.
    pub(crate) output: usize,
    /// Height and width of its result.
    pub(crate) size: (usize, usize),
    /// Whether it doubles the size.
    pub(crate) doubles: bool,
}

impl Architecture {
    /// The network that this project trains: a 4x4 constant, z normalised, two layers from z to w, convolutions before the size is
    /// doubled, no noise inputs.
    pub fn plain(z_dim: usize, w_dim: usize, channels: &[usize]) -> Self {
        Self {
            z_dim,
            w_dim,
            mapping_layers: 2,
            normalize_z: true,
            base: [4, 4],
            channels: channels.to_vec(),
            upsample: Upsample::ConvUp,
            noise: NoiseInputs::None,
            conv_clamp: None,
            labels: None,
            ink: None,
            lens: None,
        }
    }

    /// Checks that every value is one this crate can draw, in bounds that keep a hostile file from asking for
    /// absurd amounts of memory: dimensions and channels 1 to 4096, 1 to 16 mapping layers, a base of 1 to 64 a side, 1 to 12 blocks, at most
    /// 8192 pixels on a side and 2^27 values in one activation, a clamp above 0; of [`Labels`] 1 to 65,536 classes with 1 to 4096 features; of
    /// each [`Ink`] 1 to 256 channels, 1 to 32 blocks and the factor 2 or 4.
    ///
    /// # Errors
    /// Names the first field that is out of bounds.
    pub fn validate(&self) -> Result<(), ArchitectureError> {
        const DIM: &str = "between 1 and 4096";
        let bad = |field, value: String, allowed| Err(ArchitectureError { field, value, allowed });
        let dim = |n: usize| (1..=4096).contains(&n);
        if !dim(self.z_dim) {
            return bad("z_dim", self.z_dim.to_string(), DIM);
        }
        if !dim(self.w_dim) {
            return bad("w_dim", self.w_dim.to_string(), DIM);
        }
        if !(1..=16).contains(&self.mapping_layers) {
            return bad("mapping_layers", self.mapping_layers.to_string(), "between 1 and 16");
        }
        if !self.base.iter().all(|n| (1..=64).contains(n)) {
            return bad("base", format!("{:?}", self.base), "two numbers between 1 and 64");
        }
        if !(1..=12).contains(&self.channels.len()) {
            return bad("channels", format!("a list of {}", self.channels.len()), "a list of 1 to 12 numbers");
        }
        if !self.channels.iter().all(|&n| dim(n)) {
            return bad("channels", format!("{:?}", self.channels), "numbers between 1 and 4096");
        }
        for (block, &channels) in self.channels.iter().enumerate() {
            let (h, w) = self.block_size(block);
            // The first convolution of a block holds the previous block's channels at the block's own size.
            let widest = channels.max(self.channels[block.saturating_sub(1)]);
            if h > 8192 || w > 8192 || h * w * widest > 1 << 27 {
                return bad(
                    "base and channels",
                    format!("{:?} and {:?}", self.base, self.channels),
                    "small enough for 8192 pixels a side and 2^27 values in a layer",
                );
            }
        }
        if let Some(clamp) = self.conv_clamp
            && !(clamp.is_finite() && clamp > 0.0)
        {
            return bad("conv_clamp", clamp.to_string(), "null or a positive number");
        }
        if let Some(labels) = self.labels
            && !((1..=1 << 16).contains(&labels.classes) && dim(labels.features))
        {
            return bad("labels", format!("{labels:?}"), "1 to 65536 classes with 1 to 4096 features");
        }
        // What is drawn must fit before anything is asked of what is made of it.
        for (field, network, size) in
            [("ink", self.ink, Self::composed as fn(&Self) -> _), ("lens", self.lens, Self::resolution)]
        {
            if let Some(ink) = network.filter(|ink| !ink.fits(size(self))) {
                return bad(
                    field,
                    format!("{ink:?}"),
                    "1 to 256 channels, 1 to 32 blocks and the factor 2 or 4, for at most 8192 pixels a side",
                );
            }
        }
        Ok(())
    }

    /// Height and width of the picture, in pixels.
    pub fn resolution(&self) -> (usize, usize) {
        self.ink.map_or(self.composed(), |ink| ink.enlarged(self.composed()))
    }

    /// Height and width of the picture through its lens, in pixels: [`Architecture::resolution`] where there is none.
    pub fn magnified(&self) -> (usize, usize) {
        self.lens.map_or(self.resolution(), |lens| lens.enlarged(self.resolution()))
    }

    /// Height and width of the picture as the last block composes it, before [`Ink`] redraws it.
    pub fn composed(&self) -> (usize, usize) {
        self.block_size(self.channels.len().saturating_sub(1))
    }

    /// Names and shapes of the tensors every file of this architecture must hold, in the order of the forward pass.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let w = self.w_dim;
        let mut list = Vec::new();
        if let Some(labels) = self.labels {
            list.push(("mapping.embed.weight".into(), vec![labels.features, labels.classes]));
            list.push(("mapping.embed.bias".into(), vec![labels.features]));
        }
        for layer in 0..self.mapping_layers {
            let input = if layer == 0 { self.mapping_input() } else { w };
            list.push((format!("mapping.fc{layer}.weight"), vec![w, input]));
            list.push((format!("mapping.fc{layer}.bias"), vec![w]));
        }
        list.push(("mapping.w_avg".into(), vec![w]));
        list.push(("synthesis.b4.const".into(), vec![self.channels[0], self.base[0], self.base[1]]));
        let mut convs = self.convs().into_iter();
        for (block, &channels) in self.channels.iter().enumerate() {
            for conv in convs.by_ref().take(if block == 0 { 1 } else { 2 }) {
                let name = &conv.name;
                list.push((format!("{name}.weight"), vec![conv.output, conv.input, 3, 3]));
                list.push((format!("{name}.bias"), vec![conv.output]));
                list.push((format!("{name}.affine.weight"), vec![conv.input, w]));
                list.push((format!("{name}.affine.bias"), vec![conv.input]));
                if self.noise.at(conv.size.0) {
                    list.push((format!("{name}.noise_strength"), vec![]));
                }
            }
            let name = format!("synthesis.b{}.torgb", 4 << block);
            list.push((format!("{name}.weight"), vec![3, channels, 1, 1]));
            list.push((format!("{name}.bias"), vec![3]));
            list.push((format!("{name}.affine.weight"), vec![channels, w]));
            list.push((format!("{name}.affine.bias"), vec![channels]));
        }
        for (network, ink) in [(Ink::INK, self.ink), (Ink::LENS, self.lens)] {
            for (name, input, output) in ink.map(|ink| ink.convs(network)).unwrap_or_default() {
                list.push((format!("{name}.weight"), vec![output, input, 3, 3]));
                list.push((format!("{name}.bias"), vec![output]));
            }
        }
        list
    }

    /// Names and shapes of the tensors a file may hold besides: stored noise, which replaces the seed's where
    /// [`NoiseInputs`] adds any. (Tensors of calibration, selection and directions are accepted too: see [`ModelFile::check`](crate::ModelFile::check).)
    pub fn optional_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut list = Vec::new();
        for conv in self.convs() {
            list.push((format!("{}.noise_const", conv.name), vec![conv.size.0, conv.size.1]));
            if !self.noise.at(conv.size.0) {
                list.push((format!("{}.noise_strength", conv.name), vec![]));
            }
        }
        list
    }

    /// Multiply-accumulates of the 3x3 and 1x1 convolutions of one picture, as the plain forward pass counts them; a lens is not among them.
    pub fn macs(&self) -> u64 {
        self.layer_macs().into_iter().map(|(_, macs)| macs).sum()
    }

    /// The parts of the forward pass in order and the multiply-accumulates of each, a residual block being one part; see
    /// [`macs`](Self::macs).
    pub fn layer_macs(&self) -> Vec<(String, u64)> {
        let mut list = Vec::new();
        let mut convs = self.convs().into_iter();
        for (block, &channels) in self.channels.iter().enumerate() {
            for conv in convs.by_ref().take(if block == 0 { 1 } else { 2 }) {
                let (h, w) = conv.size;
                // Both of these convolve at the low resolution; the transposed one has 9 taps for each input pixel.
                let low = conv.doubles && self.upsample != Upsample::UpConv;
                list.push((conv.name, (9 * conv.input * conv.output * h * w / if low { 4 } else { 1 }) as u64));
            }
            let (h, w) = self.block_size(block);
            list.push((format!("synthesis.b{}.torgb", 4 << block), (3 * channels * h * w) as u64));
        }
        let (h, w) = self.composed();
        for (name, input, output) in self.ink.map(|ink| ink.convs(Ink::INK)).unwrap_or_default() {
            let macs = (9 * input * output * h * w) as u64;
            let part = name.strip_suffix(".conv0").or_else(|| name.strip_suffix(".conv1")).unwrap_or(&name);
            match list.last_mut() {
                Some((last, sum)) if last == part => *sum += macs,
                _ => list.push((part.to_owned(), macs)),
            }
        }
        list
    }

    /// Inputs of the mapping network: `z`, and the embedding of a class behind it.
    pub(crate) fn mapping_input(&self) -> usize {
        self.z_dim + self.labels.map_or(0, |labels| labels.features)
    }

    /// Height and width of block `block`.
    pub(crate) fn block_size(&self, block: usize) -> (usize, usize) {
        (self.base[0] << block, self.base[1] << block)
    }

    /// The 3x3 convolutions in order: `b4.conv1`, `b8.conv0`, `b8.conv1`, ...
    pub(crate) fn convs(&self) -> Vec<ConvPlan> {
        let mut list = Vec::new();
        for (block, &output) in self.channels.iter().enumerate() {
            let size = self.block_size(block);
            let prefix = format!("synthesis.b{}", 4 << block);
            if block > 0 {
                let input = self.channels[block - 1];
                list.push(ConvPlan { name: format!("{prefix}.conv0"), input, output, size, doubles: true });
            }
            list.push(ConvPlan { name: format!("{prefix}.conv1"), input: output, output, size, doubles: false });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Architecture {
        Architecture::plain(8, 8, &[8, 6])
    }

    #[test]
    fn json_uses_the_documented_words() {
        let json = serde_json::to_value(small()).unwrap();
        assert_eq!(json["upsample"], "conv_up");
        assert_eq!(json["noise"], "none");
        for (value, word) in [(Upsample::UpConv, "up_conv"), (Upsample::StyleGan2, "stylegan2")] {
            assert_eq!(serde_json::to_value(value).unwrap(), word);
        }
        assert_eq!(serde_json::from_value::<Architecture>(json).unwrap(), small());
    }

    #[test]
    fn values_out_of_bounds_are_refused_by_name() {
        type Change = fn(&mut Architecture);
        let changes: [(&str, Change); 17] = [
            ("lens", |a| a.lens = Some(Ink { channels: 8, blocks: 33, factor: 2 })),
            ("lens", |a| {
                a.channels = vec![1; 9];
                a.ink = Some(Ink { channels: 8, blocks: 1, factor: 4 });
                a.lens = Some(Ink { channels: 8, blocks: 1, factor: 4 });
            }),
            ("ink", |a| a.ink = Some(Ink { channels: 0, blocks: 1, factor: 4 })),
            ("ink", |a| a.ink = Some(Ink { channels: 8, blocks: 1, factor: 3 })),
            ("z_dim", |a| a.z_dim = 0),
            ("w_dim", |a| a.w_dim = usize::MAX),
            ("mapping_layers", |a| a.mapping_layers = 0),
            ("mapping_layers", |a| a.mapping_layers = 17),
            ("base", |a| a.base = [0, 4]),
            ("base", |a| a.base = [4, usize::MAX]),
            ("channels", |a| a.channels = vec![]),
            ("channels", |a| a.channels = vec![1; 13]),
            ("channels", |a| a.channels = vec![8, 0]),
            ("base and channels", |a| a.channels = vec![4096; 9]),
            ("conv_clamp", |a| a.conv_clamp = Some(0.0)),
            ("conv_clamp", |a| a.conv_clamp = Some(f32::NAN)),
            ("labels", |a| a.labels = Some(Labels { classes: 0, features: 4, normalize: LabelNorm::Apart })),
        ];
        assert!(small().validate().is_ok());
        for (field, change) in changes {
            let mut architecture = small();
            change(&mut architecture);
            let error = architecture.validate().unwrap_err();
            assert_eq!(error.field, field, "{error}");
        }
    }

    #[test]
    fn ink_adds_its_tensors_and_enlarges() {
        let inked = Architecture { ink: Some(Ink { channels: 6, blocks: 1, factor: 4 }), ..small() };
        assert_eq!((inked.composed(), inked.resolution()), ((8, 8), (32, 32)));
        let list = inked.tensors();
        let shape = |name: &str| list.iter().find(|(n, _)| n == name).map(|(_, shape)| shape.as_slice());
        assert_eq!(shape("ink.conv_in.weight"), Some(&[6, 5, 3, 3][..]));
        assert_eq!(shape("ink.b0.conv1.bias"), Some(&[6][..]));
        assert_eq!(shape("ink.conv_out.weight"), Some(&[48, 6, 3, 3][..]));
        assert_eq!(inked.macs() - small().macs(), 9 * 64 * (5 * 6 + 2 * 6 * 6 + 6 * 48));
        assert_eq!(serde_json::to_value(&inked).unwrap()["ink"]["factor"], 4);
        assert!(serde_json::to_value(small()).unwrap().get("ink").is_none());
    }

    #[test]
    fn a_lens_enlarges_what_ink_made_and_is_no_part_of_the_picture() {
        let ink = Some(Ink { channels: 6, blocks: 1, factor: 4 });
        let lens = Some(Ink { channels: 5, blocks: 2, factor: 2 });
        let (inked, both) = (Architecture { ink, ..small() }, Architecture { ink, lens, ..small() });
        assert_eq!((both.composed(), both.resolution(), both.magnified()), ((8, 8), (32, 32), (64, 64)));
        assert_eq!((inked.magnified(), both.macs()), ((32, 32), inked.macs()));
        let (without, list) = (inked.tensors(), both.tensors());
        assert!(list.starts_with(&without));
        assert_eq!(list.len() - without.len(), 2 * (2 + 2 * 2));
        assert!(list[without.len()..].iter().all(|(name, _)| name.starts_with("lens.")));
        assert!(serde_json::to_value(inked).unwrap().get("lens").is_none());
    }

    #[test]
    fn unknown_words_and_fields_are_refused() {
        let json = serde_json::to_value(small()).unwrap();
        let mut word = json.clone();
        word["upsample"] = "sideways".into();
        assert!(serde_json::from_value::<Architecture>(word).is_err());
        let mut field = json;
        field["attention"] = true.into();
        assert!(serde_json::from_value::<Architecture>(field).is_err());
    }

    #[test]
    fn tensors_follow_the_sizes() {
        let list = small().tensors();
        let shape = |name: &str| list.iter().find(|(n, _)| n == name).map(|(_, shape)| shape.as_slice());
        assert_eq!(shape("synthesis.b8.conv0.weight"), Some(&[6, 8, 3, 3][..]));
        assert_eq!(shape("synthesis.b8.conv0.affine.weight"), Some(&[8, 8][..]));
        assert_eq!(shape("synthesis.b8.torgb.weight"), Some(&[3, 6, 1, 1][..]));
        assert_eq!(shape("synthesis.b4.conv0.weight"), None);
        assert_eq!(small().resolution(), (8, 8));
        assert_eq!(small().macs(), 9 * (8 * 8 * 16 + 8 * 6 * 16 + 6 * 6 * 64) + 3 * (8 * 16 + 6 * 64));
    }
}
