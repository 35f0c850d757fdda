//! Learns the network by which a model chooses among the `z` of a seed ([`synth::Selection`]): a regression from `w` to what was said of the
//! picture, by a run's discriminators or from its features.

use kernels::train::Cpu;
use synth::{Picture, Seed, Tensor};

use crate::adam::{Adam, Rates};
use crate::config::OptimizerConfig;
use crate::cpu::processor;
use crate::params::{Layout, Order};
use crate::planes::planes;
use crate::seeds::step_seed;
use crate::tape::{Context, Id, Network, Tape, Walk};
use crate::{Config, Error, Trainer};

/// Outputs of the layers but the last.
const HIDDEN: [usize; 2] = [128, 64];
/// Rows a step.
const BATCH: usize = 128;
/// How often every row is seen.
const EPOCHS: usize = 12;
/// Standard deviation of what is added to `w`, where `w` has 1: neighbours' pictures are about as good.
const BLUR: f32 = 0.5;
/// Learning rate at the beginning; a cosine takes it to zero.
const LR: f64 = 2e-3;
/// One row of so many is kept back, to tell how well the others were learnt from.
const KEPT_BACK: usize = 10;
/// Squares of a picture that a discriminator behind ink is shown.
const SQUARES: u64 = 4;

/// What was learnt.
#[derive(Clone, Debug)]
pub struct SelectionFit {
    /// Weight [outputs, inputs] and bias of each layer, as [`synth::ModelFile::set_selection`] takes them.
    pub layers: Vec<[Tensor; 2]>,
    /// Correlation between what it foretells and what was said of pictures that it did not learn from, -1 to 1.
    pub correlation: f64,
    /// What it foretells, for each row.
    pub foretold: Vec<f32>,
}

/// What was said of pictures.
#[derive(Clone, Debug, Default)]
pub struct LatentScores {
    /// A list each, of one number a picture: more looks more real.
    said: Vec<Vec<f64>>,
}

impl LatentScores {
    /// Pictures without which nothing is learnt.
    pub const FEWEST: usize = 4 * BATCH;

    /// How many pictures a run's discriminators judge together, or a multiple of that: whole groups of each.
    pub fn group(config: &Config) -> usize {
        config.discriminator.group * if config.inked.is_some() { crate::ink::GROUP } else { 1 }
    }

    /// Adds what the discriminators of a run say of pictures, a multiple of [`LatentScores::group`]. They are shown together, so they should be many
    /// and of no kind.
    ///
    /// # Errors
    /// The pictures are no whole groups, or have another size than the run's; its discriminator is told of classes; or what stands in front of its second
    /// one is missing.
    pub fn add(&mut self, trainer: &mut Trainer, pictures: &[Picture]) -> Result<(), Error> {
        let size = trainer.config().resolution();
        if let Some(odd) = pictures.iter().find(|p| (p.width, p.height) != (size, size)) {
            let Picture { width, height, .. } = odd;
            let what = format!("its discriminator judges {size} x {size} pixels, not {width} x {height}");
            return Err(Error::LatentScores { what });
        }
        if trainer.config().classes() > 0 {
            let what =
                "its discriminator judges pictures of classes that it is told of, which these have none of".into();
            return Err(Error::LatentScores { what });
        }
        let group = Self::group(trainer.config());
        if !pictures.len().is_multiple_of(group) {
            let what = format!("{} pictures cannot be judged together; take a multiple of {group}", pictures.len());
            return Err(Error::LatentScores { what });
        }
        let mut values = vec![0.0; pictures.len() * 3 * size * size];
        for (to, picture) in values.chunks_exact_mut(3 * size * size).zip(pictures) {
            planes(&picture.rgb, to);
        }
        let heard = self.said.first().map_or(0, Vec::len) as u64;
        let opinions = trainer.opinions(&values, step_seed(heard, 0), SQUARES)?;
        self.said.resize(opinions.len(), Vec::new());
        for (said, opinions) in self.said.iter_mut().zip(opinions) {
            said.extend(opinions.into_iter().map(f64::from));
        }
        Ok(())
    }

