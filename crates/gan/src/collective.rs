//! Several processes that train one run: each takes a part of every batch, and what they learn from is the mean.

use std::str::FromStr;

use crate::{Device, Error};

/// What the processes of one run ask of each other. Each of them, a rank, makes the same calls in the same order.
pub trait Collective {
    /// This process's number, 0 to size - 1. Rank 0 keeps the run's folder.
    fn rank(&self) -> usize;
    /// How many there are.
    fn size(&self) -> usize;
    /// Replaces `values`, as many on every rank, by their sums over all ranks: the same bits on each.
    ///
    /// # Errors
    /// [`Error::Peer`] if another one is gone or does not answer in time. No further call succeeds then.
    fn sum(&mut self, values: &mut [f32]) -> Result<(), Error>;
}

/// Numbers of less than 2^16 are exact in f32, and so is their sum with zeros.
const PARTS: [u32; 2] = [0, 16];

/// The ranks of a run, or this process alone: then nothing is asked of anyone, and all values stay as they are.
#[derive(Default)]
pub(crate) struct Ranks(Option<Box<dyn Collective>>);

impl Ranks {
    pub(crate) fn new(collective: Box<dyn Collective>) -> Self {
        Self(Some(collective))
    }

    pub(crate) fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |ranks| ranks.rank())
    }

    pub(crate) fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |ranks| ranks.size())
    }

    /// Replaces `values` by their means over all ranks.
    pub(crate) fn mean(&mut self, values: &mut [f32]) -> Result<(), Error> {
        let Some(ranks) = &mut self.0 else { return Ok(()) };
        ranks.sum(values)?;
        let share = 1.0 / ranks.size() as f32;
        for v in values {
            *v *= share;
        }
        Ok(())
    }

    /// Whether a flag is set on any rank.
    pub(crate) fn any(&mut self, flag: bool) -> Result<bool, Error> {
        let Some(ranks) = &mut self.0 else { return Ok(flag) };
        let mut raised = [f32::from(u8::from(flag))];
        ranks.sum(&mut raised)?;
        Ok(raised[0] > 0.0)
    }

    /// The ranks whose `checksum` is not that of rank 0.
    pub(crate) fn that_differ(&mut self, checksum: u32) -> Result<Vec<usize>, Error> {
        let Some(ranks) = &mut self.0 else { return Ok(Vec::new()) };
        // Every rank adds to places of its own.
        let mut all = vec![0.0; PARTS.len() * ranks.size()];
        let own = &mut all[PARTS.len() * ranks.rank()..][..PARTS.len()];
        own.iter_mut().zip(PARTS).for_each(|(to, shift)| *to = (checksum >> shift & 0xFFFF) as f32);
        ranks.sum(&mut all)?;
        let (first, others) = all.split_at(PARTS.len());
        let differ = others.chunks_exact(PARTS.len()).enumerate().filter(|(_, other)| *other != first);
        Ok(differ.map(|(i, _)| i + 1).collect())
    }
}

/// A place among the processes of one run, as `torchrun` and others that start them say it in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `RANK`, 0 to size - 1.
    pub rank: usize,
    /// `WORLD_SIZE`, at least 2.
    pub size: usize,
    /// `LOCAL_RANK`: the number among the processes of this machine, where it is known.
    pub local_rank: Option<usize>,
    /// `LOCAL_WORLD_SIZE`: how many there are on this machine, where it is known.
    pub local_size: Option<usize>,
    /// `MASTER_ADDR`: the machine of rank 0, a name or an address.
    pub host: String,
    /// `MASTER_PORT`: a port there that is free, or `torchrun`'s own.
    pub port: u16,
    /// `TORCHELASTIC_RESTART_COUNT`: how often `torchrun` has started them again.
    pub restarts: u32,
    /// `TORCHELASTIC_USE_AGENT_STORE`: whether `torchrun` listens at the port, and not rank 0.
    pub agent_listens: bool,
}

