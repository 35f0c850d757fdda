//! Untrained networks of well-known sizes.

use synth::{Architecture, Upsample};

/// An untrained network, without noise inputs so that every runtime is given the same work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Network {
    /// 64 px, as this project trains it
    C64,
    /// 128 px, as this project trains it
    C128,
    /// 128 px, 256 channels at the coarse end, upsampling before each convolution: 3.50 GFLOP
    #[value(name = "up-conv-128")]
    UpConv128,
    /// The same channels in `StyleGAN2`'s own order: 1.86 GFLOP
    #[value(name = "stylegan2-128")]
    StyleGan2At128,
    /// `StyleGAN2`'s config f at 512 px: 59.7 GMAC
    #[value(name = "stylegan2-512")]
    StyleGan2At512,
    /// `StyleGAN2`'s config f at 1024 px
    #[value(name = "stylegan2-1024")]
    StyleGan2At1024,
}

impl Network {
    pub(crate) fn architecture(self) -> Architecture {
        let (dim, mapping_layers, channels, upsample): (_, _, &[usize], _) = match self {
            Network::C64 => (128, 2, &[192, 192, 128, 64, 32], Upsample::ConvUp),
            Network::C128 => (128, 2, &[192, 192, 128, 64, 32, 32], Upsample::ConvUp),
            Network::UpConv128 => (256, 2, &[256, 256, 256, 128, 64, 32], Upsample::UpConv),
            Network::StyleGan2At128 => (256, 2, &[256, 256, 256, 128, 64, 32], Upsample::StyleGan2),
            Network::StyleGan2At512 => (512, 8, &[512, 512, 512, 512, 512, 256, 128, 64], Upsample::StyleGan2),
            Network::StyleGan2At1024 => (512, 8, &[512, 512, 512, 512, 512, 256, 128, 64, 32], Upsample::StyleGan2),
        };
        Architecture { mapping_layers, upsample, ..Architecture::plain(dim, dim.max(256), channels) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_project_trains_is_what_is_timed() {
        for (network, preset) in [(Network::C64, "c64"), (Network::C128, "c128")] {
            assert_eq!(network.architecture(), gan::Config::preset(preset).unwrap().architecture);
        }
    }
}
