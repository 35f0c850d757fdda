//! Between the network and the answers: who asks, how often, how much of a file and in which encoding.

pub(crate) mod access;
pub(crate) mod compress;
pub(crate) mod conditional;
pub(crate) mod range;
pub(crate) mod rate;
