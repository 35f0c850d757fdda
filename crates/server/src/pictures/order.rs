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
use std::ops::RangeInclusive;
use std::str::FromStr;

use synth::{Creativity, Creature, Generator, Recipe, Seed};

use crate::pictures::address::{AddressError, PictureAddress, parse_psi, spelled};
use crate::pictures::encode::Format;
use crate::pictures::kind::{KINDS, Query};
use crate::pictures::latent::Latent;
use crate::wall_place;

/// Sides a picture may be enlarged or reduced to.
pub(crate) const SIZES: RangeInclusive<u16> = 16..=1024;
/// The largest side of a montage's tiles.
pub(crate) const LARGEST_TILE: u16 = 512;
/// Tiles in a row of a montage.
pub(crate) const COLUMNS: RangeInclusive<u8> = 1..=18;
/// Pictures in a list of those like another.
pub(crate) const COUNTS: RangeInclusive<u8> = 1..=64;
/// Pictures on the way from one creature to another, both included.
pub(crate) const FRAMES: RangeInclusive<u8> = 2..=60;

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
}

impl Bounds {
    pub(crate) fn of(generator: &Generator) -> Self {
        Self { layers: generator.layers(), directions: generator.directions().len() }
    }

    /// Refuses a recipe that the model cannot draw.
    pub(crate) fn check(self, recipe: &Recipe) -> Result<(), AddressError> {
        let Self { layers, directions } = self;
        if let Recipe::Mix { layer: asked, .. } = *recipe
            && usize::from(asked) > layers
        {
            return Err(AddressError::Layer { asked, layers });
        }
        recipe.creatures().try_for_each(|creature| {
            self.check_edits(creature).map_err(|asked| AddressError::Direction { asked, directions })
        })
    }

    fn check_edits(self, creature: &Creature) -> Result<(), u8> {
        let beyond = creature.edits.iter().find(|edit| usize::from(edit.direction) >= self.directions);
        beyond.map_or(Ok(()), |edit| Err(edit.direction))
    }
}

impl Order {
    /// Reads `kind/file` and what stands after the question mark; `bounds` is what the model has.
    pub(crate) fn parse(path: &str, query: Option<&str>, bounds: Bounds) -> Result<Self, AddressError> {
        let shape = || AddressError::Order(path.chars().take(60).collect());
        let (kind, file) = path.split_once('/').ok_or_else(shape)?;
        let file = file.rsplit_once('.').ok_or_else(shape)?;
        let kind = KINDS.iter().find(|known| known.name == kind).ok_or_else(shape)?;
        kind.read(file, Asked::read(query)?, bounds)?.ok_or_else(shape)
    }

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

/// What stands after the question mark. Names not known here are somebody else's.
pub(crate) struct Asked {
    /// Pictures in a list.
    pub(crate) count: u8,
    pub(crate) psi: Level,
    pub(crate) size: Option<u16>,
    pub(crate) noise: bool,
    pub(crate) columns: u8,
    pub(crate) frames: u8,
    /// A wall's name, and a cell of it.
    pub(crate) wall: Option<u32>,
    pub(crate) at: (i32, i32),
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            psi: Creativity::default().into(),
            size: None,
            noise: true,
            columns: 6,
            frames: 24,
            count: 12,
            wall: None,
            at: (0, 0),
        }
    }
}

