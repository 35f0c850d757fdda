use kernels::Isa;

use super::*;
use crate::testing::Values;

/// Rows that any language can make: a linear congruential generator, values in -2..2 moved by `shift`.
fn set(n: usize, d: usize, seed: u64, shift: f64) -> Rows {
    let mut values = Values::new(seed);
    Rows::new((0..n * d).map(|_| (values.next() * 4.0 - 2.0 + shift) as f32).collect(), d)
}

fn crew() -> Crew {
    Crew::new(Isa::best(), 2)
}

fn close(a: f64, b: f64, relative: f64) {
    assert!((a - b).abs() <= relative * b.abs().max(1e-3), "{a} is not {b}");
}

/// Golden values: `numpy`, `scipy.linalg.sqrtm` and scikit-learn's nearest neighbours, on the same rows.
#[test]
fn all_figures_equal_an_independent_implementation() {
    let (a, b, crew) = (set(300, 8, 1, 0.0), set(200, 8, 2, 0.25), crew());
    close(frechet_distance(&crew, &a, &b), GOLDEN_FD, 1e-6);
    close(kernel_distance(&crew, &a, &b), GOLDEN_KD, 1e-6);
    let c = prdc(&crew, &a, &b);
    let found = [c.precision, c.recall, c.density, c.coverage];
    for (f, g) in found.iter().zip(GOLDEN_COVERAGE) {
        close(*f, g, 1e-9);
    }
}

const GOLDEN_FD: f64 = 0.819_949_969_831_3;
const GOLDEN_KD: f64 = 0.305_234_268_669_895_9;
const GOLDEN_COVERAGE: [f64; 4] = [0.92, 0.92, 0.891, 0.863_333_333_333_333_3];

#[test]
fn a_set_is_at_no_distance_from_itself_and_covers_itself() {
    let (a, crew) = (set(100, 8, 1, 0.0), crew());
    assert!(frechet_distance(&crew, &a, &a).abs() < 1e-6);
    // The unbiased estimate on one and the same set is below 0 by the diagonal's share.
    assert!(kernel_distance(&crew, &a, &a) <= 0.0);
    let c = prdc(&crew, &a, &a);
    close(c.precision, 1.0, 1e-12);
    close(c.recall, 1.0, 1e-12);
    close(c.coverage, 1.0, 1e-12);
}

#[test]
fn fewer_pictures_than_features_are_enough() {
    // Covariances of low rank: with the same rows turned into a space of their own the distance stays what it is.
    let (a, b, crew) = (set(30, 8, 1, 0.0), set(20, 8, 2, 0.25), crew());
    let wide = |x: &Rows| {
        let rows = x.data().chunks_exact(8).flat_map(|row| row.iter().copied().chain([1.0; 50]));
        Rows::new(rows.collect(), 58)
    };
    close(frechet_distance(&crew, &wide(&a), &wide(&b)), frechet_distance(&crew, &a, &b), 1e-9);
}

#[test]
fn blocks_and_threads_do_not_change_the_result() {
    let (a, b) = (set(1300, 4, 1, 0.0), set(1100, 4, 2, 0.1));
    let apart = |i: usize, j: usize| -> f64 {
        a.row(i).iter().zip(b.row(j)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
    };
    let (found, places) = nearest_with_places(&crew(), &a, &b, 3);
    for i in (0..1300).step_by(7) {
        let mut all: Vec<f64> = (0..1100).map(|j| apart(i, j)).collect();
        for (found, &place) in found[3 * i..][..3].iter().zip(&places[3 * i..]) {
            close(*found, apart(i, place), 1e-5);
        }
        all.sort_by(f64::total_cmp);
        found[3 * i..][..3].iter().zip(&all).for_each(|(f, a)| close(*f, *a, 1e-5));
    }
    let alone = Crew::alone(Isa::best());
    assert_eq!(nearest_with_places(&alone, &a, &b, 3), (found, places));
    assert_eq!(frechet_distance(&alone, &a, &b).to_bits(), frechet_distance(&crew(), &a, &b).to_bits());
    assert_eq!(kernel_distance(&alone, &a, &b).to_bits(), kernel_distance(&crew(), &a, &b).to_bits());
}

#[test]
fn no_and_single_pictures_give_no_number_and_no_panic() {
    let (one, some, crew) = (set(1, 4, 1, 0.0), set(9, 4, 2, 0.0), crew());
    assert!(frechet_distance(&crew, &one, &some).is_nan());
    assert!(kernel_distance(&crew, &one, &some).is_nan());
    let broken = Rows::new(vec![f32::NAN; 36], 4);
    assert!(frechet_distance(&crew, &broken, &some).is_nan());
    assert!(kernel_distance(&crew, &broken, &some).is_nan());
    assert!(nearest(&crew, &Rows::default().part(0..0), &Rows::default(), 0).is_empty());
    assert!((one.variety() - 0.0).abs() < 1e-12);
}

#[test]
fn clusters_find_the_heaps_that_are_there() {
    let (heaps, noise) = (set(5, 3, 4, 0.0), set(200, 3, 5, 0.0));
    // In turns, so that the first rows are one of each heap; the last heap is five times as large as the others.
    let heap = |i: usize| if i < 5 { i } else { (i % 9).min(4) };
    let rows: Vec<f32> = (0..200)
        .flat_map(|i| heaps.row(heap(i)).iter().zip(noise.row(i)).map(|(h, n)| 100.0 * h + n).collect::<Vec<_>>())
        .collect();
    let rows = Rows::new(rows, 3);
    let clusters = Clusters::find(&crew(), &rows, rows.part(0..5), 5);
    assert_eq!(clusters.assign(&crew(), &rows), (0..200).map(heap).collect::<Vec<_>>());
    for (centre, heap) in clusters.centres.data().iter().zip(heaps.data()) {
        assert!((centre - 100.0 * heap).abs() < 1.0);
    }
    // A centre far from everything stays.
    let far = Rows::new([rows.row(0), &[9e3, 9e3, 9e3]].concat(), 3);
    assert_eq!(Clusters::find(&crew(), &rows, far, 3).centres.row(1), [9e3, 9e3, 9e3]);
}

#[test]
fn missing_kinds_are_counted() {
    let m = missing(&[0.5, 0.25, 0.25, 0.0], vec![0.9, 0.1, 0.0, 0.0]);
    close(m.divergence, 0.9 * (0.9_f64 / 0.5).ln() + 0.1 * (0.1_f64 / 0.25).ln(), 1e-12);
    assert_eq!(m.starved, 1);
    let (real, crew) = (set(640, 4, 1, 0.0), crew());
    let kinds = Kinds::find(&crew, &real);
    let same = kinds.missing(&crew, &real);
    assert_eq!((kinds.shares().len(), same.starved), (64, 0));
    assert_eq!(same.shares, kinds.shares());
    assert!(same.divergence.abs() < 1e-12);
    let one = kinds.missing(&crew, &set(1, 4, 3, 0.0));
    assert!(one.divergence > 2.0 && one.starved == 63, "{one:?}");
    assert_eq!(Kinds::find(&crew, &real.part(0..3)).shares().len(), 3);
}
