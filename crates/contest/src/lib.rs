//! Two networks in contest as a WebAssembly module for web pages: real pictures go in, a generator and a discriminator learn from them there and then, and
//! what the one draws and the other says comes out.
//!
//! The networks, their losses and the step are those of `gan`, as `tadne train` runs them; only the recipe is in a hurry. The interface is that of
//! [`desk`]; [`begin`] reads the input as pictures. One instance is one contest, on the thread that calls it. `web/js/referee.js` is the other side.

mod duel;

pub use duel::{BATCH, Duel, FEWEST, SIDES, Trouble};

desk::exports!(Duel);

/// Begins a contest about the input: pictures of 16 or 32 pixels `side` as RGB bytes, [n, side, side, 3], n at least 8. The networks are drawn from
/// `seed`. 1 if it has begun.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn begin(side: usize, seed: u32) -> u32 {
    desk(|desk| {
        let pictures = std::mem::take(&mut desk.input);
        let done = Duel::new(pictures, side, seed.into()).map(|duel| desk.work = Some(duel));
        desk.reply(done)
    })
}

/// Lets each network learn from 16 pictures, real and drawn ones. 1 if it did.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn learn() -> u32 {
    desk(|desk| {
        desk.serve(Trouble::None, |duel, _, _| {
            duel.round();
            Ok(())
        })
    })
}

/// Draws the pictures of `count` seeds, the same ones each time, as the generator draws them now: RGBA, one below the other, [count, side, side, 4].
/// 1 if they are there.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn draw(count: usize) -> u32 {
    desk(|desk| {
        desk.serve(Trouble::None, |duel, _, rgba| {
            duel.draw(count, rgba);
            Ok(())
        })
    })
}

/// What was said: five numbers of 32 bits, little-endian. Rounds so far; then means since the last call of this: the discriminator's loss, the generator's,
/// the discriminator's output on real and on drawn pictures. 1 if they are there; 0 too if the networks came to nothing: begin again with another seed.
#[allow(unsafe_code, reason = "the exported name is unique in this module")]
#[unsafe(no_mangle)]
pub extern "C" fn said() -> u32 {
    desk(|desk| {
        desk.serve(Trouble::None, |duel, _, answer| {
            let said = duel.said()?;
            for number in [duel.rounds() as f64, said.loss_d, said.loss_g, said.real, said.fake] {
                answer.extend((number as f32).to_le_bytes());
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence() -> String {
        desk(|desk| String::from_utf8(desk.answer.clone()).unwrap())
    }

    fn input(bytes: &[u8]) {
        reserve(bytes.len());
        desk(|desk| desk.input.copy_from_slice(bytes));
    }

    #[test]
    fn an_instance_holds_one_contest_and_refuses_in_sentences() {
        for call in [(|| learn()) as fn() -> u32, || said(), || draw(3)] {
            assert_eq!(call(), 0);
            assert!(sentence().contains("no contest"), "{}", sentence());
        }
        input(&[0; 3 * 16 * 16 * 7]);
        assert_eq!(begin(16, 1), 0);
        assert!(sentence().contains("at least 8 of 768 bytes"), "{}", sentence());
        input(&[0; 3 * 16 * 16 * 8]);
        assert_eq!(begin(17, 1), 0);
        assert!(sentence().contains("[16, 32]"), "{}", sentence());
        input(&[200; 3 * 16 * 16 * 8]);
        assert_eq!((begin(16, 1), learn(), learn()), (1, 1, 1));
        assert_eq!((said(), answer_length()), (1, 20));
        let numbers: Vec<_> =
            desk(|desk| desk.answer.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect());
        assert!((numbers[0] - 2.0).abs() < 1e-6 && numbers.iter().all(|v| v.is_finite()), "{numbers:?}");
        assert_eq!((draw(3), answer_length()), (1, 3 * 16 * 16 * 4));
    }
}
