//! A model made ready, and pictures drawn with it.

mod canvas;
mod generator;
mod ink;
mod layers;
mod mapper;
mod watch;
mod worker;

pub use generator::Generator;
pub use mapper::mean_w;
pub use worker::{Picture, Worker};
