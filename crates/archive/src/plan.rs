//! What an archive holds, and how the work is cut.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use server::record::Header;
use server::{ArchiveKind, FileMaker, Format, LEVELS, PictureAddress, level};
use synth::Seed;

use crate::part::Part;

/// Changes when records or tars are written in another way.
const LAYOUT: u32 = 1;

/// Which pictures an archive holds: of which seeds, at which levels of psi (in tenths), drawn by which model, in which format, with how many pixels on
/// the longer side; and how they are cut into shards. Written by serde, it reads back as it was; with a format or a level that there is not, it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Sent", into = "Sent")]
pub struct Plan {
    /// In order, apart from each other.
    seeds: Vec<RangeInclusive<u64>>,
    model: String,
    levels: Vec<u8>,
    format: Format,
    size: Option<u16>,
    tar: bool,
    step: u64,
}

/// A plan on its way.
#[derive(Serialize, Deserialize)]
struct Sent {
    model: String,
    seeds: Vec<(u64, u64)>,
    levels: Vec<u8>,
    format: String,
    size: Option<u16>,
    tar: bool,
    seeds_a_shard: u64,
}

impl From<Plan> for Sent {
    fn from(Plan { seeds, model, levels, format, size, tar, step }: Plan) -> Self {
        let seeds = seeds.into_iter().map(RangeInclusive::into_inner).collect();
        Self { model, seeds, levels, format: format.extension().to_owned(), size, tar, seeds_a_shard: step }
    }
}

impl TryFrom<Sent> for Plan {
    type Error = String;

    fn try_from(sent: Sent) -> Result<Self, String> {
        let format = Format::from_extension(&sent.format).ok_or_else(|| format!("{:?} is no format", sent.format))?;
        if let Some(tenths) = sent.levels.iter().find(|&tenths| !LEVELS.contains(tenths)) {
            let (first, last) = LEVELS.into_inner();
            return Err(format!("{tenths} is no level: they are {first} to {last}, in tenths of psi"));
        }
        let seeds = sent.seeds.into_iter().map(|(first, last)| first..=last).collect();
        let plan = Self::new(sent.model, seeds, sent.levels, format, sent.size);
        Ok(plan.with_tars(sent.tar).with_seeds_a_shard(sent.seeds_a_shard))
    }
}

/// A piece of the work that is done as one: a few seeds at all levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its seeds.
    pub seeds: RangeInclusive<u64>,
}

impl Plan {
    /// Pictures of these seeds at these levels (tenths of psi, of [`server::LEVELS`]) by the model of this fingerprint, each
    /// with `size` pixels on its longer side or the model's own. Seeds and levels that are named twice are made once.
    ///
    /// # Panics
    /// If a level is none of [`server::LEVELS`].
    pub fn new(
        model: String,
        mut seeds: Vec<RangeInclusive<u64>>,
        mut levels: Vec<u8>,
        format: Format,
        size: Option<u16>,
    ) -> Self {
        assert!(levels.iter().all(|tenths| LEVELS.contains(tenths)), "{levels:?} are not all levels");
        seeds.sort_by_key(|range| *range.start());
        let mut apart: Vec<RangeInclusive<u64>> = Vec::with_capacity(seeds.len());
        for range in seeds.into_iter().filter(|range| !range.is_empty()) {
            match apart.last_mut() {
                Some(last) if last.end().checked_add(1).is_none_or(|next| *range.start() <= next) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => apart.push(range),
            }
        }
        levels.sort_unstable();
        levels.dedup();
        Self { seeds: apart, model, levels, format, size, tar: false, step: 64 }
    }

    /// With one tar a shard instead of files.
    #[must_use]
    pub fn with_tars(mut self, tar: bool) -> Self {
        self.tar = tar;
        self
    }

    /// With as many seeds a shard; 64 otherwise. Shards end at multiples of it, so that an archive that grows keeps what it has.
    #[must_use]
    pub fn with_seeds_a_shard(mut self, seeds: u64) -> Self {
        self.step = seeds.max(1);
        self
    }

    /// What all pictures have in common.
    pub fn kind(&self) -> ArchiveKind {
        ArchiveKind::new(self.model.clone(), self.size)
    }

    /// Whether pictures are kept in tars.
    pub fn tar(&self) -> bool {
        self.tar
    }

    /// The longer side of the pictures, where it is not the model's own.
    pub fn size(&self) -> Option<u16> {
        self.size
    }

    /// How many pictures there are in all.
    pub fn pictures(&self) -> u128 {
        let seeds = self.seeds.iter().map(|range| u128::from(range.end() - range.start()) + 1).sum::<u128>();
        seeds * self.levels.len() as u128
    }

    /// How many shards there are in all.
    pub fn shards(&self) -> u128 {
        self.seeds.iter().map(|range| u128::from(range.end() / self.step - range.start() / self.step) + 1).sum()
    }

