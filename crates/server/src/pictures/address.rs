//! The address scheme of the original: `psi-1.0/seed00042.png` names one picture, for ever.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use synth::{Creativity, FARTHEST_EDIT, LONGEST_PATH, Seed};

use crate::pictures::encode::Format;

/// Which picture, and as what kind of file. Two addresses are equal when they name the same bytes,
/// however they were spelled (`psi-1/seed42.png` is `psi-1.0/seed00042.png`).
///
/// ```
/// use server::PictureAddress;
/// let address: PictureAddress = "psi-1/seed42.png".parse()?;
/// assert_eq!(address.to_string(), "psi-1.0/seed00042.png");
/// # Ok::<(), server::AddressError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PictureAddress {
    /// The picture's name.
    pub seed: Seed,
    /// Its creativity.
    pub psi: Creativity,
    /// The kind of file.
    pub format: Format,
}

/// Why a text names no picture. The message is one sentence that says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not of the form `psi-X/seedY.Z`.
    #[error("{0:?} is not the address of a picture: it reads /results/psi-1.0/seed00042.png")]
    Shape(String),
    /// Creativity is no plain decimal number, or out of range.
    #[error("{0:?} is not a creativity (psi): use a number from 0.0 to 2.0, as in psi-1.0 or psi-0.75")]
    Creativity(String),
    /// The seed is no whole number, or does not fit 64 bits.
    #[error("{0:?} is not a seed: use a whole number from 0 to 18446744073709551615, as in seed00042")]
    Seed(String),
    /// An ending that is none of [`Format::ALL`].
    #[error("{:?} is not a kind of picture made here: use {}", .0, Format::listed("."))]
    Format(String),
    /// An ending other than `.json` where the answer is data.
    #[error("{0:?} is not a kind of answer given here: this address ends in .json, as in /api/v1/children/42.json")]
    Json(String),
    /// A size was asked for of an address of the original, which has none.
    #[error("the size cannot be chosen here: ask for /api/v1/pictures/42.png?size=512")]
    FixedSize,
    /// A size is no whole number, or out of range.
    #[error("{0:?} is not a size: use a whole number from 16 to 1024, as in size=512")]
    Size(String),
    /// Noise is either there or not.
    #[error("{0:?} is not a choice of noise: use noise=on or noise=off")]
    Noise(String),
    /// A montage's tiles may not be as large as a picture alone.
    #[error("a tile of a montage is at most 512 pixels: use size=16 to 512")]
    Tile,
    /// Whose noise a picture wears follows from its name.
    #[error(
        "the noise of another seed cannot be chosen by an address: leave noise_seed out, or send w or z with it to POST /api/v1/pictures"
    )]
    NoiseSeed,
    /// Columns are no whole number, or out of range.
    #[error("{0:?} is not a number of columns: use a whole number from 1 to 18, as in columns=6")]
    Columns(String),
    /// Frames are no whole number, or out of range.
    #[error("{0:?} is not a number of frames: use a whole number from 2 to 60, as in frames=24")]
    Frames(String),
    /// An ending other than those of animations.
    #[error("{0:?} is not a kind of animation made here: use .webp, .gif or .png")]
    AnimationFormat(String),
    /// No wall's name.
    #[error("{0:?} is not the name of a wall: use up to eight hexadecimal digits, as in wall=1f9c03aa")]
    Wall(String),
    /// No place on a wall.
    #[error("{0:?} is not a place on a wall: use two numbers, pictures across and down, as in at=12,-3")]
    At(String),
    /// No list of seeds, or one that is too long.
    #[error("{0:?} is not a list of seeds: use up to 256 seeds and ranges, as in 0-63,77")]
    Seeds(String),
    /// Not of the form `kind/recipe.ending`.
    #[error("{asked:?} is nothing that is made here: ask for /api/v1/{examples}")]
    Order {
        /// What was asked for.
        asked: String,
        /// A file of every kind.
        examples: String,
    },
    /// A text that names no picture.
    #[error("{}; {}", .0, limits())]
    Recipe(#[from] synth::RecipeError),
    /// An edit along a direction that the model lacks.
    #[error("{}", no_direction(*asked, *directions))]
    Direction {
        /// What was asked for.
        asked: u8,
        /// How many the model has.
        directions: usize,
    },
    /// A found `w` of another model.
    #[error(
        "a w of {asked} numbers is of another model: this one's have {dimensions}; find the picture in this one with `tadne project`"
    )]
    Dimensions {
        /// How many numbers were asked for.
        asked: usize,
        /// How many the model's have.
        dimensions: usize,
    },
    /// A list of likenesses is longer than allowed, or no number.
    #[error("{0:?} is not a number of pictures: use a whole number from 1 to 64, as in count=12")]
    Count(String),
    /// A mixture that changes hands beyond the last layer.
    #[error("a mixture cannot begin at layer {asked}: this model has {layers} layers, so use 0 to {layers}")]
    Layer {
        /// What was asked for.
        asked: u8,
        /// What the model has.
        layers: usize,
    },
}

