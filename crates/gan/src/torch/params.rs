//! All weights of a network in one flat vector: one gradient, one optimiser step, one average, one tensor to save.
//!
//! Equalised learning rate (Karras et al., arXiv 1710.10196) is one multiplication here: stored weights are unit normals, and a
//! constant vector of gains turns them into the weights that the network uses.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

/// 32-bit floats as safetensors stores them.
pub(crate) fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// Name of the `i`-th size, counted from the constant: `b4`, `b8` and so on, whatever the constant's own size.
pub(crate) fn block(i: usize) -> String {
    format!("b{}", 4usize << i)
}

/// One named tensor of a network and how it starts.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    /// Standard deviation of the initial normal values.
    pub(crate) std: f64,
    /// Mean of the initial values.
    pub(crate) mean: f64,
    /// Factor from the stored value to the effective one.
    pub(crate) gain: f64,
}

impl Entry {
    fn len(&self) -> i64 {
        self.shape.iter().product()
    }
}

/// The tensors of a network, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    entries: Vec<Entry>,
}

impl Layout {
    /// Adds a fully connected layer: weight [out, in] and bias [out], with a learning-rate multiplier and an initial bias.
    pub(crate) fn linear(&mut self, name: &str, out: i64, input: i64, lr_multiplier: f64, bias: f64) {
        self.push(format!("{name}.weight"), &[out, input], 1.0 / lr_multiplier, lr_multiplier / (input as f64).sqrt());
        self.entries.push(Entry {
            name: format!("{name}.bias"),
            shape: vec![out],
            std: 0.0,
            mean: bias / lr_multiplier,
            gain: lr_multiplier,
        });
    }

    /// Adds a convolution: weight [out, in, k, k] and bias [out].
    pub(crate) fn conv(&mut self, name: &str, out: i64, input: i64, k: i64) {
        self.push(format!("{name}.weight"), &[out, input, k, k], 1.0, 1.0 / ((input * k * k) as f64).sqrt());
        self.push(format!("{name}.bias"), &[out], 0.0, 1.0);
    }

    /// Adds a tensor of normal values with the given spread (zeros for 0), multiplied by `gain` when used.
    pub(crate) fn push(&mut self, name: String, shape: &[i64], std: f64, gain: f64) {
        self.entries.push(Entry { name, shape: shape.to_vec(), std, mean: 0.0, gain });
    }

    /// Number of values in all.
    pub(crate) fn len(&self) -> i64 {
        self.entries.iter().map(Entry::len).sum()
    }

    /// Each entry with its part of `flat`; the parts share its storage.
    pub(crate) fn parts<'a>(&'a self, flat: &Tensor) -> impl Iterator<Item = (&'a Entry, Tensor)> {
        let mut end = 0;
        let flat = flat.shallow_clone();
        self.entries.iter().map(move |e| {
            end += e.len();
            (e, flat.narrow(0, end - e.len(), e.len()))
        })
    }

    /// Fresh weights, drawn from libtorch's generator.
    pub(crate) fn initial(&self, device: Device) -> Tensor {
        let parts: Vec<Tensor> = self
            .entries
            .iter()
            .map(|e| Tensor::randn([e.len()], (Kind::Float, Device::Cpu)) * e.std + e.mean)
            .collect();
        Tensor::cat(&parts, 0).to_device(device)
    }

    /// The constant vector of gains that belongs to [`Layout::initial`].
    pub(crate) fn gains(&self, device: Device) -> Tensor {
        let parts: Vec<Tensor> =
            self.entries.iter().map(|e| Tensor::full([e.len()], e.gain, (Kind::Float, Device::Cpu))).collect();
        Tensor::cat(&parts, 0).to_device(device)
    }

    /// A vector with 1 where a value belongs to size `stages` or a larger one, counted from the constant, and 0 elsewhere.
    pub(crate) fn belongs_from(&self, stages: usize, device: Device) -> Tensor {
        let parts: Vec<Tensor> = self
            .entries
            .iter()
            .map(|e| {
                let size = e.name.split('.').find_map(|part| part.strip_prefix('b')?.parse::<usize>().ok());
                let new = size.is_some_and(|size| size >= 4 << stages);
                Tensor::full([e.len()], i64::from(new), (Kind::Float, Device::Cpu))
            })
            .collect();
        Tensor::cat(&parts, 0).to_device(device)
    }

    /// Effective tensors by name, cut from `flat * gains` so that gradients arrive in one piece.
    pub(crate) fn views(&self, flat: &Tensor, gains: &Tensor) -> Views {
        let sizes: Vec<i64> = self.entries.iter().map(Entry::len).collect();
        let parts = (flat * gains).split_with_sizes(&sizes, 0);
        let tensors =
            self.entries.iter().zip(parts).map(|(e, t)| (e.name.clone(), t.view(e.shape.as_slice()))).collect();
        Views { tensors }
    }
}

/// The effective tensors of a network during one pass.
pub(crate) struct Views {
    tensors: HashMap<String, Tensor>,
}

impl Views {
    /// The tensor called `name`.
    ///
    /// # Panics
    /// If the layout that made these views has no such tensor, which is a mistake in this crate.
    pub(crate) fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("the network has no tensor {name}"))
    }

    /// `x W^T + b` with the layer called `name`.
    pub(crate) fn linear(&self, name: &str, x: &Tensor) -> Tensor {
        x.linear(self.get(&format!("{name}.weight")), Some(self.get(&format!("{name}.bias"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_sizes_are_told_from_smaller_ones_by_their_names() {
        let mut layout = Layout::default();
        layout.linear("mapping.fc0", 1, 1, 0.01, 0.0);
        layout.push("synthesis.b8.torgb.bias".into(), &[3], 0.0, 1.0);
        layout.push("b16.conv0.weight".into(), &[2], 1.0, 1.0);
        layout.push("b128.conv0.weight".into(), &[1], 1.0, 1.0);
        let new: Vec<f32> = Vec::try_from(layout.belongs_from(2, Device::Cpu)).unwrap();
        assert_eq!(new, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn gradients_of_all_views_arrive_in_one_vector_scaled_by_the_gain() {
        let mut layout = Layout::default();
        layout.push("a".into(), &[2, 3], 1.0, 0.5);
        layout.push("b".into(), &[4], 1.0, 2.0);
        let flat = layout.initial(Device::Cpu).set_requires_grad(true);
        let gains = layout.gains(Device::Cpu);
        let v = layout.views(&flat, &gains);
        let loss = v.get("a").sum(Kind::Float) + v.get("b").sum(Kind::Float) * 3.0;
        let grad = &Tensor::run_backward(&[loss], &[&flat], false, false)[0];
        let grad: Vec<f32> = Vec::try_from(grad).unwrap();
        assert_eq!(grad, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 6.0, 6.0, 6.0, 6.0]);
    }
}
