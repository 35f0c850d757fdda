//! Generators as bare weights by name: state dictionaries in `PyTorch`'s files, at the top, under a key or behind a prefix
//! (`g_ema`, `state_dict`, `decoder.`), and the same names in safetensors files.

use serde_json::Value as Json;

use crate::blob::Blob;
use crate::document::Document;
use crate::error::Error;
use crate::network::{ForeignGenerator, Origin, Parts};
use crate::state::State;
use crate::tensor::{Dtype, View};
use crate::{WeightSet, ada, rosinality};

/// Entries of a pickle's root that are looked into.
const GROUPS: usize = 64;
/// Bytes of a safetensors file's header; those of the largest models have one.
const HEADER: u64 = 16 << 20;

/// Whose names the weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rosinality,
    Nvidia,
    /// Another network; why it cannot be drawn.
    Other(&'static str),
}

/// A name that tells a generator, after its prefix.
const MARKS: [(&str, Family); 8] = [
    ("input.input", Family::Rosinality),
    ("synthesis.b4.const", Family::Nvidia),
    (
        "synthesis.input.freqs",
        Family::Other(
            "these are weights of StyleGAN3, whose Fourier features and filtered activations are not drawn here yet",
        ),
    ),
    (
        "constant_input.weight",
        Family::Other("these are weights of a StyleGAN2 of BasicSR or GFPGAN, whose names are not read here yet"),
    ),
    (
        "constant_input.input",
        Family::Other("these are weights of a StyleGAN2 of MMGeneration, whose names are not read here yet"),
    ),
    (
        "GE.initial_block",
        Family::Other(
            "these are weights of lucidrains/stylegan2-pytorch, whose generator is another network: two convolutions in the \
             first block, noise with a strength for each channel, activations without gain, a blurred bilinear picture. It \
             cannot be drawn here",
        ),
    ),
    (
        "progression.0.conv1.conv.weight_orig",
        Family::Other(
            "these are weights of the first StyleGAN (rosinality/style-based-gan-pytorch); only StyleGAN2 can be drawn",
        ),
    ),
    ("conv_stem.weight", Family::Other("these are weights of an image classifier, not of a generator")),
];

/// This program's own safetensors files, by the format that they name, and what to do with them: none is somebody else's generator.
const OURS: [(&str, &str); 5] = [
    (
        "tadne-generator",
        "the file is a model file of this program already, so nothing has to be imported: `tadne serve --model FILE` and all other \
         commands take it as it is",
    ),
    (
        "tadne-checkpoint",
        "the file is a checkpoint of `tadne train` or a pair of networks, not a model file; `tadne export FILE --out \
         model.safetensors` makes one of it",
    ),
    (
        "tadne-ink",
        "the file is the state of a run of `tadne ink`, not a model file; that is model.safetensors beside it",
    ),
    ("tadne-w", "the file holds vectors that `tadne project` found, not a model; `tadne generate --w FILE` draws them"),
    ("tadne-features", "the file is a feature network, which looks at pictures and draws none"),
];

/// Named values that lie together, and where.
struct Group<T> {
    /// The key they lie under; empty at the top.
    path: String,
    entries: Vec<(String, T)>,
}

/// A generator that was found by a mark.
struct Candidate {
    family: Family,
    group: usize,
    prefix: String,
    /// What to call it.
    name: String,
}

impl Candidate {
    /// Whether its name says that it is the average, or that it is not; none if it says neither.
    fn is_average(&self) -> Option<bool> {
        let name = self.name.to_ascii_lowercase();
        let mut parts = name.split(['.', ' ']);
        if name.contains("ema") {
            Some(true)
        } else if parts.any(|part| matches!(part, "g" | "generator" | "netg" | "net_g")) {
            Some(false)
        } else {
            None
        }
    }
}

/// Finds the generator in a pickle; none if it holds no such weights.
pub(crate) fn in_document(document: &Document, which: WeightSet) -> Option<Result<ForeignGenerator, Error>> {
    let pickle = document.pickle();
    let root = pickle.root();
    let named = |id| -> Vec<(String, _)> {
        pickle
            .pairs(id)
            .unwrap_or_default()
            .iter()
            .filter_map(|&(key, value)| Some((pickle.key(key)?, value)))
            .collect()
    };
    let top = named(root);
    let inner = top.iter().take(GROUPS).filter(|(_, id)| pickle.pairs(*id).is_some_and(|pairs| !pairs.is_empty()));
    let mut groups: Vec<_> = inner.map(|(path, id)| Group { path: path.clone(), entries: named(*id) }).collect();
    groups.push(Group { path: String::new(), entries: top });
    let candidates = candidates(&groups);
    if candidates.is_empty() {
        return None;
    }
    let mean = pickle.entry(root, "latent_avg").and_then(|id| document.array(id).ok().flatten());
    Some(read(&groups, &candidates, which, mean, |id| document.array(*id)))
}

