//! `--config auto`: size, batch, length and augmentation from the pictures and the machine, each with its reason.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::ensure;
use dataset::Survey;
use gan::{Checkpoint, Config, Trainer};

/// Presets that are tried, with their picture size, smallest first.
const CANDIDATES: [(&str, usize); 3] = [("c64", 64), ("c128", 128), ("h256", 256)];
/// A preset is taken if this many kimg fit into the hours below: what it takes to see whether a run is worth going on with.
const FIRST_LOOK_KIMG: f64 = 200.0;
const HOURS: f64 = 12.0;
/// Below this a run from fresh networks learns its pictures by heart.
const FEW: usize = 500;
/// Steps before the clock starts, and on the clock.
const STEPS: (usize, usize) = (2, 3);

/// What was chosen and why.
pub(crate) struct Choice {
    pub(crate) config: Config,
    /// Lines to print.
    pub(crate) reasons: Vec<String>,
    /// Networks to start from, where there are too few pictures for fresh ones.
    pub(crate) from: Option<Checkpoint>,
}

/// Chooses a configuration for the pictures in `data` with `threads` threads.
///
/// # Errors
/// If there are no pictures, or a preset cannot be trained.
pub(crate) fn choose(data: &[PathBuf], threads: usize) -> anyhow::Result<Choice> {
    let survey = Survey::of(data)?;
    ensure!(survey.pictures > 0, "there is no picture in --data");
    if survey.pictures < FEW {
        return few_shot(survey.pictures, threads);
    }
    let mut reasons = vec![format!("{} pictures, {} px on the shorter side (median)", survey.pictures, survey.side)];
    let mut chosen = None;
    for (name, size) in CANDIDATES {
        if size > 64 && size > survey.side {
            reasons.push(format!("{name:<5} no: the pictures are smaller than {size} px"));
            break;
        }
        let config = Config::preset(name)?;
        let speed = measure(&config, threads)?;
        let hours = FIRST_LOOK_KIMG * 1000.0 / speed / 3600.0;
        let fits = hours <= HOURS;
        reasons.push(format!(
            "{name:<5} {}: {speed:.0} pictures a second at batch {}, {:.1} s/kimg, {FIRST_LOOK_KIMG} kimg in {hours:.1} h",
            if fits { "yes" } else { "no " },
            config.batch,
            1000.0 / speed
        ));
        if chosen.is_none() || fits {
            chosen = Some(config);
        }
        if !fits {
            break;
        }
    }
    let mut config = chosen.expect("the first candidate is always taken");
    if survey.pictures <= 10_000 {
        config.augment.p_final = 0.55;
        reasons.push("10,000 pictures or fewer: augmentation rises to 0.55".into());
    }
    Ok(Choice { config, reasons, from: None })
}

/// Trained networks that ship with the program, for others to start from.
const NETWORKS: &[u8] = include_bytes!("../../../models/networks.safetensors");

/// The networks that ship with the program.
///
/// # Errors
/// If they are damaged.
pub(crate) fn shipped(threads: usize) -> anyhow::Result<Checkpoint> {
    Ok(Checkpoint::from_bytes(NETWORKS, Path::new("the networks inside this program"), threads)?)
}

/// Short, gentle and strongly augmented, from trained networks: what few pictures can bear (arXiv 2006.06676, section 4).
fn few_shot(pictures: usize, threads: usize) -> anyhow::Result<Choice> {
    let from = shipped(threads)?;
    let mut config = Config { name: "few-shot".into(), kimg: 50.0, ..from.trainer.config().clone() };
    (config.augment.p, config.augment.p_final) = (0.4, 0.55);
    (config.optimizer.lr_g, config.optimizer.lr_d, config.optimizer.cooldown_start) = (1e-3, 1e-3, 0.5);
    let reasons = vec![
        format!("{pictures} pictures: too few for fresh networks, which would learn them by heart below {FEW}"),
        format!(
            "so the run starts from the networks that ship with this program ({} px, {:.0} kimg), is short and augments strongly; \
             it will repeat its pictures after some tens of kimg, so watch the grids and stop when they are best",
            config.resolution(),
            from.trainer.progress().total_kimg()
        ),
    ];
    Ok(Choice { config, reasons, from: Some(from) })
}

/// Real pictures a second through whole steps.
fn measure(config: &Config, threads: usize) -> anyhow::Result<f64> {
    let pixels = vec![127; config.batch * config.resolution().pow(2) * 3];
    let mut trainer = Trainer::new(config.clone(), threads)?;
    for _ in 0..STEPS.0 {
        trainer.step(&pixels);
    }
    trainer.take_averages()?;
    let start = Instant::now();
    for _ in 0..STEPS.1 {
        trainer.step(&pixels);
    }
    Ok((STEPS.1 * config.batch) as f64 / start.elapsed().as_secs_f64())
}
