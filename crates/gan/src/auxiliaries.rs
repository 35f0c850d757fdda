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

    /// Another recipe's: one that joins or changes its shape begins afresh, the one behind ink as a copy of `d` where it has the same layers.
    pub(crate) fn change(&mut self, [old, new]: [&Config; 2], threads: usize, d: &Network) -> Result<(), Error> {
        let critic = |c: &Config| c.critic.as_ref().map(|c| (c.network.clone(), c.size, c.channels.clone()));
        let inked = |c: &Config| c.inked.as_ref().map(|c| c.channels.clone());
        // The one that may fail first: the trainer keeps all it had then.
        if inked(old) != inked(new) {
            self.inked = InkedLearner::of(new, threads)?;
            if let Some(inked) = &mut self.inked {
                inked.judge.begin_as(d);
            }
        }
        if critic(old) != critic(new) {
            self.critic = new.critic.as_ref().map(|_| CriticLearner::new());
        }
        Ok(())
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