/// Finds the generator in a safetensors file.
pub(crate) fn in_safetensors(blob: &Blob, which: WeightSet) -> Result<ForeignGenerator, Error> {
    let (header, length) = header(blob)?;
    let format = header.pointer("/__metadata__/format").and_then(Json::as_str);
    if let Some((_, what)) = OURS.iter().find(|(own, _)| format == Some(*own)) {
        return Err(Error::Unknown((*what).into()));
    }
    let groups = [Group { path: String::new(), entries: safetensors(blob, &header, length)? }];
    let candidates = candidates(&groups);
    if candidates.is_empty() {
        let some: Vec<String> = groups[0].entries.iter().map(|(name, _)| name.clone()).collect();
        return Err(Error::Unknown(format!(
            "no StyleGAN2 generator was found: the safetensors file holds {} tensors ({}). Names as in NVIDIA's or \
             rosinality's state dictionaries are read",
            some.len(),
            crate::shortened(&some)
        )));
    }
    let mean = groups[0].entries.iter().find(|(name, _)| name == "latent_avg").and_then(|(_, view)| view.clone());
    read(&groups, &candidates, which, mean, |view| Ok(view.clone()))
}

/// The arrays of a safetensors file by name: eight bytes of length, a JSON header of that length, the numbers.
fn safetensors(blob: &Blob, header: &Json, length: u64) -> Result<Vec<(String, Option<View>)>, Error> {
    let data = blob.slice(8 + length, blob.len() - 8 - length).expect("the header lies within the file");
    let wrong = |name: &str| Error::damaged(8, format!("the header's entry {name:?} is malformed"));
    let mut entries = Vec::new();
    for (name, about) in header.as_object().ok_or_else(|| wrong(""))? {
        if name == "__metadata__" {
            continue;
        }
        let numbers =
            |key: &str| -> Option<Vec<u64>> { about.get(key)?.as_array()?.iter().map(Json::as_u64).collect() };
        let kind = match about.get("dtype").and_then(Json::as_str).ok_or_else(|| wrong(name))? {
            "F16" => Some(Dtype::F16),
            "BF16" => Some(Dtype::Bf16),
            "F32" => Some(Dtype::F32),
            "F64" => Some(Dtype::F64),
            _ => None,
        };
        let offsets = numbers("data_offsets");
        let (Some(shape), Some(&[start, end])) = (numbers("shape"), offsets.as_deref()) else {
            return Err(wrong(name));
        };
        let part = end.checked_sub(start).and_then(|len| data.slice(start, len));
        let part = part.ok_or_else(|| Error::damaged(8, format!("{name:?} reaches beyond the end of the file")))?;
        let shape = shape.into_iter().map(|n| n as usize).collect();
        let view = kind.map(|kind| View::dense(part, kind, shape)).transpose()?;
        entries.push((name.clone(), view));
    }
    Ok(entries)
}

