//! What a program says while it works, as `TADNE_LOG` chooses it.

use std::env;

use anyhow::Context;
use tracing_subscriber::filter::Targets;

const VARIABLE: &str = "TADNE_LOG";

/// What is logged: what the variable `TADNE_LOG` names, levels and parts of a program with levels (`warn,tadne::access=info`), or `usual`
/// where it is not set or empty.
///
/// # Errors
/// The variable holds something else.
pub fn filter(usual: Targets) -> anyhow::Result<Targets> {
    match env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => parse(&text).with_context(|| format!("{VARIABLE}={text}")),
        Err(env::VarError::NotUnicode(text)) => anyhow::bail!("{VARIABLE}={}: not UTF-8", text.display()),
        _ => Ok(usual),
    }
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
