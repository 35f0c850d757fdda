//! Training pictures: reads folders, tars and zips of WebP, JPEG, PNG, GIF and BMP, and hands out batches in a reproducible order.
//!
//! A [`Dataset`] decodes every picture once, makes it square, reduces it to the training size by
//! exact area averaging and keeps the result as 8-bit RGB, in memory or in a cache file. Afterwards everything is a
//! pure function of a *position*, the number of pictures the training has seen: [`Dataset::batch`] at the same
//! position gives the same bytes, whatever was asked before. So a resumed training needs to remember one number.
//!
//! A picture is known by the hash of its file's content. The hash decides on which side of the training/validation
//! split it lands and where it stands before shuffling, so names, folders and archives make no difference.
//!
//! What this crate is not: it detects no faces, judges no quality and augments nothing beyond mirroring; and it
//! knows nothing of tensors or networks.
//!
//! ```
//! use dataset::{Dataset, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! for shade in 0..40_u8 {
//!     let picture = image::RgbImage::from_pixel(20, 16, image::Rgb([shade, 2 * shade, 3 * shade]));
//!     picture.save(folder.path().join(format!("{shade}.png")))?;
//! }
//!
//! let pictures = Dataset::open(&[folder.path()], &Options::new(8))?;
//! assert_eq!(pictures.len() + pictures.validation_len(), 40);
//!
//! let mut batch = Vec::new();
//! pictures.batch(0, 4, &mut batch)?; // the first four pictures of the training, [4, 8, 8, 3]
//! assert_eq!(batch.len(), 4 * 8 * 8 * 3);
//! # Ok(())
//! # }
//! ```

mod cache;
mod containers;
mod content;
#[cfg(test)]
mod damage;
mod dataset;
mod decode;
mod decode_all;
mod error;
mod files;
mod jpeg;
mod labels;
mod listing;
#[cfg(test)]
mod mutations;
mod names;
mod options;
mod order;
mod positioned;
mod report;
mod resize;
mod single;
mod source;
mod store;
mod survey;
mod webp;

pub use dataset::Dataset;
pub use error::Error;
pub use files::{Decoded, Files, Place, Region, Unread, decode, extension_of};
pub use labels::{LabelSource, label_names};
pub use names::parts_of;
pub use options::{Crop, Options, Progress, Stage};
pub use report::{CacheUse, Cropped, Labels, Report, Skipped};
pub use single::load_picture;
pub use source::Source;
pub use survey::Survey;
