//! Names for pictures that no single seed gives: children, blends and mixtures of seeds, each a short text.
//!
//! | text | picture |
//! |---|---|
//! | `42` | the seed 42 |
//! | `42-3b7` | of its 16 children the one numbered 3, of that one's children b, of that one's 7 |
//! | `0w2e6600…` | the `w` that stands there ([`Found`]), with the noise of seed 0 |
//! | `42@0p15@3m5` | 42, moved 15 tenths of a standard deviation along the model's direction 0 and 5 tenths against its direction 3 |
//! | `42~77-1~35` | 35 hundredths of the way from `42` to `77-1`, in a straight line through `w` |
//! | `42_77_5` | pose and shape of 42, and from the sixth convolution onwards (they count from 0) the style of 77 |
//!
//! A recipe is all that is needed to draw the picture again, so that a visitor's game fits into an address.

use std::fmt;
use std::str::FromStr;

use crate::latent::philox;
use crate::latent::seed::shortened;
use crate::{Creativity, Found, Generator, Seed, Styles};

/// Steps from a seed to one of its descendants, at most.
pub const LONGEST_PATH: usize = 64;
/// How far a child is from its parent, in radians: about a quarter of the way to a stranger.
const STEP: f32 = 0.42;
/// Sets the numbers of children apart from all other uses of a seed ("chil").
const CHILDREN: u32 = 0x6368_696c;

/// Tenths of a standard deviation that a picture can be moved along a direction, at most.
pub const FARTHEST_EDIT: i8 = 40;

/// A seed or a `w` that was found, or a descendant of one, perhaps edited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Creature {
    /// Where the line begins; of a `w` that was found, the seed whose noise and children it has.
    pub seed: Seed,
    /// What stands in the place of the seed's own `w`.
    pub found: Option<Found>,
    /// Which of the 16 children, generation by generation; each 0 to 15.
    pub path: Vec<u8>,
    /// Moves along directions, each direction once, in rising order.
    pub edits: Vec<Edit>,
}

/// A move along one of a model's directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edit {
    /// Which one, counted from 0; see [`Generator::directions`].
    pub direction: u8,
    /// How far, in tenths of a standard deviation: from -40 to 40, not 0.
    pub tenths: i8,
}

/// How a picture is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// One creature.
    Single(Creature),
    /// A point on the straight line between two.
    Blend {
        /// The picture at 0.
        from: Creature,
        /// The picture at 100.
        to: Creature,
        /// How far along, 0 to 100.
        percent: u8,
    },
    /// The coarse layers of one with the fine layers of another.
    Mix {
        /// Gives pose and shape.
        coarse: Creature,
        /// Gives colours and texture.
        fine: Creature,
        /// The first convolution that follows `fine`; 0 is all of them.
        layer: u8,
    },
}

/// A text that is not a [`Recipe`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no picture: write a seed (42), a w that was found (0w and the digits that tadne project says), a descendant (42-3b7), \
     one that is edited (42@0p15), a blend (42~77~35) or a mixture (42_77_5); seeds go from 0 to 18446744073709551615"
)]
pub struct RecipeError(String);

impl Creature {
    /// Neither a descendant nor edited.
    pub fn of(seed: Seed) -> Self {
        Self { seed, found: None, path: Vec::new(), edits: Vec::new() }
    }

    /// Whether it is a seed itself: not found otherwise, no descendant, not edited.
    pub fn is_seed(&self) -> bool {
        self.found.is_none() && self.path.is_empty() && self.edits.is_empty()
    }

    /// `w` before truncation. A child is its parent's deviation from the mean, turned a little towards a stranger's:
    /// `w' = w_avg + cos(t) (w - w_avg) + sin(t) (w_r - w_avg)`. Turning keeps the spread of `w`, so that descendants
    /// are as varied and as sound as seeds, however long their line. Edits are added last; one along a direction that the model
    /// lacks changes nothing.
    ///
    /// # Panics
    /// If a `w` that was found has another length than the model's.
    pub fn w(&self, generator: &Generator) -> Vec<f32> {
        let mut w = self.found.as_ref().map_or_else(|| generator.w(self.seed), |found| found.w(generator));
        let mut key = self.seed.0;
        for &child in &self.path {
            let words = philox([u32::from(child), 0, CHILDREN, 0], [key as u32, (key >> 32) as u32]);
            key = u64::from(words[0]) | u64::from(words[1]) << 32;
            for ((w, mean), stranger) in w.iter_mut().zip(generator.w_avg()).zip(generator.w(Seed(key))) {
                *w = mean + STEP.cos() * (*w - mean) + STEP.sin() * (stranger - mean);
            }
        }
        for &Edit { direction, tenths } in &self.edits {
            let direction = generator.direction(direction.into()).unwrap_or_default();
            w.iter_mut().zip(direction).for_each(|(w, d)| *w += f32::from(tenths) / 10.0 * d);
        }
        w
    }
}