    /// Adds what somebody else says of all the pictures, a number each, more for those that should be drawn more often.
    ///
    /// # Panics
    /// If others spoke of more pictures or fewer.
    pub fn hear(&mut self, said: Vec<f64>) {
        assert!(self.said.iter().all(|other| other.len() == said.len()), "a number for every picture");
        self.said.push(said);
    }

    /// The sum of what each said, counted from its mean in its standard deviations, and then all of it likewise.
    fn sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.said.first().map_or(0, Vec::len)];
        for said in &self.said {
            sums.iter_mut().zip(standardised(said)).for_each(|(sum, v)| *sum += v);
        }
        standardised(&sums).collect()
    }

    /// Learns to foretell them from the pictures' `w`, [pictures, `dim`], with `threads` threads. The same seed learns the same.
    ///
    /// # Errors
    /// [`Error::LatentScores`] if the pictures are too few, [`Error::Config`] if the instruction set that the environment names is not there.
    ///
    /// # Panics
    /// If there are not as many `w` as pictures.
    pub fn learn(&self, w: &[f32], dim: usize, seed: u64, threads: usize) -> Result<SelectionFit, Error> {
        let wanted = self.sums();
        assert_eq!(w.len(), wanted.len() * dim, "a w of {dim} numbers for every picture");
        let learnt = wanted.len() - wanted.len() / KEPT_BACK;
        if wanted.len() < Self::FEWEST {
            let what = format!("{} pictures are too few to learn from; take {} or more", wanted.len(), Self::FEWEST);
            return Err(Error::LatentScores { what });
        }
        let cpu = processor(threads)?;
        let columns: Vec<[f32; 2]> = (0..dim).map(|i| mean_and_deviation(w, i, dim)).collect();
        let scaled = w.chunks_exact(dim).flat_map(|w| w.iter().zip(&columns).map(|(w, [mean, one])| (w - mean) / one));
        let scaled: Vec<f32> = scaled.collect();
        let net = fit(&cpu, &scaled[..learnt * dim], &wanted[..learnt], dim, seed)?;
        let foretold = foretell(&cpu, &net, &scaled, dim);
        let kept_back: Vec<f64> = foretold[learnt..].iter().map(|&v| v.into()).collect();
        let correlation = features::correlation(&kept_back, &wanted[learnt..]);
        let mut layers: Vec<_> =
            (0..=HIDDEN.len()).map(|i| ["weight", "bias"].map(|part| tensor(&net, i, part))).collect();
        if let Some([weight, bias]) = layers.first_mut() {
            // The model's w come as they are.
            for (row, bias) in weight.data.chunks_exact_mut(dim).zip(&mut bias.data) {
                for (v, [mean, one]) in row.iter_mut().zip(&columns) {
                    *v /= one;
                    *bias -= *v * mean;
                }
            }
        }
        Ok(SelectionFit { layers, correlation, foretold })
    }
}

fn layer(index: usize) -> String {
    format!("fc{index}")
}

fn tensor(net: &Network, index: usize, part: &str) -> Tensor {
    let e = net.layout.get(&format!("{}.{part}", layer(index)));
    Tensor { shape: e.shape.clone(), data: e.to_file(&net.weights) }
}

/// What the network says of rows; gives its node too.
fn run(tape: &mut Tape<f32>, context: Context<'_>, rows: &[f32], dim: usize) -> [Id; 2] {
    let first = tape.rows(rows, dim, false);
    let mut x = first;
    for index in 0..=HIDDEN.len() {
        let gain = (index < HIDDEN.len()).then_some(crate::generator::ACTIVATION_GAIN);
        x = tape.linear(context, x, &layer(index), gain, None);
    }
    [first, x]
}

fn foretell(cpu: &Cpu, net: &Network, rows: &[f32], dim: usize) -> Vec<f32> {
    let mut tape = Tape::default();
    let mut said = Vec::with_capacity(rows.len() / dim);
    for some in rows.chunks(dim * BATCH) {
        let [_, last] = run(&mut tape, Context { cpu, net }, some, dim);
        said.extend(tape.numbers(last));
        tape.clear();
    }
    said
}