    /// The shards of a part, one after the other; costs nothing until it is walked.
    pub fn part(&self, part: Part) -> impl Iterator<Item = Shard> + '_ {
        let cut = |range: &RangeInclusive<u64>| {
            let (last, step) = (*range.end(), self.step);
            let mut next = Some(*range.start());
            std::iter::from_fn(move || {
                let first = next?;
                let end = (first - first % step).saturating_add(step - 1).min(last);
                next = end.checked_add(1).filter(|&next| next <= last);
                Some(Shard { seeds: first..=end })
            })
        };
        let placed = self.seeds.iter().flat_map(cut).zip(0u64..);
        placed.filter(move |(_, place)| part.has(*place)).map(|(shard, _)| shard)
    }

    /// The pictures of a shard, seed by seed.
    pub fn addresses<'a>(&'a self, shard: &Shard) -> impl Iterator<Item = PictureAddress> + 'a {
        let address = |seed, tenths| PictureAddress { seed: Seed(seed), psi: level(tenths), format: self.format };
        shard.seeds.clone().flat_map(move |seed| self.levels.iter().map(move |&tenths| address(seed, tenths)))
    }

    /// How many pictures a shard has.
    pub fn pictures_of(&self, shard: &Shard) -> u64 {
        (shard.seeds.end() - shard.seeds.start()).saturating_add(1).saturating_mul(self.levels.len() as u64)
    }

    /// What a shard's record begins with.
    pub fn header(&self, shard: &Shard) -> Header {
        let mut header = Header {
            shard: String::new(),
            layout: LAYOUT,
            encoders: FileMaker::REVISION,
            model: self.model.clone(),
            first: *shard.seeds.start(),
            last: *shard.seeds.end(),
            levels: self.levels.iter().map(|&tenths| level(tenths).to_string()).collect(),
            format: self.format.extension().to_owned(),
            size: self.size,
            tar: self.tar,
        };
        header.shard = header.name();
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seeds: &[RangeInclusive<u64>], levels: &[u8]) -> Plan {
        Plan::new("model".into(), seeds.to_vec(), levels.to_vec(), Format::Webp, None).with_seeds_a_shard(10)
    }

    #[test]
    fn every_seed_is_in_one_shard_of_one_part() {
        let plan = plan(&[50..=50, 3..=25, 20..=31, 31..=31], &[10, 3, 10]);
        let seeds = |part: Part| plan.part(part).flat_map(|shard| shard.seeds).collect::<Vec<_>>();
        let all: Vec<u64> = (3..=31).chain([50]).collect();
        assert_eq!(seeds(Part::default()), all);
        let mut parts: Vec<u64> = (0..3).flat_map(|index| seeds(Part::new(index, 3).unwrap())).collect();
        parts.sort_unstable();
        assert_eq!(parts, all);
        assert_eq!((plan.pictures(), plan.shards()), (60, plan.part(Part::default()).count() as u128));
    }

    #[test]
    fn all_seeds_there_are_can_be_counted_and_begun() {
        let plan = plan(&[0..=u64::MAX, 7..=9], &(3..=20).collect::<Vec<_>>());
        assert_eq!(plan.pictures(), (1u128 << 64) * 18);
        assert_eq!(plan.shards(), (1u128 << 64) / 10 + 1);
        assert_eq!(plan.part(Part::new(1, 2).unwrap()).nth(1), Some(Shard { seeds: 30..=39 }));
        let end = self::plan(&[u64::MAX - 1..=u64::MAX], &[10]);
        assert_eq!(end.part(Part::default()).flat_map(|shard| shard.seeds).count(), 2);
    }

    #[test]
    fn a_plan_that_was_sent_is_the_same_and_one_that_was_tampered_with_is_sound() {
        let plan = plan(&[50..=50, 3..=25], &[10, 3]).with_tars(true);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        let hostile = text.replace("[[3,25],[50,50]]", "[[9,3],[1,2],[2,5]]").replace(":10}", ":0}");
        let read: Plan = serde_json::from_str(&hostile).unwrap();
        assert_eq!((read.pictures(), read.shards()), (10, 5));
        assert!(serde_json::from_str::<Plan>(&text.replace("webp", "exe")).is_err());
        for level in ["0", "2", "21", "255"] {
            let error = serde_json::from_str::<Plan>(&text.replace("[3,10]", &format!("[3,{level}]"))).unwrap_err();
            assert!(error.to_string().contains(&format!("{level} is no level: they are 3 to 20")), "{error}");
        }
    }

    #[test]
    fn a_name_changes_with_all_that_changes_the_files_and_with_nothing_else() {
        let name = |plan: &Plan| plan.header(&plan.part(Part::default()).next().unwrap()).shard;
        let base = plan(&[0..=9], &[3, 4]);
        assert_eq!(name(&base), name(&plan(&[0..=99], &[4, 3])));
        let others = [
            plan(&[1..=9], &[3, 4]),
            plan(&[0..=8], &[3, 4]),
            plan(&[0..=9], &[3]),
            Plan::new("other".into(), vec![0..=9], vec![3, 4], Format::Webp, None).with_seeds_a_shard(10),
            Plan::new("model".into(), vec![0..=9], vec![3, 4], Format::Png, None).with_seeds_a_shard(10),
            Plan::new("model".into(), vec![0..=9], vec![3, 4], Format::Webp, Some(64)).with_seeds_a_shard(10),
            base.clone().with_tars(true),
        ];
        let names: std::collections::HashSet<_> = others.iter().map(name).chain([name(&base)]).collect();
        assert_eq!(names.len(), others.len() + 1);
    }
}
