//! Runs on disk: they stop, go on bit for bit, survive damage, and leave the files they promise.

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::{Watcher, config, data, pictures, state, stopped_and_unstopped, stopped_and_unstopped_by_two, threads};
use gan::{Checkpoint, Collective, Config, Error, Run, Trainer};

/// A run of `config` on pictures below `dir`, not yet started.
fn fresh(dir: &Path, config: &Config) -> Run {
    pictures(dir, 60);
    Run::create(config.clone(), data(dir, config), &dir.join("runs"), 1).unwrap()
}

/// A run of the small configuration that went its whole length.
fn finished(dir: &Path) -> Run {
    let mut run = fresh(dir, &config());
    run.train(&AtomicBool::new(false), &mut Watcher::default()).unwrap();
    run
}

#[test]
fn resume_is_bit_exact() {
    stopped_and_unstopped(&config());
}

#[test]
fn resume_is_bit_exact_in_bf16_with_augmentation_and_random_penalty() {
    let mut c = config();
    c.precision = gan::Precision::Bf16;
    (c.augment.p, c.augment.blur) = (0.5, 0.05);
    c.loss.penalty = gan::Penalty::Random;
    stopped_and_unstopped(&c);
}

#[test]
fn resume_is_bit_exact_with_further_averages_and_stylegan2s_loss() {
    let mut c = config();
    c.loss.pairing = gan::Pairing::Logistic;
    c.loss.penalty = gan::Penalty::R1;
    c.ema.widths = vec![0.05, 0.2];
    stopped_and_unstopped(&c);
}

#[test]
fn resume_is_bit_exact_with_classes() {
    stopped_and_unstopped(&config().with_classes(3));
}

#[test]
fn a_run_keeps_the_classes_it_began_with() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { kimg: 0.016, ..config().with_classes(3) };
    let mut run = fresh(dir.path(), &config);
    run.train(&AtomicBool::new(false), &mut Watcher::default()).unwrap();
    let without = data(dir.path(), &common::config());
    let checkpoint = Checkpoint::find(run.folder(), 1).unwrap();
    let refused = Run::resume(run.folder(), checkpoint, without.clone()).err().unwrap().to_string();
    assert!(
        refused.contains("told of 3 classes") && refused.contains("have 0") && refused.contains("--labels"),
        "{refused}"
    );
    let created = Run::create(config, without, &dir.path().join("other"), 1).err().unwrap();
    assert!(matches!(created, Error::Classes { told: 3, has: 0 }), "{created}");
    assert!(!dir.path().join("other").exists(), "a run that cannot begin leaves no folder");
}

#[test]
fn two_ranks_stop_and_go_on_together_to_the_bit() {
    let mut c = config();
    c.augment.p = 0.5;
    c.ema.widths = vec![0.1];
    stopped_and_unstopped_by_two(&c);
}

#[test]
fn a_rank_that_found_another_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = finished(dir.path()).folder().to_owned();
    let mut all: Vec<_> = fs::read_dir(folder.join("checkpoints")).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort_by(|a, b| b.cmp(a));
    let refused = threads::on_each(2, |threads| {
        let trainer = Checkpoint::load(&all[threads.rank()], 1).unwrap().trainer;
        let data = data(dir.path(), trainer.config());
        let mut run = if threads.rank() > 0 {
            Run::beside(trainer, data).unwrap()
        } else {
            let checkpoint = Checkpoint { trainer, dataset: data.fingerprint().into(), seconds: 0.0 };
            Run::resume(&folder, checkpoint, data).unwrap()
        };
        run.join(Box::new(threads)).unwrap_err().to_string()
    });
    for refused in refused {
        assert!(refused.contains("networks (RANK 1") && refused.contains("same run folder"), "{refused}");
    }
}

#[test]
fn further_averages_are_exported_by_their_width() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.ema.widths = vec![0.05, 0.2];
    let mut run = fresh(dir.path(), &c);
    run.train(&AtomicBool::new(false), &mut Watcher::default()).unwrap();
    let checkpoint = Checkpoint::find(run.folder(), 1).unwrap();
    let weights = |width| checkpoint.export(width, "test").unwrap().tensors["synthesis.b4.conv1.weight"].data.clone();
    let all = [weights(None), weights(Some(0.05)), weights(Some(0.2))];
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    let refused = checkpoint.export(Some(0.1), "test").unwrap_err().to_string();
    assert!(refused.contains("0.05, 0.2"), "{refused}");
}

