//! The files of addresses without a server: for those who make pictures ahead.

use std::sync::Arc;

use bytes::Bytes;
use synth::Generator;

use crate::pictures::address::PictureAddress;
use crate::pictures::encode;
use crate::pictures::order::Order;
use crate::pictures::pool::Stop;
use crate::pictures::render::Renderer;

/// Makes the very bytes with which the server answers for an address; one thread's, with memory of its own.
pub struct FileMaker(Renderer);

/// A picture could not be made into a file; the text says why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{address} cannot be made: {reason}")]
pub struct MakeError {
    address: String,
    reason: String,
}

impl FileMaker {
    /// Counts changes of the bytes that are written for the same pixels: other revisions give other files.
    pub const REVISION: u32 = encode::REVISION;

    /// One that draws with this model.
    pub fn new(generator: &Arc<Generator>) -> Self {
        Self(Renderer::new(generator))
    }

    /// The file of an address; `size` is the longer side in pixels, where it is not the model's own.
    ///
    /// # Errors
    /// The encoder or the resizer refuses the picture.
    pub fn make(&mut self, address: PictureAddress, size: Option<u16>) -> Result<Bytes, MakeError> {
        let mut order = Order::from(address);
        if let Order::Picture { size: side, .. } = &mut order {
            *side = size;
        }
        self.0.make(&order, &|| false).map_err(|stop| MakeError {
            address: address.to_string(),
            reason: match stop {
                Stop::Failed(reason) => reason,
                Stop::Cancelled => "it was stopped".into(),
            },
        })
    }
}
