//! One picture of a file, for those who want no data set.

use std::path::Path;

use crate::decode::{self, Refusal};
use crate::listing::Item;
use crate::options::{Options, Unfit};
use crate::{Crop, Error, resize};

/// The picture in a file at a size of `[height, width]` pixels: red, green and blue of each, row by row. What is cut off or added where its shape is
/// another is said by `crop`; reduced and enlarged it is as in a [`Dataset`](crate::Dataset), and the same formats are read.
///
/// # Errors
/// [`Error::Missing`] if there is no such file, [`Error::Picture`] if it holds no picture that can be read.
///
/// # Panics
/// If a side is 0.
pub fn load_picture(path: &Path, [height, width]: [usize; 2], crop: Crop) -> Result<Box<[u8]>, Error> {
    assert!(height > 0 && width > 0, "a picture has pixels");
    if !path.exists() {
        return Err(Error::Missing { path: path.to_owned() });
    }
    let refuse = |reason: String| Error::Picture { path: path.to_owned(), reason };
    let bytes = Item::File(path.to_owned()).read().map_err(refuse)?;
    let options = Options { min_side: Some(1), ..Options::new(height.max(width)) };
    match decode::picture(&bytes, &options) {
        Ok(picture) => Ok(resize::fitted(&picture.pixels, [height, width], crop)),
        Err(Refusal::Broken(reason) | Refusal::Unfit(Unfit::Tiny(reason) | Unfit::Oblong(reason))) => {
            Err(refuse(reason))
        }
        Err(Refusal::Foreign(format)) => Err(refuse(format!("{format} is not read here; save it as PNG"))),
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn a_picture_comes_at_the_size_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::from_fn(40, 20, |x, _| Rgb([if x < 20 { 0 } else { 200 }; 3])).save(&path).unwrap();
        let of = |size: [usize; 2], crop| load_picture(&path, size, crop).unwrap();
        assert_eq!(of([1, 2], Crop::Centre)[..], [0, 0, 0, 200, 200, 200]);
        assert_eq!(of([2, 2], Crop::Centre)[..6], [0, 0, 0, 200, 200, 200]);
        assert_eq!(of([2, 2], Crop::Pad)[..3], [0, 0, 0]);
        assert_eq!(of([4, 4], Crop::Pad)[..12], [255; 12]);
        assert_eq!(of([8, 2], Crop::Pad).len(), 3 * 16);
    }

    #[test]
    fn what_is_no_picture_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let avif = [&20_u32.to_be_bytes(), &b"ftypavif\0\0\0\0avif"[..]].concat();
        let strip = folder.path().join("strip.png");
        RgbImage::new(90, 2).save(&strip).unwrap();
        for (path, word) in [
            (folder.path().join("none.png"), "there is no"),
            (file("a.txt", b"words"), "no WebP, JPEG, PNG"),
            (file("a.html", b"<html>"), "web page"),
            (file("a.avif", &avif), "AVIF"),
            (strip, "as long as wide"),
            (folder.path().to_owned(), "no regular file"),
        ] {
            let error = load_picture(&path, [8, 8], Crop::Centre).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
        }
    }
}