#[test]
fn a_run_leaves_its_files_and_keeps_two_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let c = config();
    let mut run = fresh(dir.path(), &c);
    let mut watcher = Watcher::default();
    run.train(&AtomicBool::new(false), &mut watcher).unwrap();
    let folder = run.folder();
    assert!(folder.ends_with("00000-tiny"));
    let stored: Config = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    assert_eq!(stored, c);
    assert_eq!(watcher.ticks.len(), 6);
    assert_eq!(watcher.snapshots.len(), 4, "one at the start, then every 32 pictures");
    assert_eq!(fs::read_dir(folder.join("checkpoints")).unwrap().count(), 2);
    let grid = image::open(folder.join("grids/000000096-psi-0.7.png")).unwrap();
    assert_eq!((grid.width(), grid.height()), (128, 128));
    let second = fresh(dir.path(), &c);
    assert!(second.folder().ends_with("00001-tiny"));
}

#[test]
fn a_run_is_trained_by_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let held = Run::lock(dir.path()).unwrap();
    assert!(matches!(Run::lock(dir.path()), Err(Error::Busy { .. })));
    drop(held);
    let _again = Run::lock(dir.path()).unwrap();
}

#[test]
fn a_length_that_is_none_and_another_seed_are_refused_and_change_nothing() {
    let mut trainer = Trainer::new(config(), 1).unwrap();
    for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        let changed = Config { kimg: bad, ..config() };
        assert!(matches!(trainer.reconfigure(changed), Err(Error::Config { .. })), "{bad}");
    }
    let other = trainer.reconfigure(Config { seed: 9, ..config() }).unwrap_err().to_string();
    assert!(other.contains("keeps its seed"), "{other}");
    assert_eq!(trainer.config(), &config());
    trainer.reconfigure(Config { kimg: 0.2, ..config() }).unwrap();
    assert!((trainer.config().kimg - 0.2).abs() < 1e-12);
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let run = finished(dir.path());
    let newest = run.folder().join("checkpoints/000000096.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(Checkpoint::load(&newest, 1), Err(Error::Checkpoint { .. })));
    assert_eq!(Checkpoint::find(run.folder(), 1).unwrap().trainer.progress().images, 64);
    for cut in [0, 7, 8, 100, bytes.len() - 1] {
        fs::write(&newest, &bytes[..cut]).unwrap();
        assert!(Checkpoint::load(&newest, 1).is_err(), "cut to {cut} bytes");
    }
}

