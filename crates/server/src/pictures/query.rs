//! What may stand after the question mark of an address, and the bounds of it.

use std::ops::RangeInclusive;
use std::str::FromStr;

use synth::Creativity;

use crate::pictures::address::{AddressError, excerpt, parse_psi};
use crate::pictures::order::Level;
use crate::request::parameter;
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

/// What may stand after the question mark of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    Creativity,
    /// The longer side of a picture.
    Size,
    /// That of a montage's tiles, which has a bound of its own.
    Tile,
    Noise,
    Columns,
    Frames,
    Count,
    Format,
    Wall,
    At,
    Model,
}

impl Query {
    /// As it is spelled before the equals sign.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Query::Creativity => "psi",
            Query::Size | Query::Tile => "size",
            Query::Noise => "noise",
            Query::Columns => "columns",
            Query::Frames => "frames",
            Query::Count => "count",
            Query::Format => "format",
            Query::Wall => "wall",
            Query::At => "at",
            Query::Model => "m",
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
        refuse_noise_seed(query)?;
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

/// Refuses what POST knows, and `--noise-seed` is, and no address: whoever writes it would get another picture than is meant.
pub(crate) fn refuse_noise_seed(query: Option<&str>) -> Result<(), AddressError> {
    let asked = ["noise_seed", "noise-seed"].into_iter().any(|name| parameter(query, name).is_some());
    if asked { Err(AddressError::NoiseSeed) } else { Ok(()) }
}

/// What is read for every kind of order, whether it needs it or not; other names are somebody else's.
const READ: [Query; 8] =
    [Query::Creativity, Query::Size, Query::Noise, Query::Columns, Query::Frames, Query::Count, Query::Wall, Query::At];

/// A plain whole number inside a range.
fn within<N: FromStr + PartialOrd>(range: &RangeInclusive<N>, text: &str) -> Option<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number))
}
