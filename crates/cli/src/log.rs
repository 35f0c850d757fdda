//! What a program says while it works, on standard error, as `TADNE_LOG` chooses it.

use std::env;
use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const VARIABLE: &str = "TADNE_LOG";

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people; in colour on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins the log of this process. What is logged is what the variable `TADNE_LOG` names, levels and parts of a program with levels
/// (`warn,tadne::access=info`), or `usual`, of the same form, where it is not set or empty.
///
/// # Errors
/// The variable holds something else.
///
/// # Panics
/// If the process has a log already.
pub fn start(usual: &str, form: Form) -> anyhow::Result<()> {
    let chosen = match env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => parse(&text).with_context(|| format!("{VARIABLE}={text}"))?,
        Err(env::VarError::NotUnicode(text)) => anyhow::bail!("{VARIABLE}={}: not UTF-8", text.display()),
        _ => parse(usual)?,
    };
    let log = tracing_subscriber::registry().with(chosen);
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    match form {
        Form::Text => log.with(lines).init(),
        Form::Json => log.with(lines.json().flatten_event(true)).init(),
    }
    Ok(())
}

fn parse(text: &str) -> anyhow::Result<Targets> {
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.join(",").parse().context(
        "use levels (off, error, warn, info, debug, trace), alone or of a part of the program: warn,tadne::access=info",
    )
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn levels_of_all_and_of_a_part() {
        let log = parse("warn, tadne::access=info,").unwrap();
        assert_eq!(log.default_level(), Some(LevelFilter::WARN));
        assert_eq!(log.iter().collect::<Vec<_>>(), [("tadne::access", LevelFilter::INFO)]);
        assert_eq!(parse("off").unwrap().default_level(), Some(LevelFilter::OFF));
    }

    #[test]
    fn another_word_for_a_level_is_an_error() {
        let error = format!("{:#}", parse("tadne=loud").unwrap_err());
        assert!(error.contains("off, error, warn"), "{error}");
    }
}
