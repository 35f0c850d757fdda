//! Feature networks: every operation equals PyTorch's, gradients equal finite differences, damaged files are refused.

mod common;

use std::fs;

use common::{GRAPH, GROUPED, Values, network};
use features::{Error, Grid, Network, Tape, Workspace};
use kernels::{Crew, Isa};

fn opened(graph: &str) -> (Network, Values) {
    let dir = tempfile::tempdir().unwrap();
    let (path, values) = network(dir.path(), graph);
    (Network::open(&path).unwrap(), values)
}

fn taps(network: &Network, crew: &Crew, x: &[f32], size: [usize; 2]) -> Vec<Grid> {
    let mut taps = Vec::new();
    network.taps(crew, &mut Workspace::default(), x, size, &mut taps).unwrap();
    taps
}

/// Means over height and width of the last tap for two pictures; PyTorch 2.11 in f64.
const GOLDEN: [[f32; 12]; 2] = [
    [
        13.06581, 5.642_796, 7.837_735, 4.844_758, 3.372_351, 5.786_717, 7.505_721, 2.941_229, 3.599_473, 2.578_928,
        12.123_502, 20.66463,
    ],
    [
        13.646_227, 8.223_113, 7.083_256, 6.283_446, 4.022_423, 6.296_161, 8.43207, 2.079_897, 3.311_804, 2.534_113,
        11.887_661, 22.986_069,
    ],
];

#[test]
fn every_operation_equals_pytorch() {
    let (network, mut values) = opened(GRAPH);
    assert_eq!((network.name(), network.hash().len(), network.size()), ("tiny", 16, 12));
    assert_eq!(network.origin(), ("made here", "none needed"));
    assert_eq!(network.tap_shapes([12, 12]).unwrap(), [[6, 6, 8], [3, 3, 12]]);
    let x = values.take(2 * 3 * 12 * 12);
    for isa in Isa::available() {
        let last = taps(&network, &Crew::alone(*isa), &x, [12, 12]).pop().unwrap();
        assert_eq!(last.pictures(), 2);
        for (row, golden) in GOLDEN.iter().enumerate() {
            for (channel, golden) in golden.iter().enumerate() {
                let cells = last.data[row * 9 * 12..(row + 1) * 9 * 12].iter().skip(channel).step_by(12);
                let mean = cells.sum::<f32>() / 9.0;
                assert!(
                    (mean - golden).abs() < 1e-4,
                    "{isa}: picture {row}, channel {channel}: {mean} is not {golden}"
                );
            }
        }
    }
}

#[test]
fn threads_and_used_memory_make_no_difference() {
    let (network, mut values) = opened(GRAPH);
    let x = values.take(5 * 3 * 12 * 12);
    let isa = Isa::best();
    let expected = taps(&network, &Crew::alone(isa), &x, [12, 12]);
    let crew = Crew::new(isa, 3);
    let (mut workspace, mut tape, mut found, mut gradients) =
        (Workspace::default(), Tape::default(), Vec::new(), Vec::new());
    for pictures in [5, 1, 5, 5] {
        let x = &x[..pictures * 432];
        network.taps(&crew, &mut workspace, x, [12, 12], &mut found).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.data, expected.data[..found.data.len()]);
        }
        // Another size in between.
        network.taps(&crew, &mut workspace, &x[..3 * 9 * 7], [9, 7], &mut found).unwrap();
        network.record(&crew, &mut workspace, &mut tape, x, [12, 12], &mut found).unwrap();
        let mut gradient = vec![7.0; x.len()];
        network.gradient(&crew, &mut workspace, &tape, &found, &mut gradient).unwrap();
        gradients.push(gradient);
    }
    assert_eq!(gradients[0], gradients[2]);
    assert_eq!(gradients[0], gradients[3]);
    assert_eq!(gradients[0][..432], gradients[1]);
}