/// How far recipes go.
fn limits() -> String {
    format!(
        "a descendant has at most {LONGEST_PATH} digits, an edit goes 1 to {FARTHEST_EDIT} tenths along a direction (p) or against it (m), \
         each direction once and in rising order, and a blend is 0 to 100 hundredths of the way"
    )
}

fn no_direction(asked: u8, directions: usize) -> String {
    match directions {
        0 => "this model has no directions, so its pictures cannot be edited; `tadne directions` finds some".to_owned(),
        1 => format!("there is no direction {asked}: this model has one, 0"),
        _ => format!("there is no direction {asked}: this model has {directions}, 0 to {}", directions - 1),
    }
}

impl PictureAddress {
    /// What makes two addresses the same picture. `Creativity` is never NaN nor -0.0, so bits compare like values.
    fn identity(&self) -> (u64, u32, Format) {
        (self.seed.0, self.psi.get().to_bits(), self.format)
    }
}

impl PartialEq for PictureAddress {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for PictureAddress {}

impl Hash for PictureAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// The canonical spelling, without `/results/` in front.
impl fmt::Display for PictureAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "psi-{}/seed{}.{}", spelled(self.psi), self.seed, self.format.extension())
    }
}

impl FromStr for PictureAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let shape = || AddressError::Shape(excerpt(text));
        let (folder, file) = text.split_once('/').ok_or_else(shape)?;
        let psi = folder.strip_prefix("psi-").ok_or_else(shape)?;
        let (seed, extension) = file.strip_prefix("seed").ok_or_else(shape)?.split_once('.').ok_or_else(shape)?;
        Ok(Self {
            psi: parse_psi(psi)?,
            seed: seed.parse().map_err(|_| AddressError::Seed(excerpt(seed)))?,
            format: Format::from_extension(extension).ok_or_else(|| AddressError::Format(excerpt(extension)))?,
        })
    }
}

/// Reads creativity as people write it: digits, perhaps a point and digits. No sign, exponent, `inf` or `NaN`.
pub(crate) fn parse_psi(text: &str) -> Result<Creativity, AddressError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(digits(whole) && digits(fraction)) {
        return Err(AddressError::Creativity(excerpt(text)));
    }
    text.parse().map_err(|_| AddressError::Creativity(excerpt(text)))
}

/// One decimal where that is exact, as the original wrote it; otherwise as many as the value needs.
pub(crate) fn spelled(psi: Creativity) -> String {
    let short = psi.to_string();
    if short.parse() == Ok(psi) { short } else { psi.get().to_string() }
}

/// The start of a visitor's text, short enough for a message.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format() -> impl Strategy<Value = Format> {
        prop::sample::select(Format::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_but_never_panics(text in ".*") {
            let _ = text.parse::<PictureAddress>();
        }

        #[test]
        fn texts_close_to_an_address_never_panic(psi in "[-+0-9.eNainf]{0,12}", seed in "[-+0-9a-z]{0,24}", ending in "[.a-z/]{0,6}") {
            let _ = format!("psi-{psi}/seed{seed}{ending}").parse::<PictureAddress>();
        }

        #[test]
        fn every_address_reads_back_from_its_own_spelling(seed: u64, psi in 0.0f32..=2.0, format in format()) {
            let address = PictureAddress { seed: Seed(seed), psi: Creativity::new(psi).unwrap(), format };
            prop_assert_eq!(address.to_string().parse::<PictureAddress>(), Ok(address));
        }
    }

    #[test]
    fn padding_and_decimals_do_not_change_the_picture() {
        let canonical: PictureAddress = "psi-1.0/seed00042.png".parse().unwrap();
        for spelling in ["psi-1/seed42.png", "psi-1.000/seed0000000042.png", "psi-01.0/seed042.png"] {
            assert_eq!(spelling.parse(), Ok(canonical), "{spelling}");
        }
        assert_eq!("psi-0.75/seed7.webp".parse::<PictureAddress>().unwrap().to_string(), "psi-0.75/seed00007.webp");
    }

    #[test]
    fn each_mistake_is_named() {
        let error = |text: &str| text.parse::<PictureAddress>().unwrap_err();
        for text in
            ["psi-NaN", "psi-9", "psi-2.01", "psi--1", "psi-+1", "psi-1e0", "psi-", "psi-.5", "psi-1.", "psi-inf"]
        {
            assert!(matches!(error(&format!("{text}/seed1.png")), AddressError::Creativity(_)), "{text}");
        }
        for text in ["seedabc", "seed", "seed-1", "seed+1", "seed18446744073709551616", "seed1e3"] {
            assert!(matches!(error(&format!("psi-1.0/{text}.png")), AddressError::Seed(_)), "{text}");
        }
        for text in [".gif", ".", ".PNG", ".png.exe", ".jpegs"] {
            assert!(matches!(error(&format!("psi-1.0/seed1{text}")), AddressError::Format(_)), "{text}");
        }
        for text in
            ["", "/", "psi-1.0", "psi-1.0/", "1.0/seed1.png", "psi-1.0/1.png", "psi-1.0/seed1", "psi-1.0/x/seed1.png"]
        {
            assert!(matches!(error(text), AddressError::Shape(_)), "{text}");
        }
    }
}
