//! Threads that work on one picture together: a task list is handed out, and everybody waits until it is done.
//!
//! A layer takes tens of microseconds, so the helpers wait for the next one in a short loop before they sleep. A helper
//! that wakes too late is not waited for: the others do its share.

use std::cell::{Cell, UnsafeCell};
use std::hint::spin_loop;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crate::Isa;

/// The threads that draw together, one of them the caller's, and the instruction set they draw with.
///
/// It can be sent to another thread but not shared: one task list at a time.
#[derive(Debug)]
pub struct Crew {
    isa: Isa,
    helpers: Vec<JoinHandle<()>>,
    board: Arc<Board>,
    /// Whether a call goes on. It also makes the type `!Sync`: one thread calls.
    busy: Cell<bool>,
}

/// What the threads tell each other.
#[derive(Debug)]
struct Board {
    /// Helpers at work (the low bits), whether more may join ([`OPEN`]), and the number of the list (the rest).
    gate: AtomicUsize,
    /// Written while the gate is closed and nobody is at work.
    list: UnsafeCell<List>,
    /// The next task of the list.
    next: AtomicUsize,
    panicked: AtomicBool,
    closing: AtomicBool,
    /// Which helpers sleep.
    asleep: Vec<AtomicBool>,
}

const AT_WORK: usize = (1 << 16) - 1;
const OPEN: usize = 1 << 16;
const LIST: usize = 1 << 17;

/// How often a helper looks for work before it sleeps: for a few hundred microseconds, longer than anything that one
/// thread does alone between two layers, as a thread that has slept is slow to come back where others compute too.
const PATIENCE: usize = if cfg!(miri) { 10 } else { 20_000 };
/// How often the owner looks whether the helpers are done before it lets others have its core: one of the helpers may be
/// waiting for it.
const OWNERS_PATIENCE: usize = 1000;

type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

#[derive(Clone, Copy, Debug)]
struct List {
    /// Borrowed from a caller that waits for all who use it.
    task: Option<*const Task<'static>>,
    count: usize,
}

// SAFETY: `list` is written by the crew's owner only, while the gate is closed and nobody is at work, and read only by
// those who have passed the open gate; the gate's acquire and release order the two. The task it points to is `Sync`.
unsafe impl Sync for Board {}
// SAFETY: the pointer in `list` is used only while its owner waits; the rest may be sent.
unsafe impl Send for Board {}

impl Crew {
    /// The caller's thread alone.
    pub fn alone(isa: Isa) -> Self {
        Self::new(isa, 1)
    }

    /// `threads` threads, one of them the caller's; fewer if the system gives no more.
    pub fn new(isa: Isa, threads: usize) -> Self {
        let wanted = threads.clamp(1, 256) - 1;
        let board = Arc::new(Board {
            gate: AtomicUsize::new(0),
            list: UnsafeCell::new(List { task: None, count: 0 }),
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            asleep: (0..wanted).map(|_| AtomicBool::new(false)).collect(),
        });
        let start = |index| {
            let board = Arc::clone(&board);
            thread::Builder::new().name(format!("layer-{index}")).spawn(move || help(&board, index)).ok()
        };
        let helpers = (0..wanted).map_while(start).collect();
        Crew { isa, helpers, board, busy: Cell::new(false) }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Threads, the caller's among them.
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Cuts 0 to `count` into a few parts a thread and calls `task` with each, on all threads.
    ///
    /// # Panics
    /// If a task does.
    pub fn in_parts(&self, count: usize, task: impl Fn(Range<usize>) + Sync) {
        let parts = if self.helpers.is_empty() { 1 } else { count.min(4 * self.threads()) };
        self.run(parts, |_, part| task(part * count / parts..(part + 1) * count / parts));
    }

    /// Calls `task(thread, index)` once for every index below `count`, on all threads; `thread` is less than
    /// [`threads`](Self::threads) and tells calls at the same time apart.
    ///
    /// # Panics
    /// If a task does, or is itself within a call of the same crew.
    pub fn run(&self, count: usize, task: impl Fn(usize, usize) + Sync) {
        if self.helpers.is_empty() || count < 2 {
            (0..count).for_each(|index| task(0, index));
            return;
        }
        let _at_work = AtWork::begin(&self.busy);
        let borrowed: &Task<'_> = &task;
        #[allow(clippy::transmute_ptr_to_ptr, reason = "a cast cannot change the lifetime")]
        // SAFETY: only the lifetime changes; nobody uses the task after this function has returned.
        let erased = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(borrowed) };
        let board = &*self.board;
        // SAFETY: the gate is closed and nobody is at work: so every call leaves it, `Crew` is not shared, and no call is within another.
        unsafe { *board.list.get() = List { task: Some(erased), count } };
        board.next.store(0, Ordering::Relaxed);
        let list = board.gate.load(Ordering::Relaxed) & !(AT_WORK | OPEN);
        board.gate.store(list.wrapping_add(LIST) | OPEN, Ordering::SeqCst);
        for (helper, asleep) in self.helpers.iter().zip(&board.asleep) {
            if asleep.load(Ordering::SeqCst) {
                helper.thread().unpark();
            }
        }
        let mine = catch_unwind(AssertUnwindSafe(|| work(board, &task, 0, count)));
        board.gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut waited = 0;
        while board.gate.load(Ordering::Acquire) & AT_WORK != 0 {
            waited += 1;
            if waited < OWNERS_PATIENCE { spin_loop() } else { thread::yield_now() }
        }
        if let Err(panic) = mine {
            resume_unwind(panic);
        }
        assert!(!board.panicked.swap(false, Ordering::AcqRel), "a thread of the crew panicked");
    }
}

