//! Which pictures are made ahead, and where they go.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, ensure};
use archive::Plan;
use clap::Args;
use server::{Format, LEVELS};
use synth::{Generator, Picture};

use crate::model::Model;
use crate::seeds::Seeds;

/// The arguments that an archive follows from, whoever makes it.
#[derive(Args, Clone, Debug)]
pub struct Pictures {
    /// Folder, or an address: `file:///folder`, or `s3://bucket/folder` in a build with --features s3 (gs, az likewise)
    #[arg(long, value_name = "PLACE")]
    pub out: String,
    /// Seeds, e.g. 0-99999
    #[arg(long, value_name = "LIST")]
    pub seeds: Seeds,
    /// Levels of creativity, e.g. 0.3-2.0 or 0.7,1.0
    #[arg(long, value_name = "LIST", default_value = "0.3-2.0")]
    pub levels: Levels,
    /// webp or png (both exact), or jpg
    #[arg(long, value_parser = format, value_name = "KIND", default_value = "webp")]
    pub format: Format,
    /// Pixels of the longer side [default: the model's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(16..=1024))]
    pub size: Option<u16>,
    /// One tar per shard instead of files
    #[arg(long)]
    pub tar: bool,
    /// Seeds per shard: what is begun again after an interruption
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub shard_seeds: u64,
    /// What draws them
    #[command(flatten)]
    pub model: Model,
}

impl Pictures {
    /// How this generator makes them, shard by shard.
    ///
    /// # Errors
    /// No picture is asked for.
    pub fn plan(&self, generator: &Generator) -> anyhow::Result<Plan> {
        let (height, width) = generator.resolution();
        let own = height.max(width);
        let plan = Plan::new(
            generator.fingerprint(),
            self.seeds.ranges().to_vec(),
            self.levels.0.clone(),
            self.format,
            self.size.filter(|&size| usize::from(size) != own),
        )
        .with_tars(self.tar)
        .with_seeds_a_shard(self.shard_seeds);
        ensure!(plan.pictures() > 0, "there is nothing to make: name seeds and levels");
        Ok(plan)
    }
}

/// Reads an argument that names a kind of picture file: png, webp, jpg or jpeg, in lower case and without a dot.
///
/// # Errors
/// It is anything else; the text lists what is allowed.
pub fn format(text: &str) -> Result<Format, String> {
    Format::from_extension(text).ok_or_else(|| format!("use {}", Format::listed("")))
}

/// Levels of creativity, in tenths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<u8>);

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let level = |part: &str| {
            LEVELS.into_iter().find(|&tenths| {
                part.parse::<f32>().is_ok_and(|psi| part.len() <= 4 && (psi - server::level(tenths).get()).abs() < 1e-6)
            })
        };
        let mut levels = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (level(first), level(last)) {
                (Some(first), Some(last)) if first <= last => levels.extend(first..=last),
                _ => {
                    return Err(format!(
                        "{part:?} is no level: use 0.3 to 2.0 in steps of 0.1, as in 0.3-2.0 or 0.7,1.0"
                    ));
                }
            }
        }
        Ok(Self(levels))
    }
}

/// Writes a picture to a file, whole or not at all.
///
/// # Errors
/// The file cannot be written, or a picture of its size cannot be encoded so.
pub fn write(path: &Path, format: Format, picture: &Picture) -> anyhow::Result<()> {
    synth::write_atomically(path, &format.encode(picture)?).with_context(|| format!("cannot write {}", path.display()))
}

/// As [`write()`]; whether another content was lost by it.
///
/// # Errors
/// As [`write()`].
pub fn replace(path: &Path, format: Format, picture: &Picture) -> anyhow::Result<bool> {
    let file = format.encode(picture)?;
    let is_other = std::fs::read(path).is_ok_and(|there| there != file);
    synth::write_atomically(path, &file).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_site() {
        let levels = |text: &str| text.parse::<Levels>().map(|levels| levels.0);
        assert_eq!(levels("0.3-2.0").unwrap(), LEVELS.collect::<Vec<_>>());
        assert_eq!(levels("0.7, 1,2.0").unwrap(), [7, 10, 20]);
        for bad in ["", "0.2", "2.1", "0.75", "1-", "2.0-0.3", "NaN", "1e0000000", "0.3-2.0-3"] {
            assert!(levels(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn another_picture_that_is_lost_is_told_and_the_same_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let picture = |shade: u8| Picture { width: 2, height: 2, rgb: vec![shade; 12] };
        let lost = [1, 1, 2, 2].map(|shade| replace(&path, Format::Png, &picture(shade)).unwrap());
        assert_eq!(lost, [false, false, true, false]);
        assert_eq!(std::fs::read(&path).unwrap(), Format::Png.encode(&picture(2)).unwrap());
    }
}
