//! Pictures to features, and features to a report: how far drawn pictures are from real ones, with floors that say what a figure means.

use std::io::Cursor;

use dataset::Dataset;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use serde::{Deserialize, Serialize};
use synth::Picture;
use tch::{Device, Kind, Tensor};

use crate::metrics::{self, Coverage};
use crate::{Error, Features, Resizing};

/// Pictures that go through the network at once.
const BATCH: usize = 32;
/// Quality of the JPEG floor.
const JPEG_QUALITY: u8 = 50;
/// Side that the enlarged floor passes through, in pixels.
const SMALL: usize = 64;

/// Distances of one set of pictures from the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Fréchet distance.
    pub fd: f64,
    /// Kernel distance (unbiased; may be slightly below 0).
    pub kd: f64,
    /// Precision, recall, density, coverage.
    #[serde(flatten)]
    pub coverage: Coverage,
}

impl Distances {
    /// Distances of the rows of `other` from those of `reference`.
    pub fn between(reference: &Tensor, other: &Tensor) -> Self {
        Self {
            fd: metrics::frechet_distance(reference, other),
            kd: metrics::kernel_distance(reference, other),
            coverage: metrics::coverage(reference, other),
        }
    }
}

/// What real pictures score against other real pictures, as they are and spoilt: no figure of a model means anything without these.
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
    /// Without memorisation it is about 0.01.
    pub nearer_than_one_percent: f64,
}

impl Memorisation {
    /// From features of drawn, held-out and training pictures.
    ///
    /// # Panics
    /// If one of them is empty.
    pub fn measure(drawn: &Tensor, held_out: &Tensor, training: &Tensor) -> Self {
        let sorted = |x: &Tensor| {
            let nearest = metrics::nearest(x, training, 1).flatten(0, -1);
            let mut values = Vec::<f64>::try_from(nearest).expect("a row of distances");
            values.sort_by(f64::total_cmp);
            values
        };
        let (drawn, held_out) = (sorted(drawn), sorted(held_out));
        let limit = held_out[held_out.len() / 100];
        Self {
            drawn: drawn[drawn.len() / 2],
            held_out: held_out[held_out.len() / 2],
            nearer_than_one_percent: drawn.partition_point(|&d| d < limit) as f64 / drawn.len() as f64,
        }
    }
}

/// A feature network at work on square RGB pictures.
pub struct Evaluator {
    network: Features,
    resizing: Resizing,
    device: Device,
}

impl Evaluator {
    /// An evaluator that brings pictures to the network's size with `resizing`.
    pub fn new(network: Features, resizing: Resizing, device: Device) -> Self {
        Self { network, resizing, device }
    }

    /// The network.
    pub fn network(&self) -> &Features {
        &self.network
    }

    /// Features [n, d] of pictures that `next` hands out one by one as `size * size * 3` bytes; `done` is told after each batch.
    ///
    /// # Errors
    /// The first error of `next`.
    pub fn features<E>(
        &self,
        n: usize,
        size: usize,
        mut next: impl FnMut(usize) -> Result<Vec<u8>, E>,
        mut done: impl FnMut(usize),
    ) -> Result<Tensor, E> {
        let mut rows = Vec::new();
        let mut bytes = Vec::new();
        for from in (0..n).step_by(BATCH) {
            let to = (from + BATCH).min(n);
            bytes.clear();
            for i in from..to {
                bytes.extend(next(i)?);
            }
            let shape = [(to - from) as i64, size as i64, size as i64, 3];
            let x = Tensor::from_data_size(&bytes, &shape, Kind::Uint8).to_device(self.device);
            let x = x.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 127.5 - 1.0;
            rows.push(self.network.features(&self.network.resize(&x, self.resizing)).to_device(Device::Cpu));
            done(to);
        }
        Ok(Tensor::cat(&rows, 0))
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
        spoil: Spoil,
        done: impl FnMut(usize),
    ) -> Result<Tensor, Error> {
        let next = |i: usize| {
            let mut pixels = Vec::new();
            data.batch(position + i as u64, 1, &mut pixels)?;
            spoil.apply(pixels, data.size())
        };
        self.features(n, data.size(), next, done)
    }

    /// Features of all held-out pictures, every other one mirrored.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub fn held_out(&self, data: &Dataset, done: impl FnMut(usize)) -> Result<Tensor, Error> {
        let next = |i: usize| {
            let pixels = data.validation(i)?;
            Ok(if i.is_multiple_of(2) { pixels } else { mirrored(&pixels, data.size()) })
        };
        self.features(data.validation_len(), data.size(), next, done)
    }

    /// Features of drawn pictures.
    pub fn drawn(&self, pictures: &[Picture]) -> Tensor {
        let size = pictures.first().map_or(1, |p| p.width);
        let next = |i: usize| Ok::<_, std::convert::Infallible>(pictures[i].rgb.clone());
        let Ok(features) = self.features(pictures.len(), size, next, |_| ());
        features
    }
}

/// What is done to a real picture to see how much a figure notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// Nothing.
    No,
    /// JPEG of quality 50.
    Jpeg,
    /// Reduced to 64 px and enlarged again.
    Enlarge,
}

impl Spoil {
    fn apply(self, pixels: Vec<u8>, size: usize) -> Result<Vec<u8>, Error> {
        let side = size as u32;
        let whole = |pixels| RgbImage::from_raw(side, side, pixels).expect("a picture has its size");
        let broken = |e: image::ImageError| Error::Config { what: format!("a picture of the floor: {e}") };
        match self {
            Self::No => Ok(pixels),
            Self::Jpeg => {
                let mut file = Vec::new();
                JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY)
                    .write_image(&pixels, side, side, ExtendedColorType::Rgb8)
                    .map_err(broken)?;
                let read = image::ImageReader::with_format(Cursor::new(file), image::ImageFormat::Jpeg);
                Ok(read.decode().map_err(broken)?.into_rgb8().into_raw())
            }
            Self::Enlarge => {
                let filter = imageops::FilterType::CatmullRom;
                let small = imageops::resize(&whole(pixels), SMALL as u32, SMALL as u32, filter);
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

    #[test]
    fn mirroring_turns_rows_around() {
        let two_by_two = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4];
        assert_eq!(mirrored(&two_by_two, 2), [2, 2, 2, 1, 1, 1, 4, 4, 4, 3, 3, 3]);
    }

    #[test]
    fn copies_of_training_pictures_are_told_from_new_ones() {
        let rows = |seed: i64| {
            tch::manual_seed(seed);
            Tensor::randn([400, 8], (Kind::Float, Device::Cpu))
        };
        let (training, held_out, new) = (rows(1), rows(2), rows(3));
        let copies = &training + rows(4) * 0.01;
        let honest = Memorisation::measure(&new, &held_out, &training);
        assert!(honest.nearer_than_one_percent < 0.05, "{honest:?}");
        let caught = Memorisation::measure(&copies, &held_out, &training);
        assert!(caught.nearer_than_one_percent > 0.95 && caught.drawn < caught.held_out / 10.0, "{caught:?}");
    }
}
