//! What can be ordered from the drawing threads, and how it is spelled below `/api/v1/`.
//!
//! | address | answer |
//! |---|---|
//! | `pictures/RECIPE.png?psi=1.1&size=512&noise=off` | a picture; `.png`, `.webp`, `.jpg`; `size` is its longer side |
//! | `sweeps/RECIPE.webp` | the 18 levels of creativity there and back, animated; `.webp`, or `.png` for APNG |
//! | `levels/RECIPE.zip` | the 18 levels as PNG files |
//! | `cards/RECIPE.jpg?psi=1.1` | 1200 x 630 pixels that introduce a picture to whoever is sent its link |
//! | `cards/wall.jpg?psi=1.1` | the same for the wall |
//!
//! A recipe is described in [`synth::Recipe`]. What is not given is 1.0, the model's own size, and noise on.

use std::fmt;

use synth::{Psi, Recipe};

use crate::address::{AddressError, PictureAddress, parse_psi, spelled};
use crate::encode::Format;

/// Sides a picture may be enlarged or reduced to.
pub(crate) const SIZES: std::ops::RangeInclusive<u16> = 16..=1024;

/// Equal orders are answered with the same bytes, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Picture { recipe: Recipe, psi: Level, size: Option<u16>, noise: bool, format: Format },
    Sweep { recipe: Recipe, moving: Moving },
    Levels { recipe: Recipe },
    Card { recipe: Recipe, psi: Level },
    WallCard { psi: Level },
}

/// A creativity that can be compared: [`Psi`] is never NaN nor -0.0, so its bits compare as its values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Level(u32);

/// Kinds of animated files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Moving {
    Webp,
    Apng,
}

impl From<Psi> for Level {
    fn from(psi: Psi) -> Self {
        Level(psi.get().to_bits())
    }
}

impl Level {
    pub(crate) fn psi(self) -> Psi {
        Psi::new(f32::from_bits(self.0)).unwrap_or_default()
    }
}

impl From<PictureAddress> for Order {
    fn from(PictureAddress { seed, psi, format }: PictureAddress) -> Self {
        Order::Picture { recipe: seed.into(), psi: psi.into(), size: None, noise: true, format }
    }
}

impl Order {
    /// Reads `kind/file` and what stands after the question mark; `layers` is what the model has, for mixtures.
    pub(crate) fn parse(path: &str, query: Option<&str>, layers: usize) -> Result<Self, AddressError> {
        let shape = || AddressError::Order(path.chars().take(60).collect());
        let (kind, file) = path.split_once('/').ok_or_else(shape)?;
        let (name, extension) = file.rsplit_once('.').ok_or_else(shape)?;
        let asked = Asked::read(query)?;
        if (kind, name, extension) == ("cards", "wall", "jpg") {
            return Ok(Order::WallCard { psi: asked.psi });
        }
        let recipe: Recipe = name.parse()?;
        if let Recipe::Mix { layer, .. } = recipe
            && usize::from(layer) > layers
        {
            return Err(AddressError::Layer { asked: layer, layers });
        }
        let format = Format::from_extension(extension).ok_or_else(|| AddressError::Format(extension.to_owned()));
        match (kind, extension) {
            ("pictures", _) => {
                Ok(Order::Picture { recipe, psi: asked.psi, size: asked.size, noise: asked.noise, format: format? })
            }
            ("sweeps", "webp") => Ok(Order::Sweep { recipe, moving: Moving::Webp }),
            ("sweeps", "png") => Ok(Order::Sweep { recipe, moving: Moving::Apng }),
            ("levels", "zip") => Ok(Order::Levels { recipe }),
            ("cards", "jpg") => Ok(Order::Card { recipe, psi: asked.psi }),
            _ => Err(shape()),
        }
    }

    /// For `Content-Type`.
    pub(crate) fn media_type(&self) -> &'static str {
        match self {
            Order::Picture { format, .. } => format.media_type(),
            Order::Sweep { moving: Moving::Webp, .. } => "image/webp",
            Order::Sweep { moving: Moving::Apng, .. } => "image/apng",
            Order::Levels { .. } => "application/zip",
            Order::Card { .. } | Order::WallCard { .. } => "image/jpeg",
        }
    }
}

/// The one spelling of an order; entity tags are made of it.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Picture { recipe, psi, size, noise, format } => {
                write!(f, "pictures/{recipe}.{}?psi={}", format.extension(), spelled(psi.psi()))?;
                size.map_or(Ok(()), |size| write!(f, "&size={size}"))?;
                f.write_str(if *noise { "" } else { "&noise=off" })
            }
            Order::Sweep { recipe, moving: Moving::Webp } => write!(f, "sweeps/{recipe}.webp"),
            Order::Sweep { recipe, moving: Moving::Apng } => write!(f, "sweeps/{recipe}.png"),
            Order::Levels { recipe } => write!(f, "levels/{recipe}.zip"),
            Order::Card { recipe, psi } => write!(f, "cards/{recipe}.jpg?psi={}", spelled(psi.psi())),
            Order::WallCard { psi } => write!(f, "cards/wall.jpg?psi={}", spelled(psi.psi())),
        }
    }
}

/// What stands after the question mark. Names not known here are somebody else's.
struct Asked {
    psi: Level,
    size: Option<u16>,
    noise: bool,
}

impl Asked {
    fn read(query: Option<&str>) -> Result<Self, AddressError> {
        let mut asked = Asked { psi: Psi::default().into(), size: None, noise: true };
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "psi" => asked.psi = parse_psi(value)?.into(),
                "size" => {
                    let size = value.parse().ok().filter(|size| SIZES.contains(size));
                    asked.size = Some(size.ok_or_else(|| AddressError::Size(value.chars().take(20).collect()))?);
                }
                "noise" => {
                    asked.noise = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(AddressError::Noise(value.chars().take(20).collect())),
                    }
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Order, AddressError> {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        Order::parse(path, query, 11)
    }

    #[test]
    fn every_order_reads_back_from_its_own_spelling() {
        for text in [
            "pictures/42.png?psi=1.0",
            "pictures/42-3b7.webp?psi=0.75&size=512",
            "pictures/42~77~35.jpg?psi=2.0&size=64&noise=off",
            "pictures/42_77_11.png?psi=0.3",
            "sweeps/42.webp",
            "sweeps/42~1~3.png",
            "levels/7-0.zip",
            "cards/7.jpg?psi=1.1",
            "cards/wall.jpg?psi=1.1",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("pictures/00042.png?m=1&x").unwrap().to_string(), "pictures/42.png?psi=1.0");
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, word) in [
            ("pictures", "pictures/42.png"),
            ("pictures/42", "pictures/42.png"),
            ("pictures/42.gif", ".png, .webp or .jpg"),
            ("pictures/x.png", "names no picture"),
            ("pictures/42_77_12.png", "11 layers"),
            ("pictures/42.png?psi=3", "from 0.0 to 2.0"),
            ("pictures/42.png?size=1e9", "from 16 to 1024"),
            ("pictures/42.png?size=15", "from 16 to 1024"),
            ("pictures/42.png?noise=loud", "noise=on or noise=off"),
            ("sweeps/42.gif", "/api/v1/"),
            ("levels/42.png", "/api/v1/"),
            ("cards/42.png", "/api/v1/"),
            ("secrets/42.png", "/api/v1/"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_but_never_panics(path in ".{0,60}", query in ".{0,60}") {
            let _ = Order::parse(&path, Some(&query), 11);
        }
    }
}
