//! A generator and the memory to draw with, asked by bytes and answering in RGBA.

use std::f32::consts::GOLDEN_RATIO;
use std::sync::Arc;

use synth::{
    Creativity, CreativityError, Creature, Generator, LONGEST_PATH, ModelError, ModelFile, Picture, Recipe,
    RecipeError, Seed, SeedIndex, Styles, Worker,
};

/// How far a wandering picture goes towards each of two children of its own, at most.
const ROAM: f32 = 0.7;

/// Why there is no picture.
#[derive(Debug)]
pub enum Trouble {
    /// Asked to draw before a model was loaded.
    Empty,
    /// The file is no model that can be used.
    Model(ModelError),
    /// The text names no picture.
    Recipe(RecipeError),
    /// No creativity.
    Creativity(CreativityError),
    /// An angle that is not finite.
    Wander,
    /// A found `w` of so many numbers, where the model's have so many.
    Found(usize, usize),
    /// So many bytes are neither one nor two style vectors of so many numbers.
    Styles(usize, usize),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Empty => f.write_str("there is no model yet; load one first"),
            Trouble::Model(error) => error.fmt(f),
            Trouble::Recipe(error) => error.fmt(f),
            Trouble::Creativity(error) => error.fmt(f),
            Trouble::Wander => f.write_str("a wandering picture needs an angle that is a finite number"),
            Trouble::Found(asked, w_dim) => {
                write!(f, "a w of {asked} numbers is of another model: this one's have {w_dim}")
            }
            Trouble::Styles(bytes, w_dim) => write!(
                f,
                "{bytes} bytes are no style: give one or two vectors of {w_dim} finite numbers of 32 bits, {} or {} bytes",
                4 * w_dim,
                8 * w_dim
            ),
        }
    }
}

impl std::error::Error for Trouble {}

/// How a named picture is drawn.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Creativity.
    pub psi: f32,
    /// Radians along the picture's way through its neighbourhood; 0: where it is at home.
    pub wander: f32,
    /// With its noise.
    pub noise: bool,
    /// Pixels of the longer side where it is shown: ink is left out of a picture that is composed at as many or more, one that is shown larger than
    /// it is comes through the model's lens; 0: the model's own size.
    pub size: usize,
}

/// A generator that is ready, and the memory to draw with.
#[derive(Debug)]
pub struct Studio {
    worker: Worker,
    picture: Picture,
    /// Seeds to look for likenesses among, made when first asked for.
    seed_index: Option<SeedIndex>,
}

impl Studio {
    /// Reads a model file and makes it ready.
    ///
    /// # Errors
    /// [`Trouble::Model`], which names what is wrong with the file.
    pub fn open(file: &[u8]) -> Result<Self, Trouble> {
        let model = ModelFile::from_bytes(file).map_err(Trouble::Model)?;
        let generator = Generator::consume(model).map_err(Trouble::Model)?;
        Ok(Self { worker: Arc::new(generator).worker(), picture: Picture::default(), seed_index: None })
    }

    /// Height and width of the pictures.
    pub fn size(&self) -> (usize, usize) {
        self.worker.generator().resolution()
    }

    /// Height and width of the picture that was drawn last; none was: 0.
    pub fn drawn(&self) -> (usize, usize) {
        (self.picture.height, self.picture.width)
    }

    /// Draws the picture that `name` names into `rgba`, rows from the top, four bytes a pixel; see [`crate::draw`].
    ///
    /// # Errors
    /// The name, the creativity or the angle is no such thing.
    pub fn draw(&mut self, name: &[u8], how: How, rgba: &mut Vec<u8>) -> Result<(), Trouble> {
        let How { psi, wander, noise, size } = how;
        let recipe: Recipe = String::from_utf8_lossy(name).parse().map_err(Trouble::Recipe)?;
        recipe.creatures().try_for_each(|creature| self.check(creature))?;
        let psi = Creativity::new(psi).map_err(Trouble::Creativity)?;
        if !wander.is_finite() {
            return Err(Trouble::Wander);
        }
        let mut styles = recipe.styles(self.worker.generator(), psi);
        if wander != 0.0 {
            self.stroll(&recipe, psi, wander, &mut styles);
        }
        self.develop(&styles, noise.then(|| recipe.seed()), size, rgba);
        Ok(())
    }

    /// The seeds, of the first 4096, that are most like the creature called `name`, itself left out.
    ///
    /// # Errors
    /// The name is none of a seed or its descendant.
    pub fn like(&mut self, name: &[u8], count: usize) -> Result<Vec<Seed>, Trouble> {
        let creature: Creature = String::from_utf8_lossy(name).parse().map_err(Trouble::Recipe)?;
        self.check(&creature)?;
        Ok(self.seed_index().like(&creature, count))
    }