/// The header of a safetensors file and its length.
fn header(blob: &Blob) -> Result<(Json, u64), Error> {
    let mut length = [0; 8];
    blob.read_at(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER {
        return Err(Error::TooMuch(format!("a header of {length} bytes")));
    }
    let text =
        blob.slice(8, length).ok_or_else(|| Error::damaged(8, "it ends within its header; download it again"))?;
    let json = serde_json::from_slice(&text.bytes(HEADER)?);
    Ok((json.map_err(|error| Error::damaged(8, format!("its header is no JSON ({error})")))?, length))
}

/// Whether the file is a safetensors file, and if it is, whether it is a model file of this project.
pub(crate) fn is_safetensors(blob: &Blob) -> Option<bool> {
    let mut first = [0; 9];
    blob.read_at(0, &mut first).ok()?;
    // Eight bytes of length, of which the upper half is never used, and the header's brace.
    if first[8] != b'{' || first[4..8] != [0; 4] {
        return None;
    }
    let ours = |json: &Json| json.pointer("/__metadata__/architecture").is_some();
    // A damaged one is left to the reader of model files, which says more.
    Some(header(blob).map_or(true, |(json, _)| ours(&json)))
}

/// Every generator that the names tell of, with the name of its group and prefix.
fn candidates<T>(groups: &[Group<T>]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (group, Group { path, entries }) in groups.iter().enumerate() {
        for (key, _) in entries {
            for (mark, family) in MARKS {
                let Some(prefix) = key.strip_suffix(mark).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
                else {
                    continue;
                };
                // Saved from a wrapper for several GPUs, every name begins with this.
                let shown = prefix.trim_end_matches('.');
                let shown = shown.strip_prefix("module").map_or(shown, |rest| rest.trim_start_matches('.'));
                let parts: Vec<&str> = [path.as_str(), shown].into_iter().filter(|part| !part.is_empty()).collect();
                let name = if parts.is_empty() { "the state dictionary".into() } else { parts.join(" ") };
                found.push(Candidate { family, group, prefix: prefix.into(), name });
            }
        }
    }
    found
}

/// Reads the candidate that was asked for.
fn read<T>(
    groups: &[Group<T>],
    candidates: &[Candidate],
    which: WeightSet,
    mean: Option<View>,
    array: impl Fn(&T) -> Result<Option<View>, Error>,
) -> Result<ForeignGenerator, Error> {
    let drawable = |candidate: &&Candidate| !matches!(candidate.family, Family::Other(_));
    if let (None, Some(Candidate { family: Family::Other(why), .. })) =
        (candidates.iter().find(drawable), candidates.first())
    {
        return Err(Error::unsupported(*why));
    }
    let wanted = which == WeightSet::Ema;
    let by = |average: Option<bool>| candidates.iter().filter(drawable).find(|it| it.is_average() == average);
    let Some(chosen) = by(Some(wanted)).or_else(|| by(None)) else {
        let other = by(Some(!wanted)).map_or("", |other| other.name.as_str());
        return Err(Error::Unknown(match which {
            WeightSet::Ema => format!("the file holds no averaged generator (g_ema), but {other}: --which g takes it"),
            WeightSet::Raw => format!("the file holds only an averaged generator, {other}: leave --which g out"),
        }));
    };
    let group = &groups[chosen.group];
    let mut parts = Parts { name: chosen.name.clone(), normalize_z: true, ..Parts::default() };
    if chosen.is_average().is_none() {
        parts.notes.push("whether the weights are averaged over training is not said in the file".into());
    }
    let mut state = State::default();
    let mut mean = mean;
    for (key, value) in &group.entries {
        match key.strip_prefix(&chosen.prefix) {
            Some("latent_avg") if mean.is_none() => mean = array(value)?,
            Some("latent_avg") => {}
            Some(name) if !is_container(name, chosen, groups) => {
                state.0.insert(name.to_owned(), array(value)?);
            }
            _ => dropped(&mut parts, key),
        }
    }
    if !group.path.is_empty() {
        let others = groups.last().map(|top| &top.entries).into_iter().flatten();
        for (key, _) in others.filter(|(key, _)| *key != group.path && key != "latent_avg") {
            dropped(&mut parts, key);
        }
    }
    let read = match chosen.family {
        Family::Rosinality => rosinality::read(&mut state, mean, parts),
        Family::Nvidia => ada::read(&mut state, parts),
        Family::Other(why) => Err(Error::unsupported(why)),
    };
    let whose = if chosen.family == Family::Nvidia { Origin::NvidiaTorch } else { Origin::Rosinality };
    read.map_err(|error| match error {
        Error::Weight { name, problem } => {
            Error::unsupported(format!("{} has the names of {}, but its {name} {problem}", chosen.name, whose.name()))
        }
        other => other,
    })
}

/// Whether a name at the top is that of another group, such as `d` beside bare weights.
fn is_container<T>(name: &str, chosen: &Candidate, groups: &[Group<T>]) -> bool {
    groups[chosen.group].path.is_empty() && groups.iter().any(|group| !group.path.is_empty() && group.path == name)
}

/// Notes that a part of the file is not imported, by the first part of its name.
fn dropped(parts: &mut Parts, key: &str) {
    let first = key.split('.').next().unwrap_or(key);
    if !parts.dropped.iter().any(|known| known == first) {
        parts.dropped.push(first.to_owned());
    }
}
