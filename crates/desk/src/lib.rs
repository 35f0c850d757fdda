//! What the WebAssembly modules for web pages share: an interface of a handful of C functions over one buffer in and one buffer out, so that a module
//! imports nothing and needs no generated script beside it.
//!
//! 1. `reserve` gives the address of a buffer of so many bytes; the caller writes into it.
//! 2. The module's own functions read it, and say 1 if all went well, else 0.
//! 3. The answer is at `answer`, `answer_length` bytes long: what was asked for, or after a failure one sentence of UTF-8.
//!
//! [`exports`] writes the three functions; the module adds its own with [`Desk::reply`]. An instance is used by one thread, the one of the Web Worker
//! that made it.

use std::fmt::Display;

/// What an instance of a module holds between two calls; `W` is what it works with, once there is one.
#[derive(Debug)]
pub struct Desk<W> {
    /// What the caller wrote.
    pub input: Vec<u8>,
    /// What the caller may read.
    pub answer: Vec<u8>,
    /// What the module works with.
    pub work: Option<W>,
}

impl<W> Default for Desk<W> {
    fn default() -> Self {
        Self { input: Vec::new(), answer: Vec::new(), work: None }
    }
}

impl<W> Desk<W> {
    /// Makes room for `length` bytes of input, zeros at first, and gives their address, which holds until the input changes.
    pub fn reserve(&mut self, length: usize) -> *mut u8 {
        self.input.clear();
        self.input.resize(length, 0);
        self.input.as_mut_ptr()
    }

    /// What a function of a module gives back: 1 if all went well; else 0, and the sentence that says what did not is the answer.
    pub fn reply(&mut self, done: Result<(), impl Display>) -> u32 {
        let Err(trouble) = done else { return 1 };
        self.answer.clear();
        self.answer.extend_from_slice(trouble.to_string().as_bytes());
        0
    }

    /// Has what the module works with read the input and write the answer, empty at first. `nothing` is the trouble if there is no such thing yet.
    /// What a function of a module gives back, as [`Desk::reply`].
    pub fn serve<T: Display>(
        &mut self,
        nothing: T,
        work: impl FnOnce(&mut W, &[u8], &mut Vec<u8>) -> Result<(), T>,
    ) -> u32 {
        self.answer.clear();
        let done = match &mut self.work {
            Some(worker) => work(worker, &self.input, &mut self.answer),
            None => Err(nothing),
        };
        self.reply(done)
    }
}

/// Exports `reserve`, `answer` and `answer_length` from a module that works with a `$work`, and defines `desk(|desk| ...)`, which hands out the instance's
/// one [`Desk`]. Not to be nested. To be called at the root of a crate. No exported name may be one of C's own (`round`, say): where the crate is linked
/// natively, as its tests are, it would take that function's place.
#[macro_export]
macro_rules! exports {
    ($work:ty) => {
        std::thread_local! {
            static DESK: std::cell::RefCell<$crate::Desk<$work>> = std::cell::RefCell::default();
        }

        fn desk<R>(work: impl FnOnce(&mut $crate::Desk<$work>) -> R) -> R {
            DESK.with_borrow_mut(work)
        }

        /// Makes room for `length` bytes of input and gives their address, which holds until the next call of this.
        #[allow(unsafe_code, reason = "the exported name is unique in this module")]
        #[unsafe(no_mangle)]
        pub extern "C" fn reserve(length: usize) -> *mut u8 {
            desk(|desk| desk.reserve(length))
        }

        /// Where the answer to the last call begins.
        #[allow(unsafe_code, reason = "the exported name is unique in this module")]
        #[unsafe(no_mangle)]
        pub extern "C" fn answer() -> *const u8 {
            desk(|desk| desk.answer.as_ptr())
        }

        /// How many bytes the answer has.
        #[allow(unsafe_code, reason = "the exported name is unique in this module")]
        #[unsafe(no_mangle)]
        pub extern "C" fn answer_length() -> usize {
            desk(|desk| desk.answer.len())
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the functions are exported from the root of a module's crate")]
mod tests {
    crate::exports!(u8);

    #[test]
    fn what_is_written_is_read_and_trouble_is_a_sentence() {
        let at = reserve(3);
        assert_eq!(desk(|desk| (desk.input.as_mut_ptr(), desk.input.clone())), (at, vec![0; 3]));
        desk(|desk| desk.answer = vec![7; 5]);
        assert_eq!(desk(|desk| desk.reply(Ok::<(), &str>(()))), 1);
        assert_eq!(answer_length(), 5);
        assert_eq!(desk(|desk| desk.reply(Err("no such thing"))), 0);
        assert_eq!(desk(|desk| (desk.answer.as_ptr(), desk.answer.clone())), (answer(), b"no such thing".to_vec()));

        let add = |by: u8| {
            desk(|desk| {
                desk.serve("nothing here", |work, input, answer| {
                    *work = work.checked_add(by).ok_or("too many")?;
                    answer.extend(input.iter().map(|byte| byte + *work));
                    Ok(())
                })
            })
        };
        assert_eq!((add(1), desk(|desk| desk.answer.clone())), (0, b"nothing here".to_vec()));
        desk(|desk| desk.work = Some(250));
        assert_eq!((add(5), desk(|desk| desk.answer.clone())), (1, vec![255; 3]));
        assert_eq!((add(1), desk(|desk| desk.answer.clone())), (0, b"too many".to_vec()));
    }
}