/// The sum of all taps, weighted, in f64.
fn weighted(network: &Network, weights: &[Vec<f32>], x: &[f32], size: [usize; 2]) -> f64 {
    let taps = taps(network, &Crew::alone(Isa::best()), x, size);
    let dot = |grid: &Grid, w: &Vec<f32>| -> f64 {
        grid.data.iter().zip(w).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    taps.iter().zip(weights).map(|(grid, w)| dot(grid, w)).sum()
}

#[test]
fn gradients_equal_finite_differences() {
    for (graph, size) in [(GRAPH, [12, 12]), (GROUPED, [9, 9]), (GROUPED, [7, 10])] {
        let (network, mut values) = opened(graph);
        let x = values.take(2 * 3 * size[0] * size[1]);
        let crew = Crew::alone(Isa::best());
        let (mut workspace, mut tape, mut grids) = (Workspace::default(), Tape::default(), Vec::new());
        network.record(&crew, &mut workspace, &mut tape, &x, size, &mut grids).unwrap();
        let weights: Vec<Vec<f32>> = grids.iter().map(|g| values.take(g.data.len())).collect();
        for (grid, weights) in grids.iter_mut().zip(&weights) {
            grid.data.clone_from(weights);
        }
        let mut gradient = vec![0.0; x.len()];
        network.gradient(&crew, &mut workspace, &tape, &grids, &mut gradient).unwrap();
        // A step may cross a kink of an activation: then the slope on one side is still right.
        let mut close = 0;
        let middle = weighted(&network, &weights, &x, size);
        for trial in 0..40 {
            let direction: Vec<f32> =
                values.take(x.len()).iter().enumerate().map(|(i, v)| if i % 40 == trial { *v } else { 0.0 }).collect();
            let step = 2e-3;
            let along = |sign: f32| {
                let moved: Vec<f32> = x.iter().zip(&direction).map(|(x, d)| x + sign * step * d).collect();
                (weighted(&network, &weights, &moved, size) - middle) / f64::from(sign * step)
            };
            let slope: f64 = gradient.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
            let (after, before) = (along(1.0), along(-1.0));
            let errors =
                [after, before, f64::midpoint(after, before)].map(|d| (slope - d).abs() / slope.abs().max(1.0));
            assert!(errors[0].min(errors[1]) < 0.03, "{graph} trial {trial}: {slope} is neither {after} nor {before}");
            close += usize::from(errors[2] < 5e-3);
        }
        assert!(close >= 32, "only {close} of 40 directions agree closely");
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = network(dir.path(), GROUPED);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let error = Network::open(&path).unwrap_err().to_string();
    assert!(error.contains("not finite"), "{error}");
}

#[test]
fn a_damaged_network_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |graph: &str| {
        let (path, _) = network(dir.path(), graph);
        let error = Network::open(&path).unwrap_err();
        assert!(matches!(error, Error::Features { .. }), "{error}");
        error.to_string()
    };
    assert!(refused("{}").contains("list of operations"));
    assert!(refused(&GRAPH.replace(r#""from": [6, 7]"#, r#""from": [6, 9]"#)).contains("operation 7"));
    assert!(refused(&GRAPH.replace("c3", "c4")).contains("c4.weight"));
    assert!(refused(&GRAPH.replace(r#""taps": [4, 8]"#, r#""taps": [4, 80]"#)).contains("taps"));
    assert!(refused(&GRAPH.replace(r#""from": [1, 3]"#, r#""from": [0, 3]"#)).contains("do not fit"));
    assert!(refused(&GRAPH.replace(r#""groups": 8"#, r#""groups": 3"#)).contains("c1"));
    for (from, to) in [
        (r#""stride": [2, 2]"#, r#""stride": [0, 2]"#),
        (r#""size": [3, 3]"#, r#""size": [30000, 30000]"#),
        (r#""size": [3, 3]"#, r#""size": [0, 3]"#),
        (r#""pad": [0, 1]"#, r#""pad": [32000, 32000]"#),
        (r#""pad": [0, 1]"#, r#""pad": [0, 99999999999]"#),
        (r#""size": 12"#, r#""size": 99999999999"#),
    ] {
        assert!(GRAPH.contains(from));
        assert!(refused(&GRAPH.replace(from, to)).contains("do not fit"), "{to}");
    }
    let (path, _) = network(dir.path(), GRAPH);
    let whole = fs::read(&path).unwrap();
    for cut in [0, 7, 8, 100, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(Network::open(&path).is_err(), "cut to {cut} bytes");
    }
    assert!(Network::find("no-such-network").unwrap_err().to_string().contains("tools/features.py"));
    assert!(matches!(Network::open(dir.path()), Err(Error::Read { .. })));
}

#[test]
fn pictures_of_a_wrong_size_are_an_error() {
    let (network, _) = opened(&GROUPED.replace(r#""pad": [1, 0]"#, r#""pad": "valid""#));
    let mut taps = Vec::new();
    let refused = |taps: &mut Vec<Grid>| {
        network.taps(&Crew::alone(Isa::best()), &mut Workspace::default(), &[0.0; 3], [1, 1], taps).unwrap_err()
    };
    let error = refused(&mut taps).to_string();
    assert!(error.contains("1 x 1") && error.contains("operation 1") && error.contains("larger"), "{error}");
}
