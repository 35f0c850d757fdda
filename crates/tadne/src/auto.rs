//! `--config auto`: size, batch, length and augmentation from the pictures and the machine, each with its reason.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use dataset::{Dataset, Options, Survey};
use gan::{Checkpoint, Config, Device, GrowthConfig, Precision, Trainer};

use crate::picture_options::{PictureArgs, PictureOptions};

/// Presets that are tried, those of small pictures first.
const CANDIDATES: [&str; 3] = ["c64", "c128", "h256"];
/// A preset is taken if this many kimg fit into the hours below: what it takes to see whether a run is worth going on with.
const FIRST_LOOK_KIMG: f64 = 200.0;
const HOURS: f64 = 12.0;
/// Below this a run from fresh networks learns its pictures by heart.
const FEW: usize = 500;
/// A size is chosen, and its limit on small pictures kept, where this share of the pictures is used.
const MOST: f64 = 0.8;
/// Otherwise the limit is lowered until this share is.
const NEARLY_ALL: f64 = 0.95;
/// Steps before the clock starts, and on the clock.
const STEPS: (usize, usize) = (2, 3);

/// What was chosen and why.
pub(crate) struct Choice {
    pub(crate) config: Config,
    /// Lines to print.
    pub(crate) reasons: Vec<String>,
    /// Networks to start from, where there are too few pictures for fresh ones.
    pub(crate) from: Option<Checkpoint>,
    /// The shortest side to take, where it is not the usual one.
    pub(crate) min_side: Option<usize>,
}

