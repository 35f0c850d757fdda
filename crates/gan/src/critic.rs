//! The feature critic beside D: its heads' weights and optimiser, and its part of a step.

use features::critic::{Critic, CriticWork, Question};
use features::{Grid, Network};
use kernels::Crew;

use crate::adam::{Adam, Rates};
use crate::collective::Ranks;
use crate::{Config, Error};

/// The critic's state, and the critic itself once its frozen network has been opened.
pub(crate) struct CriticSide {
    pub(crate) state: CriticState,
    critic: Option<Critic>,
    work: CriticWork,
    /// Grids of real and of drawn pictures.
    grids: [Vec<Grid>; 2],
}

/// What a checkpoint keeps of a critic. Empty until the first step is prepared.
pub(crate) struct CriticState {
    pub(crate) weights: Vec<f32>,
    pub(crate) adam: Adam,
    /// Where the power iterations of the spectral norms stand.
    pub(crate) norms: Vec<f32>,
    /// The fixed random mixing.
    pub(crate) mixing: Vec<f32>,
}

/// What the critic said in a step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CriticSaid {
    pub(crate) loss: f64,
    pub(crate) real: f64,
    pub(crate) drawn: f64,
    /// Gradient entries of its heads that were no numbers.
    pub(crate) dropped: u64,
}

impl CriticSide {
    pub(crate) fn new() -> Self {
        let state = CriticState { weights: Vec::new(), adam: Adam::new(0), norms: Vec::new(), mixing: Vec::new() };
        Self { state, critic: None, work: CriticWork::default(), grids: [Vec::new(), Vec::new()] }
    }

    /// Opens the frozen network; what no checkpoint has brought is drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::Features`] if the network is missing or does not fit the configuration or the checkpoint.
    pub(crate) fn prepare(&mut self, config: &Config, seed: u64) -> Result<(), Error> {
        let Some(c) = &config.critic else { return Ok(()) };
        let state = &mut self.state;
        let mixing = (!state.mixing.is_empty()).then(|| state.mixing.clone());
        let network = Network::find(&c.network)?;
        let critic = Critic::new(network, &c.channels, c.size, config.resolution(), mixing, seed)?;
        state.mixing = critic.mixing().to_vec();
        if state.weights.len() != critic.weights_len() {
            state.weights = critic.fresh_weights(seed);
            state.norms = critic.fresh_norms(seed);
            state.adam = Adam::new(state.weights.len());
        }
        self.critic = Some(critic);
        Ok(())
    }

    /// One step of the heads on planar pictures of both kinds, the first of the batch; all ranks take the same.
    ///
    /// # Errors
    /// Those of [`crate::Collective::sum`].
    ///
    /// # Panics
    /// If [`CriticSide::prepare`] has not been called.
    pub(crate) fn learn(
        &mut self,
        crew: &Crew,
        config: &Config,
        beta2: f64,
        [real, drawn]: [&[f32]; 2],
        ranks: &mut Ranks,
    ) -> Result<CriticSaid, Error> {
        let critic = self.critic.as_ref().expect("the critic is prepared before the first step");
        let CriticState { weights, adam, norms, .. } = &mut self.state;
        let [real_grids, drawn_grids] = &mut self.grids;
        critic.advance(weights, norms);
        critic.grids(crew, &mut self.work, real, false, real_grids);
        critic.grids(crew, &mut self.work, drawn, true, drawn_grids);
        let mut gradient = vec![0.0; weights.len()];
        let mut ask = |question, grids: &[Grid]| {
            critic.ask(crew, &mut self.work, question, weights, norms, grids, Some(&mut gradient), None)
        };
        let (on_real, on_drawn) = (ask(Question::Real, real_grids), ask(Question::Drawn, drawn_grids));
        ranks.mean(&mut gradient)?;
        let lr = config.critic.as_ref().map_or(0.0, |c| c.lr);
        let rates = Rates { lr, factors: None, beta2 };
        let dropped = adam.step(crew, weights, &mut gradient, rates, &config.optimizer).entries;
        Ok(CriticSaid { loss: on_real.value + on_drawn.value, real: on_real.output, drawn: on_drawn.output, dropped })
    }

    /// Adds to the gradient of G's loss at the drawn pictures of the last step what the critic wants: of `weight` times the length that is there, at
    /// the pictures that it has seen.
    pub(crate) fn ask(&mut self, crew: &Crew, weight: f64, gradient: &mut [f32]) {
        let critic = self.critic.as_ref().expect("the critic is prepared before the first step");
        let CriticState { weights, norms, .. } = &self.state;
        let mut back = Vec::new();
        let grids = &self.grids[1];
        critic.ask(crew, &mut self.work, Question::Score, weights, norms, grids, None, Some(&mut back));
        let mut wanted = vec![0.0; gradient.len()];
        critic.gradient(crew, &mut self.work, &mut back, &mut wanted);
        // The score is to grow, the loss to shrink.
        add_at_length(gradient, &wanted, -weight);
    }

    /// The share of its weight that the critic has after the steps it has taken.
    pub(crate) fn warmth(&self, config: &Config) -> f64 {
        let Some(c) = &config.critic else { return 0.0 };
        warmth(self.state.adam.steps, config.batch, c.warmup_kimg)
    }
}

/// Adds what a second critic wants to a gradient, at `weight` times the length that is there.
pub(crate) fn add_at_length(gradient: &mut [f32], wanted: &[f32], weight: f64) {
    let length = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let factor = (weight * length(gradient) / (length(wanted) + 1e-12)) as f32;
    gradient.iter_mut().zip(wanted).for_each(|(to, v)| *to += factor * v);
}

/// The share of its weight that a critic has after so many steps of `batch` pictures: it rises over `kimg` thousand of them.
pub(crate) fn warmth(steps: u64, batch: usize, kimg: f64) -> f64 {
    let seen = steps as f64 * batch as f64 / 1000.0;
    if kimg > 0.0 { (seen / kimg).min(1.0) } else { 1.0 }
}
