//! A fixed set of worker threads that make things on request: clients by turns, newest first, each thing once, nothing
//! for nobody.
//!
//! - The queue is bounded, and a stack for each client: what was asked for last is what the visitor looks at now.
//! - Requests for the same key share one piece of work (single flight).
//! - A [`Ticket`] that is dropped withdraws its request; work that nobody waits for any more leaves the queue, or is
//!   told to stop if a thread is already at it.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::client::Client;
use crate::pictures::lines::Lines;

/// Why a piece of work gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody waits for it any more, it made room for another client's, or the pool is closing.
    Cancelled,
    /// It went wrong; the text is for the log.
    Failed(String),
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// What the pool has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Pieces of work finished.
    pub(crate) done: u64,
    /// Pieces of work withdrawn before they were finished.
    pub(crate) cancelled: u64,
    /// Pieces of work that wait for a thread now, each as often as clients wait for it.
    pub(crate) queued: usize,
    /// Requests that found no room, or lost theirs to another client.
    pub(crate) rejected: u64,
}

type Outcome<V> = Option<Result<V, Stop>>;

/// One piece of work and everybody who waits for it.
struct Flight<K, V> {
    key: K,
    unwanted: AtomicBool,
    outcome: watch::Sender<Outcome<V>>,
}

struct State<K, V> {
    /// Waiting for a thread.
    waiting: Lines<Arc<Flight<K, V>>>,
    /// Waiting or being worked on, with the number of tickets that want it.
    flights: HashMap<K, (Arc<Flight<K, V>>, usize)>,
    closing: bool,
}

struct Shared<K, V> {
    state: Mutex<State<K, V>>,
    work: Condvar,
    limit: usize,
    done: AtomicU64,
    cancelled: AtomicU64,
    rejected: AtomicU64,
}

impl<K, V> Shared<K, V> {
    /// The state is only ever changed in small complete steps, so a panic elsewhere leaves it usable.
    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads and their queue. Dropping it stops all work and joins the threads.
pub(crate) struct Pool<K, V> {
    shared: Arc<Shared<K, V>>,
    threads: Vec<JoinHandle<()>>,
}

impl<K, V> Pool<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Starts one thread for each of `makers`, with room for `limit` waiting pieces of work. A maker gets the key and a
    /// question to ask now and then: is this still wanted, or should I stop?
    pub(crate) fn start<M>(makers: Vec<M>, limit: usize) -> io::Result<Self>
    where
        M: FnMut(&K, &dyn Fn() -> bool) -> Result<V, Stop> + Send + 'static,
    {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { waiting: Lines::new(), flights: HashMap::new(), closing: false }),
            work: Condvar::new(),
            limit,
            done: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        });
        // Built first, so that a thread that cannot start takes those already started down with it.
        let mut pool = Self { shared: Arc::clone(&shared), threads: Vec::new() };
        for (index, maker) in makers.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            let thread =
                std::thread::Builder::new().name(format!("draw-{index}")).spawn(move || worker_loop(&shared, maker))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Asks for `key`: joins the work on it, or queues it as the client's next.
    pub(crate) fn request(&self, client: Client, key: &K) -> Result<Ticket<K, V>, Busy> {
        let mut state = self.shared.lock();
        let state = &mut *state;
        let flight = if let Some((flight, wanted)) = state.flights.get_mut(key) {
            *wanted += 1;
            let flight = Arc::clone(flight);
            // Asked for just now, so it is this client's next (if no thread has it already); another's line keeps it as well.
            state.waiting.push_again(client, self.shared.limit, |waiting| Arc::ptr_eq(waiting, &flight));
            flight
        } else {
            if state.closing || !self.has_room(state, client) {
                self.shared.rejected.fetch_add(1, Ordering::Relaxed);
                return Err(Busy);
            }
            let flight = Arc::new(Flight {
                key: key.clone(),
                unwanted: AtomicBool::new(false),
                outcome: watch::Sender::new(None),
            });
            state.flights.insert(key.clone(), (Arc::clone(&flight), 1));
            state.waiting.push(client, Arc::clone(&flight));
            self.shared.work.notify_one();
            flight
        };
        let outcome = flight.outcome.subscribe();
        Ok(Ticket { shared: Arc::clone(&self.shared), flight, outcome })
    }

    /// Whether one more may wait, if need be in the place of the oldest of another client that has more than its share.
    fn has_room(&self, state: &mut State<K, V>, client: Client) -> bool {
        if state.waiting.len() < self.shared.limit {
            return true;
        }
        let Some(evicted) = state.waiting.make_room(client) else { return false };
        if state.waiting.has(|waiting| Arc::ptr_eq(waiting, &evicted)) {
            return true;
        }
        state.flights.remove(&evicted.key);
        evicted.outcome.send_replace(Some(Err(Stop::Cancelled)));
        self.shared.rejected.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// What has been done so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            done: self.shared.done.load(Ordering::Relaxed),
            cancelled: self.shared.cancelled.load(Ordering::Relaxed),
            queued: self.shared.lock().waiting.len(),
            rejected: self.shared.rejected.load(Ordering::Relaxed),
        }
    }
}

