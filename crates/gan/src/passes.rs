//! What a training step asks of a device: the two networks forwards and backwards. The step itself, with its losses, is written once.

use std::any::Any;
use std::ops::Range;
use std::rc::Rc;

use kernels::train::{Cpu, Element};

use crate::Error;
use crate::discriminator::{Discriminator, Judged, Shown};
use crate::generator::{Drawn, Generator, Latents};
use crate::tape::{Context, Network, Tape, Walk};

/// The two networks on a device, D by its [`DiscriminatorPasses`]. Pictures are planar, [n, 3, size, size], in -1..1. Gradients of weights are added to the networks'
/// own, by `finish` at the latest: a device apart sends them once a step.
///
/// # Errors
/// Every call may fail with [`Error::Device`] where the device is one apart; the step is lost then.
pub(crate) trait Passes {
    /// Draws pictures of latents with G's present weights: pictures and w.
    fn draw(&mut self, g: &Network, latents: &Latents<'_>, fade: Option<f32>) -> Result<(Vec<f32>, Vec<f32>), Error>;
    /// Gradients of G's weights from those at the pictures just drawn, after all that D was asked for: what it judged is forgotten.
    fn draw_backward(&mut self, g: &mut Network, gradient: &[f32]) -> Result<(), Error>;
    /// D.
    fn d(&mut self) -> &mut dyn DiscriminatorPasses;
    /// Bytes that are kept between steps, D's included, where they are this machine's.
    fn bytes(&self) -> usize;
    /// A tape for what is drawn in `f32` between steps: it has the steps' memory where that is of such numbers.
    fn spare(&self) -> Tape<f32> {
        Tape::default()
    }
    /// To be called with both networks, G first, before their weights change; what was drawn and judged is forgotten.
    fn finish(&mut self, g: &mut Network, d: &mut Network) -> Result<(), Error>;
}

/// A network that judges pictures, on a device; as in [`Passes`].
pub(crate) trait DiscriminatorPasses {
    /// D's logits of pictures.
    fn logits(&mut self, d: &Network, shown: Shown<'_>) -> Result<Vec<f32>, Error>;
    /// From the slopes of a loss in the logits just given, of pictures `range` (the others' are zero): the gradient at all pictures, and with `weights`
    /// those of D's weights.
    fn backward(
        &mut self,
        d: &mut Network,
        slopes: &[f32],
        range: Range<usize>,
        weights: bool,
    ) -> Result<Vec<f32>, Error>;
    /// The slopes of the logits just given along `directions`, one for each of the pictures `of`; whole groups of them.
    fn jvp(&mut self, d: &Network, directions: &[f32], fade: Option<f32>, of: &[usize]) -> Result<Vec<f32>, Error>;
    /// Gradients of D's weights from those at the slopes just given, which are forgotten.
    fn jvp_backward(&mut self, d: &mut Network, gradient: &[f32]) -> Result<(), Error>;
    /// To be called before the weights change; what was judged is forgotten.
    fn finish(&mut self, d: &mut Network) -> Result<(), Error>;
}

/// Both networks on this machine's processor.
#[derive(Debug)]
pub(crate) struct Native<E> {
    cpu: Rc<Cpu>,
    generator: Generator,
    tape: Tape<E>,
    drawn: Option<Drawn>,
    d: NativeDiscriminator<E>,
}

/// A discriminator on this machine's processor.
#[derive(Debug)]
pub(crate) struct NativeDiscriminator<E> {
    cpu: Rc<Cpu>,
    discriminator: Discriminator,
    tape: Tape<E>,
    judged: Option<Judged>,
    slopes: Option<(Judged, usize)>,
}

impl<E: Element> Native<E> {
    pub(crate) fn new(cpu: Rc<Cpu>, generator: &Generator, discriminator: &Discriminator) -> Self {
        let tape = Tape::default();
        let d = NativeDiscriminator::on(tape.beside(), cpu.clone(), discriminator);
        Self { cpu, generator: generator.clone(), tape, drawn: None, d }
    }
}

impl<E: Element> NativeDiscriminator<E> {
    pub(crate) fn new(cpu: Rc<Cpu>, discriminator: &Discriminator) -> Self {
        Self::on(Tape::default(), cpu, discriminator)
    }

