//! Pictures compared with one picture, and the slope of the difference.

mod common;

use features::{Crew, Error, Isa, Network, PerceptualDistance, PerceptualWork};

fn network() -> Network {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = common::network(dir.path(), common::GRAPH);
    Network::open(&path).unwrap()
}

/// Pictures that are enlarged for the network, left as they are, and reduced.
const SIZES: [[usize; 2]; 3] = [[10, 12], [128, 128], [300, 150]];

#[test]
fn slopes_equal_finite_differences() {
    let crew = Crew::new(Isa::best(), 2);
    for size in SIZES {
        let area = 3 * size[0] * size[1];
        let mut values = common::Values(3);
        let (target, pictures) = (values.take(area), values.take(2 * area));
        let likeness = PerceptualDistance::new(network(), &crew, &target, size).unwrap();
        let mut work = PerceptualWork::default();
        let mut gradient = vec![7.0; pictures.len()];
        let found = likeness.differences(&crew, &mut work, &pictures, Some(&mut gradient));
        assert_eq!(found, likeness.differences(&Crew::alone(Isa::best()), &mut work, &pictures, None));
        assert!(found.iter().all(|d| (0.01..4.0).contains(d)), "{found:?}");
        let mut close = 0;
        for _ in 0..10 {
            // Along the gradient, so that the slope is far above the rounding, and a little aside.
            let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let noise = values.take(gradient.len());
            let direction: Vec<f64> =
                gradient.iter().zip(noise).map(|(g, n)| f64::from(*g) / length + 0.02 * f64::from(n)).collect();
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
            let step = 1e-2;
            let mut moved = |sign: f64| -> f64 {
                let x: Vec<f32> =
                    pictures.iter().zip(&direction).map(|(x, d)| (f64::from(*x) + sign * step * d) as f32).collect();
                likeness.differences(&crew, &mut work, &x, None).iter().sum()
            };
            let quotient = (moved(1.0) - moved(-1.0)) / (2.0 * step);
            close += usize::from((slope - quotient).abs() < 0.03 * slope.abs());
        }
        assert!(close >= 9, "{size:?}: only {close} of 10 directions agree");
    }
}

#[test]
fn a_picture_is_like_itself_and_less_like_others() {
    let crew = Crew::alone(Isa::best());
    let mut values = common::Values(5);
    let target = values.take(300);
    let noise = values.take(300);
    let other = |share: f32| target.iter().zip(&noise).map(|(t, n)| t + share * n).collect::<Vec<_>>();
    let likeness = PerceptualDistance::new(network(), &crew, &target, [10, 10]).unwrap();
    let pictures = [other(0.0), other(0.1), other(1.0)].concat();
    let found = likeness.differences(&crew, &mut PerceptualWork::default(), &pictures, None);
    assert!(found[0] < 1e-9 && found[0] < found[1] && found[1] < found[2], "{found:?}");
}

#[test]
fn sizes_that_no_network_takes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = common::network(dir.path(), &common::GRAPH.replacen("same", "valid", 1));
    let network = Network::open(&path).unwrap();
    let error = PerceptualDistance::new(network, &Crew::alone(Isa::best()), &[0.0; 3 * 1000], [1, 1000]).unwrap_err();
    assert!(matches!(error, Error::Size { .. }), "{error}");
}