impl Recipe {
    /// The styles to draw it with.
    pub fn styles(&self, generator: &Generator, creativity: Creativity) -> Styles {
        match self {
            Recipe::Single(creature) => generator.truncate(&creature.w(generator), creativity),
            Recipe::Blend { from, to, percent } => {
                let t = f32::from(*percent) / 100.0;
                let line: Vec<f32> =
                    from.w(generator).into_iter().zip(to.w(generator)).map(|(a, b)| a + t * (b - a)).collect();
                generator.truncate(&line, creativity)
            }
            Recipe::Mix { coarse, fine, layer } => {
                let layer = usize::from(*layer);
                // Each gives what rules its own layers; where it is divided itself, the greater part of them decides.
                let coarse = generator.truncate(&coarse.w(generator), creativity).w;
                let fine = generator.truncate(&fine.w(generator), creativity);
                let fine = match fine.fine {
                    Some((from, w)) if from <= layer => w,
                    _ => fine.w,
                };
                Styles { w: coarse, fine: Some((layer, fine)) }
            }
        }
    }

    /// The creatures that it is made of.
    pub fn creatures(&self) -> impl Iterator<Item = &Creature> {
        let (first, second) = match self {
            Recipe::Single(creature) => (creature, None),
            Recipe::Blend { from, to, .. } => (from, Some(to)),
            Recipe::Mix { coarse, fine, .. } => (coarse, Some(fine)),
        };
        std::iter::once(first).chain(second)
    }

    /// The seed whose noise the picture wears, if the model has any: that of the creature that gives the shape.
    pub fn seed(&self) -> Seed {
        match self {
            Recipe::Single(creature) | Recipe::Blend { from: creature, .. } | Recipe::Mix { coarse: creature, .. } => {
                creature.seed
            }
        }
    }
}

impl From<Seed> for Recipe {
    fn from(seed: Seed) -> Self {
        Recipe::Single(Creature::of(seed))
    }
}

impl fmt::Display for Creature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed.0)?;
        if let Some(found) = &self.found {
            write!(f, "w{found}")?;
        }
        if !self.path.is_empty() {
            f.write_str("-")?;
        }
        self.path.iter().try_for_each(|child| write!(f, "{child:x}"))?;
        self.edits.iter().try_for_each(|edit| edit.fmt(f))
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.tenths < 0 { 'm' } else { 'p' };
        write!(f, "@{}{sign}{}", self.direction, self.tenths.unsigned_abs())
    }
}

/// The shortest spelling, which is the one to put into an address.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipe::Single(creature) => creature.fmt(f),
            Recipe::Blend { from, to, percent } => write!(f, "{from}~{to}~{percent}"),
            Recipe::Mix { coarse, fine, layer } => write!(f, "{coarse}_{fine}_{layer}"),
        }
    }
}

impl FromStr for Creature {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let wrong = || RecipeError(shortened(text));
        let mut parts = text.split('@');
        let name = parts.next().unwrap_or_default();
        let edits = parts.map(edit).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        if !edits.is_sorted_by(|a, b| a.direction < b.direction) {
            return Err(wrong());
        }
        let (seed, path) = match name.split_once('-') {
            Some((_, "")) => return Err(wrong()),
            Some((seed, path)) => (seed, path),
            None => (name, ""),
        };
        if path.len() > LONGEST_PATH || path.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return Err(wrong());
        }
        let path = path.chars().map(|digit| digit.to_digit(16).map(|child| child as u8));
        let path = path.collect::<Option<_>>().ok_or_else(wrong)?;
        let (seed, found) = match seed.split_once('w') {
            Some((seed, found)) => (seed, Some(found.parse().map_err(|_| wrong())?)),
            None => (seed, None),
        };
        Ok(Self { seed: seed.parse().map_err(|_| wrong())?, found, path, edits })
    }
}

