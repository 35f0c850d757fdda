//! Tests of the pool with makers that are stepped by hand.

use std::sync::mpsc;
use std::time::Duration;

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A pool of one thread whose maker tells when it starts a key and waits to be let go on (or to be unwanted).
struct Bench {
    pool: Pool<u32, String>,
    started: mpsc::Receiver<u32>,
    go: mpsc::Sender<()>,
}

fn bench(limit: usize) -> Bench {
    let (tell, started) = mpsc::channel();
    let (go, gone_on) = mpsc::channel::<()>();
    let maker = move |key: &u32, unwanted: &dyn Fn() -> bool| {
        tell.send(*key).unwrap();
        loop {
            if unwanted() {
                return Err(Stop::Cancelled);
            }
            match gone_on.recv_timeout(Duration::from_millis(2)) {
                Ok(()) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Stop::Cancelled),
            }
        }
        match *key {
            13 => panic!("thirteen"),
            14 => Err(Stop::Failed("fourteen".to_owned())),
            _ => Ok(format!("made {key}")),
        }
    };
    Bench { pool: Pool::start(vec![maker], limit).unwrap(), started, go }
}

fn client(last: u8) -> Client {
    Client::from(std::net::IpAddr::from([192, 0, 2, last]))
}

impl Bench {
    fn ask(&self, key: u32) -> Ticket<u32, String> {
        self.pool.request(client(1), &key).unwrap()
    }

    fn next_started(&self) -> u32 {
        self.started.recv_timeout(SOON).unwrap()
    }

    fn let_go(&self, times: usize) {
        for _ in 0..times {
            self.go.send(()).unwrap();
        }
    }
}

async fn value(ticket: Ticket<u32, String>) -> Result<String, Stop> {
    tokio::time::timeout(SOON, ticket.value()).await.unwrap()
}

#[tokio::test]
async fn the_newest_request_comes_first() {
    let bench = bench(10);
    let mut tickets = vec![bench.ask(0)];
    assert_eq!(bench.next_started(), 0);
    tickets.extend([1, 2, 3].map(|key| bench.ask(key)));
    // Asked for again: 1 is wanted most recently now.
    tickets.push(bench.ask(1));
    bench.let_go(4);
    assert_eq!([bench.next_started(), bench.next_started(), bench.next_started()], [1, 3, 2]);
    for ticket in tickets {
        assert!(value(ticket).await.unwrap().starts_with("made"));
    }
}

#[tokio::test]
async fn equal_requests_share_one_piece_of_work() {
    let bench = bench(10);
    let tickets = [bench.ask(5), bench.ask(5), bench.ask(5)];
    bench.let_go(1);
    for ticket in tickets {
        assert_eq!(value(ticket).await, Ok("made 5".to_owned()));
    }
    assert_eq!(bench.pool.counts(), Counts { done: 1, cancelled: 0, queued: 0, rejected: 0 });
}

#[tokio::test]
async fn a_request_that_is_withdrawn_leaves_the_queue() {
    let bench = bench(10);
    let first = bench.ask(0);
    assert_eq!(bench.next_started(), 0);
    let (kept, withdrawn) = (bench.ask(1), bench.ask(2));
    drop(withdrawn);
    assert_eq!(bench.pool.counts(), Counts { done: 0, cancelled: 1, queued: 1, rejected: 0 });
    bench.let_go(2);
    assert_eq!(bench.next_started(), 1);
    assert!(value(first).await.is_ok() && value(kept).await.is_ok());
    assert!(bench.started.try_recv().is_err(), "the withdrawn request was worked on");
}

