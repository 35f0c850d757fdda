//! Every preset can be trained: as it is it can be set up, and with fewer channels it takes steps.

use gan::{Config, Trainer};

/// The same networks with an eighth of the channels, a batch of two groups of four.
fn narrow(name: &str) -> Config {
    let mut c = Config::preset(name).unwrap();
    let eighth = |n: &mut usize| *n = (*n / 8).max(4);
    let a = &mut c.architecture;
    [&mut a.z_dim, &mut a.w_dim].into_iter().chain(&mut a.channels).for_each(eighth);
    c.discriminator.channels.iter_mut().for_each(eighth);
    (c.batch, c.discriminator.group, c.loss.penalty_fraction) = (8, 4, 0.5);
    c
}

#[test]
fn every_preset_takes_steps() {
    for (name, _) in Config::PRESETS {
        let config = narrow(name);
        let size = config.resolution();
        let pixels: Vec<u8> = (0..config.batch * size * size * 3).map(|i| (i * 31 + i / 48 * 7) as u8).collect();
        let mut trainer = Trainer::new(config, 2).unwrap();
        let before = trainer.raw(3, 1.0);
        assert_eq!(before.len(), 3 * size * size);
        trainer.step(&pixels, &[]).unwrap();
        trainer.step(&pixels, &[]).unwrap();
        let averages = trainer.take_means().unwrap();
        assert!(averages.loss_d > 0.0 && averages.loss_g > 0.0, "{name}: {averages:?}");
        assert_eq!(trainer.progress().dropped, 0, "{name}");
        let after = trainer.raw(3, 1.0);
        assert!(after.iter().all(|v| v.is_finite()) && after != before, "{name} has learnt nothing");
    }
}

#[test]
fn every_preset_can_be_set_up() {
    for (name, _) in Config::PRESETS {
        let trainer = Trainer::new(Config::preset(name).unwrap(), 2).unwrap();
        let (g, d) = trainer.parameters();
        assert!(g > 10_000 && d > 10_000, "{name}: {g} and {d} values");
    }
}
