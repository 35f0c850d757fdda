//! This machine's processor, and which numbers it computes in.

use kernels::Isa;
use kernels::train::Cpu;

use crate::Error;
use crate::config::Precision;
use crate::device::Device;

impl Precision {
    /// Whether the networks' bodies are computed in bfloat16.
    pub(crate) fn is_bf16(self, cpu: &Cpu) -> bool {
        match self {
            Self::Auto => cpu.prefers_bf16(),
            Self::Bf16 => true,
            Self::F32 => false,
        }
    }

    /// The same on a device: `auto` takes it on every CUDA device, whose tensor cores are made for it.
    pub(crate) fn is_bf16_on(self, device: Device, cpu: &Cpu) -> bool {
        self.is_bf16(cpu) || self == Self::Auto && matches!(device, Device::Cuda(_))
    }

    /// Threads, and what products are made with.
    pub(crate) fn processor(self, cpu: &Cpu) -> (usize, &'static str) {
        (cpu.crew().threads(), if self.is_bf16(cpu) { cpu.name() } else { cpu.crew().isa().name() })
    }
}

/// A processor with the instruction set that the environment names, or the best.
pub(crate) fn processor(threads: usize) -> Result<Cpu, Error> {
    let isa = Isa::from_environment().map_err(|e| Error::Config { what: e.to_string() })?;
    Ok(Cpu::new(isa, threads))
}
