//! NVIDIA's `TensorFlow` snapshots, (G, D, Gs), and those of code built on it, such as aydao's 'ext' behind TADNE.
//!
//! A network is a record of `dnnlib.tflib.network.Network`: its variables by name, the keywords it was made with, and the
//! source text of the function that built it. That text is not run; a few settings are read from it as text, because
//! some forks set them inside the function, where the keywords do not show it. Sizes always come from the variables.

use synth::LabelNorm;

use crate::document::Document;
use crate::error::Error;
use crate::network::{ForeignGenerator, Origin, Parts};
use crate::pickle::{Id, Value};
use crate::state::State;
use crate::tensor::View;
use crate::{WeightSet, fan_in_gain, source};

/// Whether the file holds networks of this kind.
pub(crate) fn is_one(document: &Document) -> bool {
    let pickle = document.pickle();
    let root = pickle.root();
    Record::of(document, root).is_some()
        || pickle.elements(root).is_some_and(|nets| nets.iter().any(|&id| Record::of(document, id).is_some()))
}

/// Finds the generator.
pub(crate) fn find(document: &Document, which: WeightSet) -> Result<ForeignGenerator, Error> {
    let pickle = document.pickle();
    let root = pickle.root();
    let (index, name) = which.pick((2, "Gs"), (0, "G"));
    let mut parts = Parts { origin: Some(Origin::NvidiaTensorFlow), name: name.into(), ..Parts::default() };
    let network = match pickle.elements(root) {
        None => root,
        Some(&[_, _, _]) => {
            parts.dropped = ["G", "D", "Gs"].iter().filter(|other| **other != name).map(ToString::to_string).collect();
            pickle.elements(root).unwrap_or_default()[index]
        }
        Some(nets) => {
            return Err(Error::Unknown(format!("the file holds {} networks; (G, D, Gs) are expected", nets.len())));
        }
    };
    let unknown = || Error::Unknown(format!("{name} is not a network"));
    let top = Record::of(document, network).ok_or_else(unknown)?;
    if top.number("version").is_some_and(|version| version < 4.0) {
        return Err(Error::unsupported("this is a network older than StyleGAN2 (a pickle before version 4)"));
    }
    let (mapping, synthesis) = (top.component("mapping")?, top.component("synthesis")?);
    let mut variables = State::default();
    add(&mut variables, "", &top)?;
    add(&mut variables, "mapping/", &mapping)?;
    add(&mut variables, "synthesis/", &synthesis)?;
    if !variables.0.keys().any(|name| name.ends_with("/mod_weight")) {
        return Err(Error::unsupported("this is a network of the first StyleGAN or older; StyleGAN2 can be drawn"));
    }
    read_mapping(&mapping, &mut variables, &mut parts)?;
    read_synthesis(&synthesis, &mut variables, &mut parts)?;
    variables.take("dlatent_avg")?.map_or_else(
        || parts.notes.push(crate::no_w_avg()),
        |mean| {
            parts.weights.insert("mapping.w_avg".into(), mean);
        },
    );
    variables.finish()?;
    parts.assemble()
}

fn read_mapping(mapping: &Record<'_>, variables: &mut State, parts: &mut Parts) -> Result<(), Error> {
    let rate = mapping.setting("mapping_lrmul").and_then(|text| text.parse().ok()).unwrap_or(0.01_f32);
    parts.normalize_z = mapping.setting("normalize_latents").is_none_or(|text| text != "False");
    if !parts.normalize_z {
        parts.notes.push("z is not normalised in this network".into());
    }
    mapping.expect("mapping_nonlinearity", "lrelu")?;
    // StyleGAN2 looks a class up and normalises it with z; StyleGAN2-ADA has a layer for it and normalises it apart.
    if let Some(table) = variables.take("mapping/LabelConcat/weight")? {
        let features = table.shape().get(1).copied().unwrap_or(0);
        parts.labels = Some(LabelNorm::Joined);
        let zeros = View::dense(vec![0; 4 * features.min(1 << 16)].into(), crate::tensor::Dtype::F32, vec![features])?;
        parts.put("mapping.embed.bias", zeros);
        parts.put("mapping.embed.weight", turned(table, "mapping/LabelConcat/weight")?);
    } else if variables.has("mapping/LabelEmbed/weight") {
        parts.labels = Some(LabelNorm::Apart);
        dense("mapping/LabelEmbed", 1.0, "mapping.embed", variables, parts)?;
    }
    for layer in 0..64 {
        let name = format!("mapping/Dense{layer}");
        if !variables.has(&format!("{name}/weight")) {
            break;
        }
        dense(&name, rate, &format!("mapping.fc{layer}"), variables, parts)?;
    }
    Ok(())
}

