//! The feature critic: small heads that judge pictures by what a frozen network sees in them (projected GAN, arXiv 2111.01007).
//!
//! The network's grids are mixed by fixed random 1x1 convolutions, each with the coarser ones (so that no head can look at one
//! channel alone), and every mixed grid has a head with a hinge loss. The heads are the only part that learns.

use tch::{Device, Kind, Tensor, no_grad};

use crate::config::CriticConfig;
use crate::params::{Layout, Views};
use crate::{Error, Features, ops};

/// Groups of each normalisation; channels are multiples of it.
pub(crate) const GROUPS: usize = 8;
/// Widest layer of a head.
const WIDEST: i64 = 128;

/// Shape of the critic and its frozen part; the heads' weights come in as [`Views`].
#[derive(Debug)]
pub(crate) struct Critic {
    channels: Vec<i64>,
    /// Side that pictures are brought to first; 0 for none.
    size: i64,
    network: Option<Features>,
    /// The fixed random mixing of all taps in one vector, so that a checkpoint can hold it. Empty until the network is there.
    pub(crate) mixing: Tensor,
}

/// Mean hinge losses of the heads, and their mean outputs; scalars.
pub(crate) struct CriticLoss {
    pub(crate) total: Tensor,
    pub(crate) real: Tensor,
    pub(crate) fake: Tensor,
}

impl Critic {
    pub(crate) fn new(config: &CriticConfig, device: Device) -> Self {
        let channels = config.channels.iter().map(|&c| c as i64).collect();
        Self { channels, size: config.size as i64, network: None, mixing: Tensor::zeros([0], (Kind::Float, device)) }
    }

    /// Opens the frozen network and, unless a checkpoint brought it, draws the mixing from libtorch's generator.
    pub(crate) fn prepare(&mut self, name: &str, size: i64, device: Device) -> Result<(), Error> {
        let network = Features::find(name, device)?;
        let size = if self.size > 0 { self.size } else { size };
        let fail = |what: String| Error::Config { what };
        let taps = network
            .try_size(size, device)
            .map_err(|e| fail(format!("critic.network cannot take pictures of {size} px: {e}")))?;
        if taps.len() != self.channels.len() {
            let what = format!("critic.channels must be {} numbers, one a tap of {}", taps.len(), network.name());
            return Err(fail(what));
        }
        let sizes = self.mixing_sizes(&taps);
        let length: i64 = sizes.iter().map(|[o, i]| o * i).sum();
        if self.mixing.numel() == 0 {
            let parts: Vec<Tensor> = sizes
                .iter()
                .map(|[o, i]| Tensor::randn([o * i], (Kind::Float, Device::Cpu)) / (*i as f64).sqrt())
                .collect();
            self.mixing = Tensor::cat(&parts, 0).to_device(device);
        } else if self.mixing.numel() as i64 != length {
            return Err(fail(format!("the checkpoint's critic was made for another network than {}", network.name())));
        }
        self.network = Some(network);
        Ok(())
    }

    /// [out, in] of the mixing's matrices: for each tap from the tap, then for each but the coarsest from the next coarser grid.
    fn mixing_sizes(&self, taps: &[i64]) -> Vec<[i64; 2]> {
        let c = &self.channels;
        c.iter().zip(taps).map(|(&o, &i)| [o, i]).chain(c.windows(2).map(|pair| [pair[0], pair[1]])).collect()
    }

    /// Names and shapes of the heads.
    pub(crate) fn layout(&self) -> Layout {
        let mut l = Layout::default();
        for (tap, &channels) in self.channels.iter().enumerate() {
            let mut c = channels;
            for k in 0..self.halvings(tap) {
                let wider = (2 * c).min(WIDEST);
                l.conv(&format!("head{tap}.down{k}"), wider, c, 3);
                c = wider;
            }
            l.conv(&format!("head{tap}.conv"), WIDEST, c, 3);
            l.conv(&format!("head{tap}.out"), 1, WIDEST, 3);
        }
        l
    }

