//! The generator as a WebAssembly module for web pages: a model file goes in, RGBA pictures come out.
//!
//! The interface is a handful of C functions over one buffer in and one buffer out, so that the module imports nothing and
//! needs no generated script beside it. One instance draws one picture at a time; a page that wants more has several
//! instances, one a Web Worker. `web/js/painter.js` is the other side.
//!
//! 1. [`reserve`] gives the address of a buffer of so many bytes; the caller writes into it.
//! 2. [`load`] reads the buffer as a model file; [`draw`] as the name of a picture, [`draw_styles`] as style vectors.
//! 3. The answer is at [`answer`], [`answer_length`] bytes long: a picture, or after a failure one sentence of UTF-8.
//!
//! Nothing here is unsafe but the names: an exported symbol must be vouched not to clash with another.

mod studio;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use studio::{How, Studio, Trouble};

/// What the instance holds between two calls.
struct Desk {
    input: Vec<u8>,
    answer: Vec<u8>,
    studio: Option<Studio>,
}

static DESK: Mutex<Desk> = Mutex::new(Desk { input: Vec::new(), answer: Vec::new(), studio: None });

fn desk() -> MutexGuard<'static, Desk> {
    DESK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a picture or a sentence for the caller; 1 if all went well, else 0.
fn reply(desk: &mut Desk, done: Result<(), Trouble>) -> u32 {
    match done {
        Ok(()) => 1,
        Err(trouble) => {
            desk.answer.clear();
            desk.answer.extend_from_slice(trouble.to_string().as_bytes());
            0
        }
    }
}

/// Makes room for `length` bytes of input and gives their address, which holds until the next call of this.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    let mut desk = desk();
    desk.input.clear();
    desk.input.resize(length, 0);
    desk.input.as_mut_ptr()
}

/// Reads the input as a model file. 1 if the instance can draw now.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn load() -> u32 {
    let mut desk = desk();
    // The file is not needed again, and its memory is: an instance's memory never shrinks.
    let file = std::mem::take(&mut desk.input);
    let done = Studio::open(&file).map(|studio| desk.studio = Some(studio));
    reply(&mut desk, done)
}

/// Draws the picture that the input names (`42`, `42-3b7`, `42~77~35`, `42_77_5`) at a creativity, `wander` radians along
/// its way through its neighbourhood (0: where it is at home), with its noise or, if `noise` is 0, without. With `size` other than 0,
/// ink is left out if the picture's longer side has so many pixels without it; see [`drawn_width`]. 1 if it is there.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn draw(psi: f32, wander: f32, noise: u32, size: usize) -> u32 {
    let desk = &mut *desk();
    let done = match &mut desk.studio {
        Some(studio) => studio.draw(&desk.input, How { psi, wander, noise: noise != 0, size }, &mut desk.answer),
        None => Err(Trouble::Empty),
    };
    reply(desk, done)
}

/// Draws from the input as style vectors: `w_dim` numbers of 32 bits, little-endian, truncated already; if there are twice
/// as many, the second vector rules from convolution `layer` on. 1 if the picture is there.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn draw_styles(layer: usize) -> u32 {
    let desk = &mut *desk();
    let done = match &mut desk.studio {
        Some(studio) => studio.draw_styles(&desk.input, layer, &mut desk.answer),
        None => Err(Trouble::Empty),
    };
    reply(desk, done)
}

/// Looks for the `count` seeds whose pictures are most like that of the seed or descendant that the input names; without input,
/// for an example of each kind of face. The answer is their seeds, 64 bits each, little-endian. 1 if it is there.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn like(count: usize) -> u32 {
    let desk = &mut *desk();
    let found = match &mut desk.studio {
        Some(studio) if desk.input.is_empty() => Ok(studio.kinds().into_iter().take(count).collect()),
        Some(studio) => studio.like(&desk.input, count),
        None => Err(Trouble::Empty),
    };
    let done = found.map(|seeds: Vec<_>| {
        desk.answer.clear();
        desk.answer.extend(seeds.into_iter().flat_map(|seed| seed.0.to_le_bytes()));
    });
    reply(desk, done)
}

/// Where the answer to the last call begins.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    desk().answer.as_ptr()
}

/// How many bytes the answer has.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn answer_length() -> usize {
    desk().answer.len()
}

/// Pixels across the picture that was drawn last; 0 before one was.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn drawn_width() -> usize {
    desk().studio.as_ref().map_or(0, |studio| studio.drawn().1)
}

/// Pixels down the picture that was drawn last; 0 before one was.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn drawn_height() -> usize {
    desk().studio.as_ref().map_or(0, |studio| studio.drawn().0)
}

/// Pixels across the model's pictures; 0 before a model is loaded.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn width() -> usize {
    desk().studio.as_ref().map_or(0, |studio| studio.size().1)
}

/// Pixels down the model's pictures; 0 before a model is loaded.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn height() -> usize {
    desk().studio.as_ref().map_or(0, |studio| studio.size().0)
}

#[cfg(test)]
mod tests {
    use synth::{Architecture, ModelFile, Precision, Seed};

    use super::*;

    fn input(bytes: &[u8]) {
        reserve(bytes.len());
        desk().input.copy_from_slice(bytes);
    }

    fn sentence() -> String {
        assert_eq!(answer_length(), desk().answer.len());
        String::from_utf8(desk().answer.clone()).unwrap()
    }

    /// One test, because the instance is one.
    #[test]
    fn an_instance_answers_in_order_and_refuses_in_sentences() {
        input(b"42");
        assert_eq!((draw(1.0, 0.0, 1, 0), width(), height()), (0, 0, 0));
        assert!(sentence().contains("no model"), "{}", sentence());
        input(b"not a model");
        assert_eq!(load(), 0);
        assert!(sentence().contains("safetensors"), "{}", sentence());

        let architecture = Architecture { mapping_layers: 1, base: [4, 2], ..Architecture::plain(8, 8, &[8, 8]) };
        let model = ModelFile::random(architecture, Seed(1)).unwrap();
        input(&model.to_bytes(Precision::F32).unwrap());
        assert_eq!((load(), width(), height()), (1, 4, 8));
        input(b"42");
        assert_eq!((drawn_width(), drawn_height()), (0, 0));
        assert_eq!((draw(0.7, 0.0, 1, 0), answer_length()), (1, 4 * 4 * 8));
        assert_eq!((drawn_width(), drawn_height()), (4, 8));
        assert_eq!((like(3), answer_length()), (1, 3 * 8));
        input(b"");
        assert_eq!((like(3), answer_length()), (1, 0));
        input(b"4 2");
        assert_eq!(like(3), 0);
        assert_eq!(draw(0.7, 0.0, 1, 0), 0);
        assert!(sentence().contains("names no picture"), "{}", sentence());
        input(b"42");
        assert_eq!(draw(f32::NAN, 0.0, 1, 0), 0, "{}", sentence());
        input(&[0; 8 * 4]);
        assert_eq!((draw_styles(0), answer_length()), (1, 4 * 4 * 8));
        input(&[0; 8 * 4 + 1]);
        assert_eq!(draw_styles(0), 0);
        assert!(sentence().contains("style"), "{}", sentence());
    }
}