fn read_synthesis(synthesis: &Record<'_>, variables: &mut State, parts: &mut Parts) -> Result<(), Error> {
    synthesis.expect("nonlinearity", "lrelu")?;
    synthesis.expect("architecture", "skip")?;
    if let Some(kernel) = synthesis.setting("resample_kernel").filter(|text| text.replace(' ', "") != "[1,3,3,1]") {
        return Err(Error::unsupported(format!("the resampling filter {kernel} cannot be drawn; [1,3,3,1] can")));
    }
    parts.conv_clamp = synthesis.setting("conv_clamp").and_then(|text| text.parse().ok());
    // Blocks are named by their size, 4x4 or (with aydao's oblong pictures) such as 5x3, and each is twice the last.
    let mut sizes: Vec<(usize, usize)> = variables.0.keys().filter_map(|name| block_size(name)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut layer = 0;
    for (block, (height, width)) in sizes.into_iter().enumerate().take(24) {
        let theirs = format!("synthesis/{height}x{width}");
        let ours = format!("synthesis.b{}", 4_u64 << block);
        if block == 0 {
            parts.put("synthesis.b4.const", variables.weight(&format!("{theirs}/Const/const"))?.squeezed(3));
        }
        let convs = if block == 0 { &[("Conv", "conv1")][..] } else { &[("Conv0_up", "conv0"), ("Conv1", "conv1")] };
        for (their, our) in convs {
            let (theirs, ours) = (format!("{theirs}/{their}"), format!("{ours}.{our}"));
            let weight = modulated(&theirs, &ours, variables, parts)?;
            // A transposed convolution there is a convolution with the kernel turned around.
            let weight = if *our == "conv0" { weight.flipped(2).flipped(3) } else { weight };
            parts.put(format!("{ours}.weight"), weight);
            let bias = variables.weight(&format!("{theirs}/bias"))?;
            parts.put(format!("{ours}.bias"), bias);
            if let Some(strength) = variables.take(&format!("{theirs}/noise_strength"))? {
                parts.put(format!("{ours}.noise_strength"), strength.squeezed(0));
                if let Some(noise) = variables.take(&format!("synthesis/noise{layer}"))? {
                    parts.put(format!("{ours}.noise_const"), noise.squeezed(2));
                }
            }
            layer += 1;
        }
        let (theirs, ours) = (format!("{theirs}/ToRGB"), format!("{ours}.torgb"));
        let weight = modulated(&theirs, &ours, variables, parts)?;
        parts.put_colours(&ours, weight, variables.weight(&format!("{theirs}/bias"))?)?;
    }
    Ok(())
}

/// Height and width in `synthesis/8x8/Conv1/weight`.
fn block_size(name: &str) -> Option<(usize, usize)> {
    let (height, width) = name.strip_prefix("synthesis/")?.split_once('/')?.0.split_once('x')?;
    Some((height.parse().ok()?, width.parse().ok()?))
}

/// The style's affine layer, and the weight as [out, in, height, width] times its gain.
fn modulated(theirs: &str, ours: &str, variables: &mut State, parts: &mut Parts) -> Result<View, Error> {
    let name = format!("{theirs}/mod_weight");
    let affine = turned(variables.weight(&name)?, &name)?;
    let gain = fan_in_gain(&affine);
    parts.put(format!("{ours}.affine.weight"), affine.scaled(gain));
    parts.put(format!("{ours}.affine.bias"), variables.weight(&format!("{theirs}/mod_bias"))?.plus(1.0));
    let name = format!("{theirs}/weight");
    let weight = variables.weight(&name)?;
    if weight.shape().len() != 4 {
        return Err(Error::weight(&name, format!("has shape {:?}; 4 axes are expected", weight.shape())));
    }
    let weight = weight.permuted(&[3, 2, 0, 1]);
    let gain = fan_in_gain(&weight);
    Ok(weight.scaled(gain))
}

/// A fully connected layer that learnt at `rate` times the common rate.
fn dense(theirs: &str, rate: f32, ours: &str, variables: &mut State, parts: &mut Parts) -> Result<(), Error> {
    let name = format!("{theirs}/weight");
    let weight = turned(variables.weight(&name)?, &name)?;
    let gain = rate * fan_in_gain(&weight);
    parts.put(format!("{ours}.weight"), weight.scaled(gain));
    parts.put(format!("{ours}.bias"), variables.weight(&format!("{theirs}/bias"))?.scaled(rate));
    Ok(())
}

/// [in, out] to [out, in].
fn turned(view: View, name: &str) -> Result<View, Error> {
    match view.shape() {
        [_, _] => Ok(view.permuted(&[1, 0])),
        shape => Err(Error::weight(name, format!("has shape {shape:?}; 2 axes are expected"))),
    }
}

/// Adds the variables of a network or of a part of it that take part in drawing, by the names they have in the whole.
fn add(variables: &mut State, prefix: &str, record: &Record<'_>) -> Result<(), Error> {
    let pickle = record.document.pickle();
    let list = record.entry("variables").and_then(|list| pickle.elements(list));
    for &pair in list.ok_or_else(|| Error::damaged(0, "a network has no list of variables"))? {
        let Some(&[name, value]) = pickle.elements(pair) else {
            return Err(Error::damaged(0, "a variable is not a name and a value"));
        };
        let name = pickle.text(name).ok_or_else(|| Error::damaged(0, "the name of a variable is not text"))?;
        let name = format!("{prefix}{name}");
        // How far the network has grown, and the vectors by which aydao's code measures spectral norms in power iteration.
        if !matches!(name.as_str(), "lod" | "synthesis/lod") && !name.ends_with("/u_var") {
            variables.0.insert(name, record.document.array(value)?);
        }
    }
    Ok(())
}

/// A pickled `dnnlib.tflib.network.Network`.
struct Record<'d> {
    document: &'d Document,
    state: Id,
}