    /// An example of each kind of face that the model draws; see [`SeedIndex::kinds`].
    pub fn kinds(&mut self) -> Vec<Seed> {
        self.seed_index().kinds()
    }

    fn seed_index(&mut self) -> &SeedIndex {
        let generator = self.worker.generator();
        self.seed_index.get_or_insert_with(|| SeedIndex::new(Arc::clone(generator), SeedIndex::DEFAULT_SIZE))
    }

    /// Draws the picture of style vectors; see [`crate::draw_styles`].
    ///
    /// # Errors
    /// [`Trouble::Styles`]
    pub fn draw_styles(&mut self, bytes: &[u8], layer: usize, rgba: &mut Vec<u8>) -> Result<(), Trouble> {
        let w_dim = self.worker.generator().architecture().w_dim;
        let (numbers, rest) = bytes.as_chunks::<4>();
        let mut w: Vec<f32> = numbers.iter().map(|&number| f32::from_le_bytes(number)).collect();
        let whole = rest.is_empty() && (w.len() == w_dim || w.len() == 2 * w_dim);
        if !whole || w.iter().any(|value| !value.is_finite()) {
            return Err(Trouble::Styles(bytes.len(), w_dim));
        }
        let fine = (w.len() > w_dim).then(|| (layer, w.split_off(w_dim)));
        self.develop(&Styles { w, fine }, None, 0, rgba);
        Ok(())
    }

    /// Refuses a `w` that was found in another model.
    fn check(&self, creature: &Creature) -> Result<(), Trouble> {
        let w_dim = self.worker.generator().w_avg().len();
        match &creature.found {
            Some(found) if found.dimensions() != w_dim => Err(Trouble::Found(found.dimensions(), w_dim)),
            _ => Ok(()),
        }
    }

    /// Moves styles along a way around them: `w + a sin(t) (c_0 - w) + a sin(g t) (c_1 - w)` with two of the picture's
    /// children c. As the golden ratio g is irrational the way never closes; it begins at the picture itself.
    fn stroll(&self, recipe: &Recipe, psi: Creativity, t: f32, styles: &mut Styles) {
        let (Recipe::Single(home) | Recipe::Blend { from: home, .. } | Recipe::Mix { coarse: home, .. }) = recipe;
        let generator = self.worker.generator();
        let mut home = home.clone();
        home.path.truncate(LONGEST_PATH - 1);
        let around = Recipe::Single(home.clone()).styles(generator, psi).w;
        for (child, share) in [(0, ROAM * t.sin()), (1, ROAM * (GOLDEN_RATIO * t).sin())] {
            let mut there = home.clone();
            there.path.push(child);
            let there = Recipe::Single(there).styles(generator, psi).w;
            for ((w, from), to) in styles.w.iter_mut().zip(&around).zip(there) {
                *w += share * (to - from);
            }
        }
    }

    fn develop(&mut self, styles: &Styles, noise: Option<Seed>, size: usize, rgba: &mut Vec<u8>) {
        let side = (size > 0).then_some(size);
        // Nobody cancels here, so the picture is always there; what is no longer wanted is never asked of an instance.
        self.worker.draw_styles_sized_into(styles, noise, side, &|| false, &mut self.picture);
        rgba.clear();
        rgba.extend(self.picture.rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, u8::MAX]));
    }
}

#[cfg(test)]
mod tests {
    use synth::{Architecture, Ink, NoiseInputs, Upsample, WeightDtype};

    use super::*;

    fn studio() -> Studio {
        let architecture = Architecture {
            upsample: Upsample::UpConv,
            noise: NoiseInputs::All,
            ..Architecture::plain(16, 16, &[16, 8])
        };
        let model = ModelFile::random(architecture, Seed(3)).unwrap();
        Studio::open(&model.to_bytes(WeightDtype::F32).unwrap()).unwrap()
    }

    fn drawn(studio: &mut Studio, name: &str, psi: f32, wander: f32) -> Vec<u8> {
        let mut rgba = Vec::new();
        studio.draw(name.as_bytes(), How { psi, wander, noise: true, size: 0 }, &mut rgba).unwrap();
        rgba
    }

