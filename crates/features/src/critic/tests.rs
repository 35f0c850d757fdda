use kernels::Isa;

use super::*;
use crate::testing::Values;
use golden::Golden;

#[path = "../../tests/common/golden.rs"]
mod golden;

/// Three grids and what they are mixed to.
const TAPS: [[usize; 3]; 3] = [[8, 6, 3], [4, 3, 5], [2, 2, 4]];
const CHANNELS: [usize; 3] = [4, 6, 5];
/// Two groups of nine.
const PICTURES: usize = 18;

/// A mixing and heads with numbers that PyTorch was given too.
struct Case {
    mixing: Mixing,
    heads: Heads,
    taps: Vec<Grid>,
    weights: Vec<f32>,
    norms: Vec<f32>,
}

impl Case {
    fn new() -> Self {
        let mut values = Values::new(37);
        let lengths: usize = 4 * 3 + 6 * 5 + 5 * 4 + 4 * 6 + 6 * 5;
        let mixing = Mixing::new(&TAPS, &CHANNELS, Some(values.signed(lengths)), 0).unwrap();
        let mut grid = |[height, width, channels]: [usize; 3]| Grid {
            height,
            width,
            channels,
            data: values.signed(PICTURES * height * width * channels),
        };
        let taps = TAPS.into_iter().map(&mut grid).collect();
        let heads = Heads::new(&TAPS, &CHANNELS);
        let weights = values.signed(heads.tensors().last().unwrap().range.end);
        let norms = values.signed(heads.fresh_norms(1).len());
        Case { mixing, heads, taps, weights, norms }
    }

    /// The answer, and its gradients to the weights and to the taps.
    fn ask(&self, crew: &Crew, question: Question) -> (Answer, Vec<f32>, Vec<Grid>) {
        let (mut grids, mut back, mut taps) = (Vec::new(), Vec::new(), Vec::new());
        self.mixing.forward(crew, &self.taps, &mut grids);
        let (mut work, mut gradient) = (heads::Work::default(), vec![0.0; self.weights.len()]);
        let given = [self.weights.as_slice(), self.norms.as_slice()];
        let answer = self.heads.ask(crew, &mut work, question, given, &grids, (Some(&mut gradient), Some(&mut back)));
        // Memory that was used makes no difference, nor does asking for less.
        let mut again = Vec::new();
        let second = self.heads.ask(crew, &mut work, question, given, &grids, (None, Some(&mut again)));
        assert_eq!((second, &again), (answer, &back));
        let mut twice = gradient.clone();
        self.heads.ask(crew, &mut work, question, given, &grids, (Some(&mut twice), None));
        assert!(twice.iter().zip(&gradient).all(|(twice, once)| (twice - 2.0 * once).abs() < 1e-6));
        self.mixing.backward(crew, &mut back, &mut taps);
        (answer, gradient, taps)
    }
}

#[test]
fn answers_and_gradients_equal_pytorch() {
    let case = Case::new();
    for isa in Isa::available() {
        for question in [Question::Real, Question::Drawn, Question::Score] {
            let (answer, gradient, taps) = case.ask(&Crew::alone(*isa), question);
            let mut values = Values::new(77);
            let mut golden = Golden::of(format!("heads, {question:?}"), |n| values.signed(n));
            golden.answer([answer.value, answer.output]);
            for tensor in case.heads.tensors() {
                golden.gradient(&tensor.name, &gradient[tensor.range.clone()]);
            }
            for (index, tap) in taps.iter().enumerate() {
                golden.gradient(&format!("tap{index}"), &tap.data);
            }
            golden.end(isa.name());
        }
    }
}

#[test]
fn threads_make_no_difference() {
    let case = Case::new();
    let isa = Isa::best();
    for question in [Question::Real, Question::Drawn, Question::Score] {
        assert_eq!(case.ask(&Crew::alone(isa), question), case.ask(&Crew::new(isa, 3), question));
    }
}

#[test]
fn tensors_follow_one_another_and_are_named() {
    let case = Case::new();
    let tensors = case.heads.tensors();
    assert_eq!(tensors[0].name, "head0.down0.weight");
    assert_eq!(tensors[0].shape, [3, 3, 4, 8]);
    assert!(tensors.windows(2).all(|pair| pair[0].range.end == pair[1].range.start));
    assert!(tensors.iter().all(|t| t.shape.iter().product::<usize>() == t.range.len()));
    assert_eq!(tensors.last().unwrap().name, "head2.out.bias");
}

#[test]
fn power_iterations_bound_every_weight() {
    let case = Case::new();
    let (weights, mut norms) = (case.weights.clone(), case.heads.fresh_norms(3));
    for _ in 0..100 {
        case.heads.advance(&weights, &mut norms);
    }
    let before = norms.clone();
    case.heads.advance(&weights, &mut norms);
    assert!(before.iter().zip(&norms).all(|(a, b)| (a - b).abs() < 1e-2));
}

#[test]
fn fresh_mixings_depend_on_their_seed_and_others_are_refused() {
    let new = |given, seed| Mixing::new(&TAPS, &CHANNELS, given, seed);
    let first = new(None, 1).unwrap().weights().to_vec();
    assert_eq!(first, new(None, 1).unwrap().weights());
    assert_ne!(first, new(None, 2).unwrap().weights());
    assert_eq!(first, new(Some(first.clone()), 2).unwrap().weights());
    assert_eq!(new(Some(vec![0.0; 7]), 1).unwrap_err(), 7);
}
