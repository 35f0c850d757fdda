//! The arrays of a network by name, of which a reader takes each once: what is left at the end was not understood.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::error::Error;
use crate::pickle::Id;
use crate::tensor::View;

/// Values of a document by the names they have in a network.
pub(crate) struct Arrays<'d> {
    pub(crate) document: &'d Document,
    pub(crate) all: BTreeMap<String, Id>,
}

impl Arrays<'_> {
    /// The array called `name`, if there is one; it is there only once.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<View>, Error> {
        match self.all.remove(name) {
            Some(id) => match self.document.array(id)? {
                Some(view) => Ok(Some(view)),
                None => Err(Error::weight(name, "is not an array of floating-point numbers")),
            },
            None => Ok(None),
        }
    }

    /// The array called `name`, which must be there.
    pub(crate) fn weight(&mut self, name: &str) -> Result<View, Error> {
        self.take(name)?.ok_or_else(|| Error::weight(name, "is missing"))
    }
}
