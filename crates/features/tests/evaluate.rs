//! Pictures from a folder through a network to figures: the evaluator and the meter of a run.

mod common;

use std::convert::Infallible;

use dataset::{Dataset, Options};
use features::{Corruption, Crew, Distances, Evaluator, FIRST_SEED, Isa, Meter, Network, Resizing};
use synth::Picture;

const SIZE: u32 = 16;

/// A picture of two colours that depends on a number.
fn picture(seed: u64) -> image::RgbImage {
    image::RgbImage::from_fn(SIZE, SIZE, |x, y| {
        let inside = u64::from(x) * 3 + u64::from(y) * 5 > seed % 97;
        let shade = |k: u64| (seed.wrapping_mul(2 * k + 37) % 251) as u8;
        image::Rgb(if inside { [shade(1), shade(2), shade(3)] } else { [shade(4), shade(5), shade(6)] })
    })
}

fn drawn(seed: u64) -> Picture {
    Picture { width: SIZE as usize, height: SIZE as usize, rgb: picture(seed).into_raw() }
}

fn setup(resizing: Resizing, threads: usize) -> (tempfile::TempDir, Evaluator, Dataset) {
    let dir = tempfile::tempdir().unwrap();
    let pictures = dir.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for i in 0..200 {
        picture(i).save(pictures.join(format!("{i}.png"))).unwrap();
    }
    let data = Dataset::open(&[pictures], &Options::new(SIZE as usize)).unwrap();
    let (path, _) = common::network(dir.path(), common::GRAPH);
    let evaluator = Evaluator::new(Network::open(&path).unwrap(), resizing, Crew::new(Isa::best(), threads));
    (dir, evaluator, data)
}

/// The same pictures with another share of them held out.
fn holding_out(dir: &tempfile::TempDir, validation: f32) -> Dataset {
    let options = Options { validation, ..Options::new(SIZE as usize) };
    Dataset::open(&[dir.path().join("pictures")], &options).unwrap()
}

#[test]
fn features_are_rows_in_order_whatever_the_threads() {
    for resizing in [Resizing::Clean, Resizing::Legacy] {
        let (_dir, evaluator, data) = setup(resizing, 2);
        let mut told = Vec::new();
        let rows = evaluator.training(&data, 3, 70, Corruption::No, |done| told.push(done)).unwrap();
        assert_eq!(told, [32, 64, 70]);
        assert_eq!((rows.len(), rows.width()), (70, 108));
        let one = evaluator.training(&data, 3 + 41, 1, Corruption::No, |_| ()).unwrap();
        assert_eq!(one.row(0), rows.row(41));
        let (_dir, alone, _) = setup(resizing, 1);
        assert_eq!(alone.training(&data, 3, 70, Corruption::No, |_| ()).unwrap(), rows);
        let failed = evaluator.features(5, 16, |i| if i == 3 { Err("no picture") } else { Ok(vec![0; 768]) }, |_| ());
        assert_eq!(failed, Err("no picture"));
        assert!(evaluator.features(0, 16, |_| Ok::<_, Infallible>(vec![]), |_| ()).unwrap().is_empty());
    }
}

#[test]
fn spoilt_pictures_are_farther_than_real_ones() {
    let (_dir, evaluator, data) = setup(Resizing::Clean, 2);
    let of = |position, corruption| evaluator.training(&data, position, 90, corruption, |_| ()).unwrap();
    let real = of(0, Corruption::No);
    let kd = |rows| Distances::between(evaluator.crew(), &real, &rows).kd;
    let (floor, jpeg) = (kd(of(90, Corruption::No)), kd(of(90, Corruption::Jpeg)));
    assert!(floor.is_finite() && floor < jpeg, "{floor} {jpeg}");
}

#[test]
fn a_meter_measures_when_it_is_due_and_tells_good_pictures_from_bad_ones() {
    let (dir, evaluator, _) = setup(Resizing::Clean, 2);
    let data = holding_out(&dir, 0.2);
    let name = evaluator.network().name().to_owned();
    let mut meter = Meter::new(evaluator, &data, 64, 0.5).unwrap();
    assert!(!meter.due(0, 0, true) && !meter.due(0, 499, false) && meter.due(480, 512, false));
    assert!(meter.due(520, 530, true) && !meter.due(520, 530, false));
    let mut seeds = Vec::new();
    let good = meter
        .measure(1.5, Some(0.1), |given| {
            seeds = given.to_vec();
            Ok::<_, Infallible>(given.iter().map(|&seed| drawn(seed % 1000)).collect())
        })
        .unwrap();
    assert_eq!((seeds.len(), seeds[0]), (64, FIRST_SEED));
    assert_eq!((good.kimg.to_bits(), good.samples, &good.network), (1.5_f64.to_bits(), 64, &name));
    let same = meter.measure(2.0, None, |given| Ok::<_, Infallible>(given.iter().map(|_| drawn(7)).collect())).unwrap();
    assert!(good.kd < same.kd && good.starved < same.starved && good.divergence < same.divergence, "{good:?} {same:?}");
    assert!(good.coverage.unwrap().coverage > same.coverage.unwrap().coverage);
    assert_eq!(good.held_out, Some(data.validation_len()));
    assert_eq!(meter.measure(3.0, None, |_| Err("diverged")), Err("diverged"));
}

#[test]
fn few_pictures_count_once_each_and_a_handful_held_out_says_nothing() {
    let (dir, evaluator, _) = setup(Resizing::Clean, 2);
    let mut shares = (1..40).map(|i| holding_out(&dir, i as f32 / 200.0));
    let data = shares.find(|data| (6..Meter::FEWEST).contains(&data.validation_len())).unwrap();
    let mut meter = Meter::new(evaluator, &data, 2000, 0.5).unwrap();
    let draw = |seeds: &[u64]| Ok::<_, Infallible>(seeds.iter().map(|&seed| drawn(seed % 1000)).collect::<Vec<_>>());
    let measured = meter.measure(1.0, None, draw).unwrap();
    assert_eq!((measured.samples, measured.held_out), (data.len(), Some(data.validation_len())));
    assert!(measured.coverage.is_none() && measured.kd.is_finite(), "{measured:?}");
}
