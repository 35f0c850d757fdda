//! The processor that layers are computed by: its threads, their memory, and how they multiply.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::map::Room;
use super::product::Products;
use super::scratch::Scratch;
use crate::Crew;
use crate::simd::Isa;

/// Threads, their instruction set, and how they multiply bfloat16 numbers.
#[derive(Debug)]
pub struct Cpu {
    pub(crate) crew: Crew,
    pub(crate) core: Core,
    /// Sums of groups.
    sums: Mutex<Room>,
}

/// What a task on one of the threads works with.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) isa: Isa,
    pub(crate) products: Products,
    /// A thread's own memory, for each.
    scratch: Vec<Mutex<Scratch>>,
}

impl Cpu {
    /// `threads` threads with the instruction set `isa` and the fastest products of this machine that belong to it.
    pub fn new(isa: Isa, threads: usize) -> Self {
        let crew = Crew::new(isa, threads);
        let scratch = (0..crew.threads()).map(|_| Mutex::default()).collect();
        Self { core: Core { isa, products: Products::available(isa)[0], scratch }, crew, sums: Mutex::default() }
    }

    /// One for each way in which this machine multiplies bfloat16 numbers, the fastest first: what tests compare.
    pub fn variants(isa: Isa, threads: usize) -> impl Iterator<Item = Self> {
        Products::available(isa).into_iter().map(move |products| {
            let mut cpu = Self::new(isa, threads);
            cpu.core.products = products;
            cpu
        })
    }

    /// Memory for sums of groups; one pass at a time asks for it.
    pub(crate) fn sums(&self) -> MutexGuard<'_, Room> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of memory that layers work with; it grows with the largest of them and stays.
    pub fn bytes(&self) -> usize {
        let scratch: usize = (0..self.crew.threads()).map(|thread| self.core.scratch(thread).bytes()).sum();
        scratch + self.sums().bytes()
    }

    /// The threads.
    pub fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Whether layers of [`Bf16`](super::Bf16) are faster than those of `f32` here: with AMX they are. AVX-512-BF16 alone has at most twice the products
    /// of `f32`, on some processors half of them, where Winograd's convolutions in `f32` need a quarter.
    pub fn prefers_bf16(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.core.products == Products::Tiles;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// What products are made with: the instruction set, or `amx` or `avx512-bf16` for bfloat16.
    pub fn name(&self) -> &'static str {
        match self.core.products {
            Products::Plain => self.crew.isa().name(),
            #[cfg(target_arch = "x86_64")]
            Products::Dot => "avx512-bf16",
            #[cfg(target_arch = "x86_64")]
            Products::Tiles => "amx",
        }
    }
}

impl Core {
    /// The memory of a thread of the crew, which nobody else asks for.
    pub(crate) fn scratch(&self, thread: usize) -> MutexGuard<'_, Scratch> {
        self.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AVX-512-BF16 is there without AMX on many processors, and slower than `f32` on some of them.
    #[test]
    fn bfloat16_is_preferred_with_amx_alone() {
        for &isa in Isa::available() {
            for cpu in Cpu::variants(isa, 1) {
                assert_eq!(cpu.prefers_bf16(), cpu.name() == "amx", "{}", cpu.name());
            }
        }
    }
}
