//! G: mapping network and synthesis network (StyleGAN2, arXiv 1912.04958, section 2.2) as `synth::Architecture` describes them.
//!
//! The forward pass here and the one in the `synth` crate are the same function; a golden test holds them together.

use kernels::train::{Cpu, Element};
use synth::{Architecture, NoiseInputs, Upsample};

use crate::Error;
use crate::params::{Layout, Order, block};
use crate::tape::{Id, Network, Tape};

/// Gain that keeps the variance through a leaky ReLU, as StyleGAN2 counts it.
pub(crate) const ACTIVATION_GAIN: f32 = std::f32::consts::SQRT_2;

/// Learning-rate multiplier of the mapping network.
const MAPPING_LR: f64 = 0.01;

/// Shape of the generator.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    architecture: Architecture,
}

/// What G drew, on its tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    /// The first of its layers.
    pub(crate) first: Id,
    /// w: rows of `w_dim`.
    pub(crate) w: Id,
    /// Planar pictures, nominally in -1..1.
    pub(crate) pictures: Id,
}

impl Generator {
    pub(crate) fn new(architecture: &Architecture) -> Self {
        Self { architecture: architecture.clone() }
    }

    /// Whether this trainer has all parts of it.
    ///
    /// # Errors
    /// [`Error::Config`] names the part that it lacks.
    pub(crate) fn check(architecture: &Architecture) -> Result<(), Error> {
        let fail = |what: &str| Err(Error::Config { what: what.into() });
        if architecture.upsample != Upsample::ConvUp {
            return fail("architecture.upsample must be conv_up");
        }
        if architecture.noise != NoiseInputs::None {
            return fail("architecture.noise must be none");
        }
        if architecture.conv_clamp.is_some() || architecture.labels.is_some() {
            return fail("architecture.conv_clamp and architecture.labels are of imported networks");
        }
        Ok(())
    }

    /// Name of block `i` in the model file.
    fn block(i: usize) -> String {
        format!("synthesis.{}", block(i))
    }

    /// Names and shapes in the model file's scheme; see the `synth` crate.
    pub(crate) fn layout(&self) -> Layout {
        let a = &self.architecture;
        let mut l = Layout::default();
        for k in 0..a.mapping_layers {
            l.linear(&format!("mapping.fc{k}"), a.w_dim, if k == 0 { a.z_dim } else { a.w_dim }, MAPPING_LR, 0.0);
        }
        let shape = [a.channels[0], a.base[0], a.base[1]];
        l.push("synthesis.b4.const", &shape, Order::Constant, [1.0, 0.0, 1.0]);
        for (i, &out) in a.channels.iter().enumerate() {
            let b = Self::block(i);
            if i > 0 {
                Self::modulated(&mut l, &format!("{b}.conv0"), out, a.channels[i - 1], a.w_dim);
            }
            Self::modulated(&mut l, &format!("{b}.conv1"), out, out, a.w_dim);
            l.conv(&format!("{b}.torgb"), 3, out, 1);
            l.linear(&format!("{b}.torgb.affine"), out, a.w_dim, 1.0, 1.0);
        }
        l
    }

    fn modulated(l: &mut Layout, name: &str, out: usize, input: usize, w_dim: usize) {
        l.conv(name, out, input, 3);
        l.linear(&format!("{name}.affine"), input, w_dim, 1.0, 1.0);
    }

    /// Draws pictures of z, rows of `z_dim` numbers; `w` goes through `change` on the way. Of the largest stage's colours only the share `fade` is
    /// taken.
    pub(crate) fn draw<E: Element>(
        &self,
        cpu: &Cpu,
        tape: &mut Tape<E>,
        net: &Network,
        z: &[f32],
        change: Option<&dyn Fn(&mut [f32])>,
        fade: f32,
    ) -> Drawn {
        let first = tape.rows(z, self.architecture.z_dim, false);
        let w = self.map(cpu, tape, net, first);
        let w = match change {
            None => w,
            Some(change) => {
                let mut values = tape.numbers(w);
                values.chunks_exact_mut(self.architecture.w_dim).for_each(change);
                tape.rows(&values, self.architecture.w_dim, false)
            }
        };
        Drawn { first, w, pictures: self.synthesize(cpu, tape, net, w, fade) }
    }

    fn map<E: Element>(&self, cpu: &Cpu, tape: &mut Tape<E>, net: &Network, z: Id) -> Id {
        let mut x = if self.architecture.normalize_z { tape.normalize(z) } else { z };
        for k in 0..self.architecture.mapping_layers {
            x = tape.linear(cpu, net, x, &format!("mapping.fc{k}"), Some(ACTIVATION_GAIN), None);
        }
        x
    }

    /// w to pictures.
    pub(crate) fn synthesize<E: Element>(&self, cpu: &Cpu, tape: &mut Tape<E>, net: &Network, w: Id, fade: f32) -> Id {
        let a = &self.architecture;
        let mut x = tape.constant(net, "synthesis.b4.const", tape.count(w));
        let mut pictures = None;
        for i in 0..a.channels.len() {
            let b = Self::block(i);
            for conv in ["conv0", "conv1"].into_iter().skip(usize::from(i == 0)) {
                let layer = format!("{b}.{conv}");
                let style = tape.linear(cpu, net, w, &format!("{layer}.affine"), None, None);
                let scale = tape.demodulate(cpu, net, style, &layer);
                x = tape.styled(cpu, net, x, style, scale, &layer, conv == "conv0");
            }
            let layer = format!("{b}.torgb");
            let style = tape.linear(cpu, net, w, &format!("{layer}.affine"), None, None);
            let strength = if i + 1 == a.channels.len() && i > 0 { fade } else { 1.0 };
            pictures = Some(tape.colours(cpu, net, x, style, &layer, pictures, strength));
        }
        pictures.expect("an architecture has at least one block")
    }
}