/// A call of [`Crew::run`] that goes on.
struct AtWork<'a>(&'a Cell<bool>);

impl<'a> AtWork<'a> {
    /// # Panics
    /// If one does already.
    fn begin(busy: &'a Cell<bool>) -> Self {
        assert!(!busy.replace(true), "a task of a crew calls the crew");
        Self(busy)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.board.closing.store(true, Ordering::SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // Its tasks' panics are caught, so there is nothing left to say.
            let _ = helper.join();
        }
    }
}

/// Does tasks until none is left.
fn work(board: &Board, task: &Task<'_>, thread: usize, count: usize) {
    loop {
        let index = board.next.fetch_add(1, Ordering::Relaxed);
        if index >= count {
            return;
        }
        task(thread, index);
    }
}

/// The life of a helper.
fn help(board: &Board, index: usize) {
    let (mut done, mut idle) = (0, 0);
    while !board.closing.load(Ordering::SeqCst) {
        let gate = board.gate.load(Ordering::SeqCst);
        let list = gate & !(AT_WORK | OPEN);
        if gate & OPEN != 0 && list != done {
            if board.gate.compare_exchange(gate, gate + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                // SAFETY: past the open gate the list stays as it is, and its task alive, until this helper has left.
                let List { task, count } = unsafe { *board.list.get() };
                if let Some(task) = task {
                    // SAFETY: as above.
                    let task = unsafe { &*task };
                    if catch_unwind(AssertUnwindSafe(|| work(board, task, index + 1, count))).is_err() {
                        board.panicked.store(true, Ordering::Release);
                    }
                }
                (done, idle) = (list, 0);
                board.gate.fetch_sub(1, Ordering::AcqRel);
            }
        } else if idle < PATIENCE {
            idle += 1;
            spin_loop();
        } else {
            board.asleep[index].store(true, Ordering::SeqCst);
            // Work that came since the last look would not have woken this thread.
            let now = board.gate.load(Ordering::SeqCst);
            if (now & OPEN == 0 || now & !(AT_WORK | OPEN) == done) && !board.closing.load(Ordering::SeqCst) {
                thread::park();
            }
            board.asleep[index].store(false, Ordering::SeqCst);
            idle = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local!(static SHARED: Crew = Crew::new(Isa::SCALAR, 3));

    #[test]
    fn a_call_within_a_call_is_refused_and_the_crew_goes_on() {
        SHARED.with(|crew| {
            let (owner, tried) = (thread::current().id(), AtomicBool::new(false));
            let inner = |_, _| {
                if thread::current().id() == owner {
                    tried.store(true, Ordering::Relaxed);
                    SHARED.with(|crew| crew.run(2, |_, _| ()));
                }
            };
            let ended = catch_unwind(AssertUnwindSafe(|| crew.run(1000, inner)));
            assert_eq!(ended.is_err(), tried.into_inner());
            let all = AtomicUsize::new(0);
            crew.run(7, |_, _| _ = all.fetch_add(1, Ordering::Relaxed));
            assert_eq!(all.into_inner(), 7);
        });
    }

    #[test]
    fn every_task_is_done_once_whoever_does_it() {
        for threads in [1, 2, 5] {
            let crew = Crew::new(Isa::SCALAR, threads);
            for count in [0, 1, 2, 3, 100] {
                let done: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                crew.run(count, |thread, index| {
                    assert!(thread < threads);
                    done[index].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            }
            // Long enough for the helpers to fall asleep.
            thread::sleep(std::time::Duration::from_millis(if cfg!(miri) { 0 } else { 5 }));
            let sum = AtomicUsize::new(0);
            crew.run(10, |_, index| {
                sum.fetch_add(index, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }

    #[test]
    #[cfg_attr(target_family = "wasm", ignore = "a panic ends the program there")]
    fn a_panic_reaches_the_caller_and_the_crew_works_on() {
        let crew = Crew::new(Isa::SCALAR, 3);
        for bad in 0..6 {
            let outcome = catch_unwind(AssertUnwindSafe(|| crew.run(6, |_, index| assert_ne!(index, bad))));
            assert!(outcome.is_err());
        }
        let count = AtomicUsize::new(0);
        crew.run(6, |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 6);
    }
}
