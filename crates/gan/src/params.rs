//! All weights of a network in one flat vector: one gradient, one optimiser step, one average, one tensor to save.
//!
//! Equalised learning rate (Karras et al., arXiv 1710.10196) is one multiplication here: stored weights are unit normals, and a gain for each
//! tensor turns them into the weights that the network uses.

use std::collections::HashMap;
use std::ops::Range;

use synth::Seed;

/// Name of the `i`-th size, counted from the constant: `b4`, `b8` and so on, whatever the constant's own size.
pub(crate) fn block(i: usize) -> String {
    format!("b{}", 4usize << i)
}

/// How a tensor's values lie in the flat vector, and how in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// One order in memory and in files.
    Plain,
    /// [height, width, in, out] here, [out, in, height, width] in files.
    Window,
    /// As [`Order::Window`], with the window turned around: [height, width] counted from the last here.
    Turned,
    /// [height, width, channels] here, [channels, height, width] in files.
    Constant,
    /// [out, places, channels] here, [out, channels, places] in files, with so many channels.
    Flattened(usize),
}

/// One named tensor of a network and how it starts.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Shape in files.
    pub(crate) shape: Vec<usize>,
    pub(crate) order: Order,
    /// Standard deviation of the initial normal values.
    pub(crate) std: f64,
    /// Mean of the initial values.
    pub(crate) mean: f64,
    /// Factor from the stored value to the effective one.
    pub(crate) gain: f64,
    /// Place in the flat vector.
    pub(crate) range: Range<usize>,
}

impl Entry {
    /// Where the value at each place of the file's order lies among the tensor's own.
    fn places(&self) -> impl Fn(usize) -> usize + '_ {
        let s = &self.shape;
        move |i| match self.order {
            Order::Plain => i,
            Order::Window | Order::Turned => {
                let taps = s[2] * s[3];
                let (o, rest) = (i / (s[1] * taps), i % (s[1] * taps));
                let (input, tap) = (rest / taps, rest % taps);
                let tap = if self.order == Order::Turned { taps - 1 - tap } else { tap };
                (tap * s[1] + input) * s[0] + o
            }
            Order::Constant => {
                let (c, pixel) = (i / (s[1] * s[2]), i % (s[1] * s[2]));
                pixel * s[0] + c
            }
            Order::Flattened(channels) => {
                let (o, rest, places) = (i / s[1], i % s[1], s[1] / channels);
                o * s[1] + rest % places * channels + rest / places
            }
        }
    }

    /// The tensor's values in the order of files.
    pub(crate) fn to_file(&self, flat: &[f32]) -> Vec<f32> {
        let (own, place) = (&flat[self.range.clone()], self.places());
        (0..own.len()).map(|i| own[place(i)]).collect()
    }

    /// Values in the order of files to the tensor's place.
    pub(crate) fn set_from_file(&self, values: &[f32], flat: &mut [f32]) {
        let (own, place) = (&mut flat[self.range.clone()], self.places());
        values.iter().enumerate().for_each(|(i, v)| own[place(i)] = *v);
    }
}

/// The tensors of a network, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

impl Layout {
    /// Adds a fully connected layer: weight [out, in] and bias [out], with a learning-rate multiplier and an initial bias.
    pub(crate) fn linear(&mut self, name: &str, out: usize, input: usize, lr_multiplier: f64, bias: f64) {
        self.linear_of(Order::Plain, name, out, input, lr_multiplier, bias);
    }

    /// Adds one of a flattened map of `channels` channels.
    pub(crate) fn flattened(&mut self, name: &str, out: usize, places: usize, channels: usize) {
        self.linear_of(Order::Flattened(channels), name, out, places * channels, 1.0, 0.0);
    }

    fn linear_of(&mut self, order: Order, name: &str, out: usize, input: usize, lr_multiplier: f64, bias: f64) {
        let gain = lr_multiplier / (input as f64).sqrt();
        self.push(&format!("{name}.weight"), &[out, input], order, [1.0 / lr_multiplier, 0.0, gain]);
        self.push(&format!("{name}.bias"), &[out], Order::Plain, [0.0, bias / lr_multiplier, lr_multiplier]);
    }

    /// Adds a convolution: weight [out, in, k, k] and bias [out].
    pub(crate) fn conv(&mut self, name: &str, out: usize, input: usize, k: usize) {
        self.conv_of(Order::Window, name, out, input, k);
    }

    /// Adds a 3x3 convolution that runs with its window turned around.
    pub(crate) fn turned(&mut self, name: &str, out: usize, input: usize) {
        self.conv_of(Order::Turned, name, out, input, 3);
    }

    fn conv_of(&mut self, order: Order, name: &str, out: usize, input: usize, k: usize) {
        let gain = 1.0 / ((input * k * k) as f64).sqrt();
        self.push(&format!("{name}.weight"), &[out, input, k, k], order, [1.0, 0.0, gain]);
        self.push(&format!("{name}.bias"), &[out], Order::Plain, [0.0, 0.0, 1.0]);
    }

