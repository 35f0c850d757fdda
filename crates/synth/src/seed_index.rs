//! Seeds by likeness: which pictures resemble a given one, and what kinds there are.

use std::sync::{Arc, OnceLock};

use kernels::Crew;

use crate::{Creature, Generator, Picture, Seed, Styles, Worker};

/// The first seeds of a model, to be searched.
///
/// A search begins with those whose styles of the first convolution are near: `w` as the coarsest layer reads it, which says more of what
/// a picture looks like than `w` itself. Where pictures are small, several of them for each that is wanted are then drawn, and compared
/// place by place and colour by colour: much of what is near is unlike to the eye. What was drawn is kept. A picture's creativity does
/// not matter to it.
#[derive(Debug)]
pub struct SeedIndex {
    generator: Arc<Generator>,
    /// [seeds, `w_dim`]
    w: Vec<f32>,
    /// [seeds, padded channels]
    styles: Vec<f32>,
    /// Thumbs of those that were compared.
    thumbs: Vec<OnceLock<Vec<u8>>>,
    /// The centre that each is nearest to; empty without centres.
    kinds: Vec<usize>,
}

/// Pictures that are compared for each that is wanted.
const CANDIDATES: usize = 4;

/// The most pixels, on the longer side and before any ink, of pictures that are drawn to be compared.
const COMPARED: usize = 64;

/// Pixels of the shorter side of a thumb, if its picture has as many.
const THUMB: usize = 16;

impl SeedIndex {
    /// Seeds that pages and services search: enough that every kind has many, few enough to be ready in a fraction of a second.
    pub const DEFAULT_SIZE: usize = 4096;

    /// The seeds 0 to `count - 1`; takes `count` passes of the mapping network.
    pub fn new(generator: Arc<Generator>, count: usize) -> Self {
        let dim = generator.architecture().w_dim;
        let mut w = Vec::with_capacity(count * dim);
        generator.each_w(count as u64, |own| w.extend_from_slice(own));
        let styles = coarse_styles(&generator, &w);
        let centres = generator.truncation.centres();
        let kinds = w.chunks_exact(dim).filter_map(|w| nearest(centres.chunks_exact(dim), w)).collect();
        let thumbs = (0..count).map(|_| OnceLock::new()).collect();
        Self { generator, w, styles, thumbs, kinds }
    }

    /// The `count` seeds that are most like the picture of a creature, the likest first; it is left out itself if it is a plain seed.
    pub fn like(&self, creature: &Creature, count: usize) -> Vec<Seed> {
        let itself = creature.is_seed().then_some(creature.seed.0);
        let w = creature.w(&self.generator);
        let style = coarse_styles(&self.generator, &w);
        let all = self.styles.chunks_exact(style.len()).map(|other| distance(&style, other)).zip(0_u64..);
        let mut near: Vec<_> = all.filter(|&(_, seed)| Some(seed) != itself).collect();
        near.sort_by(|(a, i), (b, j)| a.total_cmp(b).then(i.cmp(j)));
        let mut near: Vec<_> = near.into_iter().map(|(_, seed)| Seed(seed)).collect();
        let (height, width) = self.generator.composed();
        if height.max(width) <= COMPARED {
            near.truncate(count.saturating_mul(CANDIDATES));
            let mut worker = self.generator.worker();
            let own = thumb(&mut worker, &w);
            near.sort_by_cached_key(|&seed| unlikeness(&own, self.thumb(&mut worker, seed)));
        }
        near.truncate(count);
        near
    }

    fn thumb(&self, worker: &mut Worker, seed: Seed) -> &[u8] {
        let seed = seed.0 as usize;
        self.thumbs[seed].get_or_init(|| thumb(worker, &self.w[seed * self.dim()..][..self.dim()]))
    }

    fn dim(&self) -> usize {
        self.generator.architecture().w_dim
    }

