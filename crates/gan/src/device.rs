//! Where the networks' passes run.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A device that trains. Losses, augmentation, optimisers, averages and whatever is drawn to be looked at stay on this machine's processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// This machine's processor, by this program's own engine: `cpu`.
    #[default]
    Cpu,
    /// This machine's processor, by libtorch: `torch`.
    Torch,
    /// The CUDA device of this number, by libtorch: `cuda` (the first) or `cuda:N`.
    Cuda(usize),
}

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

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Torch => f.write_str("torch"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u8>().ok().map(|index| Self::Cuda(index.into()));
        let device = match text {
            "cpu" => Some(Self::Cpu),
            "torch" => Some(Self::Torch),
            "cuda" => Some(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(number),
        };
        device.ok_or_else(|| "use cpu, torch, cuda or cuda:N".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for device in [Device::Cpu, Device::Torch, Device::Cuda(0), Device::Cuda(7)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for wrong in ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:999"] {
            assert!(wrong.parse::<Device>().unwrap_err().contains("cuda:N"), "{wrong}");
        }
    }

    #[cfg(not(feature = "torch"))]
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
