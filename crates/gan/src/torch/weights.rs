//! A network's weights on the device, and the gradients that are collected there.

use std::collections::HashMap;
use std::rc::Rc;

use kernels::train::Cpu;
use tch::{Kind, Tensor};

use super::layers::Place;
use super::transfer::{Made, download_into};
use crate::params::{Layout, Order};
use crate::tape::{Network, share};

/// Numbers that a thread adds up at a time.
const PIECE: usize = 1 << 16;

/// Weights, and what layers use of them.
#[derive(Debug)]
pub(super) struct Weights {
    place: Place,
    cpu: Rc<Cpu>,
    layout: Layout,
    /// The stored values of each of the layout's tensors, of which gradients are taken; empty until they are sent.
    leaves: Vec<Tensor>,
    places: HashMap<String, usize>,
    /// Sums of gradients so far.
    sums: Vec<Option<Tensor>>,
    /// Filters and biases, made once a step.
    made: HashMap<String, Tensor>,
    /// Where gradients arrive.
    arrived: Vec<f32>,
}

impl Weights {
    pub(super) fn new(place: Place, cpu: Rc<Cpu>, layout: Layout) -> Self {
        let places = layout.entries().iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
        let sums = layout.entries().iter().map(|_| None).collect();
        let arrived = vec![0.0; layout.len()];
        Self { place, cpu, layout, leaves: Vec::new(), places, sums, made: HashMap::new(), arrived }
    }

    /// Sends the network's weights, unless they are there.
    pub(super) fn send(&mut self, net: &Network) -> Made<()> {
        if !self.leaves.is_empty() {
            return Ok(());
        }
        let all = self.place.upload(&net.weights, &[net.weights.len() as i64])?;
        let leaf = |range: &std::ops::Range<usize>| {
            all.f_narrow(0, range.start as i64, range.len() as i64)?.f_detach()?.f_set_requires_grad(true)
        };
        self.leaves = self.layout.entries().iter().map(|e| leaf(&e.range)).collect::<Made<_>>()?;
        Ok(())
    }

    /// Effective values times `factor`, in f32: [k, k, in, out] of a convolution, [height, width, channels] of a constant, else as in files.
    pub(super) fn effective(&self, name: &str, factor: f32) -> Made {
        let index = self.places[name];
        let e = &self.layout.entries()[index];
        let s: Vec<i64> = e.shape.iter().map(|v| *v as i64).collect();
        let shape = match e.order {
            Order::Plain | Order::Flattened(_) => s,
            Order::Window | Order::Turned => vec![s[2], s[3], s[1], s[0]],
            Order::Constant => vec![s[1], s[2], s[0]],
        };
        self.leaves[index].f_mul_scalar(e.gain * f64::from(factor))?.f_reshape(shape)
    }

    /// Rows of an embedding, [features, classes] in files, with its bias.
    pub(super) fn embedding(&self, layer: &str, classes: &[u32]) -> Made {
        let table = self.effective(&format!("{layer}.weight"), 1.0)?.f_transpose(0, 1)?;
        table.f_index_select(0, &self.place.indices(classes)?)?.f_add(&self.effective(&format!("{layer}.bias"), 1.0)?)
    }

    /// A convolution's effective filter times `factor` in the numbers of maps: [out, in, k, k], channels last.
    pub(super) fn filter(&mut self, layer: &str, factor: f32) -> Made {
        self.once(format!("{layer}.weight"), |weights, name| {
            let window = weights.effective(name, factor)?.f_to_kind(weights.place.kind)?;
            window.f_permute([3, 0, 1, 2])?.f_contiguous()?.f_permute([0, 3, 1, 2])
        })
    }

    /// The bias of a convolution of maps, likewise.
    pub(super) fn bias(&mut self, layer: &str, factor: f32) -> Made {
        self.once(format!("{layer}.bias"), |weights, name| {
            weights.effective(name, factor)?.f_to_kind(weights.place.kind)
        })
    }

    /// What has been made of a tensor in this step; a layer's is used with one factor only.
    fn once(&mut self, name: String, make: impl Fn(&Self, &str) -> Made) -> Made {
        if let Some(made) = self.made.get(&name) {
            return Ok(made.shallow_clone());
        }
        let made = make(self, &name)?;
        self.made.insert(name, made.shallow_clone());
        Ok(made)
    }

    /// Walks back from numbers, whose slopes are 1, and adds up gradients of weights, if they are wanted. Gives those at `others`. `again`: whether
    /// what was kept for it is kept on.
    pub(super) fn walk_back(
        &mut self,
        from: &[Tensor],
        others: &[&Tensor],
        weights: bool,
        again: bool,
    ) -> Made<Vec<Tensor>> {
        let leaves = self.leaves.iter().filter(|_| weights);
        let inputs: Vec<&Tensor> = others.iter().copied().chain(leaves).collect();
        let mut found = Tensor::f_run_backward(from, &inputs, again, false)?;
        let of_weights = found.split_off(others.len());
        for (sum, found) in self.sums.iter_mut().zip(of_weights).filter(|(_, found)| found.defined()) {
            *sum = Some(match sum.take() {
                None => found,
                Some(sum) => sum.f_add(&found)?,
            });
        }
        Ok(found)
    }

    /// Adds the gradients to the network's own. The weights are forgotten, because they are about to change.
    pub(super) fn finish(&mut self, net: &mut Network) -> Made<()> {
        self.made.clear();
        self.leaves.clear();
        if self.sums.iter().all(Option::is_none) {
            return Ok(());
        }
        let place = self.place;
        let parts = self.sums.iter_mut().zip(self.layout.entries()).map(|(sum, e)| match sum.take() {
            Some(sum) => sum.f_reshape([-1]),
            None => Tensor::f_zeros([e.range.len() as i64], (Kind::Float, place.device)),
        });
        download_into(&Tensor::f_cat(&parts.collect::<Made<Vec<_>>>()?, 0)?, &mut self.arrived)?;
        let pieces = net.gradient.chunks_mut(PIECE).zip(self.arrived.chunks(PIECE));
        share(&self.cpu, pieces, |(to, from)| to.iter_mut().zip(from).for_each(|(to, v)| *to += v));
        Ok(())
    }
}
