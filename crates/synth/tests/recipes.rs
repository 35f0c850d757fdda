//! What blends, children and mixtures of seeds look like.

mod common;

use std::sync::Arc;

use common::{architectures, model};
use synth::{Creativity, Creature, Generator, Picture, Recipe, Seed, Styles, Worker};

fn worker(architecture: usize) -> Worker {
    Arc::new(Generator::new(&model(&architectures()[architecture])).unwrap()).worker()
}

fn draw(worker: &mut Worker, recipe: &str, psi: Creativity) -> Picture {
    let recipe: Recipe = recipe.parse().unwrap();
    let styles = recipe.styles(worker.generator(), psi);
    worker.draw_styles(&styles, Some(recipe.seed()), &|| false).unwrap()
}

/// Root mean square difference of two pictures, in 8-bit levels.
fn distance(a: &Picture, b: &Picture) -> f64 {
    let sum: f64 = a.rgb.iter().zip(&b.rgb).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    (sum / a.rgb.len() as f64).sqrt()
}

#[test]
fn a_seed_is_its_own_recipe() {
    for architecture in 0..3 {
        let mut worker = worker(architecture);
        let psi = Creativity::new(0.7).unwrap();
        assert_eq!(draw(&mut worker, "42", psi), worker.draw(Seed(42), psi));
    }
}

#[test]
fn the_ends_of_a_blend_are_what_it_blends() {
    let mut worker = worker(0);
    let psi = Creativity::default();
    let [a, b] = ["3", "4-f"].map(|recipe| draw(&mut worker, recipe, psi));
    assert_eq!(draw(&mut worker, "3~4-f~0", psi), a);
    assert!(distance(&draw(&mut worker, "3~4-f~100", psi), &b) < 0.5);
    let middle = draw(&mut worker, "3~4-f~50", psi);
    assert!(distance(&middle, &a) < distance(&a, &b) && distance(&middle, &b) < distance(&a, &b));
}

#[test]
fn a_mixture_takes_its_fine_layers_from_the_other() {
    let mut worker = worker(0);
    let psi = Creativity::default();
    let layers = worker.generator().layers();
    let [a, b] = ["3", "4"].map(|recipe| draw(&mut worker, recipe, psi));
    assert_eq!(draw(&mut worker, "3_4_0", psi), b);
    assert_eq!(draw(&mut worker, &format!("3_4_{layers}"), psi), a);
    let mixtures: Vec<_> = (0..=layers).map(|layer| draw(&mut worker, &format!("3_4_{layer}"), psi)).collect();
    assert!(mixtures.windows(2).all(|pair| pair[0] != pair[1]), "a layer without a say");
}

#[test]
fn children_are_near_their_parent_and_all_different() {
    let generator = Arc::new(Generator::new(&model(&architectures()[0])).unwrap());
    let w = |recipe: Recipe| recipe.styles(&generator, Creativity::default()).w;
    let spread = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    let parent = w(Seed(7).into());
    let strangers: f32 = (100..116).map(|seed| spread(&parent, &w(Seed(seed).into()))).sum::<f32>() / 16.0;
    let child = |n: u8| w(Recipe::Single(Creature { seed: Seed(7), path: vec![n], ..Creature::of(Seed(7)) }));
    for n in 0..16 {
        assert!(spread(&parent, &child(n)) < 0.7 * strangers, "child {n} is as far away as a stranger");
        assert!((0..n).all(|other| child(other) != child(n)));
    }
}

#[test]
fn a_long_line_of_descendants_keeps_the_spread_of_w() {
    // Turning about the mean needs a mean that is one; that of an untrained model is any number.
    let mut model = model(&architectures()[0]);
    let mean = synth::mean_w(&model, 2000).unwrap();
    model.tensors.get_mut("mapping.w_avg").unwrap().data = mean;
    let generator = Arc::new(Generator::new(&model).unwrap());
    let deviation = |recipe: &str| {
        let Styles { w, .. } = recipe.parse::<Recipe>().unwrap().styles(&generator, Creativity::default());
        w.iter().zip(generator.w_avg()).map(|(w, mean)| (w - mean).powi(2)).sum::<f32>().sqrt()
    };
    let mean = |recipes: Vec<String>| recipes.iter().map(|recipe| deviation(recipe)).sum::<f32>() / 64.0;
    let seeds = mean((0..64).map(|seed| seed.to_string()).collect());
    let descendants = mean((0..64).map(|seed| format!("{seed}-{}", "5".repeat(40))).collect());
    assert!((0.6..1.6).contains(&(descendants / seeds)), "seeds {seeds}, descendants {descendants}");
}

#[test]
fn noise_can_be_left_out_where_the_model_has_it() {
    let (mut plain, mut noisy) = (worker(0), worker(1));
    assert!(!plain.generator().has_noise() && noisy.generator().has_noise());
    let recipe = Recipe::from(Seed(5));
    let pair = |worker: &mut Worker| {
        let styles = recipe.styles(worker.generator(), Creativity::default());
        [None, Some(Seed(5))].map(|noise| worker.draw_styles(&styles, noise, &|| false).unwrap())
    };
    let [without, with] = pair(&mut plain);
    assert_eq!(without, with);
    let [without, with] = pair(&mut noisy);
    assert_ne!(without, with);
}
