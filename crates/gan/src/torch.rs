//! The trainer's second backend: the networks' passes on libtorch, for CUDA devices.
//!
//! The layers are written once more, with libtorch's operations, and libtorch keeps what the way back needs. Weights go to the device once a step and
//! their gradients come back once; pictures go to and fro, because augmentation and losses are the trainer's own.

use std::ops::Range;
use std::rc::Rc;
use std::sync::OnceLock;

use kernels::train::Cpu;
use tch::{Cuda, Kind, TchError};

use crate::Error;
use crate::device::Device;
use crate::discriminator::{Discriminator, Shown};
use crate::generator::{Generator, Latents};
use crate::passes::{DiscriminatorPasses, Passes};
use crate::tape::Network;

/// What it means to call them in another order.
const ORDER: &str = "passes come in order, forwards before backwards";

mod discriminator;
mod draw;
#[cfg(unix)]
mod group;
mod layers;
#[cfg(test)]
mod tests;
mod transfer;
mod weights;

use discriminator::Judging;
use draw::Drawing;
#[cfg(unix)]
pub(crate) use group::Group;
use layers::Place;

/// Both networks on a device of libtorch.
pub(crate) struct Torch {
    device: Device,
    g: Drawing,
    d: TorchJudge,
}

/// A discriminator on a device of libtorch.
struct TorchJudge {
    device: Device,
    judging: Judging,
}

impl Torch {
    /// `bf16`: whether maps are of bfloat16.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no such device.
    pub(crate) fn new(
        device: Device,
        bf16: bool,
        cpu: Rc<Cpu>,
        generator: &Generator,
        discriminator: &Discriminator,
    ) -> Result<Self, Error> {
        let kind = if bf16 { Kind::BFloat16 } else { Kind::Float };
        let place = Place { device: open(device)?, kind };
        tch::set_num_threads(cpu.crew().threads().try_into().unwrap_or(i32::MAX));
        let judging = Judging::new(place, Rc::clone(&cpu), discriminator);
        let g = Drawing::new(place, cpu, generator);
        Ok(Self { device, g, d: TorchJudge { device, judging } })
    }
}

/// libtorch's name of a device that is there.
pub(crate) fn open(device: Device) -> Result<tch::Device, Error> {
    let cuda = load_cuda();
    let Device::Cuda(index) = device else { return Ok(tch::Device::Cpu) };
    let missing = |what: String| Err(Error::Device { device, what });
    if let Err(reason) = cuda {
        return missing(format!(
            "this libtorch has no CUDA ({reason}); let LD_LIBRARY_PATH name the torch/lib of a PyTorch with CUDA"
        ));
    }
    let count = Cuda::device_count();
    if !Cuda::is_available() || count < 1 {
        return missing(
            "no CUDA device is to be seen; nvidia-smi shows those there are and the driver's version".into(),
        );
    }
    if index as i64 >= count {
        return missing(format!("the CUDA devices here have the numbers 0 to {}", count - 1));
    }
    if !Cuda::cudnn_is_available() {
        tracing::warn!("cuDNN is missing: convolutions will be slow");
    }
    // The shapes are the same in every step.
    Cuda::cudnn_set_benchmark(true);
    Ok(tch::Device::Cuda(index))
}

/// Loads libtorch's part for CUDA, which announces itself to the rest. The program is not linked with it, so that it can be built, and started,
/// where there is none. It must come before anything else that is asked of libtorch, whatever the device: libtorch remembers which kinds of devices
/// there were when it was first asked, and when it first walked back.
#[expect(unsafe_code, reason = "loading a library runs its initialisers")]
fn load_cuda() -> Result<(), &'static str> {
    static LOADED: OnceLock<Result<libloading::Library, String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let name = libloading::library_filename("torch_cuda");
        // SAFETY: the library is PyTorch's own, of the libtorch that this program runs with: its initialisers enter functions into that one's
        // tables. It is never unloaded, so these stay.
        unsafe { libloading::Library::new(name) }.map_err(|e| e.to_string())
    });
    loaded.as_ref().map(drop).map_err(String::as_str)
}

/// What libtorch said, without its stack of calls.
fn failed(device: Device, error: &TchError) -> Error {
    let text = error.to_string();
    let mut what = text.lines().next().unwrap_or_default().to_owned();
    if what.contains("out of memory") {
        what += "; a smaller batch (--batch) needs less";
    }
    Error::Device { device, what }
}

impl Passes for Torch {
    fn draw(&mut self, g: &Network, latents: &Latents<'_>, fade: Option<f32>) -> Result<(Vec<f32>, Vec<f32>), Error> {
        self.g.draw(g, latents, fade).map_err(|e| failed(self.device, &e))
    }

    fn draw_backward(&mut self, _: &mut Network, gradient: &[f32]) -> Result<(), Error> {
        self.g.back(gradient).map_err(|e| failed(self.device, &e))
    }

    fn d(&mut self) -> &mut dyn DiscriminatorPasses {
        &mut self.d
    }

    fn bytes(&self) -> usize {
        0
    }

    fn finish(&mut self, g: &mut Network, d: &mut Network) -> Result<(), Error> {
        self.g.finish(g).map_err(|e| failed(self.device, &e))?;
        self.d.finish(d)
    }
}

impl DiscriminatorPasses for TorchJudge {
    fn logits(&mut self, d: &Network, shown: Shown<'_>) -> Result<Vec<f32>, Error> {
        self.judging.logits(d, shown).map_err(|e| failed(self.device, &e))
    }

    fn backward(
        &mut self,
        _: &mut Network,
        slopes: &[f32],
        range: Range<usize>,
        weights: bool,
    ) -> Result<Vec<f32>, Error> {
        self.judging.back(slopes, &range, weights).map_err(|e| failed(self.device, &e))
    }

    fn jvp(&mut self, _: &Network, directions: &[f32], fade: Option<f32>, of: &[usize]) -> Result<Vec<f32>, Error> {
        self.judging.jvp(directions, fade, of).map_err(|e| failed(self.device, &e))
    }

    fn jvp_backward(&mut self, _: &mut Network, gradient: &[f32]) -> Result<(), Error> {
        self.judging.jvp_backward(gradient).map_err(|e| failed(self.device, &e))
    }

    fn finish(&mut self, d: &mut Network) -> Result<(), Error> {
        self.judging.finish(d).map_err(|e| failed(self.device, &e))
    }
}