impl<'d> Record<'d> {
    fn of(document: &'d Document, id: Id) -> Option<Self> {
        let object = document.pickle().object(id)?;
        let state = object.state?;
        document.pickle().entry(state, "variables")?;
        Some(Record { document, state })
    }

    fn entry(&self, key: &str) -> Option<Id> {
        self.document.pickle().entry(self.state, key)
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.document.number(self.entry(key)?)
    }

    fn component(&self, name: &str) -> Result<Record<'d>, Error> {
        let part = self.entry("components").and_then(|parts| self.document.pickle().entry(parts, name));
        let record = part.and_then(|id| Record::of(self.document, id));
        record.ok_or_else(|| Error::unsupported(format!("this is no StyleGAN2 generator: it has no part {name:?}")))
    }

    /// A setting as Python text: what the body of the building function assigns, or else the keyword it was called
    /// with, or else the function's default.
    fn setting(&self, name: &str) -> Option<String> {
        let pickle = self.document.pickle();
        let text = self.entry("build_module_src").and_then(|id| pickle.text(id)).unwrap_or_default();
        let function = self.entry("build_func_name").and_then(|id| pickle.text(id)).unwrap_or_default();
        let function = source::function(&text, &function);
        let keyword = || {
            let id = pickle.entry(self.entry("static_kwargs")?, name)?;
            match pickle.get(id) {
                Value::None => Some("None".into()),
                Value::Bool(true) => Some("True".into()),
                Value::Bool(false) => Some("False".into()),
                Value::List(ids) => {
                    let numbers: Option<Vec<String>> =
                        ids.iter().map(|&id| Some(self.document.number(id)?.to_string())).collect();
                    Some(format!("[{}]", numbers?.join(",")))
                }
                _ => pickle.text(id).or_else(|| Some(self.document.number(id)?.to_string())),
            }
        };
        let function = function.as_ref();
        function.and_then(|f| f.assigned(name)).or_else(keyword).or_else(|| function.and_then(|f| f.default(name)))
    }

    fn expect(&self, setting: &str, wanted: &str) -> Result<(), Error> {
        match self.setting(setting) {
            Some(found) if found != wanted => {
                Err(Error::unsupported(format!("{setting} = {found:?} cannot be drawn; {wanted:?} can")))
            }
            _ => Ok(()),
        }
    }
}
