//! The wall as its address names it, and which seed hangs where: the same functions as `web/js/cells.js`.

use std::fmt;

use crate::request::parameter;

/// Beyond this the cells of a wall no longer differ.
const FARTHEST: f64 = 2_147_483_648.0;

/// What an address says about the wall: `wall=1f9c03aa&at=12.5,-3.25&psi=1.4&speed=2&zoom=1.25&surprise=1`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WallPlace {
    /// 32 bits that name the wall.
    pub(crate) wall: u32,
    /// What is in the middle of the window, in pictures across and down.
    pub(crate) at: (f64, f64),
    /// Creativity in tenths.
    pub(crate) psi: Option<u8>,
    speed: Option<i8>,
    zoom: Option<f64>,
    surprise: bool,
}

impl WallPlace {
    /// Reads a query. Nothing if it names no wall; what it says beside the name and cannot be is left out or bounded, as
    /// the page does it.
    pub(crate) fn read(query: Option<&str>) -> Option<Self> {
        let number = |name: &str| {
            parameter(query, name).and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite())
        };
        Some(Self {
            wall: parameter(query, "wall").and_then(parse_wall)?,
            at: parameter(query, "at").and_then(parse_at).unwrap_or_default(),
            psi: number("psi").map(|psi| (psi.clamp(0.3, 2.0) * 10.0).round() as u8),
            speed: number("speed").map(|speed| speed.clamp(-10.0, 10.0).round() as i8),
            zoom: number("zoom").map(|zoom| zoom.clamp(0.1, 16.0)),
            surprise: parameter(query, "surprise") == Some("1"),
        })
    }

    /// The cell in the middle.
    pub(crate) fn cell(&self) -> (i32, i32) {
        (self.at.0.floor() as i32, self.at.1.floor() as i32)
    }
}

/// The one spelling of it: a query without its question mark.
impl fmt::Display for WallPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wall={:08x}", self.wall)?;
        if self.at != (0.0, 0.0) {
            write!(f, "&at={},{}", hundredths(self.at.0), hundredths(self.at.1))?;
        }
        if let Some(psi) = self.psi {
            write!(f, "&psi={}.{}", psi / 10, psi % 10)?;
        }
        self.speed.map_or(Ok(()), |speed| write!(f, "&speed={speed}"))?;
        self.zoom.map_or(Ok(()), |zoom| write!(f, "&zoom={}", (zoom * 1000.0).round() / 1000.0))?;
        f.write_str(if self.surprise { "&surprise=1" } else { "" })
    }
}

fn hundredths(value: f64) -> f64 {
    // Adding zero makes minus zero plain.
    (value * 100.0).round() / 100.0 + 0.0
}

/// A wall's name: up to eight hexadecimal digits.
pub(crate) fn parse_wall(text: &str) -> Option<u32> {
    let digits = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

/// A place on a wall, `12.5,-3.25`; the comma may be escaped.
pub(crate) fn parse_at(text: &str) -> Option<(f64, f64)> {
    let (x, y) = text.split_once(',').or_else(|| text.split_once("%2C")).or_else(|| text.split_once("%2c"))?;
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
        text.parse::<f64>().ok().filter(|number| plain && number.abs() < FARTHEST)
    };
    Some((number(x)?, number(y)?))
}

/// One round of the murmur3 finaliser: every bit of the result depends on every bit of `h`.
fn mix(h: u32) -> u32 {
    let h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// The seed at column `x` and row `y` of a wall.
pub(crate) fn cell_seed(wall: u32, x: i32, y: i32) -> u32 {
    let h = mix(wall);
    let h = mix(h ^ (x as u32).wrapping_mul(0x9e37_79b1));
    mix(h.wrapping_add((y as u32).wrapping_mul(0x6a09_e667)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_and_what_cannot_be_is_bounded() {
        let read = |query: &str| WallPlace::read(Some(query)).map(|hanging| hanging.to_string());
        let whole = "wall=1f9c03aa&at=12.5,-3.25&psi=1.4&speed=-3&zoom=1.25&surprise=1";
        assert_eq!(read(whole).as_deref(), Some(whole));
        assert_eq!(
            read("zoom=99&psi=9&wall=F&at=1%2C2&lang=it").as_deref(),
            Some("wall=0000000f&at=1,2&psi=2.0&zoom=16")
        );
        assert_eq!(read("wall=1&at=x,1&psi=NaN&speed=inf").as_deref(), Some("wall=00000001"));
        for none in ["", "psi=1.4", "wall=", "wall=xyz", "wall=+1", "wall=123456789"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(WallPlace::read(Some("wall=1&at=-0.5,2.9")).unwrap().cell(), (-1, 2));
    }

    #[test]
    fn seeds_hang_where_the_page_hangs_them() {
        // From cellSeed in web/js/cells.js; the browser test of a shared wall holds the two together as well.
        for ((wall, x, y), seed) in
            [((7, -3, 5), 1_783_075_189), ((0xbeef, 0, 0), 3_244_031_353), ((u32::MAX, 1 << 20, -9), 4_053_085_088)]
        {
            assert_eq!(cell_seed(wall, x, y), seed, "{wall} {x} {y}");
        }
    }
}
