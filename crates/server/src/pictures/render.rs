//! One drawing thread's work: from an order to the bytes of its file.

use std::sync::Arc;

use bytes::Bytes;
use synth::{Creativity, Creature, Generator, Picture, Recipe, Seed, Styles, Worker};

use crate::pictures::animate;
use crate::pictures::card::Card;
use crate::pictures::encode::{EncodeError, Format};
use crate::pictures::file_name::file_name;
use crate::pictures::order::{AnimationFormat, Order};
use crate::pictures::pool::Stop;
use crate::pictures::query::LARGEST_TILE;
use crate::pictures::resize;
use crate::pictures::zip;
use crate::wall_place::cell_seed;

/// The creativity slider of the original: 0.3 to 2.0 in steps of 0.1.
pub const LEVELS: std::ops::RangeInclusive<u8> = 3..=20;

/// The psi of one of the [`LEVELS`], which count tenths: of 7 it is 0.7. Other numbers are divided by ten as well, as long as they are a [`Creativity`];
/// of those above 20 it is the usual one, 1.0.
pub fn level(tenths: u8) -> Creativity {
    Creativity::new(f32::from(tenths) / 10.0).unwrap_or_default()
}

/// Draws with memory of its own.
pub(crate) struct Renderer {
    worker: Worker,
    /// The last single picture and its file: large pieces of memory, asked of the system once and not for each.
    picture: Picture,
    file: Vec<u8>,
}

/// Something that is asked between layers: is the order still wanted, or should the work stop?
type Unwanted<'a> = &'a dyn Fn() -> bool;

impl From<EncodeError> for Stop {
    fn from(error: EncodeError) -> Self {
        Stop::Failed(error.to_string())
    }
}

fn animated(frames: &[Picture], moving: AnimationFormat) -> Result<Vec<u8>, Stop> {
    match moving {
        AnimationFormat::Webp => animate::webp(frames),
        AnimationFormat::Apng => animate::apng(frames),
        AnimationFormat::Gif => animate::gif(frames),
    }
}

impl Renderer {
    pub(crate) fn new(generator: &Arc<Generator>) -> Self {
        Self { worker: generator.worker(), picture: Picture::default(), file: Vec::new() }
    }

    /// The file that is ordered, in memory of exactly its size.
    pub(crate) fn make(&mut self, order: &Order, unwanted: Unwanted<'_>) -> Result<Bytes, Stop> {
        let file = match order {
            Order::Picture { recipe, psi, size, noise, format } => {
                let styles = recipe.styles(self.worker.generator(), psi.psi());
                return self.single(&styles, noise.then(|| recipe.seed()), *size, *format, unwanted);
            }
            Order::Latent { latent, psi, size, noise, format } => {
                let styles = latent.styles(self.worker.generator(), psi.psi());
                return self.single(&styles, *noise, *size, *format, unwanted);
            }
            Order::Sweep { recipe, moving } => animated(&self.levels(recipe, None, unwanted)?, *moving)?,
            Order::Morph { from, to, psi, frames, moving } => {
                animated(&self.morph(from, to, psi.psi(), *frames, unwanted)?, *moving)?
            }
            Order::Montage { recipe, columns, size, format } => {
                let usual = |tile: &Picture| tile.width.max(tile.height).min(usize::from(LARGEST_TILE));
                let tiles = self.levels(recipe, size.map(usize::from), unwanted)?.into_iter().map(|tile| {
                    let side = size.map_or_else(|| usual(&tile), usize::from);
                    resize::to_side(tile, side)
                });
                let tiles = tiles.collect::<Result<Vec<_>, _>>()?;
                format.encode(&synth::sheet(&tiles, usize::from(*columns)))?
            }
            Order::Levels { recipe } => {
                let called = file_name(recipe);
                let files = LEVELS.zip(self.levels(recipe, None, unwanted)?).map(|(tenths, picture)| {
                    let name = format!("{called}-psi-{}.png", level(tenths));
                    Ok((name, Format::Png.encode(&picture)?))
                });
                zip::zip(files.collect::<Result<Vec<_>, EncodeError>>()?)?
            }
            Order::Card { recipe, psi } => {
                let mut card = Card::new();
                let large = self.draw(recipe, psi.psi(), Some(Card::LARGE), unwanted)?;
                card.hang_large(large)?;
                for (place, tenths) in [3, 5, 7, 9, 11, 13, 15, 17, 20].into_iter().enumerate() {
                    card.hang_small(place, self.draw(recipe, level(tenths), Some(Card::SMALL), unwanted)?)?;
                }
                Format::Jpeg.encode(&card.finish())?
            }
            Order::WallCard { psi, place: middle } => {
                let mut card = Card::new();
                for place in 0..Card::ON_THE_WALL {
                    let seed = middle.map_or(place as u64, |(wall, x, y)| {
                        let (column, row) = Card::cell_beside(x, place);
                        u64::from(cell_seed(wall, x.wrapping_add(column), y.wrapping_add(row)))
                    });
                    card.hang_on_wall(
                        place,
                        self.draw(&Recipe::from(Seed(seed)), psi.psi(), Some(Card::SMALL), unwanted)?,
                    )?;
                }
                Format::Jpeg.encode(&card.finish())?
            }
        };
        Ok(file.into_boxed_slice().into())
    }