impl Member {
    /// What the environment says; none where `WORLD_SIZE` is missing or 1.
    ///
    /// # Errors
    /// [`Error::Ranks`] names the variable that is missing or wrong, or says that this program was built without libtorch: no process trains alone by
    /// mistake.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        let member = Self::read(|name| std::env::var(name).ok())?;
        member.as_ref().map_or(Ok(()), Self::check)?;
        Ok(member)
    }

    /// Whether this program can be one of several.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if cfg!(all(feature = "torch", unix)) {
            return Ok(());
        }
        Err(Error::Ranks {
            what: format!(
                "WORLD_SIZE is {}, and this program was built without libtorch, by which processes train together; build it with \
                 `cargo build --release --features torch` (docs/scale.md, Training on several processes), or unset WORLD_SIZE",
                self.size
            ),
        })
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        fn number<T: FromStr>(name: &str, text: &str) -> Result<T, Error> {
            text.trim()
                .parse()
                .map_err(|_| Error::Ranks { what: format!("{name} is {text:?}, not a number that fits") })
        }
        let needed = |name: &str| {
            let what = || format!("WORLD_SIZE is set and {name} is not; torchrun sets both (docs/scale.md)");
            variable(name).ok_or_else(|| Error::Ranks { what: what() })
        };
        let optional = |name: &str| variable(name).map(|text| number(name, &text)).transpose();
        let Some(size) = optional("WORLD_SIZE")? else { return Ok(None) };
        if size <= 1 {
            return Ok(None);
        }
        let rank = number("RANK", &needed("RANK")?)?;
        if rank >= size {
            return Err(Error::Ranks {
                what: format!("RANK is {rank}; with WORLD_SIZE {size} it is 0 to {}", size - 1),
            });
        }
        Ok(Some(Self {
            rank,
            size,
            local_rank: optional("LOCAL_RANK")?,
            local_size: optional("LOCAL_WORLD_SIZE")?,
            host: needed("MASTER_ADDR")?,
            port: number("MASTER_PORT", &needed("MASTER_PORT")?)?,
            restarts: variable("TORCHELASTIC_RESTART_COUNT")
                .map_or(Ok(0), |t| number("TORCHELASTIC_RESTART_COUNT", &t))?,
            agent_listens: variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|text| text == "True"),
        }))
    }

    /// The device of this rank, where ranks of one machine are told `device`: of CUDA devices each takes its own, counted from that one.
    pub fn device(&self, device: Device) -> Device {
        match device {
            Device::Cuda(first) => Device::Cuda(first + self.local_rank.unwrap_or(0)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Member>, String> {
        let of = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Member::read(of).map_err(|e| e.to_string())
    }

    const TWO: [(&str, &str); 4] =
        [("WORLD_SIZE", "2"), ("RANK", "1"), ("MASTER_ADDR", "10.0.0.1"), ("MASTER_PORT", "29500")];

    #[test]
    fn the_environment_says_who_one_is() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("WORLD_SIZE", "1"), ("RANK", "0")]), Ok(None));
        let member = read(&TWO).unwrap().unwrap();
        assert_eq!((member.rank, member.size, member.host.as_str(), member.port), (1, 2, "10.0.0.1", 29500));
        assert_eq!((member.local_rank, member.restarts, member.agent_listens), (None, 0, false));
        let torchrun =
            [("LOCAL_RANK", "3"), ("TORCHELASTIC_RESTART_COUNT", "2"), ("TORCHELASTIC_USE_AGENT_STORE", "True")];
        let member = read(&[&TWO[..], &torchrun].concat()).unwrap().unwrap();
        assert_eq!((member.local_rank, member.restarts, member.agent_listens), (Some(3), 2, true));
        assert_eq!(member.device(Device::Cuda(1)), Device::Cuda(4));
        assert_eq!(member.device(Device::Cpu), Device::Cpu);
    }

    #[test]
    fn what_does_not_add_up_is_named() {
        for missing in ["RANK", "MASTER_ADDR", "MASTER_PORT"] {
            let rest: Vec<_> = TWO.into_iter().filter(|(name, _)| *name != missing).collect();
            assert!(read(&rest).unwrap_err().contains(missing), "{missing}");
        }
        for (name, value) in
            [("WORLD_SIZE", "two"), ("RANK", "2"), ("RANK", "-1"), ("MASTER_PORT", "65536"), ("LOCAL_RANK", "")]
        {
            let wrong = [&[(name, value)], &TWO[..]].concat();
            assert!(read(&wrong).unwrap_err().contains(name), "{name}={value}");
        }
    }

    #[cfg(not(feature = "torch"))]
    #[test]
    fn a_build_without_libtorch_does_not_train_alone_by_mistake() {
        let refused = read(&TWO)
            .unwrap()
            .unwrap()
            .join(Device::Cpu, std::time::Duration::from_secs(1))
            .err()
            .unwrap()
            .to_string();
        assert!(refused.contains("without libtorch") && refused.contains("--features torch"), "{refused}");
    }

    #[test]
    fn a_part_of_a_batch_is_whole_groups() {
        let mut config = crate::Config::preset("c64").unwrap();
        config.batch = 64;
        assert_eq!([1, 2, 8].map(|size| config.part(size).unwrap()), [64, 32, 8]);
        // Of 64, 32 and 8 pictures a quarter, in groups of 8.
        assert_eq!([64, 32, 8].map(|part| config.penalty_of(part)), [16, 8, 8]);
        let refused = |config: &crate::Config, size| config.part(size).unwrap_err().to_string();
        assert!(refused(&config, 3).contains("multiple of the 3 processes x discriminator.group (8), 24"));
        assert!(refused(&config, 16).contains("128"));
        config.critic = Some(crate::CriticConfig { fraction: 0.05, ..crate::CriticConfig::default() });
        config.part(2).unwrap();
        assert!(refused(&config, 8).contains("8 pictures: critic.fraction"));
        config.critic = None;
        config.inked = Some(crate::InkedConfig::default());
        config.part(8).unwrap();
        config.discriminator.group = 2;
        assert!(refused(&config, 16).contains("4 pictures: inked.fraction"));
    }

    #[test]
    fn alone_nothing_changes() {
        let (mut alone, mut values) = (Ranks::default(), [1.0, f32::NAN]);
        alone.mean(&mut values).unwrap();
        assert_eq!(values.map(f32::to_bits), [1f32, f32::NAN].map(f32::to_bits));
        assert!(!alone.any(false).unwrap() && alone.any(true).unwrap());
        assert!(alone.that_differ(7).unwrap().is_empty());
    }

    #[test]
    fn ranks_agree_and_know_who_differs() {
        let told = crate::threads::on_each(3, |threads| {
            let mut ranks = Ranks::new(Box::new(threads));
            let rank = ranks.rank();
            let mut values = [rank as f32, 4.0];
            ranks.mean(&mut values).unwrap();
            let flags = [ranks.any(false).unwrap(), ranks.any(rank == 2).unwrap()];
            // The upper half of a checksum counts too.
            let differ = [0, 1 << 31].map(|bit| ranks.that_differ(0x1234_FFFF ^ if rank == 1 { bit } else { 0 }));
            (values, flags, differ.map(Result::unwrap))
        });
        assert!(told.iter().all(|told| *told == ([1.0, 4.0], [false, true], [vec![], vec![1]])), "{told:?}");
    }
}