    #[test]
    fn a_name_gives_the_picture_of_the_worker_with_an_opaque_fourth_byte() {
        let mut studio = studio();
        let rgba = drawn(&mut studio, "42", 0.7, 0.0);
        let expected = studio.worker.draw(Seed(42), Creativity::new(0.7).unwrap());
        assert!(rgba.chunks_exact(4).zip(expected.rgb.chunks_exact(3)).all(|(a, b)| a[..3] == *b && a[3] == 255));
        assert_eq!(rgba.len() / 4, expected.rgb.len() / 3);
    }

    #[test]
    fn ink_is_left_out_of_what_is_shown_no_larger_than_composed() {
        let ink = Some(Ink { channels: 4, blocks: 1, factor: 4 });
        let model = ModelFile::random(Architecture { ink, ..Architecture::plain(8, 8, &[8, 8]) }, Seed(4)).unwrap();
        let mut studio = Studio::open(&model.to_bytes(WeightDtype::F32).unwrap()).unwrap();
        let mut small = Studio::open(&model.without_ink().to_bytes(WeightDtype::F32).unwrap()).unwrap();
        let composed = drawn(&mut small, "7", 1.0, 0.0);
        for (size, side) in [(0, 32), (9, 32), (8, 8), (1, 8)] {
            let mut rgba = Vec::new();
            studio.draw(b"7", How { psi: 1.0, wander: 0.0, noise: true, size }, &mut rgba).unwrap();
            assert_eq!((studio.drawn(), rgba.len()), ((side, side), 4 * side * side), "{size}");
            assert!(side == 32 || rgba == composed);
        }
    }

    #[test]
    fn styles_of_a_recipe_give_the_picture_of_the_recipe() {
        let mut studio = studio();
        let styles =
            "1_2_1".parse::<Recipe>().unwrap().styles(studio.worker.generator(), Creativity::new(0.8).unwrap());
        let (layer, fine) = styles.fine.unwrap();
        let bytes: Vec<u8> = styles.w.iter().chain(&fine).flat_map(|value| value.to_le_bytes()).collect();
        let (mut by_styles, mut by_name) = (Vec::new(), Vec::new());
        studio.draw_styles(&bytes, layer, &mut by_styles).unwrap();
        studio.draw(b"1_2_1", How { psi: 0.8, wander: 0.0, noise: false, size: 0 }, &mut by_name).unwrap();
        assert_eq!(by_styles, by_name);
    }

    #[test]
    fn likenesses_are_those_of_the_index_without_the_one_that_asks() {
        let mut studio = studio();
        let found = studio.like(b"42", 5).unwrap();
        let index = SeedIndex::new(Arc::clone(studio.worker.generator()), SeedIndex::DEFAULT_SIZE);
        assert_eq!(index.like(&"42".parse().unwrap(), 5), found);
        assert!(!found.contains(&Seed(42)));
        assert_eq!(studio.like(b"42-3", 5).unwrap().len(), 5);
        assert!(matches!(studio.like(b"42~1~2", 5), Err(Trouble::Recipe(_))));
        assert!(studio.kinds().is_empty(), "nothing was measured of this model");
    }

    #[test]
    fn a_found_w_is_drawn_where_it_has_the_models_length() {
        let mut studio = studio();
        let w_dim = studio.worker.generator().w_avg().len();
        let name = |numbers: usize| format!("42w2c00{}", "40".repeat(numbers));
        let [found, seed] = [&name(w_dim), "42"].map(|name| drawn(&mut studio, name, 1.0, 0.0));
        assert_ne!(found, seed);
        assert_eq!(studio.like(name(w_dim).as_bytes(), 5).unwrap().len(), 5);
        let other = name(w_dim + 1);
        let how = How { psi: 1.0, wander: 0.0, noise: true, size: 0 };
        for name in [&other, &format!("1~{other}~3"), &format!("{other}_1_2")] {
            let error = studio.draw(name.as_bytes(), how, &mut Vec::new()).unwrap_err().to_string();
            assert!(error.contains("is of another model"), "{error}");
        }
        assert!(matches!(studio.like(other.as_bytes(), 5), Err(Trouble::Found(..))));
    }

    #[test]
    fn a_wandering_picture_moves_little_in_little_time_and_comes_from_itself() {
        let mut studio = studio();
        let distance = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        for name in ["42", "42-3b7", "42~77~35", "42_77_1", &format!("42-{}", "5".repeat(LONGEST_PATH))] {
            let home = drawn(&mut studio, name, 1.0, 0.0);
            let near = drawn(&mut studio, name, 1.0, 0.02);
            let far = drawn(&mut studio, name, 1.0, 1.3);
            assert!(distance(&home, &near) > 0, "{name} does not move");
            assert!(distance(&home, &near) * 4 < distance(&home, &far), "{name} jumps");
        }
    }
}
