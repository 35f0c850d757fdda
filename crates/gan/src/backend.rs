//! Which backend a device's passes run on: this program's own engine, or libtorch where it was built with that.

use std::rc::Rc;
use std::time::Duration;

use kernels::train::{Bf16, Cpu};

use crate::collective::{Collective, Member};
use crate::config::Config;
use crate::device::Device;
use crate::discriminator::Discriminator;
use crate::error::Error;
use crate::generator::Generator;
use crate::passes::{Native, Passes};

impl Device {
    /// Whether it is there, and this program can train on it, before anything is made for it.
    ///
    /// # Errors
    /// [`Error::Device`] says what is missing, and what to do.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Cpu => Ok(()),
            #[cfg(feature = "torch")]
            Self::Torch | Self::Cuda(_) => crate::torch::open(self).map(drop),
            #[cfg(not(feature = "torch"))]
            Self::Torch | Self::Cuda(_) => Err(Error::Device {
                device: self,
                what:
                    "this program was built without libtorch; build it with `cargo build --release --features torch` \
                       (docs/training.md, Training on CUDA), or take --device cpu"
                        .into(),
            }),
        }
    }
}

impl Member {
    /// Joins the others, waiting for them up to `timeout`, which is also how long a later call waits for one that lives and does not answer.
    ///
    /// # Errors
    /// [`Error::Ranks`] if they do not meet, or this program was built without libtorch.
    pub fn join(&self, device: Device, timeout: Duration) -> Result<Box<dyn Collective>, Error> {
        self.check()?;
        #[cfg(all(feature = "torch", unix))]
        return Ok(Box::new(crate::torch::Group::join(self, device, timeout)?));
        #[cfg(not(all(feature = "torch", unix)))]
        unreachable!("{device} for {timeout:?}: such a program was refused")
    }
}

/// The networks' bodies on a device, in the numbers that the configuration asks for.
pub(crate) fn passes(
    config: &Config,
    device: Device,
    cpu: Cpu,
    generator: &Generator,
    discriminator: &Discriminator,
) -> Result<Box<dyn Passes>, Error> {
    device.check()?;
    let cpu = Rc::new(cpu);
    #[cfg(feature = "torch")]
    if device != Device::Cpu {
        let bf16 = config.precision.is_bf16_on(device, &cpu);
        return Ok(Box::new(crate::torch::Torch::new(device, bf16, cpu, generator, discriminator)?));
    }
    Ok(if config.precision.is_bf16(&cpu) {
        Box::new(Native::<Bf16>::new(cpu, generator, discriminator))
    } else {
        Box::new(Native::<f32>::new(cpu, generator, discriminator))
    })
}

#[cfg(all(test, not(feature = "torch")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_libtorch_says_what_to_do() {
        let mut trainer = crate::Trainer::new(crate::Config::preset("tiny").unwrap(), 1).unwrap();
        for device in [Device::Torch, Device::Cuda(1)] {
            let error = trainer.move_to(device).unwrap_err().to_string();
            assert_eq!(error, device.check().unwrap_err().to_string());
            assert!(error.contains(&device.to_string()) && error.contains("--features torch"), "{error}");
        }
        trainer.move_to(Device::Cpu).unwrap();
    }
}