    /// One picture as a file.
    fn single(
        &mut self,
        styles: &Styles,
        noise: Option<Seed>,
        size: Option<u16>,
        format: Format,
        unwanted: Unwanted<'_>,
    ) -> Result<Bytes, Stop> {
        let side = size.map(usize::from);
        let drawn = self.worker.draw_styles_sized_into(styles, noise, side, unwanted, &mut self.picture);
        if !drawn {
            return Err(Stop::Cancelled);
        }
        if let Some(side) = side {
            self.picture = resize::to_side(std::mem::take(&mut self.picture), side)?;
        }
        format.encode_into(&self.picture, &mut self.file)?;
        Ok(Bytes::copy_from_slice(&self.file))
    }

    /// One picture, drawn for a place of so many pixels on the longer side, which it may miss; without one as large as it is.
    fn draw(
        &mut self,
        recipe: &Recipe,
        psi: Creativity,
        side: Option<usize>,
        unwanted: Unwanted<'_>,
    ) -> Result<Picture, Stop> {
        let styles = recipe.styles(self.worker.generator(), psi);
        let mut picture = Picture::default();
        let noise = Some(recipe.seed());
        let drawn = self.worker.draw_styles_sized_into(&styles, noise, side, unwanted, &mut picture);
        drawn.then_some(picture).ok_or(Stop::Cancelled)
    }

    /// Pictures on the straight line between two creatures' `w`, both included. Noise stays the first one's, so that
    /// nothing flickers.
    fn morph(
        &mut self,
        from: &Creature,
        to: &Creature,
        psi: Creativity,
        frames: u8,
        unwanted: Unwanted<'_>,
    ) -> Result<Vec<Picture>, Stop> {
        let ends = [from, to].map(|end| end.w(self.worker.generator()));
        (0..frames)
            .map(|at| {
                let t = f32::from(at) / f32::from(frames.max(2) - 1);
                let w: Vec<f32> = ends[0].iter().zip(&ends[1]).map(|(a, b)| a + t * (b - a)).collect();
                let styles = self.worker.generator().truncate(&w, psi);
                self.worker.draw_styles(&styles, Some(from.seed), unwanted).ok_or(Stop::Cancelled)
            })
            .collect()
    }

    fn levels(&mut self, recipe: &Recipe, side: Option<usize>, unwanted: Unwanted<'_>) -> Result<Vec<Picture>, Stop> {
        LEVELS.map(|tenths| self.draw(recipe, level(tenths), side, unwanted)).collect()
    }
}
