//! One drawing thread's work: from an order to the bytes of its file.

use std::sync::Arc;

use synth::{Generator, Picture, Psi, Recipe, Seed, Worker};

use crate::card::Card;
use crate::encode::{EncodeError, Format};
use crate::order::{Moving, Order};
use crate::pool::Stop;
use crate::{animate, archive, resize};

/// The creativity slider of the original: 0.3 to 2.0 in steps of 0.1.
pub const LEVELS: std::ops::RangeInclusive<u8> = 3..=20;

/// The psi of one of the [`LEVELS`].
pub fn level(tenths: u8) -> Psi {
    Psi::new(f32::from(tenths) / 10.0).unwrap_or_default()
}

/// Draws with memory of its own.
pub(crate) struct Drafter {
    worker: Worker,
}

/// Something that is asked between layers: is the order still wanted, or should the work stop?
type Unwanted<'a> = &'a dyn Fn() -> bool;

impl From<EncodeError> for Stop {
    fn from(error: EncodeError) -> Self {
        Stop::Failed(error.to_string())
    }
}

impl Drafter {
    pub(crate) fn new(generator: &Arc<Generator>) -> Self {
        Self { worker: generator.worker() }
    }

    /// The file that is ordered.
    pub(crate) fn make(&mut self, order: &Order, unwanted: Unwanted<'_>) -> Result<Vec<u8>, Stop> {
        match order {
            Order::Picture { recipe, psi, size, noise, format } => {
                let mut picture = self.draw(recipe, psi.psi(), *noise, unwanted)?;
                if let Some(size) = size {
                    picture = resize::to_side(picture, usize::from(*size))?;
                }
                Ok(format.encode(&picture)?)
            }
            Order::Sweep { recipe, moving } => {
                let frames = self.levels(recipe, unwanted)?;
                Ok(match moving {
                    Moving::Webp => animate::webp(&frames)?,
                    Moving::Apng => animate::apng(&frames)?,
                })
            }
            Order::Levels { recipe } => {
                let files = LEVELS.zip(self.levels(recipe, unwanted)?).map(|(tenths, picture)| {
                    let name = format!("{recipe}-psi-{}.png", level(tenths));
                    Ok((name, Format::Png.encode(&picture)?))
                });
                archive::zip(files.collect::<Result<Vec<_>, EncodeError>>()?)
            }
            Order::Card { recipe, psi } => {
                let mut card = Card::new();
                let large = self.draw(recipe, psi.psi(), true, unwanted)?;
                card.hang_large(large)?;
                for (place, tenths) in [3, 5, 7, 9, 11, 13, 15, 17, 20].into_iter().enumerate() {
                    card.hang_small(place, self.draw(recipe, level(tenths), true, unwanted)?)?;
                }
                Ok(Format::Jpeg.encode(&card.finish())?)
            }
            Order::WallCard { psi } => {
                let mut card = Card::new();
                for place in 0..Card::ON_THE_WALL {
                    let seed = Recipe::from(Seed(place as u64));
                    card.hang_on_wall(place, self.draw(&seed, psi.psi(), true, unwanted)?)?;
                }
                Ok(Format::Jpeg.encode(&card.finish())?)
            }
        }
    }

    fn draw(&mut self, recipe: &Recipe, psi: Psi, noise: bool, unwanted: Unwanted<'_>) -> Result<Picture, Stop> {
        let styles = recipe.styles(self.worker.generator(), psi);
        self.worker.draw_styles(&styles, noise.then(|| recipe.seed()), unwanted).ok_or(Stop::Cancelled)
    }

    fn levels(&mut self, recipe: &Recipe, unwanted: Unwanted<'_>) -> Result<Vec<Picture>, Stop> {
        LEVELS.map(|tenths| self.draw(recipe, level(tenths), true, unwanted)).collect()
    }
}