    /// A seed of each kind of picture that calibration found, the one nearest to its middle: the commonest kind first, then
    /// always the one that is least like those before it. Empty for models without centres.
    pub fn kinds(&self) -> Vec<Seed> {
        let centres: Vec<_> = self.generator.truncation.centres().chunks_exact(self.dim()).collect();
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
        let members = self.w.chunks_exact(self.dim()).enumerate().filter(|(seed, _)| self.kinds[*seed] == kind);
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

/// The styles that the first convolution has of several `w`, each padded with zeros.
fn coarse_styles(generator: &Generator, w: &[f32]) -> Vec<f32> {
    let channels = generator.style_start(1);
    let mut styles = vec![0.0; w.len() / generator.architecture().w_dim * channels];
    generator.styles.run_part(&Crew::alone(generator.isa), 0..channels, w, &mut styles);
    styles
}

/// The picture of `w` before ink, without noise and truncation, as means of squares: about 16 pixels of red, green and blue across.
fn thumb(worker: &mut Worker, w: &[f32]) -> Vec<u8> {
    let (styles, mut picture) = (Styles { w: w.to_vec(), fine: None }, Picture::default());
    worker.draw_styles_sized_into(&styles, None, Some(0), &|| false, &mut picture);
    let side = (picture.height.min(picture.width) / THUMB).max(1);
    let mut thumb = Vec::new();
    for (y, x) in (0..picture.height / side).flat_map(|y| (0..picture.width / side).map(move |x| (y, x))) {
        for colour in 0..3 {
            let line =
                |line: usize| (0..side).map(move |column| 3 * ((y * side + line) * picture.width + x * side + column));
            let sum = (0..side).flat_map(line).map(|at| u32::from(picture.rgb[at + colour])).sum::<u32>();
            thumb.push((sum / (side * side) as u32) as u8);
        }
    }
    thumb
}

/// The sum of squared differences of two thumbs.
fn unlikeness(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
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
    fn the_likest_of_the_near_come_first_and_nobody_is_like_itself() {
        let generator = Arc::new(model(&[]));
        let index = SeedIndex::new(Arc::clone(&generator), 50);
        let creature = |name: &str| name.parse::<Creature>().unwrap();
        let mut worker = generator.worker();
        let own = worker.draw_w(&generator.w(Seed(17)), None).rgb;
        let mut unlike = |seed: Seed| unlikeness(&own, &worker.draw_w(&generator.w(seed), None).rgb);
        let style = |seed: Seed| coarse_styles(&generator, &generator.w(seed));
        let far = |seed: Seed| distance(&style(Seed(17)), &style(seed));
        // Few are wanted: they are the likest of those whose styles are near.
        let like = index.like(&creature("17"), 3);
        let mut near: Vec<_> = (0..50).map(Seed).filter(|&seed| seed != Seed(17)).collect();
        near.sort_by(|&a, &b| far(a).total_cmp(&far(b)));
        near.truncate(3 * CANDIDATES);
        near.sort_by_key(|&seed| unlike(seed));
        assert_eq!(like, near[..3]);
        assert_eq!(index.like(&creature("17"), 3), like, "what is drawn already gives the same");
        // All are near when many are wanted.
        let all = index.like(&creature("17"), 1000);
        assert_eq!((all.len(), all.contains(&Seed(17))), (49, false));
        assert!(all.windows(2).all(|pair| unlike(pair[0]) <= unlike(pair[1])));
        assert_eq!(index.like(&creature("17-3"), 1000).len(), 50, "a child is no seed");
        assert!(index.kinds().is_empty(), "without centres there are no kinds");
    }

    #[test]
    fn large_pictures_are_not_drawn_for_a_search() {
        let model = ModelFile::random(Architecture::plain(4, 4, &[4; 6]), Seed(5)).unwrap();
        let index = SeedIndex::new(Arc::new(Generator::new(&model).unwrap()), 20);
        let style = |seed: u64| coarse_styles(&index.generator, &index.generator.w(Seed(seed)));
        let like = index.like(&"3".parse().unwrap(), 5);
        assert!(
            like.windows(2)
                .all(|pair| { distance(&style(3), &style(pair[0].0)) <= distance(&style(3), &style(pair[1].0)) })
        );
        assert!(index.thumbs.iter().all(|thumb| thumb.get().is_none()));
    }

    #[test]
    fn a_thumb_is_the_mean_of_squares() {
        let model = ModelFile::random(Architecture::plain(4, 4, &[4; 4]), Seed(5)).unwrap();
        let generator = Arc::new(Generator::new(&model).unwrap());
        let (mut worker, w) = (generator.worker(), generator.w(Seed(1)));
        let picture = worker.draw_w(&w, None);
        let thumb = thumb(&mut worker, &w);
        assert_eq!((picture.rgb.len(), thumb.len()), (3 * 32 * 32, 3 * 16 * 16));
        // The green of the third square of the second row.
        let corners = [(2, 4), (2, 5), (3, 4), (3, 5)].map(|(y, x)| u32::from(picture.rgb[3 * (32 * y + x) + 1]));
        assert_eq!(u32::from(thumb[3 * (16 + 2) + 1]), corners.iter().sum::<u32>() / 4);
    }

    #[test]
    fn every_kind_has_an_example_of_its_own_and_the_first_differ_most() {
        let (a, b) = (model(&[]).w(Seed(3)), model(&[]).w(Seed(9)));
        // Two that are there, one next to the first, and one where nobody is.
        let next: Vec<f32> = a.iter().map(|v| v + 1e-3).collect();
        let generator = model(&[&a[..], &next, &b, &[90.0; 4]].concat());
        let kinds = SeedIndex::new(Arc::new(generator), 40).kinds();
        assert!(kinds.len() >= 2 && kinds.len() <= 3, "{kinds:?}");
        assert!(kinds[..2].contains(&Seed(9)), "{kinds:?}");
        let mut unique = kinds.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), kinds.len());
    }
}