/// Chooses a configuration for the pictures in `data` on a machine, its threads and what trains; `picture_args` says what may be taken of the pictures.
///
/// # Errors
/// If there are no pictures, or a preset cannot be trained.
pub(crate) fn choose(data: &[PathBuf], machine: (usize, Device), picture_args: &PictureArgs) -> anyhow::Result<Choice> {
    let survey = Survey::of(data)?;
    if survey.side == 0 {
        // Opening says best why there is nothing to look at.
        Dataset::open(data, &rule(Config::preset(CANDIDATES[0])?.resolution(), picture_args))?;
        bail!("none of the pictures that were looked at could be read; name a preset with --config");
    }
    if survey.pictures < FEW {
        return few_shot(&survey, picture_args, machine.0);
    }
    let mut reasons = vec![format!("{} pictures, {} px on the shorter side (median)", survey.pictures, survey.side)];
    let mut chosen = None;
    for name in CANDIDATES {
        let config = Config::preset(name)?;
        let size = config.resolution();
        if chosen.is_some()
            && let Err(reason) = large_enough(&survey, size, picture_args)
        {
            reasons.push(format!("{name:<5} no: {reason}"));
            break;
        }
        let speed = measure(&config, machine)?;
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
    let min_side = lowered(&survey, config.resolution(), picture_args, &mut reasons);
    Ok(Choice { config, reasons, from: None, min_side })
}

/// The rule by which pictures of a size are taken when they are opened.
fn rule(size: usize, picture_args: &PictureArgs) -> Options {
    picture_args.over(PictureOptions::default()).options(size)
}

/// Whether a size suits the pictures: half of them have it, and hardly any would be left out.
fn large_enough(survey: &Survey, size: usize, picture_args: &PictureArgs) -> Result<(), String> {
    let usable = survey.usable(&rule(size, picture_args));
    if size > survey.side {
        Err(format!("half of the pictures are smaller than {size} px"))
    } else if usable < MOST {
        Err(format!("it would leave out {:.0} % of the pictures for their size", 100.0 * (1.0 - usable)))
    } else {
        Ok(())
    }
}

/// The shortest side to take, where the usual one would leave out many pictures; small ones are enlarged.
fn lowered(survey: &Survey, size: usize, picture_args: &PictureArgs, reasons: &mut Vec<String>) -> Option<usize> {
    let usable = survey.usable(&rule(size, picture_args));
    let left_out = format!("{:.0} % of the pictures", 100.0 * (1.0 - usable));
    if usable < MOST && picture_args.min_side.is_none() {
        let side = survey.side_of(NEARLY_ALL).min(size.div_ceil(2));
        reasons.push(format!(
            "{left_out} are smaller than half of {size} px: those of {side} px and more are enlarged; --min-side chooses another limit"
        ));
        return Some(side);
    }
    if usable < 1.0 {
        reasons.push(format!("{left_out} are left out for their size; --min-side takes smaller ones, enlarged"));
    }
    None
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

/// The configuration of networks that a new run starts from, but for what was said of that run's own beginning, and in numbers that this machine is
/// fast with: those of another machine may not be.
pub(crate) fn configuration_of(from: &Checkpoint) -> Config {
    Config { precision: Precision::Auto, growth: GrowthConfig::default(), ..from.trainer.config().clone() }
}

/// Short, gentle and strongly augmented, from trained networks: what few pictures can bear (arXiv 2006.06676, section 4).
fn few_shot(survey: &Survey, picture_args: &PictureArgs, threads: usize) -> anyhow::Result<Choice> {
    let from = shipped(threads)?;
    let mut config = Config { name: "few-shot".into(), kimg: 50.0, ..configuration_of(&from) };
    (config.augment.p, config.augment.p_final) = (0.4, 0.55);
    (config.optimizer.lr_g, config.optimizer.lr_d, config.optimizer.cooldown_start) = (1e-3, 1e-3, 0.5);
    let mut reasons = vec![
        format!(
            "{} pictures: too few for fresh networks, which would learn them by heart below {FEW}",
            survey.pictures
        ),
        format!(
            "so the run starts from the networks that ship with this program ({} px, {:.0} kimg), is short and augments strongly; \
             it will repeat its pictures after some tens of kimg, so watch the grids and stop when they are best",
            config.resolution(),
            from.trainer.progress().total_kimg()
        ),
    ];
    let min_side = lowered(survey, config.resolution(), picture_args, &mut reasons);
    Ok(Choice { config, reasons, from: Some(from), min_side })
}

/// Real pictures a second through whole steps.
fn measure(config: &Config, (threads, device): (usize, Device)) -> anyhow::Result<f64> {
    let pixels = vec![127; config.batch * config.resolution().pow(2) * 3];
    let mut trainer = Trainer::new(config.clone(), threads)?;
    trainer.move_to(device)?;
    for _ in 0..STEPS.0 {
        trainer.step(&pixels, &[])?;
    }
    trainer.take_means()?;
    let start = Instant::now();
    for _ in 0..STEPS.1 {
        trainer.step(&pixels, &[])?;
    }
    Ok((STEPS.1 * config.batch) as f64 / start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a size suits pictures of the given sides, the limit that is chosen for it, what is said, and how many
    /// pictures opening keeps by that limit.
    fn chosen(sides: &[u32], size: usize, picture_args: &PictureArgs) -> (bool, Option<usize>, String, usize) {
        let folder = tempfile::tempdir().unwrap();
        for (i, &side) in sides.iter().enumerate() {
            let picture = image::RgbImage::from_pixel(side, side, image::Rgb([i as u8, (i >> 8) as u8, side as u8]));
            picture.save(folder.path().join(format!("{i:04}.png"))).unwrap();
        }
        let survey = Survey::of(&[folder.path()]).unwrap();
        let mut reasons = Vec::new();
        let min_side = lowered(&survey, size, picture_args, &mut reasons);
        let options = picture_args.over(PictureOptions { min_side, ..PictureOptions::default() }).options(size);
        let kept = Dataset::open(&[folder.path()], &options).map_or(0, |pictures| pictures.report().kept);
        (large_enough(&survey, size, picture_args).is_ok(), min_side, reasons.concat(), kept)
    }

    #[test]
    fn how_a_run_began_is_not_how_the_next_one_begins() {
        let mut from = shipped(1).unwrap();
        let config = configuration_of(&from);
        let growth = GrowthConfig { inherited: 0.25, hold_kimg: 9.0, ..GrowthConfig::default() };
        from.trainer = Trainer::grow(&from.trainer, Config { growth, ..config.clone() }, 1).unwrap();
        assert_eq!(from.trainer.config().growth.stages, config.architecture.channels.len());
        assert_eq!(configuration_of(&from), config);
    }

    #[test]
    fn choosing_and_opening_go_by_one_rule() {
        let usual = PictureArgs::default();
        let silent = |sides: &[u32], size| chosen(sides, size, &usual);
        assert_eq!(silent(&[64; 40], 64), (true, None, String::new(), 40));
        assert_eq!(silent(&[40; 40], 64), (false, None, String::new(), 40));
        // Sprites, of which the usual limit, half the size, would leave none: enlarged.
        for side in [24, 28] {
            let (suits, min_side, said, kept) = chosen(&[side; 40], 64, &usual);
            assert_eq!((suits, min_side, kept), (false, Some(side as usize), 40));
            assert!(said.contains("enlarged") && said.contains("--min-side"), "{said}");
        }
        // A mixture: too many small ones for the large size, and at the small size none is lost.
        let mixed: Vec<u32> = (0..100).map(|i| if i % 5 < 2 { 20 } else { 300 }).collect();
        let (suits, min_side, _, kept) = chosen(&mixed, 256, &usual);
        assert_eq!((suits, min_side, kept), (false, Some(20), 100));
        // A few small ones are left out, and that is said.
        let few: Vec<u32> = (0..100).map(|i| if i % 10 == 0 { 20 } else { 300 }).collect();
        let (suits, min_side, said, kept) = chosen(&few, 256, &usual);
        assert_eq!((suits, min_side, kept), (true, None, 90));
        assert!(said.starts_with("10 % of the pictures are left out"), "{said}");
        // Who says a limit gets it.
        let picture_args = PictureArgs { min_side: Some(10), ..usual };
        assert_eq!(chosen(&[24; 40], 64, &picture_args), (false, None, String::new(), 40));
    }
}
