//! Between the network and the answers: who asks, how often, how much of a file and in which encoding, what may be kept, and how much waits to be read.

pub(crate) mod access;
pub(crate) mod compress;
pub(crate) mod conditional;
pub(crate) mod range;
pub(crate) mod rate;
pub(crate) mod unread;
