//! The whole critic, from pictures to answers and back.

mod common;
#[path = "common/golden.rs"]
mod golden;

use features::critic::{Answer, Critic, CriticWork, Question};
use features::{Crew, Error, Isa, Network};
use golden::Golden;

const SIDE: usize = 10;

fn network() -> Network {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = common::network(dir.path(), common::GRAPH);
    Network::open(&path).unwrap()
}

/// The answer about pictures, and its gradient to them.
fn ask(
    critic: &Critic,
    crew: &Crew,
    question: Question,
    [weights, norms]: [&[f32]; 2],
    pictures: &[f32],
) -> (Answer, Vec<f32>) {
    let (mut work, mut grids, mut back) = (CriticWork::default(), Vec::new(), Vec::new());
    let mut gradient = vec![7.0; pictures.len()];
    critic.grids(crew, &mut work, pictures, true, &mut grids);
    let answer = critic.ask(crew, &mut work, question, weights, norms, &grids, None, Some(&mut back));
    critic.gradient(crew, &mut work, &mut back, &mut gradient);
    let mut again = Vec::new();
    critic.grids(crew, &mut work, pictures, false, &mut again);
    assert_eq!(again, grids);
    (answer, gradient)
}

#[test]
fn answers_and_gradients_to_pictures_equal_pytorch() {
    for (how, size) in [("as they are", 0), ("at 14", 14)] {
        let mut values = common::Values(20);
        let mixing = values.take(8 * 8 + 16 * 12 + 8 * 16);
        let critic = Critic::new(network(), &[8, 16], size, SIDE, Some(mixing), 0).unwrap();
        let (weights, norms) = (values.take(critic.weights_len()), values.take(critic.fresh_norms(0).len()));
        // A group of eight and one of nine.
        let pictures = values.take(17 * 3 * SIDE * SIDE);
        for isa in Isa::available() {
            for question in [Question::Real, Question::Drawn, Question::Score] {
                let asked = |crew: &Crew| ask(&critic, crew, question, [&weights, &norms], &pictures);
                let (answer, gradient) = asked(&Crew::new(*isa, 2));
                assert_eq!(asked(&Crew::alone(*isa)), (answer, gradient.clone()), "threads make no difference");
                let mut vectors = common::Values(77);
                let mut golden = Golden::of(format!("pictures {how}, {question:?}"), |n| vectors.take(n));
                golden.answer([answer.value, answer.output]);
                golden.gradient("pictures", &gradient);
                golden.end(isa.name());
            }
        }
    }
}

#[test]
fn heads_learn_to_tell_pictures_apart() {
    let critic = Critic::new(network(), &[8, 16], 0, SIDE, None, 5).unwrap();
    let (mut weights, mut norms) = (critic.fresh_weights(1), critic.fresh_norms(2));
    let crew = Crew::new(Isa::best(), 2);
    let mut values = common::Values(3);
    let n = 16 * 3 * SIDE * SIDE;
    // Noise, and smooth noise.
    let rough = values.take(n);
    let smooth: Vec<f32> = values.take(n + 8).windows(9).map(|w| w.iter().sum::<f32>() / 3.0).collect();
    let mut work = CriticWork::default();
    let (mut real, mut drawn) = (Vec::new(), Vec::new());
    critic.grids(&crew, &mut work, &smooth, false, &mut real);
    critic.grids(&crew, &mut work, &rough, false, &mut drawn);
    let mut losses = Vec::new();
    let mut moments = vec![0.0_f32; weights.len()];
    for _ in 0..60 {
        critic.advance(&weights, &mut norms);
        let mut gradient = vec![0.0; weights.len()];
        let asked = [(Question::Real, &real), (Question::Drawn, &drawn)];
        let answers = asked.map(|(question, grids)| {
            critic.ask(&crew, &mut work, question, &weights, &norms, grids, Some(&mut gradient), None)
        });
        losses.push((answers[0].value + answers[1].value, answers[0].output - answers[1].output));
        // Steps of equal size whatever the gradient's scale.
        for ((w, g), m) in weights.iter_mut().zip(&gradient).zip(&mut moments) {
            *m = 0.5 * *m + 0.5 * g * g;
            *w -= 0.02 * g / (m.sqrt() + 1e-8);
        }
    }
    let (first, last) = (losses[0], losses[59]);
    assert!(last.0 < 0.5 * first.0 && last.1 > 0.5, "{losses:?}");
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    let refused =
        |channels: &[usize], picture, mixing| Critic::new(network(), channels, 0, picture, mixing, 1).unwrap_err();
    assert!(refused(&[8], SIDE, None).to_string().contains("2 numbers, one a tap of tiny"));
    assert!(refused(&[8, 0], SIDE, None).to_string().contains("critic.channels"));
    assert!(refused(&[8, 16], SIDE, Some(vec![0.0; 3])).to_string().contains("another network than tiny"));
    assert!(matches!(refused(&[8, 16], 0, None), Error::Size { .. }));
    let critic = Critic::new(network(), &[8, 16], 0, SIDE, None, 1).unwrap();
    let mixing = critic.mixing().to_vec();
    assert_eq!(Critic::new(network(), &[8, 16], 0, SIDE, Some(mixing.clone()), 9).unwrap().mixing(), mixing);
}
