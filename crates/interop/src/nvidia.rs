//! NVIDIA's `PyTorch` snapshots: stylegan2-ada-pytorch, and stylegan3's code with its stylegan2 configuration.
//!
//! A snapshot is a dictionary of networks. Each is a record of `torch_utils.persistence`: the source text of its module,
//! which is left unread here, and its state, a `torch.nn.Module`'s parameters, buffers and submodules.

use synth::LabelNorm;

use crate::document::Document;
use crate::error::Error;
use crate::network::{ForeignGenerator, Origin, Parts};
use crate::pickle::{Id, Value};
use crate::tensor::View;
use crate::{WeightSet, check_filter, fan_in_gain};

/// Whether the file holds networks of this kind.
pub(crate) fn is_one(document: &Document) -> bool {
    let pickle = document.pickle();
    let root = pickle.root();
    Module::of(document, root).is_some()
        || ["G_ema", "G"].iter().any(|key| pickle.entry(root, key).is_some_and(|id| Module::of(document, id).is_some()))
}

/// Finds the generator.
pub(crate) fn find(document: &Document, which: WeightSet) -> Result<ForeignGenerator, Error> {
    let pickle = document.pickle();
    let root = pickle.root();
    let mut parts = Parts { origin: Some(Origin::NvidiaTorch), normalize_z: true, ..Parts::default() };
    let generator = if let Some(module) = Module::of(document, root) {
        parts.name.clone_from(&module.class);
        module
    } else {
        let name = which.pick("G_ema", "G");
        parts.name = name.into();
        let others =
            pickle.pairs(root).unwrap_or_default().iter().filter(|(_, it)| !matches!(pickle.get(*it), Value::None));
        parts.dropped.extend(others.filter_map(|&(key, _)| pickle.text(key)).filter(|key| key != name));
        let module = pickle.entry(root, name).and_then(|id| Module::of(document, id));
        let other = which.pick("G", "G_ema");
        let there = pickle.entry(root, other).is_some_and(|id| Module::of(document, id).is_some());
        let way = match (there, which) {
            (false, _) => String::new(),
            (true, WeightSet::Ema) => format!(", but {other}: --which g takes it"),
            (true, WeightSet::Raw) => format!(", but {other}: leave --which g out"),
        };
        module.ok_or_else(|| Error::Unknown(format!("the snapshot holds no generator {name}{way}")))?
    };
    let part = |name: &str| {
        let part = generator.child(name);
        part.ok_or_else(|| Error::unsupported(format!("{} is no StyleGAN2: it has no part {name:?}", generator.class)))
    };
    let (mapping, synthesis) = (part("mapping")?, part("synthesis")?);
    if synthesis.child("b4").is_none() {
        return Err(Error::unsupported(other_kind(&synthesis)));
    }
    read_mapping(&mapping, &mut parts)?;
    read_synthesis(&synthesis, &mut parts)?;
    parts.assemble()
}

/// What a synthesis network without a 4 x 4 block is.
fn other_kind(synthesis: &Module<'_>) -> String {
    let Some(layer) = synthesis.children().into_iter().find(|name| name.starts_with("L1_")) else {
        return format!("{} is no StyleGAN2: it has no block b4", synthesis.class);
    };
    // Configuration R convolves with 1 x 1 kernels, T with 3 x 3.
    let weight = synthesis.child(&layer).and_then(|layer| layer.weight("weight").ok());
    let kind = match weight.as_ref().and_then(|weight| weight.shape().last()) {
        Some(1) => "StyleGAN3-R",
        _ => "StyleGAN3-T",
    };
    format!(
        "this is {kind}, a translation-equivariant network; its Fourier features and filtered activations are not drawn \
         here yet. StyleGAN2 networks, also those trained with NVIDIA's stylegan3 code (--cfg=stylegan2), are"
    )
}

fn read_mapping(mapping: &Module<'_>, parts: &mut Parts) -> Result<(), Error> {
    if mapping.number("z_dim") == Some(0.0) {
        return Err(Error::unsupported("a network without z (labels only) cannot be drawn"));
    }
    if mapping.number("c_dim").is_some_and(|classes| classes > 0.0) {
        parts.labels = Some(LabelNorm::Apart);
        dense(&mapping.part("embed")?, "mapping.embed", parts)?;
    }
    for layer in 0..64 {
        let Some(module) = mapping.child(&format!("fc{layer}")) else { break };
        module.expect_activation()?;
        dense(&module, &format!("mapping.fc{layer}"), parts)?;
    }
    match mapping.tensor("w_avg")? {
        Some(mean) => parts.put("mapping.w_avg", mean),
        None => parts.notes.push(crate::no_w_avg()),
    }
    Ok(())
}

