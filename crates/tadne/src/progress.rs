//! What commands that train have in common on the terminal: lines above a bar, and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;

/// Prints a line above a bar. A hidden bar (no terminal) swallows its lines; a log wants them.
pub(crate) fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() { println!("{line}") } else { bar.println(line) }
}

/// What Ctrl-C sets, so that what is in hand can be finished, as `what` tells the user; pressed once more it ends the program.
///
/// # Errors
/// The system gives no handler, or there is one already.
pub(crate) fn stop_on_interrupt(what: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\n{what}; once more to leave at once");
    })?;
    Ok(stop)
}