    fn on(tape: Tape<E>, cpu: Rc<Cpu>, discriminator: &Discriminator) -> Self {
        Self { cpu, discriminator: discriminator.clone(), tape, judged: None, slopes: None }
    }

    /// Forgets what was judged, and with which filters.
    fn forget(&mut self) {
        self.tape.clear();
        self.tape.forget_filters();
        (self.judged, self.slopes) = (None, None);
    }
}

const ORDER: &str = "passes come in order, forwards before backwards";

impl<E: Element> Passes for Native<E> {
    fn draw(&mut self, g: &Network, latents: &Latents<'_>, fade: Option<f32>) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let drawn = self.generator.draw(&mut self.tape, Context { cpu: &self.cpu, net: g }, latents, None, fade);
        self.drawn = Some(drawn);
        // D has filters of the same kinds, and the way back others.
        self.tape.forget_filters();
        Ok((self.tape.pixels(drawn.pictures).to_vec(), self.tape.numbers(drawn.w)))
    }

    fn draw_backward(&mut self, g: &mut Network, gradient: &[f32]) -> Result<(), Error> {
        let drawn = self.drawn.expect(ORDER);
        // D has said all that it is asked for, and its memory is wanted.
        self.d.forget();
        let walk = Walk { pictures: 0..self.tape.count(drawn.w), weights: true };
        self.tape.backward(&self.cpu, g, drawn.first, drawn.pictures, gradient, &walk);
        Ok(())
    }

    fn d(&mut self) -> &mut dyn DiscriminatorPasses {
        &mut self.d
    }

    fn bytes(&self) -> usize {
        // D's tape has the same memory.
        self.tape.bytes() + self.cpu.bytes()
    }

    fn spare(&self) -> Tape<f32> {
        let tape: &dyn Any = &self.tape;
        // Before the first step there is nothing to share, and what is taken now would not fit a step well.
        let tape = tape.downcast_ref::<Tape<f32>>().filter(|tape| tape.bytes() > 0);
        tape.map(Tape::beside).unwrap_or_default()
    }

    fn finish(&mut self, _: &mut Network, d: &mut Network) -> Result<(), Error> {
        self.tape.clear();
        self.tape.forget_filters();
        self.drawn = None;
        self.d.finish(d)
    }
}

impl<E: Element> DiscriminatorPasses for NativeDiscriminator<E> {
    fn logits(&mut self, d: &Network, shown: Shown<'_>) -> Result<Vec<f32>, Error> {
        let judged = self.discriminator.logits(&mut self.tape, Context { cpu: &self.cpu, net: d }, shown);
        let logits = self.tape.numbers(judged.logits);
        self.judged = Some(judged);
        Ok(logits)
    }

    fn backward(
        &mut self,
        d: &mut Network,
        slopes: &[f32],
        pictures: Range<usize>,
        weights: bool,
    ) -> Result<Vec<f32>, Error> {
        let judged = self.judged.as_ref().expect(ORDER);
        self.tape.backward(&self.cpu, d, judged.pictures, judged.logits, slopes, &Walk { pictures, weights });
        Ok(self.tape.pixel_gradient(judged.pictures).to_vec())
    }

    fn jvp(&mut self, d: &Network, directions: &[f32], fade: Option<f32>, of: &[usize]) -> Result<Vec<f32>, Error> {
        let judged = self.judged.as_ref().expect(ORDER);
        let context = Context { cpu: &self.cpu, net: d };
        let slopes = self.discriminator.jvp(&mut self.tape, context, directions, fade, (judged, of.to_vec()));
        let values = self.tape.numbers(slopes.logits);
        self.slopes = Some((slopes, of.len()));
        Ok(values)
    }

    fn jvp_backward(&mut self, d: &mut Network, gradient: &[f32]) -> Result<(), Error> {
        let (slopes, count) = self.slopes.take().expect(ORDER);
        let walk = Walk { pictures: 0..count, weights: true };
        self.tape.backward(&self.cpu, d, slopes.pictures, slopes.logits, gradient, &walk);
        self.tape.forget_from(slopes.pictures);
        Ok(())
    }

    fn finish(&mut self, _: &mut Network) -> Result<(), Error> {
        self.forget();
        Ok(())
    }
}
