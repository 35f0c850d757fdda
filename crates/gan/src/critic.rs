//! The feature critic beside D: its heads' weights and optimiser, and its part of a step.

use features::critic::{Critic, CriticWork, Question};
use features::{Grid, Network};
use kernels::Crew;

use crate::adam::{Adam, Rates};
use crate::auxiliary::{Auxiliary, Read, Said, Scene, add_at_length, warmth};
use crate::collective::Ranks;
use crate::seeds::step_seed;
use crate::{Config, Error};

/// The names of what a checkpoint keeps of it.
const NAMES: [&str; 5] = ["critic.weights", "critic.adam.first", "critic.adam.second", "critic.norms", "critic.mixing"];

/// The critic's state, and the critic itself once its frozen network has been opened.
pub(crate) struct CriticLearner {
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

impl CriticLearner {
    pub(crate) fn new() -> Self {
        let state = CriticState { weights: Vec::new(), adam: Adam::new(0), norms: Vec::new(), mixing: Vec::new() };
        Self { state, critic: None, work: CriticWork::default(), grids: [Vec::new(), Vec::new()] }
    }

    /// One step of the heads on planar pictures of both kinds, the first of the batch; all ranks take the same.
    ///
    fn learn(
        &mut self,
        crew: &Crew,
        config: &Config,
        beta2: f64,
        [real, drawn]: [&[f32]; 2],
        ranks: &mut Ranks,
    ) -> Result<Said, Error> {
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
        Ok(Said { loss: on_real.value + on_drawn.value, real: on_real.output, drawn: on_drawn.output, dropped })
    }

    /// Adds to the gradient of G's loss at the drawn pictures of the last step what the critic wants: of `weight` times the length that is there, at
    /// the pictures that it has seen.
    fn ask(&mut self, crew: &Crew, weight: f64, gradient: &mut [f32]) {
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
}

impl Auxiliary for CriticLearner {
    /// What no checkpoint has brought is drawn from the run's seed.
    fn prepare(&mut self, config: &Config, _: usize) -> Result<(), Error> {
        let Some(c) = &config.critic else { return Ok(()) };
        let seed = step_seed(config.seed, u64::MAX - 2);
        let state = &mut self.state;
        let mixing = (!state.mixing.is_empty()).then(|| state.mixing.clone());
        let network = Network::find(&c.network)?;
        let critic = Critic::new(network, &c.channels, c.size, config.resolution(), mixing, seed)?;
        state.mixing = critic.mixing().to_vec();
        let norms = critic.fresh_norms(seed);
        if state.weights.len() != critic.weights_len() {
            state.weights = critic.fresh_weights(seed);
            state.norms = norms;
            state.adam = Adam::new(state.weights.len());
        } else if state.norms.len() != norms.len()
            || [&state.adam.first, &state.adam.second].iter().any(|moment| moment.len() != state.weights.len())
        {
            let what = "what was kept of the feature critic does not fit together: the checkpoint is damaged".into();
            return Err(Error::Config { what });
        }
        self.critic = Some(critic);
        Ok(())
    }

    fn step(&mut self, scene: Scene<'_>) -> Result<Said, Error> {
        let Scene { cpu, config, schedule, count, area, pictures, gradient, ranks, .. } = scene;
        let (crew, seen) = (cpu.crew(), config.critic_of(count) * area);
        let said = self.learn(crew, config, schedule.beta2, pictures.map(|of| &of[..seen]), ranks)?;
        let warmup = config.critic.as_ref().map_or(0.0, |c| c.warmup_kimg);
        let weight = schedule.critic * warmth(self.steps(), config.batch, warmup);
        self.ask(crew, weight, &mut gradient[..seen]);
        Ok(said)
    }

    fn forget(&mut self) {}

    fn steps(&self) -> u64 {
        self.state.adam.steps
    }

    fn state(&self) -> Vec<(&'static str, &[f32])> {
        let CriticState { weights, adam, norms, mixing } = &self.state;
        NAMES.into_iter().zip([weights.as_slice(), &adam.first, &adam.second, norms, mixing]).collect()
    }

    /// Their lengths depend on the frozen network, which may be elsewhere today; the file knows.
    fn restore(&mut self, steps: u64, read: Read<'_>) -> Result<(), String> {
        let CriticState { weights, adam, norms, mixing } = &mut self.state;
        adam.steps = steps;
        for (name, to) in NAMES.into_iter().zip([weights, &mut adam.first, &mut adam.second, norms, mixing]) {
            *to = read(name, None)?;
        }
        Ok(())
    }
}
