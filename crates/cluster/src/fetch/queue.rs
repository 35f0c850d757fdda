//! Who is asked next: hosts by turns, each by few at a time, and none before the time that it has asked for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use url::Url;

/// An address that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    /// Its place in the list.
    pub(super) number: usize,
    /// Where it is now: where the list says, or where that has sent on to.
    pub(super) url: Url,
    /// How often it went wrong.
    pub(super) failures: u32,
    /// How often it was sent on.
    pub(super) hops: u32,
}

#[derive(Default)]
struct Host {
    waiting: VecDeque<Job>,
    asked: usize,
    /// Nobody asks before.
    rests: Option<Instant>,
    /// Whether it is among those whose turn comes.
    ready: bool,
}

/// Whom an address is asked of.
pub(super) fn host(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// All that is to be fetched and not being fetched.
pub(super) struct Queue {
    at_once: usize,
    hosts: Vec<Host>,
    numbers: HashMap<String, usize>,
    turns: VecDeque<usize>,
    /// Hosts by when they may be asked again.
    resting: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Addresses by when they are tried again.
    later: BinaryHeap<Reverse<(Instant, Job)>>,
}

impl Queue {
    /// No host is asked for more than so many at once.
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            at_once,
            hosts: Vec::new(),
            numbers: HashMap::new(),
            turns: VecDeque::new(),
            resting: BinaryHeap::new(),
            later: BinaryHeap::new(),
        }
    }

    /// How many hosts there have been.
    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    fn host(&mut self, url: &Url) -> usize {
        let next = self.hosts.len();
        let number = *self.numbers.entry(host(url)).or_insert(next);
        if number == next {
            self.hosts.push(Host::default());
        }
        number
    }

    /// After the others of its host.
    pub(super) fn add(&mut self, job: Job) {
        let host = self.host(&job.url);
        self.hosts[host].waiting.push_back(job);
        self.settle(host);
    }

    /// Before the others of its host.
    pub(super) fn add_first(&mut self, job: Job) {
        let host = self.host(&job.url);
        self.hosts[host].waiting.push_front(job);
        self.settle(host);
    }

    /// Not before a time.
    pub(super) fn add_later(&mut self, job: Job, time: Instant) {
        self.later.push(Reverse((time, job)));
    }

    /// The host of an address is asked for nothing before a time.
    pub(super) fn rest(&mut self, url: &Url, time: Instant) {
        let host = self.host(url);
        let rests = &mut self.hosts[host].rests;
        *rests = Some(rests.map_or(time, |before| before.max(time)));
        self.resting.push(Reverse((time, host)));
    }

    /// What [`Queue::next`] gave is done with, in whichever way.
    pub(super) fn done(&mut self, url: &Url) {
        let host = self.host(url);
        self.hosts[host].asked = self.hosts[host].asked.saturating_sub(1);
        self.settle(host);
    }

    /// Takes a turn, if there is anything to be asked for.
    fn settle(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        if !host.ready && !host.waiting.is_empty() && host.asked < self.at_once && host.rests.is_none() {
            host.ready = true;
            self.turns.push_back(number);
        }
    }

    /// What is to be asked for now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Job> {
        while let Some(Reverse((time, host))) = self.resting.peek().copied().filter(|Reverse((time, _))| *time <= now) {
            self.resting.pop();
            // It may have asked for more since.
            if self.hosts[host].rests == Some(time) {
                self.hosts[host].rests = None;
            }
            self.settle(host);
        }
        while self.later.peek().is_some_and(|Reverse((time, _))| *time <= now) {
            if let Some(Reverse((_, job))) = self.later.pop() {
                self.add_first(job);
            }
        }
        while let Some(number) = self.turns.pop_front() {
            let host = &mut self.hosts[number];
            host.ready = false;
            if host.rests.is_some() {
                continue;
            }
            if let Some(job) = host.waiting.pop_front() {
                host.asked += 1;
                self.settle(number);
                return Some(job);
            }
        }
        None
    }

    /// When there may be something to be asked for, if nothing is done with before.
    pub(super) fn wake(&self) -> Option<Instant> {
        let resting = self.resting.peek().map(|Reverse((time, _))| *time);
        let later = self.later.peek().map(|Reverse((time, _))| *time);
        resting.into_iter().chain(later).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn job(number: usize, url: &str) -> Job {
        Job { number, url: url.parse().unwrap(), failures: 0, hops: 0 }
    }

    #[test]
    fn hosts_come_by_turns_and_none_is_asked_for_more_than_it_may() {
        let (mut queue, now) = (Queue::new(2), Instant::now());
        for number in 0..5 {
            queue.add(job(number, &format!("https://a.example/{number}")));
        }
        queue.add(job(5, "https://b.example/"));
        queue.add(job(6, "http://b.example/"));
        let numbers = |queue: &mut Queue| {
            let all = std::iter::from_fn(|| queue.next(now)).map(|job| job.number);
            all.collect::<Vec<_>>()
        };
        assert_eq!((numbers(&mut queue), queue.hosts()), (vec![0, 5, 6, 1], 3));
        let a = "https://a.example/x".parse().unwrap();
        queue.done(&a);
        assert_eq!(numbers(&mut queue), [2]);
        queue.done(&a);
        queue.done(&a);
        queue.add_first(job(9, "https://a.example/9"));
        assert_eq!(numbers(&mut queue), [9, 3]);
        queue.done(&a);
        assert_eq!(numbers(&mut queue), [4]);
        assert_eq!((numbers(&mut queue), queue.wake()), (vec![], None));
    }

    #[test]
    fn a_host_that_asked_for_time_gets_it_and_others_go_on() {
        let (mut queue, now) = (Queue::new(2), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        for number in 0..3 {
            queue.add(job(number, "https://a.example/"));
            queue.add(job(10 + number, "https://b.example/"));
        }
        let first = queue.next(now).unwrap();
        assert_eq!(first.number, 0);
        queue.rest(&first.url, after(5));
        queue.rest(&first.url, after(3));
        queue.done(&first.url);
        queue.add_first(first);
        assert_eq!(queue.next(now).unwrap().number, 10);
        queue.add_later(job(20, "https://b.example/"), after(4));
        assert_eq!(queue.next(now).unwrap().number, 11);
        assert_eq!((queue.next(now), queue.wake()), (None, Some(after(3))));
        assert_eq!((queue.next(after(3)), queue.wake()), (None, Some(after(4))));
        queue.done(&"https://b.example/".parse().unwrap());
        assert_eq!(queue.next(after(4)).unwrap().number, 20);
        assert_eq!(queue.next(after(5)).unwrap().number, 0);
        assert_eq!(queue.next(after(5)).unwrap().number, 1);
    }
}
