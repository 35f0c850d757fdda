//! What a drawing tells while it goes on.

/// Those who want to know how a drawing goes on.
pub(crate) struct Watch<'a> {
    /// Asked between layers whether to give up.
    pub(crate) cancelled: &'a dyn Fn() -> bool,
    /// Told the name of every part that is done.
    pub(crate) finished: &'a mut dyn FnMut(&str),
}