/// Whoever goes on from an earlier checkpoint leaves the way of the later ones: the next start finds the new way, and nothing is lost.
#[test]
fn a_run_that_goes_on_from_an_earlier_checkpoint_stays_on_its_new_way() {
    let dir = tempfile::tempdir().unwrap();
    let folder = finished(dir.path()).folder().to_owned();
    let file = |name: &str| folder.join("checkpoints").join(name);
    let late = fs::read(file("000000096.safetensors")).unwrap();
    // Of somebody who keeps one.
    fs::copy(file("000000064.safetensors"), file("000000064-good.safetensors")).unwrap();
    let resumed = |from: &Path| {
        let checkpoint = Checkpoint::find(from, 1).unwrap();
        let data = data(dir.path(), checkpoint.trainer.config());
        Run::resume(&folder, checkpoint, data).unwrap()
    };
    let mut watcher = Watcher { stop_at: Some(72), ..Watcher::default() };
    resumed(&file("000000064.safetensors")).train(&watcher.stop.clone(), &mut watcher).unwrap();
    assert_eq!(fs::read(file("000000096.safetensors.left")).unwrap(), late);
    let again = resumed(&folder);
    assert_eq!(again.trainer().progress().images, 72);
    let mut names: Vec<_> = fs::read_dir(file("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let kept =
        ["000000064-good.safetensors", "000000064.safetensors", "000000072.safetensors", "000000096.safetensors.left"];
    assert_eq!(names, kept);
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before_whole() {
    let dir = tempfile::tempdir().unwrap();
    let run = finished(dir.path());
    let good = state(run.folder());
    // A folder stands where the next file should go: the rename fails after everything was written.
    let blocked = run.folder().join("checkpoints/blocked.safetensors");
    fs::create_dir_all(blocked.join("x")).unwrap();
    let failed = Checkpoint::save(run.trainer(), "", 0.0, &blocked);
    assert!(matches!(failed, Err(Error::Write { .. })));
    fs::remove_dir_all(&blocked).unwrap();
    assert!(state(run.folder()) == good);
    let left: Vec<_> =
        fs::read_dir(run.folder().join("checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "an unfinished file was left behind: {left:?}");
}

#[test]
fn losses_that_are_no_numbers_stop_the_run_before_it_saves() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = config();
    c.optimizer.lr_d = 1e30;
    c.optimizer.warmup_kimg = 0.0;
    let mut run = fresh(dir.path(), &c);
    let mut watcher = Watcher::default();
    let ended = run.train(&AtomicBool::new(false), &mut watcher);
    assert!(matches!(ended, Err(Error::Diverged { .. })), "{ended:?}");
    assert_eq!(watcher.snapshots.len(), 1, "only the fresh networks were saved");
    assert_eq!(Checkpoint::find(run.folder(), 1).unwrap().trainer.progress().images, 0);
}

#[test]
fn configurations_that_cannot_be_trained_say_which_field_is_wrong() {
    let broken = |change: fn(&mut Config)| {
        let mut c = Config::preset("c64").unwrap();
        change(&mut c);
        c.validate().unwrap_err().to_string()
    };
    assert!(broken(|c| c.batch = 30).contains("discriminator.group"));
    assert!(broken(|c| c.discriminator.features = 5).contains("discriminator.features"));
    assert!(broken(|c| c.discriminator.features = 0).contains("discriminator.features"));
    assert!(broken(|c| c.discriminator.channels.clear()).contains("discriminator.channels"));
    assert!(broken(|c| c.architecture.base = [4, 8]).contains("architecture.base"));
    assert!(broken(|c| c.kimg = f64::NAN).contains("kimg"));
    for beta in [1.5, 1.0, 0.999_999_99, -0.1, f64::NAN] {
        let c = Config { optimizer: gan::OptimizerConfig { beta2: beta, ..config().optimizer }, ..config() };
        assert!(c.validate().unwrap_err().to_string().contains("optimizer.beta2"), "{beta}");
    }
    assert!(broken(|c| c.optimizer.beta1 = 1.0).contains("optimizer.beta1"));
    assert!(broken(|c| c.optimizer.eps = 1e-50).contains("optimizer.eps"));
    assert!(broken(|c| c.discriminator.channels[1] = 1 << 40).contains("discriminator.channels"));
    assert!(
        broken(|c| c.architecture.ink = Some(synth::Ink { channels: 8, blocks: 1, factor: 4 }))
            .contains("architecture.ink")
    );
    assert!(broken(|c| c.ema.widths = vec![0.1, 0.1]).contains("each of them once"));
    assert!(broken(|c| c.ema.widths = (1..40).map(|i| f64::from(i) / 200.0).collect()).contains("at most 16"));
    assert!(broken(|c| c.loss.gamma = -1.0).contains("loss.gamma"));
    assert!(broken(|c| c.ema.widths = vec![0.3]).contains("ema.widths"));
    assert!(
        broken(|c| c.critic = Some(gan::CriticConfig { fraction: 0.01, ..gan::CriticConfig::default() }))
            .contains("critic.fraction")
    );
    assert!(broken(|c| c.loss.penalty_fraction = 0.01).contains("loss.penalty_fraction"));
    assert!(broken(|c| c.metric.kimg = f64::NAN).contains("metric.kimg must be 0 or more, not NaN"));
    assert!(broken(|c| c.metric.samples = 9).contains("metric.samples must be at least 10, not 9"));
    let critic =
        |critic: gan::CriticConfig| Config { critic: Some(critic), ..config() }.validate().unwrap_err().to_string();
    let usual = gan::CriticConfig::default;
    assert!(critic(gan::CriticConfig { lr: f64::NAN, ..usual() }).contains("critic.lr must be 0 or more, not NaN"));
    assert!(critic(gan::CriticConfig { weight: -1.0, ..usual() }).contains("critic.weight must be 0 or more, not -1"));
    for fade_start in [-0.5, 1.5, f64::NAN] {
        let told = critic(gan::CriticConfig { fade_start, ..usual() });
        assert!(told.contains(&format!("critic.fade_start must lie in 0..1, not {fade_start}")), "{told}");
    }
    for (name, _) in Config::PRESETS {
        Config::preset(name).unwrap().validate().unwrap();
    }
    assert!(Config::preset("c65").unwrap_err().to_string().contains("c64"));
}
