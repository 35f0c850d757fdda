//! Seeds by likeness: which pictures resemble a given one, and what kinds there are.

use crate::{Creature, Generator, Recipe, Seed};

/// The first seeds of a model with their `w`, to be searched.
///
/// Likeness is nearness in `w`, where a trained model has unfolded what sets faces apart (Karras et al. 2019, section 4); a
/// picture's creativity does not matter to it.
#[derive(Clone, Debug)]
pub struct SeedIndex {
    dim: usize,
    /// [seeds, `w_dim`]
    w: Vec<f32>,
    /// The centre that each is nearest to; empty without centres.
    kinds: Vec<usize>,
}

impl SeedIndex {
    /// Seeds that pages and services search: enough that every kind has many, few enough to be ready in a fraction of a second.
    pub const DEFAULT_SIZE: usize = 4096;

    /// The seeds 0 to `count - 1`; takes `count` passes of the mapping network.
    pub fn new(generator: &Generator, count: usize) -> Self {
        let dim = generator.architecture().w_dim;
        let mut w = Vec::with_capacity(count * dim);
        generator.each_w(count as u64, |own| w.extend_from_slice(own));
        let centres = generator.truncation.centres();
        let kinds = w.chunks_exact(dim).filter_map(|w| nearest(centres.chunks_exact(dim), w)).collect();
        Self { dim, w, kinds }
    }

    /// The `count` seeds whose `w` are nearest to a given one, nearest first. The seed that it is itself comes first.
    ///
    /// # Panics
    /// If `w` is not `w_dim` long.
    pub fn like(&self, w: &[f32], count: usize) -> Vec<Seed> {
        assert_eq!(w.len(), self.dim, "w must hold w_dim values");
        let mut found: Vec<(f32, u64)> =
            self.w.chunks_exact(self.dim).map(|other| distance(w, other)).zip(0..).collect();
        found.sort_by(|(a, i), (b, j)| a.total_cmp(b).then(i.cmp(j)));
        found.into_iter().take(count).map(|(_, seed)| Seed(seed)).collect()
    }

    /// As [`SeedIndex::like`], for the picture of a creature, which is left out itself if it is a plain seed.
    pub fn like_creature(&self, generator: &Generator, creature: &Creature, count: usize) -> Vec<Seed> {
        let itself = Recipe::Single(creature.clone()) == creature.seed.into();
        let found = self.like(&creature.w(generator), count + 1).into_iter();
        found.filter(|seed| !(itself && *seed == creature.seed)).take(count).collect()
    }

    /// A seed of each kind of picture that calibration found, the one nearest to its middle: the commonest kind first, then
    /// always the one that is least like those before it. Empty for models without centres.
    pub fn kinds(&self, generator: &Generator) -> Vec<Seed> {
        let centres: Vec<_> = generator.truncation.centres().chunks_exact(self.dim).collect();
        let mut members = vec![0; centres.len()];
        self.kinds.iter().for_each(|&kind| members[kind] += 1);
        let Some(commonest) = (0..centres.len()).max_by_key(|&kind| members[kind]) else { return Vec::new() };
        let (mut order, mut apart) = (vec![commonest], vec![f32::INFINITY; centres.len()]);
        while let Some(&last) = order.last() {
            for (apart, centre) in apart.iter_mut().zip(&centres) {
                *apart = apart.min(distance(centre, centres[last]));
            }
            // Kinds that nobody belongs to have no example.
            let next = (0..centres.len()).filter(|&kind| members[kind] > 0 && apart[kind] > 0.0);
            match next.max_by(|&a, &b| apart[a].total_cmp(&apart[b])) {
                Some(next) => order.push(next),
                None => break,
            }
        }
        order.into_iter().filter_map(|kind| self.example(kind, centres[kind])).collect()
    }

    fn example(&self, kind: usize, centre: &[f32]) -> Option<Seed> {
        let members = self.w.chunks_exact(self.dim).enumerate().filter(|(seed, _)| self.kinds[*seed] == kind);
        let near = members.min_by(|(_, a), (_, b)| distance(a, centre).total_cmp(&distance(b, centre)));
        near.map(|(seed, _)| Seed(seed as u64))
    }
}

/// Which of several vectors is nearest to `w`.
fn nearest<'a>(of: impl Iterator<Item = &'a [f32]>, w: &[f32]) -> Option<usize> {
    of.map(|other| distance(w, other)).enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
}

/// Squared.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CENTRES, SPREAD};
    use crate::{Architecture, ModelFile, Tensor};

    fn model(centres: &[f32]) -> Generator {
        let mut model = ModelFile::random(Architecture::plain(4, 4, &[4]), Seed(5)).unwrap();
        if !centres.is_empty() {
            let tensor = |shape, data: &[f32]| Tensor { shape, data: data.to_vec() };
            model.tensors.insert(CENTRES.into(), tensor(vec![centres.len() / 4, 4], centres));
            model.tensors.insert(SPREAD.into(), tensor(vec![2], &[9.0, 1.0]));
        }
        Generator::new(&model).unwrap()
    }

    #[test]
    fn a_seed_is_most_like_itself_and_the_rest_follow_in_order() {
        let generator = model(&[]);
        let index = SeedIndex::new(&generator, 50);
        let w = generator.w(Seed(17));
        let like = index.like(&w, 10);
        assert_eq!((like[0], like.len()), (Seed(17), 10));
        let far = |seed: Seed| distance(&w, &generator.w(seed));
        assert!(like.windows(2).all(|pair| far(pair[0]) <= far(pair[1])));
        let all: Vec<_> = (0..50).map(Seed).filter(|seed| !like.contains(seed)).collect();
        assert!(all.into_iter().all(|seed| far(seed) >= far(like[9])));
        assert_eq!(index.like(&w, 1000).len(), 50);
        assert!(index.kinds(&generator).is_empty(), "without centres there are no kinds");
    }

    #[test]
    fn every_kind_has_an_example_of_its_own_and_the_first_differ_most() {
        let (a, b) = (model(&[]).w(Seed(3)), model(&[]).w(Seed(9)));
        // Two that are there, one next to the first, and one where nobody is.
        let next: Vec<f32> = a.iter().map(|v| v + 1e-3).collect();
        let generator = model(&[&a[..], &next, &b, &[90.0; 4]].concat());
        let index = SeedIndex::new(&generator, 40);
        let kinds = index.kinds(&generator);
        assert!(kinds.len() >= 2 && kinds.len() <= 3, "{kinds:?}");
        assert!(kinds[..2].contains(&Seed(9)), "{kinds:?}");
        let mut unique = kinds.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), kinds.len());
    }
}
