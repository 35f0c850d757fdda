//! The generator as a WebAssembly module for web pages: a model file goes in, RGBA pictures come out.
//!
//! The interface is that of [`desk`]. [`load`] reads the input as a model file; [`draw`] as the name of a picture, [`draw_styles`] as style vectors. One
//! instance draws one picture at a time; a page that wants more has several instances, one a Web Worker. `web/js/painter.js` is the other side.
//!
//! Nothing here is unsafe but the names: an exported symbol must be vouched not to clash with another.

mod studio;

pub use studio::{How, Studio, Trouble};

desk::exports!(Studio);

/// Reads the input as a model file. 1 if the instance can draw now.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn load() -> u32 {
    desk(|desk| {
        // The file is not needed again, and its memory is: an instance's memory never shrinks.
        let file = std::mem::take(&mut desk.input);
        let done = Studio::open(&file).map(|studio| desk.work = Some(studio));
        desk.reply(done)
    })
}

/// Draws the picture that the input names (`42`, `42-3b7`, `42~77~35`, `42_77_5`) at a creativity, `wander` radians along
/// its way through its neighbourhood (0: where it is at home), with its noise or, if `noise` is 0, without. With `size` other than 0
/// the picture is drawn for a place of so many pixels on its longer side: without ink if it has as many without, through the model's lens if it has fewer
/// with it; see [`drawn_width`]. 1 if it is there.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn draw(psi: f32, wander: f32, noise: u32, size: usize) -> u32 {
    let how = How { psi, wander, noise: noise != 0, size };
    desk(|desk| desk.serve(Trouble::Empty, |studio, name, rgba| studio.draw(name, how, rgba)))
}

/// Draws from the input as style vectors: `w_dim` numbers of 32 bits, little-endian, truncated already; if there are twice
/// as many, the second vector rules from convolution `layer` on. 1 if the picture is there.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn draw_styles(layer: usize) -> u32 {
    desk(|desk| desk.serve(Trouble::Empty, |studio, styles, rgba| studio.draw_styles(styles, layer, rgba)))
}

/// Looks for the `count` seeds whose pictures are most like that of the seed or descendant that the input names; without input,
/// for an example of each kind of face. The answer is their seeds, 64 bits each, little-endian. 1 if it is there.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn like(count: usize) -> u32 {
    desk(|desk| {
        desk.serve(Trouble::Empty, |studio, name, answer| {
            let seeds = if name.is_empty() {
                studio.kinds().into_iter().take(count).collect()
            } else {
                studio.like(name, count)?
            };
            answer.extend(seeds.into_iter().flat_map(|seed| seed.0.to_le_bytes()));
            Ok(())
        })
    })
}

/// Pixels across the picture that was drawn last; 0 before one was.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn drawn_width() -> usize {
    desk(|desk| desk.work.as_ref().map_or(0, |studio| studio.drawn().1))
}

/// Pixels down the picture that was drawn last; 0 before one was.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn drawn_height() -> usize {
    desk(|desk| desk.work.as_ref().map_or(0, |studio| studio.drawn().0))
}

/// Pixels across the model's pictures; 0 before a model is loaded.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn width() -> usize {
    desk(|desk| desk.work.as_ref().map_or(0, |studio| studio.size().1))
}

/// Pixels down the model's pictures; 0 before a model is loaded.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn height() -> usize {
    desk(|desk| desk.work.as_ref().map_or(0, |studio| studio.size().0))
}

#[cfg(test)]
mod tests {
    use synth::{Architecture, ModelFile, Seed, WeightDtype};

    use super::*;

    fn input(bytes: &[u8]) {
        reserve(bytes.len());
        desk(|desk| desk.input.copy_from_slice(bytes));
    }

    fn sentence() -> String {
        desk(|desk| String::from_utf8(desk.answer.clone()).unwrap())
    }

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
        input(&model.to_bytes(WeightDtype::F32).unwrap());
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
