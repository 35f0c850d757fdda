//! Where the networks' passes run.

use std::fmt;
use std::str::FromStr;

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
}