#[tokio::test]
async fn work_under_way_stops_when_the_last_of_its_visitors_leaves() {
    let bench = bench(10);
    let (one, other) = (bench.ask(0), bench.ask(0));
    assert_eq!(bench.next_started(), 0);
    drop(one);
    assert_eq!(bench.pool.counts().cancelled, 0, "somebody still waits");
    drop(other);
    // The thread is free again although nobody let it go on.
    let next = bench.ask(1);
    assert_eq!(bench.next_started(), 1);
    bench.let_go(1);
    assert_eq!(value(next).await, Ok("made 1".to_owned()));
    assert_eq!(bench.pool.counts(), Counts { done: 1, cancelled: 1, queued: 0, rejected: 0 });
}

#[tokio::test]
async fn a_full_queue_refuses_new_work_but_not_old() {
    let bench = bench(2);
    let _working = bench.ask(0);
    assert_eq!(bench.next_started(), 0);
    let _waiting = [bench.ask(1), bench.ask(2)];
    assert!(bench.pool.request(client(1), &3).is_err());
    assert!(bench.pool.request(client(1), &1).is_ok());
}

#[tokio::test]
async fn one_client_with_much_to_ask_does_not_keep_another_waiting() {
    let bench = bench(4);
    let _working = bench.ask(0);
    assert_eq!(bench.next_started(), 0);
    let [oldest, ..] = &mut [1, 2, 3, 4].map(|key| Some(bench.ask(key)));
    // The queue is full, but not of this client's requests.
    let other = bench.pool.request(client(2), &20).unwrap();
    assert_eq!(value(oldest.take().unwrap()).await, Err(Stop::Cancelled), "the oldest of the many made room");
    assert_eq!(bench.pool.counts().rejected, 1);
    bench.let_go(3);
    assert_eq!([bench.next_started(), bench.next_started()], [4, 20], "each has its turn");
    assert_eq!(value(other).await, Ok("made 20".to_owned()));
}

#[tokio::test]
async fn who_asks_for_the_same_picture_does_not_take_it_into_a_longer_line() {
    let bench = bench(10);
    let _working = bench.ask(0);
    assert_eq!(bench.next_started(), 0);
    let one = bench.pool.request(client(2), &1).unwrap();
    let many = [1, 2, 3, 4].map(|key| bench.ask(key));
    assert_eq!(bench.pool.counts().queued, 5, "it waits in both lines");
    bench.let_go(2);
    assert_eq!(bench.next_started(), 1);
    assert_eq!(value(one).await, Ok("made 1".to_owned()));
    bench.let_go(3);
    assert_eq!([bench.next_started(), bench.next_started(), bench.next_started()], [4, 3, 2], "and is made once");
    for ticket in many {
        assert!(value(ticket).await.is_ok());
    }
}

#[tokio::test]
async fn a_picture_that_makes_room_in_one_line_keeps_its_place_in_another() {
    let bench = bench(3);
    let _working = bench.ask(0);
    assert_eq!(bench.next_started(), 0);
    let mut shared = vec![bench.ask(1), bench.pool.request(client(2), &1).unwrap()];
    shared.push(bench.ask(2));
    let third = bench.pool.request(client(3), &30).unwrap();
    assert_eq!(bench.pool.counts().rejected, 0);
    bench.let_go(4);
    shared.push(third);
    for ticket in shared {
        assert!(value(ticket).await.is_ok());
    }
}

#[tokio::test]
async fn a_failure_or_a_panic_is_told_and_the_thread_lives_on() {
    let bench = bench(10);
    bench.let_go(3);
    assert!(matches!(value(bench.ask(13)).await, Err(Stop::Failed(_))));
    assert_eq!(value(bench.ask(14)).await, Err(Stop::Failed("fourteen".to_owned())));
    assert_eq!(value(bench.ask(15)).await, Ok("made 15".to_owned()));
}

#[tokio::test]
async fn closing_the_pool_tells_everybody_who_waits() {
    let bench = bench(10);
    let working = bench.ask(0);
    assert_eq!(bench.next_started(), 0);
    let waiting = bench.ask(1);
    drop(bench);
    for ticket in [working, waiting] {
        assert_eq!(value(ticket).await, Err(Stop::Cancelled));
    }
}
