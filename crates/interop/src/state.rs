//! The weights of a network by name.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::tensor::View;

/// Weights by name, of which a reader takes each once; those that are no floating-point arrays are none.
#[derive(Default)]
pub(crate) struct State(pub(crate) BTreeMap<String, Option<View>>);

impl State {
    /// Whether there is a weight of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether there is a weight whose name begins so.
    pub(crate) fn has_any(&self, start: &str) -> bool {
        self.0.range(start.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(start))
    }

    /// The array called `name`, if there is one; it is there only once.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<View>, Error> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Some(view)) => Ok(Some(view)),
            Some(None) => Err(Error::weight(name, "is not an array of floating-point numbers")),
        }
    }

    /// The array called `name`, which must be there.
    pub(crate) fn weight(&mut self, name: &str) -> Result<View, Error> {
        self.take(name)?.ok_or_else(|| Error::weight(name, "is missing"))
    }

    /// Fails if anything was not understood.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(other) => {
                Err(Error::unsupported(format!("the network has a layer that is not StyleGAN2's: {other:?}")))
            }
        }
    }
}
