//! Journeys of visitors in a real Chromium.

mod address;
#[path = "../common/mod.rs"]
mod common;
mod everybody;
mod hands;
mod hosted;
mod lookalike;
mod play;
mod room;
mod text;
mod visit;
mod wall;
