//! Where the values of a command's options come from: the command line, the environment, a file, or the default.
//!
//! A file (TOML) holds the options by their long names: `addr = "0.0.0.0:8080"`, `cache = 512`, `open = true`,
//! `trust-proxy = ["127.0.0.1", "10.0.0.0/8"]`. Its values go through the same checks as those of the command line.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use anyhow::{Context, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// An option's value and who gave it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    name: String,
    value: String,
    source: &'static str,
}

impl Setting {
    /// Whether somebody chose it.
    pub(crate) fn is_chosen(&self) -> bool {
        self.source != "default"
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20} {:<28} {}", self.name, self.value, self.source)
    }
}

fn command<T: Args>() -> Command {
    T::augment_args(Command::new("tadne serve").disable_help_flag(true).disable_version_flag(true))
}

/// The options of a command as they were parsed, completed with those of a file; and where each value is from.
pub(crate) fn resolve<T: Args + FromArgMatches>(
    matches: &ArgMatches,
    file: Option<&Path>,
) -> anyhow::Result<(T, Vec<Setting>)> {
    let command = command::<T>();
    let mut words: Vec<OsString> = vec!["tadne".into()];
    let mut sources = Vec::new();
    // What was given already comes first, each option with its raw values.
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let (Some(long), Some(source)) = (arg.get_long(), matches.value_source(id)) else { continue };
        let source = match source {
            ValueSource::CommandLine => "command line",
            ValueSource::EnvVariable => "environment",
            _ => continue,
        };
        sources.push((id.to_owned(), source));
        if arg.get_action().takes_values() {
            for value in matches.get_raw(id).into_iter().flatten() {
                words.extend([format!("--{long}").into(), value.to_owned()]);
            }
        } else if matches.get_flag(id) {
            words.push(format!("--{long}").into());
        }
    }
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("{} is no TOML file", path.display()))?;
        for (name, value) in &table {
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name) && name != "config");
            let Some(arg) = arg else {
                bail!("{} has no option {name:?} to set: see `tadne serve --help`", path.display());
            };
            let id = arg.get_id().as_str();
            if sources.iter().any(|(given, _)| given == id) {
                continue;
            }
            sources.push((id.to_owned(), "file"));
            words.extend(spelled(name, value, arg.get_action().takes_values()).with_context(|| {
                format!("{name} in {} must be a text, a number, true or false, or a list of them", path.display())
            })?);
        }
    }
    // The environment was read the first time; read again, it would win over the file.
    let matches = command
        .clone()
        .mut_args(|arg| arg.env(None::<&str>))
        .try_get_matches_from(words)
        .map_err(|error| {
            anyhow::anyhow!("{}", error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: "))
        })
        .with_context(|| file.map_or_else(String::new, |path| format!("an option of {} is wrong", path.display())))?;
    let settings = command
        .get_arguments()
        .filter_map(|arg| {
            let id = arg.get_id().as_str();
            let source = sources.iter().find(|(given, _)| given == id).map_or("default", |(_, source)| source);
            let values: Vec<_> =
                matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy()).collect();
            let value = match () {
                () if !arg.get_action().takes_values() => matches.get_flag(id).to_string(),
                () if values.is_empty() => "-".to_owned(),
                () => values.join(","),
            };
            Some(Setting { name: arg.get_long()?.to_owned(), value, source })
        })
        .collect();
    Ok((T::from_arg_matches(&matches)?, settings))
}

/// An option as it would stand on the command line.
fn spelled(name: &str, value: &toml::Value, takes_values: bool) -> Option<Vec<OsString>> {
    let option = format!("--{name}");
    Some(match value {
        toml::Value::Boolean(given) if !takes_values => {
            if *given {
                vec![option.into()]
            } else {
                Vec::new()
            }
        }
        toml::Value::Array(values) => {
            values.iter().map(|value| spelled(name, value, takes_values)).collect::<Option<Vec<_>>>()?.concat()
        }
        // In one word: what begins with a dash is a value all the same.
        toml::Value::String(text) => vec![format!("{option}={text}").into()],
        toml::Value::Integer(number) => vec![format!("{option}={number}").into()],
        toml::Value::Float(number) => vec![format!("{option}={number}").into()],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Args, Debug)]
    struct Options {
        #[arg(long, default_value_t = 1)]
        size: u8,
        #[arg(long)]
        open: bool,
        #[arg(long, value_delimiter = ',')]
        word: Vec<String>,
        #[arg(long)]
        config: Option<std::path::PathBuf>,
    }

    fn resolved(words: &[&str], file: &str) -> anyhow::Result<(Options, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tadne.toml");
        std::fs::write(&path, file).unwrap();
        let matches = command::<Options>().get_matches_from(words);
        let (options, settings) = resolve::<Options>(&matches, Some(&path))?;
        Ok((options, settings.into_iter().map(|s| format!("{}={} {}", s.name, s.value, s.source)).collect()))
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_default() {
        let (options, settings) =
            resolved(&["x", "--size", "2"], "size = 3\nopen = true\nword = [\"a\", \"b\"]").unwrap();
        assert_eq!((options.size, options.open, options.word), (2, true, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(settings, ["size=2 command line", "open=true file", "word=a,b file", "config=- default"]);
        let (options, settings) = resolved(&["x"], "size = 3").unwrap();
        assert_eq!((options.size, options.open, settings[0].as_str()), (3, false, "size=3 file"));
    }

    #[test]
    fn mistakes_in_the_file_are_named() {
        for (file, word) in [
            ("size = 300", "300"),
            ("seize = 3", "seize"),
            ("config = \"x\"", "config"),
            ("size = {}", "size"),
            ("size = -5", "--size"),
            ("open = \"yes\"", "--open"),
            ("=", "TOML"),
        ] {
            let error = format!("{:#}", resolved(&["x"], file).unwrap_err());
            assert!(error.contains(word), "{file}: {error}");
        }
    }
}