/// Minimises the mean square.
fn fit(cpu: &Cpu, rows: &[f32], wanted: &[f64], dim: usize, seed: u64) -> Result<Network, Error> {
    let mut layout = Layout::default();
    let sizes = [&[dim][..], &HIDDEN, &[1]].concat();
    for (index, pair) in sizes.windows(2).enumerate() {
        let (name, deviation) = (layer(index), (3.0 * pair[0] as f64).sqrt().recip());
        // As they are, small: a training so short goes further than with equalised learning rates.
        layout.push(&format!("{name}.weight"), &[pair[1], pair[0]], Order::Plain, [deviation, 0.0, 1.0]);
        layout.push(&format!("{name}.bias"), &[pair[1]], Order::Plain, [0.0, 0.0, 1.0]);
    }
    let weights = layout.initial(step_seed(seed, u64::MAX));
    let mut net = Network::new(layout, weights);
    let mut adam = Adam::new(net.weights.len());
    let optimizer = OptimizerConfig { beta1: 0.0, ..Config::preset("c64")?.optimizer };
    let mut tape = Tape::<f32>::default();
    let total = (EPOCHS * (wanted.len() / BATCH)) as f64;
    for epoch in 0..EPOCHS as u64 {
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_unstable_by_key(|&i| step_seed(step_seed(seed, epoch), i as u64));
        for batch in order.chunks_exact(BATCH) {
            let mut input = vec![0.0; BATCH * dim];
            synth::latent::normal(Seed(step_seed(seed, adam.steps)), 1, &mut input);
            for (to, &i) in input.chunks_exact_mut(dim).zip(batch) {
                to.iter_mut().zip(&rows[i * dim..]).for_each(|(to, w)| *to = *to * BLUR + w);
            }
            let [first, last] = run(&mut tape, Context { cpu, net: &net }, &input, dim);
            let slope = |(said, &i): (&f32, &usize)| 2.0 * (said - wanted[i] as f32) / BATCH as f32;
            let slopes: Vec<f32> = tape.numbers(last).iter().zip(batch).map(slope).collect();
            tape.backward(cpu, &mut net, first, last, &slopes, &Walk { pictures: 0..BATCH, weights: true });
            let lr = LR * (1.0 + (std::f64::consts::PI * adam.steps as f64 / total).cos()) / 2.0;
            let rates = Rates { lr, factors: None, beta2: 0.99 };
            adam.step(cpu.crew(), &mut net.weights, &mut net.gradient, rates, &optimizer);
            tape.clear();
            tape.forget_filters();
        }
    }
    Ok(net)
}

fn standardised(values: &[f64]) -> impl Iterator<Item = f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    let one = square.sqrt().max(f64::MIN_POSITIVE);
    values.iter().map(move |v| (v - mean) / one)
}

/// Of one column; the deviation of one that never changes is 1.
fn mean_and_deviation(w: &[f32], column: usize, dim: usize) -> [f32; 2] {
    let values = || w.iter().skip(column).step_by(dim).map(|&v| f64::from(v));
    let count = (w.len() / dim) as f64;
    let mean = values().sum::<f64>() / count;
    let one = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    [mean as f32, if one > 0.0 { one as f32 } else { 1.0 }]
}

#[cfg(test)]
mod tests {
    use synth::{Architecture, ModelFile, Selection};

    use super::*;

    const DIM: usize = 8;

    fn normal(count: usize, stream: u32) -> Vec<f32> {
        let mut values = vec![0.0; count];
        synth::latent::normal(Seed(5), stream, &mut values);
        values
    }

