//! Cards of 1200 x 630 pixels, the size at which networks show the picture of a shared link.

use synth::Picture;

use crate::pictures::pool::Stop;
use crate::pictures::resize;

const WIDTH: usize = 1200;
const HEIGHT: usize = 630;
/// The room of the page at night, `--room` in web/css/base.css.
const ROOM: [u8; 3] = [0x0d, 0x0c, 0x10];
const GAP: usize = 17;
const LEFT: usize = (WIDTH - 2 * Card::LARGE - GAP) / 2;
const TOP: usize = (HEIGHT - Card::LARGE) / 2;

/// A card that is being made.
pub(crate) struct Card {
    canvas: Picture,
}

impl Card {
    /// Pictures on the wall's card: seven columns of five, every other column half a picture lower.
    pub(crate) const ON_THE_WALL: usize = 7 * 5;
    /// Side of the large picture: a square of three small ones and two gaps is as large, `3 * 176 + 2 * 17 = 562`.
    pub(crate) const LARGE: usize = 562;
    /// Side of a small picture.
    pub(crate) const SMALL: usize = 176;

    pub(crate) fn new() -> Self {
        Self { canvas: Picture { width: WIDTH, height: HEIGHT, rgb: ROOM.repeat(WIDTH * HEIGHT) } }
    }

    /// The picture that the card is about.
    pub(crate) fn hang_large(&mut self, picture: Picture) -> Result<(), Stop> {
        self.hang(picture, Self::LARGE, LEFT as isize, TOP as isize)
    }

    /// One of the nine beside it, by rows.
    pub(crate) fn hang_small(&mut self, place: usize, picture: Picture) -> Result<(), Stop> {
        let pitch = Self::SMALL + GAP;
        let left = LEFT + Self::LARGE + GAP + place % 3 * pitch;
        self.hang(picture, Self::SMALL, left as isize, (TOP + place / 3 * pitch) as isize)
    }

    /// One of the pictures of a wall, by rows; those at the edges are cut off, as the wall goes on.
    pub(crate) fn hang_on_wall(&mut self, place: usize, picture: Picture) -> Result<(), Stop> {
        let pitch = (Self::SMALL + GAP) as isize;
        let (column, row) = ((place % 7) as isize, (place / 7) as isize);
        let lowered = if column % 2 == 1 { pitch / 2 } else { 0 };
        self.hang(picture, Self::SMALL, column * pitch - 66, row * pitch + lowered - 150)
    }

    /// How far from the cell in the middle, in column `x` of the wall, a place of the card is: columns and rows. The
    /// lowered columns of the card are those of the wall.
    pub(crate) fn cell_beside(x: i32, place: usize) -> (i32, i32) {
        let (column, row) = ((place % 7) as i32, (place / 7) as i32);
        let first = if x.rem_euclid(2) == 1 { -3 } else { -4 };
        (first + column, row - 2)
    }

    /// The finished card.
    pub(crate) fn finish(self) -> Picture {
        self.canvas
    }

    /// Puts a picture at a place, cut off where the card ends.
    fn hang(&mut self, picture: Picture, side: usize, left: isize, top: isize) -> Result<(), Stop> {
        let picture = resize::to_side(picture, side)?;
        // A picture that is not square hangs in the middle of its square.
        let left = left + (side - picture.width) as isize / 2;
        let top = top + (side - picture.height) as isize / 2;
        let first = usize::try_from(-left).unwrap_or(0).min(picture.width);
        let start = usize::try_from(left).unwrap_or(0);
        let count = (picture.width - first).min(WIDTH.saturating_sub(start));
        for (row, pixels) in picture.rgb.chunks_exact(3 * picture.width).enumerate() {
            let Ok(y) = usize::try_from(top + row as isize) else { continue };
            if y < HEIGHT {
                let from = &pixels[3 * first..3 * (first + count)];
                let at = 3 * (y * WIDTH + start);
                self.canvas.rgb[at..at + from.len()].copy_from_slice(from);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white() -> Picture {
        Picture { width: 4, height: 4, rgb: vec![255; 48] }
    }

    fn lit(card: Card) -> usize {
        card.finish().rgb.chunks_exact(3).filter(|pixel| *pixel == [255; 3]).count()
    }

    #[test]
    fn one_large_and_nine_small_pictures_do_not_overlap() {
        let mut card = Card::new();
        card.hang_large(white()).unwrap();
        for place in 0..9 {
            card.hang_small(place, white()).unwrap();
        }
        assert_eq!(lit(card), Card::LARGE * Card::LARGE + 9 * Card::SMALL * Card::SMALL);
    }

    #[test]
    fn lowered_columns_of_the_card_are_lowered_on_the_wall() {
        for x in [-3, -2, 0, 5] {
            for place in 0..Card::ON_THE_WALL {
                let (column, _) = Card::cell_beside(x, place);
                assert_eq!((x + column).rem_euclid(2) == 1, place % 7 % 2 == 1, "column {x}, place {place}");
            }
        }
    }

    #[test]
    fn the_walls_card_is_covered_to_its_edges() {
        let mut card = Card::new();
        for place in 0..Card::ON_THE_WALL {
            card.hang_on_wall(place, white()).unwrap();
        }
        let share = lit(card) as f64 / (WIDTH * HEIGHT) as f64;
        let wanted = (Card::SMALL as f64 / (Card::SMALL + GAP) as f64).powi(2);
        assert!((share - wanted).abs() < 0.03, "{share} of the card is covered, not {wanted}");
    }
}