    /// Adds a tensor of normal values with a standard deviation (zeros for 0) and a mean, multiplied by a gain when used.
    pub(crate) fn push(&mut self, name: &str, shape: &[usize], order: Order, [std, mean, gain]: [f64; 3]) {
        let start = self.len();
        let range = start..start + shape.iter().product::<usize>();
        self.places.insert(name.into(), self.entries.len());
        self.entries.push(Entry { name: name.into(), shape: shape.to_vec(), order, std, mean, gain, range });
    }

    /// The same tensors holding effective values, as model files do: all gains are 1.
    pub(crate) fn effective(mut self) -> Self {
        self.entries.iter_mut().for_each(|e| e.gain = 1.0);
        self
    }

    /// Number of values in all.
    pub(crate) fn len(&self) -> usize {
        self.entries.last().map_or(0, |e| e.range.end)
    }

    /// The entries in order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry that holds the value at `place` of the flat vector.
    ///
    /// # Panics
    /// If `place` lies behind the last one.
    pub(crate) fn at(&self, place: usize) -> &Entry {
        let index = self.entries.partition_point(|e| e.range.end <= place);
        &self.entries[index]
    }

    /// The entry called `name`.
    ///
    /// # Panics
    /// If there is none, which is a mistake in this crate.
    pub(crate) fn get(&self, name: &str) -> &Entry {
        &self.entries[*self.places.get(name).unwrap_or_else(|| panic!("the network has no tensor {name}"))]
    }

    /// Fresh weights: tensor `i` is drawn from stream `i` of the seed.
    pub(crate) fn initial(&self, seed: u64) -> Vec<f32> {
        let mut flat = vec![0f32; self.len()];
        for (i, e) in self.entries.iter().enumerate() {
            let own = &mut flat[e.range.clone()];
            if e.std > 0.0 {
                synth::latent::normal(Seed(seed), i as u32, own);
            }
            for v in own {
                *v = (f64::from(*v) * e.std + e.mean) as f32;
            }
        }
        flat
    }

    /// 1 for each value that belongs to size `stages` or a larger one, counted from the constant, and 0 for the others.
    pub(crate) fn belongs_from(&self, stages: usize) -> Vec<f32> {
        let new = |e: &Entry| {
            let size = e.name.split('.').find_map(|part| part.strip_prefix('b')?.parse::<usize>().ok());
            size.is_some_and(|size| size >= 4 << stages)
        };
        self.entries.iter().flat_map(|e| std::iter::repeat_n(f32::from(u8::from(new(e))), e.range.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_sizes_are_told_from_smaller_ones_by_their_names() {
        let mut layout = Layout::default();
        layout.linear("mapping.fc0", 1, 1, 0.01, 0.0);
        layout.push("synthesis.b8.torgb.bias", &[3], Order::Plain, [0.0, 0.0, 1.0]);
        layout.push("b16.conv0.weight", &[2], Order::Plain, [1.0, 0.0, 1.0]);
        layout.push("b128.conv0.weight", &[1], Order::Plain, [1.0, 0.0, 1.0]);
        assert_eq!(layout.belongs_from(2), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_place_belongs_to_the_entry_that_holds_it() {
        let mut layout = Layout::default();
        layout.push("first", &[2, 3], Order::Plain, [1.0, 0.0, 1.0]);
        layout.push("second", &[], Order::Plain, [1.0, 0.0, 1.0]);
        assert_eq!([0, 5, 6].map(|place| layout.at(place).name.as_str()), ["first", "first", "second"]);
    }

    #[test]
    fn files_have_another_order_and_come_back() {
        let mut layout = Layout::default();
        layout.push("skipped", &[5], Order::Plain, [1.0, 0.0, 1.0]);
        layout.conv("c", 3, 2, 3);
        layout.push("const", &[4, 2, 2], Order::Constant, [1.0, 0.0, 1.0]);
        layout.turned("t", 3, 2);
        let flat = layout.initial(3);
        for name in ["c.weight", "const", "t.weight"] {
            let e = layout.get(name);
            let file = e.to_file(&flat);
            assert_ne!(file, flat[e.range.clone()]);
            let mut back = vec![0.0; flat.len()];
            e.set_from_file(&file, &mut back);
            assert_eq!(back[e.range.clone()], flat[e.range.clone()]);
        }
        // Output 2, input 1, row 0, column 1.
        let e = layout.get("c.weight");
        assert_eq!(e.to_file(&flat)[(2 * 2 + 1) * 9 + 1].to_bits(), flat[e.range.start + (2 + 1) * 3 + 2].to_bits());
        // The same, turned around: the last row but for one column.
        let e = layout.get("t.weight");
        assert_eq!(
            e.to_file(&flat)[(2 * 2 + 1) * 9 + 1].to_bits(),
            flat[e.range.start + (7 * 2 + 1) * 3 + 2].to_bits()
        );
    }
}