impl Asked {
    pub(crate) fn read(query: Option<&str>) -> Result<Self, AddressError> {
        let mut asked = Asked::default();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(query) = READ.into_iter().find(|query| query.name() == name) else { continue };
            let refused = || excerpt(value);
            match query {
                Query::Creativity => asked.psi = parse_psi(value)?.into(),
                Query::Size | Query::Tile => {
                    asked.size = Some(within(&SIZES, value).ok_or_else(|| AddressError::Size(refused()))?);
                }
                Query::Columns => {
                    asked.columns = within(&COLUMNS, value).ok_or_else(|| AddressError::Columns(refused()))?;
                }
                Query::Frames => {
                    asked.frames = within(&FRAMES, value).ok_or_else(|| AddressError::Frames(refused()))?;
                }
                Query::Count => asked.count = within(&COUNTS, value).ok_or_else(|| AddressError::Count(refused()))?,
                Query::Wall => {
                    asked.wall = Some(wall_place::parse_wall(value).ok_or_else(|| AddressError::Wall(refused()))?);
                }
                Query::At => {
                    let (x, y) = wall_place::parse_at(value).ok_or_else(|| AddressError::At(refused()))?;
                    asked.at = (x.floor() as i32, y.floor() as i32);
                }
                Query::Noise => {
                    asked.noise = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(AddressError::Noise(refused())),
                    }
                }
                Query::Format | Query::Model => {}
            }
        }
        Ok(asked)
    }

    /// Refuses a size that only a picture alone may have.
    pub(crate) fn check_tile(&self) -> Result<(), AddressError> {
        if self.size.is_some_and(|size| size > LARGEST_TILE) { Err(AddressError::Tile) } else { Ok(()) }
    }
}

/// What is read for every kind of order, whether it needs it or not; other names are somebody else's.
const READ: [Query; 8] =
    [Query::Creativity, Query::Size, Query::Noise, Query::Columns, Query::Frames, Query::Count, Query::Wall, Query::At];

/// A plain whole number inside a range.
fn within<N: FromStr + PartialOrd>(range: &RangeInclusive<N>, text: &str) -> Option<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number))
}

/// The start of a visitor's text, short enough for a message.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    const BOUNDS: Bounds = Bounds { layers: 11, directions: 3 };

    fn parse(text: &str) -> Result<Order, AddressError> {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        Order::parse(path, query, BOUNDS)
    }

    #[test]
    fn every_order_reads_back_from_its_own_spelling() {
        for text in [
            "pictures/42.png?psi=1.0",
            "pictures/42-3b7.webp?psi=0.75&size=512",
            "pictures/42~77~35.jpg?psi=2.0&size=64&noise=off",
            "pictures/42_77_11.png?psi=0.3",
            "pictures/42-3@0p15@2m40.png?psi=0.3",
            "morphs/42@0p15~42@0m15.webp?psi=0.7&frames=60",
            "sweeps/42.webp",
            "sweeps/42~1~3.png",
            "sweeps/42.gif",
            "morphs/42-3~77.webp?psi=0.7&frames=60",
            "montages/42.jpg?columns=6",
            "montages/42~77~35.png?columns=1&size=512",
            "levels/7-0.zip",
            "cards/7.jpg?psi=1.1",
            "cards/wall.jpg?psi=1.1",
            "cards/wall.jpg?psi=1.4&wall=1f9c03aa&at=12,-3",
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
            ("pictures/42@3p1.png", "0 to 2"),
            ("morphs/1~42@3p1.webp", "0 to 2"),
            ("pictures/1_42@3p1_2.png", "0 to 2"),
            ("pictures/42@1p41.png", "names no picture"),
            ("pictures/42.png?count=65", "from 1 to 64"),
            ("pictures/42.png?psi=3", "from 0.0 to 2.0"),
            ("pictures/42.png?size=1e9", "from 16 to 1024"),
            ("pictures/42.png?size=15", "from 16 to 1024"),
            ("pictures/42.png?noise=loud", "noise=on or noise=off"),
            ("sweeps/42.avi", ".webp, .gif or .png"),
            ("morphs/42.webp", "/api/v1/"),
            ("morphs/42~77.jpg", ".webp, .gif or .png"),
            ("morphs/42~77~50.webp", "names no picture"),
            ("morphs/42~77.webp?frames=61", "from 2 to 60"),
            ("montages/42.png?columns=0", "from 1 to 18"),
            ("montages/42.png?size=513", "16 to 512"),
            ("cards/wall.jpg?wall=xyz", "eight hexadecimal digits"),
            ("cards/wall.jpg?wall=1&at=1", "at=12,-3"),
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
            let _ = Order::parse(&path, Some(&query), BOUNDS);
        }
    }
}
