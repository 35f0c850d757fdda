//! Pictures to features, and features to a report: how far drawn pictures are from real ones, with floors that say what a figure means.

use std::cell::RefCell;
use std::io::Cursor;

use dataset::Dataset;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use kernels::Crew;
use serde::{Deserialize, Serialize};
use synth::Picture;

use crate::metrics::{self, Prdc, Rows};
use crate::{Error, Grid, Network, Resizing, Workspace};

/// Pictures that go through the network at once.
const BATCH: usize = 32;
/// Quality of the JPEG floor.
const JPEG_QUALITY: u8 = 50;
/// Side that the enlarged floor passes through, in pixels.
const SMALL: u32 = 64;

/// Distances of one set of pictures from the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Fréchet distance.
    pub fd: f64,
    /// Kernel distance (unbiased; may be slightly below 0).
    pub kd: f64,
    /// Precision, recall, density, coverage.
    #[serde(flatten)]
    pub coverage: Prdc,
}

impl Distances {
    /// Distances of the rows of `other` from those of `reference`.
    ///
    /// # Panics
    /// If one of them has fewer than 6 rows, or they are features of different networks.
    pub fn between(crew: &Crew, reference: &Rows, other: &Rows) -> Self {
        Self {
            fd: metrics::frechet_distance(crew, reference, other),
            kd: metrics::kernel_distance(crew, reference, other),
            coverage: metrics::prdc(crew, reference, other),
        }
    }
}

/// What real pictures score against other real pictures, as they are and corrupted: no figure of a model means anything without these.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floors {
    /// Other real pictures as they are.
    pub real: Distances,
    /// The same pictures through JPEG of quality 50.
    pub jpeg: Distances,
    /// The same pictures reduced to 64 px and enlarged again.
    pub enlarged: Distances,
}

/// How near drawn pictures come to the nearest training picture, compared with pictures that were held out. All distances are in
/// the feature space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memorisation {
    /// Median distance from a drawn picture to the nearest training picture.
    pub drawn: f64,
    /// Median distance from a held-out picture to the nearest training picture.
    pub held_out: f64,
    /// Share of drawn pictures that are nearer to a training picture than all but the nearest hundredth of held-out pictures.
    /// Without memorisation it is about `by_chance`.
    pub nearer_than_one_percent: f64,
    /// What that share is of pictures like the held-out ones: 0.01 of very many, and more of few.
    pub by_chance: f64,
}

impl Memorisation {
    /// From features of drawn, held-out and training pictures.
    ///
    /// # Panics
    /// If one of them is empty.
    pub fn measure(crew: &Crew, drawn: &Rows, held_out: &Rows, training: &Rows) -> Self {
        let sorted = |x: &Rows| {
            let mut values = metrics::nearest(crew, x, training, 1);
            values.sort_by(f64::total_cmp);
            values
        };
        let (drawn, held_out) = (sorted(drawn), sorted(held_out));
        let rank = held_out.len() / 100;
        let limit = held_out[rank];
        Self {
            drawn: drawn[drawn.len() / 2],
            held_out: held_out[held_out.len() / 2],
            nearer_than_one_percent: drawn.partition_point(|&d| d < limit) as f64 / drawn.len() as f64,
            by_chance: (rank + 1) as f64 / (held_out.len() + 1) as f64,
        }
    }
}

/// A feature network at work on square RGB pictures, with the threads and the memory that it works with.
#[derive(Debug)]
pub struct Evaluator {
    network: Network,
    resizing: Resizing,
    crew: Crew,
    room: RefCell<Room>,
}

#[derive(Debug, Default)]
struct Room {
    bytes: Vec<u8>,
    pictures: Vec<f32>,
    resized: Vec<f32>,
    workspace: Workspace,
    taps: Vec<Grid>,
}

impl Evaluator {
    /// An evaluator that brings pictures to the network's size with `resizing`, on the threads of `crew`.
    pub fn new(network: Network, resizing: Resizing, crew: Crew) -> Self {
        Self { network, resizing, crew, room: RefCell::default() }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The threads.
    pub fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Features of pictures that `next` hands out one by one as `size * size * 3` bytes: the network's last tap, one row a picture.
    /// `done` is told after each batch.
    ///
    /// # Errors
    /// The first error of `next`.
    ///
    /// # Panics
    /// If a picture has another size, or `next` asks this evaluator for features in turn.
    pub fn features<E>(
        &self,
        n: usize,
        size: usize,
        mut next: impl FnMut(usize) -> Result<Vec<u8>, E>,
        mut done: impl FnMut(usize),
    ) -> Result<Rows, E> {
        let mut rows = Vec::new();
        let mut width = 1;
        let room = &mut *self.room.borrow_mut();
        for from in (0..n).step_by(BATCH) {
            let to = (from + BATCH).min(n);
            room.bytes.clear();
            for i in from..to {
                let picture = next(i)?;
                assert_eq!(picture.len(), 3 * size * size, "bytes of a picture");
                room.bytes.extend(picture);
            }
            self.batch(room, size);
            let last = room.taps.last().expect("a network has at least one tap");
            width = last.stride();
            rows.extend_from_slice(&last.data);
            done(to);
        }
        Ok(Rows::new(rows, width))
    }

    /// Takes the pictures in `room.bytes` to `room.taps`.
    fn batch(&self, room: &mut Room, size: usize) {
        let area = size * size;
        room.pictures.resize(room.bytes.len(), 0.0);
        for (bytes, planes) in room.bytes.chunks_exact(3 * area).zip(room.pictures.chunks_exact_mut(3 * area)) {
            for (i, pixel) in bytes.as_chunks::<3>().0.iter().enumerate() {
                for (c, &byte) in pixel.iter().enumerate() {
                    planes[c * area + i] = f32::from(byte) / 127.5 - 1.0;
                }
            }
        }
        let network = &self.network;
        network.resize(&self.crew, &room.pictures, [size; 2], self.resizing, &mut room.resized);
        let side = [network.size(); 2];
        let passed = network.taps(&self.crew, &mut room.workspace, &room.resized, side, &mut room.taps);
        passed.expect("the network's own size was tried when it was opened");
    }

    /// Features of `n` training pictures from `position` on, mirrored as training sees them.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub fn training(
        &self,
        data: &Dataset,
        position: u64,
        n: usize,
        corruption: Corruption,
        done: impl FnMut(usize),
    ) -> Result<Rows, Error> {
        let next = |i: usize| {
            let mut pixels = Vec::new();
            data.batch(position + i as u64, 1, &mut pixels)?;
            corruption.apply(pixels, data.size())
        };
        self.features(n, data.size(), next, done)
    }

