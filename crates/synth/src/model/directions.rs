//! Directions of w along which one thing of a picture changes, as a model file holds them.

use crate::model::{DIRECTIONS, ModelFile};

/// Names, and `w_dim` values each.
#[derive(Debug)]
pub(crate) struct Directions {
    pub(crate) names: Vec<String>,
    /// [K, `w_dim`]
    pub(crate) values: Vec<f32>,
}

impl Directions {
    /// From a checked model.
    pub(crate) fn new(model: &ModelFile) -> Self {
        let values = model.tensors.get(DIRECTIONS).map_or_else(Vec::new, |tensor| tensor.data.clone());
        Self { names: model.metadata.directions.clone(), values }
    }
}
