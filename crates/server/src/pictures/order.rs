//! What can be ordered from the drawing threads, and how it is spelled below `/api/v1/`.
//!
//! | address | answer |
//! |---|---|
//! | `pictures/RECIPE.png?psi=1.1&size=512&noise=off` | a picture; `.png`, `.webp`, `.jpg`; `size` is its longer side |
//! | `sweeps/RECIPE.webp` | the 18 levels of creativity there and back, animated; `.webp`, `.gif`, or `.png` for APNG |
//! | `morphs/A~B.webp?frames=24&psi=1.1` | from one creature to another and back, animated, in the same kinds |
//! | `montages/RECIPE.png?columns=6&size=128` | the 18 levels tiled; `size` is the longer side of a tile |
//! | `levels/RECIPE.zip` | the 18 levels as PNG files |
//! | `cards/RECIPE.jpg?psi=1.1` | 1200 x 630 pixels that introduce a picture to whoever is sent its link |
//! | `cards/wall.jpg?psi=1.1&wall=1f9c03aa&at=12,-3` | the same for a wall, and a place on it |
//!
//! A recipe is described in [`synth::Recipe`]. What is not given is 1.0, the model's own size, and noise on.

use std::fmt;

use synth::{Creativity, Creature, Generator, Recipe, Seed};

use crate::pictures::address::{AddressError, PictureAddress, spelled};
use crate::pictures::encode::Format;
use crate::pictures::latent::Latent;

/// Equal orders are answered with the same bytes, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Picture {
        recipe: Recipe,
        psi: Level,
        size: Option<u16>,
        noise: bool,
        format: Format,
    },
    /// A picture of numbers that were sent, with the noise of a seed or none.
    Latent {
        latent: Latent,
        psi: Level,
        size: Option<u16>,
        noise: Option<Seed>,
        format: Format,
    },
    Sweep {
        recipe: Recipe,
        moving: AnimationFormat,
    },
    Morph {
        from: Creature,
        to: Creature,
        psi: Level,
        frames: u8,
        moving: AnimationFormat,
    },
    Montage {
        recipe: Recipe,
        columns: u8,
        size: Option<u16>,
        format: Format,
    },
    Levels {
        recipe: Recipe,
    },
    Card {
        recipe: Recipe,
        psi: Level,
    },
    /// `place` is a wall's name and a cell of it, column and row.
    WallCard {
        psi: Level,
        place: Option<(u32, i32, i32)>,
    },
}

/// A creativity that can be compared: [`Creativity`] is never NaN nor -0.0, so its bits compare as its values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Level(u32);

/// Kinds of animated files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AnimationFormat {
    Webp,
    Apng,
    Gif,
}

impl AnimationFormat {
    /// Every kind.
    pub(crate) const ALL: [AnimationFormat; 3] = [AnimationFormat::Webp, AnimationFormat::Apng, AnimationFormat::Gif];

    /// The file's ending, without a dot.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            AnimationFormat::Webp => "webp",
            AnimationFormat::Apng => "png",
            AnimationFormat::Gif => "gif",
        }
    }

    pub(crate) fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moving| moving.extension() == extension)
    }

    /// For `Content-Type`.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            AnimationFormat::Webp => "image/webp",
            AnimationFormat::Apng => "image/apng",
            AnimationFormat::Gif => "image/gif",
        }
    }
}

impl From<Creativity> for Level {
    fn from(psi: Creativity) -> Self {
        Level(psi.get().to_bits())
    }
}

impl Level {
    pub(crate) fn psi(self) -> Creativity {
        Creativity::new(f32::from_bits(self.0)).unwrap_or_default()
    }
}

impl From<PictureAddress> for Order {
    fn from(PictureAddress { seed, psi, format }: PictureAddress) -> Self {
        Order::Picture { recipe: seed.into(), psi: psi.into(), size: None, noise: true, format }
    }
}

/// What a model has, and recipes may not go beyond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Convolutions, for mixtures.
    pub(crate) layers: usize,
    /// Directions, for edits.
    pub(crate) directions: usize,
    /// Numbers of a `w`, for those that were found.
    pub(crate) dimensions: usize,
}

impl Bounds {
    pub(crate) fn of(generator: &Generator) -> Self {
        let dimensions = generator.w_avg().len();
        Self { layers: generator.layers(), directions: generator.directions().len(), dimensions }
    }

    /// Refuses a recipe that the model cannot draw.
    pub(crate) fn check(self, recipe: &Recipe) -> Result<(), AddressError> {
        let Self { layers, .. } = self;
        if let Recipe::Mix { layer: asked, .. } = *recipe
            && usize::from(asked) > layers
        {
            return Err(AddressError::Layer { asked, layers });
        }
        recipe.creatures().try_for_each(|creature| self.check_creature(creature))
    }

    fn check_creature(self, creature: &Creature) -> Result<(), AddressError> {
        let Self { directions, dimensions, .. } = self;
        if let Some(found) = &creature.found
            && found.dimensions() != dimensions
        {
            return Err(AddressError::Dimensions { asked: found.dimensions(), dimensions });
        }
        let beyond = creature.edits.iter().find(|edit| usize::from(edit.direction) >= directions);
        beyond.map_or(Ok(()), |edit| Err(AddressError::Direction { asked: edit.direction, directions }))
    }
}

impl Order {
    /// For `Content-Type`.
    pub(crate) fn media_type(&self) -> &'static str {
        match self {
            Order::Picture { format, .. } | Order::Latent { format, .. } | Order::Montage { format, .. } => {
                format.media_type()
            }
            Order::Sweep { moving, .. } | Order::Morph { moving, .. } => moving.media_type(),
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
            Order::Latent { latent, psi, size, noise, format } => {
                write!(f, "pictures/{latent}.{}?psi={}", format.extension(), spelled(psi.psi()))?;
                size.map_or(Ok(()), |size| write!(f, "&size={size}"))?;
                noise.map_or(Ok(()), |seed| write!(f, "&noise_seed={}", seed.0))
            }
            Order::Sweep { recipe, moving } => write!(f, "sweeps/{recipe}.{}", moving.extension()),
            Order::Morph { from, to, psi, frames, moving } => {
                let (ending, psi) = (moving.extension(), spelled(psi.psi()));
                write!(f, "morphs/{from}~{to}.{ending}?psi={psi}&frames={frames}")
            }
            Order::Montage { recipe, columns, size, format } => {
                write!(f, "montages/{recipe}.{}?columns={columns}", format.extension())?;
                size.map_or(Ok(()), |size| write!(f, "&size={size}"))
            }
            Order::Levels { recipe } => write!(f, "levels/{recipe}.zip"),
            Order::Card { recipe, psi } => write!(f, "cards/{recipe}.jpg?psi={}", spelled(psi.psi())),
            Order::WallCard { psi, place } => {
                write!(f, "cards/wall.jpg?psi={}", spelled(psi.psi()))?;
                place.map_or(Ok(()), |(wall, x, y)| write!(f, "&wall={wall:08x}&at={x},{y}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_every_variant() {
        // A new variant does not compile before it has its place here.
        let next = |one: &AnimationFormat| match one {
            AnimationFormat::Webp => Some(AnimationFormat::Apng),
            AnimationFormat::Apng => Some(AnimationFormat::Gif),
            AnimationFormat::Gif => None,
        };
        assert!(std::iter::successors(Some(AnimationFormat::Webp), next).eq(AnimationFormat::ALL));
    }
}