impl<K, V> Drop for Pool<K, V> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        state.waiting.clear();
        for (flight, _) in state.flights.values() {
            flight.unwanted.store(true, Ordering::Relaxed);
            flight
                .outcome
                .send_if_modified(|outcome| outcome.is_none() && outcome.replace(Err(Stop::Cancelled)).is_none());
        }
        drop(state);
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A worker only ends by itself if its maker's panic could not be caught; nothing is left to do then.
            let _ = thread.join();
        }
    }
}

/// A place in the queue. Dropping it withdraws the request.
pub(crate) struct Ticket<K: Eq + Hash, V> {
    shared: Arc<Shared<K, V>>,
    flight: Arc<Flight<K, V>>,
    outcome: watch::Receiver<Outcome<V>>,
}

impl<K: Eq + Hash, V: Clone> Ticket<K, V> {
    /// Waits for the value.
    pub(crate) async fn value(mut self) -> Result<V, Stop> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Stop::Cancelled)),
            Err(_) => Err(Stop::Cancelled),
        }
    }
}

impl<K: Eq + Hash, V> Drop for Ticket<K, V> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // A finished flight is no longer in the map; one of the same key that started later is another flight.
        let Some((flight, wanted)) = state.flights.get_mut(&self.flight.key) else { return };
        if !Arc::ptr_eq(flight, &self.flight) {
            return;
        }
        *wanted -= 1;
        if *wanted == 0 {
            self.flight.unwanted.store(true, Ordering::Relaxed);
            state.flights.remove(&self.flight.key);
            state.waiting.remove(|waiting| Arc::ptr_eq(waiting, &self.flight));
            self.shared.cancelled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The life of one thread: take the newest piece of work, do it, tell everybody who waits.
fn worker_loop<K, V, M>(shared: &Shared<K, V>, mut maker: M)
where
    K: Eq + Hash,
    M: FnMut(&K, &dyn Fn() -> bool) -> Result<V, Stop>,
{
    loop {
        let flight = {
            let mut state = shared.lock();
            loop {
                if state.closing {
                    return;
                }
                if let Some(flight) = state.waiting.pop() {
                    state.waiting.remove(|waiting| Arc::ptr_eq(waiting, &flight));
                    break flight;
                }
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let unwanted = || flight.unwanted.load(Ordering::Relaxed);
        // A maker overwrites all of its scratch memory with each picture, so it is fit for use after a panic.
        let made = catch_unwind(AssertUnwindSafe(|| maker(&flight.key, &unwanted)))
            .unwrap_or_else(|_| Err(Stop::Failed("the worker panicked".to_owned())));
        let mut state = shared.lock();
        if state.flights.get(&flight.key).is_some_and(|(current, _)| Arc::ptr_eq(current, &flight)) {
            state.flights.remove(&flight.key);
        }
        drop(state);
        if made.is_ok() {
            shared.done.fetch_add(1, Ordering::Relaxed);
        }
        flight.outcome.send_replace(Some(made));
    }
}

#[cfg(test)]
mod tests;