fn read_synthesis(synthesis: &Module<'_>, parts: &mut Parts) -> Result<(), Error> {
    let names = synthesis.children();
    let blocks = (0..24).take_while(|block| names.contains(&format!("b{}", 4_u64 << block))).count();
    if let Some(other) = names.iter().find(|name| !(0..blocks).any(|block| **name == format!("b{}", 4_u64 << block))) {
        return Err(Error::unsupported(format!("the synthesis network has a part {other:?} that is not StyleGAN2's")));
    }
    for block in 0..blocks {
        let name = format!("b{}", 4_u64 << block);
        let module = synthesis.part(&name)?;
        match module.text("architecture").as_deref() {
            Some("skip") | None => {}
            Some(other) => {
                let what = format!("the architecture {other:?} cannot be drawn; \"skip\", StyleGAN2's own, can");
                return Err(Error::unsupported(what));
            }
        }
        let expected = if block == 0 { &["conv1", "torgb"][..] } else { &["conv0", "conv1", "torgb"] };
        if let Some(other) = module.children().iter().find(|child| !expected.contains(&child.as_str())) {
            return Err(Error::unsupported(format!("block {name} has a layer {other:?} that is not StyleGAN2's")));
        }
        let ours = format!("synthesis.{name}");
        if block == 0 {
            parts.put("synthesis.b4.const", module.weight("const")?);
        } else {
            conv(&module.part("conv0")?, &format!("{ours}.conv0"), parts)?;
        }
        conv(&module.part("conv1")?, &format!("{ours}.conv1"), parts)?;
        if let Some(filter) = module.tensor("resample_filter")? {
            check_filter(&filter)?;
        }
        let torgb = module.part("torgb")?;
        affine(&torgb, &format!("{ours}.torgb"), parts)?;
        let weight = torgb.weight("weight")?;
        let gain = torgb.weight_gain(&weight);
        parts.put_colours(&format!("{ours}.torgb"), weight.scaled(gain), torgb.weight("bias")?)?;
        let clamp = module.part("conv1")?.number("conv_clamp").map(|clamp| clamp as f32);
        if block == 0 {
            parts.conv_clamp = clamp;
        } else if clamp != parts.conv_clamp {
            return Err(Error::unsupported("the blocks clamp at different values; one for all can be drawn"));
        }
    }
    Ok(())
}

/// A fully connected layer: its gains are attributes.
fn dense(module: &Module<'_>, name: &str, parts: &mut Parts) -> Result<(), Error> {
    let weight = module.weight("weight")?;
    let gain = module.weight_gain(&weight);
    let bias_gain = module.number("bias_gain").unwrap_or(1.0);
    parts.put(format!("{name}.weight"), weight.scaled(gain));
    parts.put(format!("{name}.bias"), module.weight("bias")?.scaled(bias_gain as f32));
    Ok(())
}

fn affine(module: &Module<'_>, name: &str, parts: &mut Parts) -> Result<(), Error> {
    dense(&module.part("affine")?, &format!("{name}.affine"), parts)
}

/// A modulated convolution. Demodulation takes any gain away, so the weights stay as they are.
fn conv(module: &Module<'_>, name: &str, parts: &mut Parts) -> Result<(), Error> {
    module.expect_activation()?;
    affine(module, name, parts)?;
    parts.put(format!("{name}.weight"), module.weight("weight")?);
    parts.put(format!("{name}.bias"), module.weight("bias")?);
    if let Some(strength) = module.tensor("noise_strength")? {
        parts.put(format!("{name}.noise_strength"), strength.squeezed(0));
        if let Some(noise) = module.tensor("noise_const")? {
            parts.put(format!("{name}.noise_const"), noise);
        }
    }
    Ok(())
}

/// The record of a persistent object that is a `torch.nn.Module`.
struct Module<'d> {
    document: &'d Document,
    class: String,
    /// Its attributes.
    state: Id,
}

impl<'d> Module<'d> {
    fn of(document: &'d Document, id: Id) -> Option<Self> {
        let pickle = document.pickle();
        let object = pickle.object(id)?;
        // Read by the function's own name: forks move the module about.
        let (class, state) = match pickle.class(object)? {
            (_, "_reconstruct_persistent_obj") => {
                let meta = *pickle.elements(object.args)?.first()?;
                (pickle.text(pickle.entry(meta, "class_name")?)?, pickle.entry(meta, "state")?)
            }
            (_, class) => (class.to_owned(), object.state?),
        };
        pickle.entry(state, "_modules")?;
        Some(Module { document, class, state })
    }

    fn list(&self, list: &str) -> Option<Id> {
        self.document.pickle().entry(self.state, list)
    }

    fn children(&self) -> Vec<String> {
        let pickle = self.document.pickle();
        let pairs = self.list("_modules").and_then(|modules| pickle.pairs(modules)).unwrap_or_default();
        pairs.iter().filter_map(|&(key, _)| pickle.text(key)).collect()
    }

    fn child(&self, name: &str) -> Option<Module<'d>> {
        Self::of(self.document, self.document.pickle().entry(self.list("_modules")?, name)?)
    }

    fn part(&self, name: &str) -> Result<Module<'d>, Error> {
        self.child(name).ok_or_else(|| Error::weight(&format!("{}.{name}", self.class), "is missing"))
    }

    /// A parameter or buffer.
    fn tensor(&self, name: &str) -> Result<Option<View>, Error> {
        let pickle = self.document.pickle();
        let find = |list| pickle.entry(self.list(list)?, name);
        match find("_parameters").or_else(|| find("_buffers")) {
            Some(id) if !matches!(pickle.get(id), Value::None) => self.document.array(id),
            _ => Ok(None),
        }
    }

    fn weight(&self, name: &str) -> Result<View, Error> {
        self.tensor(name)?.ok_or_else(|| Error::weight(&format!("{}.{name}", self.class), "is missing"))
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.document.number(self.list(name)?)
    }

    /// What its weight is multiplied with: the attribute, or what that would be.
    fn weight_gain(&self, weight: &View) -> f32 {
        self.number("weight_gain").map_or_else(|| fan_in_gain(weight), |gain| gain as f32)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.document.pickle().text(self.list(name)?)
    }

    fn expect_activation(&self) -> Result<(), Error> {
        match self.text("activation").as_deref() {
            Some("lrelu") | None => Ok(()),
            Some(other) => Err(Error::unsupported(format!("the activation {other:?} cannot be drawn; \"lrelu\" can"))),
        }
    }
}
