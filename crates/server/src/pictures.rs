//! From an address to bytes: what is ordered, the threads that draw and encode it, and where it is kept. Nothing in here knows of HTTP.

pub(crate) mod address;
pub(crate) mod ahead;
pub(crate) mod animate;
pub(crate) mod breaker;
pub(crate) mod card;
pub(crate) mod encode;
pub(crate) mod file;
pub(crate) mod file_name;
pub(crate) mod kind;
pub(crate) mod latent;
pub(crate) mod lines;
pub(crate) mod order;
pub(crate) mod pool;
pub(crate) mod query;
pub mod record;
pub(crate) mod records;
pub(crate) mod render;
pub(crate) mod resize;
pub(crate) mod store;
pub(crate) mod studio;
pub(crate) mod zip;
