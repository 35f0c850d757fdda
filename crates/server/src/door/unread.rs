//! Answers that are not sent yet, bounded in bytes: a visitor who asks for much and reads slowly keeps all of it in memory, once a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::Response;

use crate::client::Client;
use crate::error::Refusal;

/// Answers up to this size are not counted: the number of connections bounds them.
const SMALL: u64 = 16 << 10;
/// Of all bytes one client may have this part.
const SHARE: usize = 4;

/// Beside an answer whose bytes are in memory anyway, once for everybody who reads them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared;

/// Bytes of answers that are not sent yet.
pub(crate) struct Unread {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    /// By client; no entry is 0.
    each: HashMap<Client, usize>,
}

impl Unread {
    /// None yet, and at most so many bytes, with one answer more.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: Mutex::default() }
    }

    /// Room for so many bytes of a client's answer, taken until it is dropped. There is none once there are too many in all, or if
    /// they would be more than a client's share; an answer that is larger than that a client may have by itself.
    pub(crate) fn take(self: &Arc<Self>, client: Client, bytes: usize) -> Option<Room> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.each.get(&client).copied().unwrap_or(0);
        if held.all >= self.most || (own > 0 && own.saturating_add(bytes) > self.most / SHARE) {
            return None;
        }
        held.all += bytes;
        held.each.insert(client, own + bytes);
        Some(Room { unread: Arc::clone(self), client, bytes })
    }

    /// The answer, counted until the last of it is handed to the system or the connection is gone.
    pub(crate) async fn hold(self: &Arc<Self>, client: Client, answer: Response) -> Result<Response, Refusal> {
        let size = answer.body().size_hint().exact().unwrap_or(0);
        if size <= SMALL || answer.extensions().get::<Shared>().is_some() {
            return Ok(answer);
        }
        let room = self.take(client, size as usize).ok_or(Refusal::Unread)?;
        let (parts, body) = answer.into_parts();
        // In one piece already, so this neither waits nor copies.
        let bytes = to_bytes(body, usize::MAX).await.map_err(|_| Refusal::Failed)?;
        Ok(Response::from_parts(parts, Body::from(Bytes::from_owner(Counted { bytes, _room: room }))))
    }
}

/// Bytes that are counted.
pub(crate) struct Room {
    unread: Arc<Unread>,
    client: Client,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut held = self.unread.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= self.bytes;
        if let Some(own) = held.each.get_mut(&self.client) {
            *own -= self.bytes;
            if *own == 0 {
                held.each.remove(&self.client);
            }
        }
    }
}

/// The bytes of an answer with the room that they take.
struct Counted {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::response::IntoResponse;

    use super::*;

    fn client(last: u8) -> Client {
        Client::from(IpAddr::from([203, 0, 113, last]))
    }

    #[test]
    fn a_client_has_its_share_or_one_answer_and_all_together_have_no_more_than_there_is() {
        let unread = Arc::new(Unread::new(100));
        let first = unread.take(client(1), 20).unwrap();
        let second = unread.take(client(1), 5).unwrap();
        assert!(unread.take(client(1), 1).is_none(), "more than a quarter");
        drop(second);
        let again = unread.take(client(1), 5).unwrap();
        let large = unread.take(client(2), 90).unwrap();
        assert!(unread.take(client(3), 1).is_none(), "all is taken");
        drop((first, again, large));
        let held = unread.held.lock().unwrap();
        assert!(held.all == 0 && held.each.is_empty(), "something is counted for ever");
    }

    #[tokio::test]
    async fn an_answer_counts_as_long_as_somebody_holds_its_bytes() {
        let unread = Arc::new(Unread::new(1 << 20));
        let held = || unread.held.lock().unwrap().all;
        let hold = async |answer: Response| unread.hold(client(1), answer).await.unwrap();
        let large = vec![7; 20_000];
        let answer = hold(large.clone().into_response()).await;
        assert_eq!(held(), 20_000);
        let sent = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert!(sent == large && held() == 20_000, "its bytes are still there");
        drop(sent);
        assert_eq!(held(), 0);
        let small = hold("small".into_response()).await;
        let shared = hold((axum::Extension(Shared), large).into_response()).await;
        assert_eq!(held(), 0, "neither costs memory of its own that counts");
        drop((small, shared));
    }
}
