//! What a training is said to need, against what the system says that it takes and what is asked for. Alone in its file: other tests would be counted too.

#![cfg(target_os = "linux")]

use gan::{Config, Precision, Trainer};

/// Memory of this process in use, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1024.0
}

#[test]
fn what_is_said_is_what_a_training_takes() {
    let mut config = Config { precision: Precision::F32, ..Config::preset("c64").unwrap() };
    (config.architecture.channels, config.discriminator.channels) =
        (vec![96, 96, 96, 64, 48], vec![96, 96, 96, 64, 48]);
    // First, so that no memory is there that others have left.
    let before = resident();
    let mut trainer = Trainer::new(config.clone(), 2).unwrap();
    let pixels: Vec<u8> = (0..32 * 64 * 64 * 3).map(|i| (i * 31 + i / 48 * 7) as u8).collect();
    for _ in 0..2 {
        trainer.step(&pixels, &[]).unwrap();
    }
    let taken = resident() - before;
    let said = Trainer::bytes_of(&config, 2).unwrap() as f64;
    println!("{:.0} MB said, {:.0} MB taken", said / 1e6, taken / 1e6);
    assert!((0.8..1.3).contains(&(said / taken)), "{said} said, {taken} taken");

    let large = Config { precision: Precision::F32, ..Config::preset("c128").unwrap() };
    let said = Trainer::bytes_of(&large, 2).unwrap();
    println!("c128: {} MB said", said / 1_000_000);
    assert_eq!(large.batch, 32);
    assert!(said < 1_200_000_000, "c128 is to train on machines with 2 GB, and needs {said}");
}
