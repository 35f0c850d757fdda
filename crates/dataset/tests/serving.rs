//! Batches are a pure function of seed and position.

mod common;

use common::{folder, open, options, stream};
use dataset::{Dataset, Error, Options};

fn batch(pictures: &Dataset, position: u64, n: usize) -> Vec<u8> {
    let mut out = vec![7; 5]; // what was in the buffer before must not matter
    pictures.batch(position, n, &mut out).unwrap();
    out
}

#[test]
fn a_batch_is_the_pictures_at_its_positions_mirrored_by_the_coin() {
    let folder = folder(40);
    let pictures = open(folder.path());
    let (mut plain, mut mirrored) = (0, 0);
    for position in 0..100 {
        let (index, flip) = pictures.index_at(position);
        let mut expected = image::RgbImage::from_raw(8, 8, pictures.training(index).unwrap()).unwrap();
        if flip {
            expected = image::imageops::flip_horizontal(&expected);
        }
        *if flip { &mut mirrored } else { &mut plain } += 1;
        assert_eq!(batch(&pictures, position, 1), expected.into_raw(), "position {position}");
    }
    assert!(plain > 30 && mirrored > 30, "{plain} plain, {mirrored} mirrored");
}

#[test]
fn a_resumed_stream_goes_on_where_it_stopped() {
    let folder = folder(40);
    let whole = stream(&open(folder.path()));
    let pictures = open(folder.path());
    for position in [0, 1, pictures.len() - 1, pictures.len(), pictures.len() + 1, 2 * pictures.len()] {
        let rest = batch(&open(folder.path()), position as u64, 3);
        assert_eq!(rest, whole[position * pictures.picture_bytes()..][..rest.len()], "resumed at {position}");
    }
}

#[test]
fn the_cut_into_batches_makes_no_difference() {
    let folder = folder(40);
    let pictures = open(folder.path());
    let whole = stream(&pictures);
    for n in [1, 7, 32] {
        let pieces: Vec<u8> = (0..50).step_by(n).flat_map(|position| batch(&pictures, position as u64, n)).collect();
        assert_eq!(pieces[..50 * 192], whole[..50 * 192], "batches of {n}");
    }
}

#[test]
fn every_epoch_serves_every_training_picture_once() {
    let folder = folder(40);
    let pictures = Dataset::open(&[folder.path()], &Options { mirror: false, ..options(8) }).unwrap();
    let mut expected: Vec<_> = (0..pictures.len()).map(|index| pictures.training(index).unwrap()).collect();
    expected.sort();
    for epoch in [0, 1, 1 << 40] {
        let bytes = batch(&pictures, epoch * pictures.len() as u64, pictures.len());
        let mut served: Vec<_> = bytes.chunks(pictures.picture_bytes()).map(<[u8]>::to_vec).collect();
        served.sort();
        assert_eq!(served, expected, "epoch {epoch}");
    }
}

#[test]
fn the_seed_decides_order_and_mirroring() {
    let folder = folder(40);
    let order = |seed| {
        let pictures = Dataset::open(&[folder.path()], &Options { seed, ..options(8) }).unwrap();
        (0..64).map(|position| pictures.index_at(position)).unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (indices, coins) = order(1);
    assert_eq!(order(1), (indices.clone(), coins.clone()));
    assert_ne!(order(2).0, indices);
    assert_ne!(order(2).1, coins);
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let folder = folder(40);
    let usual = open(folder.path());
    for threads in [0, 1, 5] {
        let pictures = Dataset::open(&[folder.path()], &Options { threads, ..options(8) }).unwrap();
        assert_eq!(pictures.fingerprint(), usual.fingerprint());
        assert_eq!(stream(&pictures), stream(&usual), "{threads} threads");
    }
}

#[test]
fn threads_share_a_data_set() {
    let folder = folder(40);
    let pictures = open(folder.path());
    let whole = stream(&pictures);
    std::thread::scope(|scope| {
        for reader in 0..4 {
            let (pictures, whole) = (&pictures, &whole);
            scope.spawn(move || {
                for step in 0..50 {
                    let position = (reader * 17 + step * 5) % 70; // jumps between two epochs
                    let bytes = batch(pictures, position as u64, 2);
                    assert_eq!(bytes, whole[position * 192..][..bytes.len()]);
                }
            });
        }
    });
}

#[test]
fn an_index_outside_is_an_error() {
    let folder = folder(40);
    let pictures = open(folder.path());
    let error = pictures.training(pictures.len()).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { side: "training", .. }), "{error}");
    assert!(pictures.validation(1000).unwrap_err().to_string().contains("no validation picture 1000"));
}
