//! Ranks that are threads of one process.

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use gan::{Collective, Error};

/// One of several threads that train together.
pub(crate) struct Threads {
    rank: usize,
    shared: Arc<(Mutex<Vec<Vec<f32>>>, Barrier)>,
}

/// Calls `work` as each of `size` ranks at once; what they give, by rank.
pub(crate) fn on_each<T: Send>(size: usize, work: impl Fn(Threads) -> T + Sync) -> Vec<T> {
    let shared = Arc::new((Mutex::new(vec![Vec::new(); size]), Barrier::new(size)));
    thread::scope(|scope| {
        let rank = |rank| {
            let threads = Threads { rank, shared: Arc::clone(&shared) };
            let work = &work;
            scope.spawn(move || work(threads))
        };
        let ranks: Vec<_> = (0..size).map(rank).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.shared.0.lock().unwrap().len()
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), Error> {
        let (all, barrier) = &*self.shared;
        all.lock().unwrap()[self.rank] = values.to_vec();
        barrier.wait();
        values.fill(0.0);
        for other in &*all.lock().unwrap() {
            assert_eq!(other.len(), values.len(), "ranks sum as many numbers");
            values.iter_mut().zip(other).for_each(|(to, v)| *to += v);
        }
        barrier.wait();
        Ok(())
    }
}