    /// Convolutions with stride 2 in the head of `tap`: all but the coarsest grid come down to the size of the last but one.
    fn halvings(&self, tap: usize) -> usize {
        self.channels.len().saturating_sub(2 + tap)
    }

    /// Mixed grids of pictures [n, 3, h, w] in -1..1; differentiable in the pictures.
    ///
    /// # Panics
    /// If [`Critic::prepare`] has not been called.
    pub(crate) fn grids(&self, pictures: &Tensor) -> Vec<Tensor> {
        let network = self.network.as_ref().expect("the critic is prepared before the first step");
        let taps = if self.size > 0 && pictures.size()[2] != self.size {
            network.taps(&pictures.upsample_bilinear2d([self.size, self.size], false, None, None))
        } else {
            network.taps(pictures)
        };
        let sizes = self.mixing_sizes(&taps.iter().map(|t| t.size()[1]).collect::<Vec<_>>());
        let lengths: Vec<i64> = sizes.iter().map(|[o, i]| o * i).collect();
        let matrices = self.mixing.split_with_sizes(&lengths, 0);
        let matrix = |k: usize| matrices[k].view([sizes[k][0], sizes[k][1], 1, 1]);
        let mut grids: Vec<Tensor> = Vec::new();
        for (tap, x) in taps.iter().enumerate().rev() {
            let mut y = ops::conv(x, &matrix(tap), None);
            if let Some(coarser) = grids.last() {
                let s = y.size();
                y += ops::conv(coarser, &matrix(taps.len() + tap), None).upsample_bilinear2d(
                    [s[2], s[3]],
                    false,
                    None,
                    None,
                );
            }
            grids.push(y);
        }
        grids.reverse();
        grids
    }

    /// The heads' outputs, one map [n, 1, h, w] a grid.
    fn heads(&self, v: &Views, grids: &[Tensor]) -> Vec<Tensor> {
        let conv = |name: &str, x: &Tensor, stride: i64| {
            let (weight, bias) = (v.get(&format!("{name}.weight")), v.get(&format!("{name}.bias")));
            x.conv2d(weight, Some(bias), stride, 1, 1, 1)
        };
        let layer = |name: &str, x: &Tensor, stride: i64| {
            let y = conv(name, x, stride);
            ops::leaky_relu(&y.group_norm(GROUPS as i64, None::<Tensor>, None::<Tensor>, 1e-5, true))
        };
        grids
            .iter()
            .enumerate()
            .map(|(tap, x)| {
                let mut x = x.shallow_clone();
                for k in 0..self.halvings(tap) {
                    x = layer(&format!("head{tap}.down{k}"), &x, 2);
                }
                conv(&format!("head{tap}.out"), &layer(&format!("head{tap}.conv"), &x, 1), 1)
            })
            .collect()
    }

    /// What the heads minimise: `relu(1 - F(real)) + relu(1 + F(fake))`, the mean over places, pictures and heads.
    pub(crate) fn loss(&self, v: &Views, real: &[Tensor], fake: &[Tensor]) -> CriticLoss {
        let mean = |outputs: &[Tensor], f: &dyn Fn(&Tensor) -> Tensor| {
            let means: Vec<Tensor> = outputs.iter().map(|y| f(y).mean(Kind::Float)).collect();
            Tensor::stack(&means, 0).mean(Kind::Float)
        };
        let (real, fake) = (self.heads(v, real), self.heads(v, fake));
        let total = mean(&real, &|y: &Tensor| (-y + 1.0).relu()) + mean(&fake, &|y: &Tensor| (y + 1.0).relu());
        let output = |y: &[Tensor]| no_grad(|| mean(y, &Tensor::shallow_clone));
        CriticLoss { total, real: output(&real), fake: output(&fake) }
    }

    /// What G maximises: the heads' mean output on drawn pictures.
    pub(crate) fn score(&self, v: &Views, fake: &[Tensor]) -> Tensor {
        let means: Vec<Tensor> = self.heads(v, fake).iter().map(|y| y.mean(Kind::Float)).collect();
        Tensor::stack(&means, 0).mean(Kind::Float)
    }
}