/// Reads `0p15`: direction 0, 15 tenths.
fn edit(text: &str) -> Option<Edit> {
    let (at, sign) = text.char_indices().find(|(_, letter)| !letter.is_ascii_digit())?;
    let (direction, tenths) = (number(&text[..at])?, i8::try_from(number(&text[at + sign.len_utf8()..])?).ok()?);
    let tenths = match sign {
        'p' => tenths,
        'm' => -tenths,
        _ => return None,
    };
    (tenths != 0 && tenths.abs() <= FARTHEST_EDIT).then_some(Edit { direction, tenths })
}

/// A number of one to three digits, without a sign.
fn number(digits: &str) -> Option<u8> {
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

impl FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let wrong = |_| RecipeError(shortened(text));
        let number = |digits: &str| number(digits).ok_or_else(|| RecipeError(shortened(text)));
        let creature = |text: &str| text.parse::<Creature>().map_err(wrong);
        let parts = |mark| text.split(mark).collect::<Vec<_>>();
        if let [from, to, percent] = parts('~')[..] {
            let percent = number(percent)?;
            if percent > 100 {
                return Err(RecipeError(shortened(text)));
            }
            return Ok(Recipe::Blend { from: creature(from)?, to: creature(to)?, percent });
        }
        if let [coarse, fine, layer] = parts('_')[..] {
            return Ok(Recipe::Mix { coarse: creature(coarse)?, fine: creature(fine)?, layer: number(layer)? });
        }
        creature(text).map(Recipe::Single)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn creature() -> impl Strategy<Value = Creature> {
        let edits = prop::collection::btree_map(any::<u8>(), -FARTHEST_EDIT..=FARTHEST_EDIT, 0..4);
        let found =
            prop::option::of("[0-6][0-9a-f]{2}[1-9a-f]([0-9a-f]{2}){1,9}".prop_map(|text| text.parse().unwrap()));
        let path = prop::collection::vec(0u8..16, 0..LONGEST_PATH);
        (any::<u64>(), found, path, edits).prop_map(|(seed, found, path, edits)| {
            let edits = edits.into_iter().filter(|(_, tenths)| *tenths != 0);
            let edits = edits.map(|(direction, tenths)| Edit { direction, tenths }).collect();
            Creature { seed: Seed(seed), found, path, edits }
        })
    }

    fn recipe() -> impl Strategy<Value = Recipe> {
        prop_oneof![
            creature().prop_map(Recipe::Single),
            (creature(), creature(), 0u8..=100).prop_map(|(from, to, percent)| Recipe::Blend { from, to, percent }),
            (creature(), creature(), any::<u8>()).prop_map(|(coarse, fine, layer)| Recipe::Mix { coarse, fine, layer }),
        ]
    }

    proptest! {
        #[test]
        fn every_recipe_reads_back_from_its_own_spelling(recipe in recipe()) {
            prop_assert_eq!(recipe.to_string().parse::<Recipe>(), Ok(recipe));
        }

        #[test]
        fn any_text_is_parsed_or_refused_but_never_panics(text in "[-0-9a-fw~_.+@pm é]{0,40}") {
            let _ = text.parse::<Recipe>();
        }
    }

    #[test]
    fn texts_that_name_no_picture_are_refused_with_a_sentence() {
        let long = format!("1-{}", "0".repeat(LONGEST_PATH + 1));
        for text in [
            "",
            "-",
            "a",
            "42-",
            "42-g",
            "42-3B",
            "-42",
            "+42",
            "42~77",
            "42~77~101",
            "42~77~-1",
            "42~77~1~2",
            "42_77",
            "42_77_256",
            "42_77_+1",
            "w3c0001",
            "42w",
            "42w3c00",
            "42w3c0001w3c0001",
            "42-3w3c0001",
            "42@",
            "42@0",
            "42@0p",
            "42@0p0",
            "42@0p41",
            "42@0é1",
            "42@1p1@0p1",
            "42@1p1@1m1",
            "42@256p1",
            "@0p1",
            "42@0p1-3",
            "1~2_3_4",
            "18446744073709551616",
            &long,
        ] {
            let error = text.parse::<Recipe>().unwrap_err().to_string();
            assert!(error.contains("names no picture"), "{text}: {error}");
        }
    }

    #[test]
    fn padding_does_not_change_the_recipe() {
        assert_eq!("00042-3b7".parse::<Recipe>().unwrap().to_string(), "42-3b7");
        assert_eq!("0~1~007".parse::<Recipe>().unwrap().to_string(), "0~1~7");
        assert_eq!("07-a@00p05@3m10~1~2".parse::<Recipe>().unwrap().to_string(), "7-a@0p5@3m10~1~2");
    }
}
