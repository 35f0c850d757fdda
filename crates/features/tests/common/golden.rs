//! Critics against PyTorch: tests/golden/critic.py makes the numbers, from the same weights and inputs.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Largest difference in units of a gradient's norm, or of an answer.
const TOLERANCE: f64 = 1e-4;

/// What the script says of one question, less what has been compared, and how near what is found comes.
pub(crate) struct Golden<D> {
    part: String,
    rest: Map<String, Value>,
    /// Draws the script's vectors one after another.
    draw: D,
    worst: (f64, String),
}

impl<D: FnMut(usize) -> Vec<f32>> Golden<D> {
    pub(crate) fn of(part: String, draw: D) -> Self {
        let mut all: Value = serde_json::from_str(include_str!("../golden/critic.json")).unwrap();
        let Value::Object(rest) = all[&part].take() else { panic!("the script says nothing of {part}") };
        Golden { part, rest, draw, worst: (0.0, String::new()) }
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str) -> T {
        let numbers = self.rest.remove(name).unwrap_or_default();
        serde_json::from_value(numbers).unwrap_or_else(|e| panic!("{}, {name}: {e}", self.part))
    }

    fn near(&mut self, name: &str, found: f64, golden: f64, size: f64) {
        let error = (found - golden).abs() / size.abs();
        assert!(error < TOLERANCE, "{}, {name}: {found} here, {golden} by PyTorch: {error:.1e} of its size", self.part);
        if error > self.worst.0 {
            self.worst = (error, name.into());
        }
    }

    /// Compares an answer's value and output.
    pub(crate) fn answer(&mut self, found: [f64; 2]) {
        let golden: [f64; 2] = self.take("answer");
        found.into_iter().zip(golden).for_each(|(found, golden)| self.near("answer", found, golden, golden));
    }

    /// Compares norm and products with two drawn vectors of a gradient, the script's next one.
    pub(crate) fn gradient(&mut self, name: &str, found: &[f32]) {
        let golden: [f64; 3] = self.take(name);
        let products = [(); 2].map(|()| dot(found, &(self.draw)(found.len())));
        let found = [dot(found, found).sqrt(), products[0], products[1]];
        found.into_iter().zip(golden).for_each(|(found, expected)| self.near(name, found, expected, golden[0]));
    }

    /// Nothing is left over.
    pub(crate) fn end(self, by: &str) {
        assert!(self.rest.is_empty(), "{}: not compared: {:?}", self.part, self.rest);
        println!("{} {by}: {:.1e} of its size at most, at {}", self.part, self.worst.0, self.worst.1);
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
