//! That a model chooses among the latents of a seed, and with which network.

use serde::{Deserialize, Serialize};

/// Layers that the network may have at most.
pub(crate) const MOST_LAYERS: usize = 8;
/// Outputs that a layer may have at most.
pub(crate) const WIDEST: usize = 1024;

/// How a model chooses among the `z` of a seed. Its network, linear layers behind the mapping network with a leaky `ReLU` after each but the last, lies in the
/// tensors `selection.fc0.weight` [outputs, `w_dim`], `selection.fc0.bias` and so on; the last has one output, more for better pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// How many `z` a seed offers, 2 to 64.
    pub candidates: u32,
}

impl Selection {
    /// Begins the name of every tensor of the network.
    pub(crate) const TENSORS: &str = "selection.";

    /// Whether the number of candidates is one that a model may have.
    pub(crate) fn is_sound(self) -> bool {
        (2..=64).contains(&self.candidates)
    }

    /// The name of a layer.
    pub(crate) fn layer(index: usize) -> String {
        format!("{}fc{index}", Self::TENSORS)
    }
}