    /// Features of all held-out pictures, every other one mirrored where the data set mirrors.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub fn held_out(&self, data: &Dataset, done: impl FnMut(usize)) -> Result<Rows, Error> {
        let next = |i: usize| {
            let pixels = data.validation(i)?;
            let stays = !data.mirrors() || i.is_multiple_of(2);
            Ok(if stays { pixels } else { mirrored(&pixels, data.size()) })
        };
        self.features(data.validation_len(), data.size(), next, done)
    }

    /// Features of drawn pictures, all of one size.
    pub fn drawn(&self, pictures: &[Picture]) -> Rows {
        let size = pictures.first().map_or(1, |p| p.width);
        let next = |i: usize| Ok::<_, std::convert::Infallible>(pictures[i].rgb.clone());
        let Ok(features) = self.features(pictures.len(), size, next, |_| ());
        features
    }
}

/// What is done to a real picture to see how much a figure notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// Nothing.
    No,
    /// JPEG of quality 50.
    Jpeg,
    /// Reduced to 64 px and enlarged again.
    Enlarge,
}

impl Corruption {
    fn apply(self, pixels: Vec<u8>, size: usize) -> Result<Vec<u8>, Error> {
        let side = size as u32;
        match self {
            Self::No => Ok(pixels),
            Self::Jpeg => {
                let mut file = Vec::new();
                JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY)
                    .write_image(&pixels, side, side, ExtendedColorType::Rgb8)
                    .map_err(Error::Corruption)?;
                let read = image::ImageReader::with_format(Cursor::new(file), image::ImageFormat::Jpeg);
                Ok(read.decode().map_err(Error::Corruption)?.into_rgb8().into_raw())
            }
            Self::Enlarge => {
                let filter = imageops::FilterType::CatmullRom;
                let whole = RgbImage::from_raw(side, side, pixels).expect("a picture has its size");
                let small = imageops::resize(&whole, SMALL, SMALL, filter);
                Ok(imageops::resize(&small, side, side, filter).into_raw())
            }
        }
    }
}

fn mirrored(pixels: &[u8], size: usize) -> Vec<u8> {
    pixels.chunks_exact(size * 3).flat_map(|row| row.chunks_exact(3).rev().flatten().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;
    use kernels::Isa;

    #[test]
    fn mirroring_turns_rows_around() {
        let two_by_two = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4];
        assert_eq!(mirrored(&two_by_two, 2), [2, 2, 2, 1, 1, 1, 4, 4, 4, 3, 3, 3]);
    }

    #[test]
    fn spoilt_pictures_are_near_but_not_the_same() {
        let size = 96;
        let pixels: Vec<u8> = (0..size * size * 3).map(|i| (i / 3 % 7 * 30 + i % 3 * 20) as u8).collect();
        assert_eq!(Corruption::No.apply(pixels.clone(), size).unwrap(), pixels);
        for corruption in [Corruption::Jpeg, Corruption::Enlarge] {
            let corrupted = corruption.apply(pixels.clone(), size).unwrap();
            assert_eq!(corrupted.len(), pixels.len());
            let apart: f64 = pixels.iter().zip(&corrupted).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>()
                / pixels.len() as f64;
            assert!((0.5..60.0).contains(&apart), "{corruption:?}: {apart}");
        }
    }

    #[test]
    fn copies_of_training_pictures_are_told_from_new_ones() {
        let crew = Crew::new(Isa::best(), 2);
        let rows = |seed: u64| Rows::new(normal(seed, 400 * 8), 8);
        let (training, held_out, new) = (rows(1), rows(2), rows(3));
        let noise = rows(4);
        let near = training.data().iter().zip(noise.data()).map(|(x, noise)| x + noise * 0.01);
        let copies = Rows::new(near.collect(), 8);
        let honest = Memorisation::measure(&crew, &new, &held_out, &training);
        assert!(honest.nearer_than_one_percent < 0.05, "{honest:?}");
        let caught = Memorisation::measure(&crew, &copies, &held_out, &training);
        assert!(caught.nearer_than_one_percent > 0.95 && caught.drawn < caught.held_out / 10.0, "{caught:?}");
    }
}
