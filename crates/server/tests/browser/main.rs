//! Journeys of visitors in a real Chromium.

#[path = "../common/mod.rs"]
mod common;
mod everybody;
mod hosted;
mod room;
mod text;
mod visit;
mod wall;
