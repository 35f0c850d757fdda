//! Who is served next: every client waits in a line of its own, and the newest of each line has its turn; now and then
//! the oldest, so that nobody waits for ever behind newcomers.
//!
//! One client that asks for a thousand pictures cannot keep another from its first. When all lines together are full,
//! a newcomer takes the place of the oldest in the longest line, unless its own line is as long.

use std::collections::VecDeque;

use crate::client::Client;

/// Of so many turns one is the oldest's.
const TURNS: u32 = 8;

/// What several clients ask for waits in each one's line, so that none loses its turn to another; whoever uses this takes it out of all of them
/// when one had it. Bounded by whoever uses it: see [`Lines::make_room`].
///
/// An item is looked for in one line after the other. Of pictures 512 wait at most, unless `--queue` says otherwise, so that comparing as many pointers for each
/// that is asked for, drawn or given up is nothing beside drawing one; an index by item would have to be kept right in every line for that.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    /// The front line is served next; a line that was served goes to the back. No line is empty.
    clients: VecDeque<Line<T>>,
    len: usize,
}

/// What waits for one client.
#[derive(Debug)]
struct Line<T> {
    client: Client,
    items: VecDeque<T>,
    /// Turns since its oldest had one. Counted by line: a count of all would fall into step with clients that take turns.
    turns: u32,
}

impl<T> Lines<T> {
    pub(crate) fn new() -> Self {
        Self { clients: VecDeque::new(), len: 0 }
    }

    /// How many places are taken in all lines.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts an item before all others of its client.
    pub(crate) fn push(&mut self, client: Client, item: T) {
        self.len += 1;
        match self.clients.iter_mut().find(|line| line.client == client) {
            Some(line) => line.items.push_back(item),
            None => self.clients.push_back(Line { client, items: VecDeque::from([item]), turns: 0 }),
        }
    }

    /// The newest item of the client whose turn it is; at each of its eighth turns its oldest.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let mut line = self.clients.pop_front()?;
        line.turns = (line.turns + 1) % TURNS;
        let item = if line.turns == 0 { line.items.pop_front() } else { line.items.pop_back() };
        if !line.items.is_empty() {
            self.clients.push_back(line);
        }
        self.len -= usize::from(item.is_some());
        item
    }

    /// Puts an item that waits somewhere before all others of one more client, unless `room` places are taken. Where it waits in
    /// that client's line already, it comes to the front.
    pub(crate) fn push_again(&mut self, client: Client, room: usize, matches: impl Fn(&T) -> bool)
    where
        T: Clone,
    {
        if let Some(line) = self.clients.iter_mut().find(|line| line.client == client)
            && let Some(item) = line.items.iter().position(&matches).and_then(|place| line.items.remove(place))
        {
            line.items.push_back(item);
        } else if self.len < room
            && let Some(item) = self.clients.iter().flat_map(|line| &line.items).find(|item| matches(item)).cloned()
        {
            self.push(client, item);
        }
    }

    /// Whether an item that matches waits in any line.
    pub(crate) fn has(&self, matches: impl Fn(&T) -> bool) -> bool {
        self.clients.iter().flat_map(|line| &line.items).any(matches)
    }

    /// Takes the items that match out of all lines.
    pub(crate) fn remove(&mut self, matches: impl Fn(&T) -> bool) {
        self.clients.iter_mut().for_each(|line| line.items.retain(|item| !matches(item)));
        self.clients.retain(|line| !line.items.is_empty());
        self.len = self.clients.iter().map(|line| line.items.len()).sum();
    }

    /// Takes the oldest item out of the longest line, for a client whose own line is shorter; `None` if there is no
    /// line it has a claim on.
    pub(crate) fn make_room(&mut self, client: Client) -> Option<T> {
        let own = self.clients.iter().find(|line| line.client == client).map_or(0, |line| line.items.len());
        let (at, longest) = self.clients.iter().map(|line| line.items.len()).enumerate().max_by_key(|(_, len)| *len)?;
        if longest > own + 1 { self.take(at, 0) } else { None }
    }

    /// Empties all lines.
    pub(crate) fn clear(&mut self) {
        self.clients.clear();
        self.len = 0;
    }

    fn take(&mut self, at: usize, place: usize) -> Option<T> {
        let line = self.clients.get_mut(at)?;
        let item = line.items.remove(place);
        if line.items.is_empty() {
            self.clients.remove(at);
        }
        self.len -= usize::from(item.is_some());
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> Client {
        Client::from(std::net::IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn clients_take_turns_and_each_has_its_newest_first() {
        let mut lines = Lines::new();
        for item in 1..=3 {
            lines.push(client(1), item);
        }
        lines.push(client(2), 20);
        lines.push(client(3), 30);
        let order: Vec<_> = std::iter::from_fn(|| lines.pop()).collect();
        assert_eq!(order, [3, 20, 30, 2, 1]);
        assert_eq!(lines.len(), 0);
    }

    #[test]
    fn the_oldest_has_a_turn_however_many_newer_ones_come() {
        let mut lines = Lines::new();
        lines.push(client(1), 0);
        let served = (1..=8).map(|item| {
            lines.push(client(1), item);
            lines.pop().unwrap()
        });
        assert_eq!(served.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 0]);
    }

    #[test]
    fn the_oldest_of_every_client_has_its_turn() {
        for clients in [2, 3, 4, 8] {
            let mut lines = Lines::new();
            (0..clients).for_each(|of| lines.push(client(of), (of, 0)));
            let mut oldest = Vec::new();
            for turn in 1..=8 {
                (0..clients).for_each(|of| lines.push(client(of), (of, turn)));
                oldest
                    .extend((0..clients).filter_map(|_| lines.pop()).filter(|(_, item)| *item == 0).map(|(of, _)| of));
            }
            assert_eq!(oldest, (0..clients).collect::<Vec<_>>(), "{clients} clients");
        }
    }

    #[test]
    fn room_is_made_at_the_cost_of_the_longest_line_only() {
        let mut lines = Lines::new();
        for item in 1..=3 {
            lines.push(client(1), item);
        }
        assert_eq!(lines.make_room(client(1)), None);
        assert_eq!(lines.make_room(client(2)), Some(1));
        lines.push(client(2), 20);
        assert_eq!(lines.make_room(client(2)), None, "two and one are as even as can be");
        assert_eq!(lines.make_room(client(3)), Some(2));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn what_is_removed_is_gone_and_its_line_with_it() {
        let mut lines = Lines::new();
        lines.push(client(1), 1);
        lines.push(client(2), 2);
        for _ in 0..2 {
            lines.remove(|item| *item == 1);
            assert_eq!(lines.len(), 1);
        }
        assert_eq!((lines.pop(), lines.pop()), (Some(2), None));
    }

    #[test]
    fn what_two_clients_want_waits_in_both_lines() {
        let mut lines = Lines::new();
        lines.push(client(1), 1);
        let again = |lines: &mut Lines<i32>, of, item| lines.push_again(client(of), 4, |other| *other == item);
        again(&mut lines, 2, 1);
        again(&mut lines, 2, 7);
        assert_eq!(lines.len(), 2, "what waits nowhere is not put anywhere");
        lines.push(client(2), 20);
        assert_eq!((lines.pop(), lines.has(|item| *item == 1)), (Some(1), true));
        again(&mut lines, 2, 1);
        assert_eq!((lines.len(), lines.pop()), (2, Some(1)), "it came to the front of the line that it waits in");
        lines.push(client(1), 3);
        (2..6).for_each(|of| again(&mut lines, of, 3));
        assert_eq!(lines.len(), 4, "room for four");
    }
}
