//! The auxiliary discriminators of a run.

use crate::auxiliary::Auxiliary;
use crate::critic::CriticLearner;
use crate::ink::InkedLearner;
use crate::tape::Network;
use crate::{Config, Error};

/// Those of a run.
pub(crate) struct Auxiliaries {
    /// On the features of a frozen network.
    pub(crate) critic: Option<CriticLearner>,
    /// Behind an ink network.
    pub(crate) inked: Option<InkedLearner>,
}

impl Auxiliaries {
    /// Fresh ones, where the configuration has them; not yet prepared.
    pub(crate) fn new(config: &Config, threads: usize) -> Result<Self, Error> {
        let critic = config.critic.as_ref().map(|_| CriticLearner::new());
        Ok(Self { critic, inked: InkedLearner::of(config, threads)? })
    }

    /// Another recipe's, ready for its steps: one that joins or changes its shape begins afresh, the one behind ink as a copy of `d` where it has the
    /// same layers. They stay what they are where that fails.
    pub(crate) fn change(&mut self, [old, new]: [&Config; 2], threads: usize, d: &Network) -> Result<(), Error> {
        let critic = |c: &Config| c.critic.as_ref().map(|c| (c.network.clone(), c.size, c.channels.clone()));
        let inked = |c: &Config| c.inked.as_ref().map(|c| c.channels.clone());
        let mut changed = Self::new(new, threads)?;
        if let Some(fresh) = &mut changed.inked {
            match self.inked.as_ref().filter(|_| inked(old) == inked(new)) {
                Some(own) => {
                    fresh.judge.go_on_as(&own.judge);
                    fresh.network = own.network;
                }
                None => _ = fresh.judge.begin_as(d),
            }
        }
        let keeps_critic = critic(old) == critic(new);
        if keeps_critic {
            changed.critic = self.critic.take();
        }
        let ready = changed.prepare(new, threads);
        if ready.is_ok() {
            *self = changed;
        } else if keeps_critic {
            self.critic = changed.critic;
        }
        ready
    }

    /// Opens what only steps need.
    pub(crate) fn prepare(&mut self, config: &Config, threads: usize) -> Result<(), Error> {
        self.all_mut().into_iter().flatten().try_for_each(|one| one.prepare(config, threads))
    }

    /// In the order of [`Auxiliaries::all_mut`].
    pub(crate) fn all(&self) -> [Option<&dyn Auxiliary>; 2] {
        let Self { critic, inked } = self;
        [critic.as_ref().map(|c| c as &dyn Auxiliary), inked.as_ref().map(|i| i as &dyn Auxiliary)]
    }

    /// The feature critic, then the one behind ink.
    pub(crate) fn all_mut(&mut self) -> [Option<&mut dyn Auxiliary>; 2] {
        let Self { critic, inked } = self;
        [critic.as_mut().map(|c| c as &mut dyn Auxiliary), inked.as_mut().map(|i| i as &mut dyn Auxiliary)]
    }
}