    /// Rows of `w`, far from zero and unlike in their columns, and two verdicts that follow from them but for some noise.
    fn cases(count: usize) -> (Vec<f32>, LatentScores) {
        let rows = normal(count * DIM, 0);
        let said = |noise: u32| {
            let noise = normal(count, noise);
            let say = |(row, noise): (&[f32], &f32)| f64::from(row[0] + (row[1] * row[2]).tanh() + 0.3 * noise);
            rows.chunks(DIM).zip(&noise).map(say).collect()
        };
        let w = rows.iter().enumerate().map(|(i, v)| 3.0 + v * (1 + i % DIM) as f32).collect();
        (w, LatentScores { said: vec![said(1), said(2)] })
    }

    #[test]
    fn it_foretells_what_follows_from_w_and_so_do_its_layers() {
        let (w, verdicts) = cases(3000);
        let found = verdicts.learn(&w, DIM, 1, 1).unwrap();
        assert!(found.correlation > 0.85, "{}", found.correlation);
        let again = verdicts.learn(&w, DIM, 1, 2).unwrap();
        assert_eq!(found.foretold, again.foretold, "any number of threads learns the same");
        // As a reader of the model file computes it.
        let verdict = |w: &[f32]| {
            found.layers.iter().enumerate().fold(w.to_vec(), |x, (i, [weight, bias])| {
                let x: Vec<f32> = x.iter().map(|&v| if i > 0 { 2_f32.sqrt() * v.max(0.2 * v) } else { v }).collect();
                let row = |(row, bias): (&[f32], &f32)| row.iter().zip(&x).map(|(a, b)| a * b).sum::<f32>() + bias;
                weight.data.chunks(x.len()).zip(&bias.data).map(row).collect()
            })[0]
        };
        for (w, foretold) in w.chunks(DIM).zip(&found.foretold) {
            assert!((verdict(w) - foretold).abs() < 1e-3, "{} {foretold}", verdict(w));
        }
        let architecture = Architecture { w_dim: DIM, ..Architecture::plain(4, DIM, &[4]) };
        let mut model = ModelFile::random(architecture, Seed(1)).unwrap();
        model.set_selection(Some((Selection { candidates: 4 }, found.layers))).unwrap();
    }

    #[test]
    fn nothing_is_foretold_of_noise_and_too_few_are_refused() {
        let (w, mut verdicts) = cases(3000);
        verdicts.said = vec![normal(3000, 7).into_iter().map(f64::from).collect()];
        assert!(verdicts.learn(&w, DIM, 1, 1).unwrap().correlation.abs() < 0.15);
        let (w, verdicts) = cases(200);
        assert!(verdicts.learn(&w, DIM, 1, 1).unwrap_err().to_string().contains("200 pictures are too few"));
    }

    #[test]
    fn a_runs_discriminator_is_heard_and_other_sizes_are_refused() {
        let mut config = Config::preset("tiny").unwrap();
        config.architecture.channels = vec![4, 4];
        config.discriminator.channels = vec![4, 4];
        let mut trainer = Trainer::new(config, 1).unwrap();
        let size = trainer.config().resolution();
        let picture = |side: usize, stream| Picture {
            width: side,
            height: side,
            rgb: normal(3 * side * side, stream).iter().map(|v| (128.0 + 50.0 * v).clamp(0.0, 255.0) as u8).collect(),
        };
        let mut verdicts = LatentScores::default();
        let pictures: Vec<_> = (0..8).map(|i| picture(size, i)).collect();
        verdicts.add(&mut trainer, &pictures).unwrap();
        let mut values = vec![0.0; 8 * 3 * size * size];
        values.chunks_exact_mut(3 * size * size).zip(&pictures).for_each(|(to, p)| planes(&p.rgb, to));
        let logits = trainer.logits(&values).unwrap();
        assert_eq!(verdicts.said, [logits.into_iter().map(f64::from).collect::<Vec<_>>()]);
        let error = verdicts.add(&mut trainer, &[picture(size * 2, 0)]).unwrap_err().to_string();
        assert!(error.contains(&format!("{size} x {size}")), "{error}");
        let error = verdicts.add(&mut trainer, &pictures[..7]).unwrap_err().to_string();
        assert!(error.contains(&format!("a multiple of {}", LatentScores::group(trainer.config()))), "{error}");
    }
}
