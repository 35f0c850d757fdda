//! `tadne`: one binary that shows, draws, trains and explains. Each command lives in a file of its own; this one only chooses.

mod archive;
mod auto;
mod average;
mod bench;
mod buckets;
mod calibrate;
mod directions;
mod environment;
mod export;
mod export_onnx;
mod generate;
mod health;
mod import;
mod info;
mod ink;
mod label;
mod memory;
mod metrics;
mod outputs;
mod picture_options;
mod prepare;
mod progress;
mod project;
mod report;
mod select;
mod serve;
mod settings;
mod site;
mod train;
mod watch;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use cli::{log, model, seeds};

/// This Anime Does Not Exist: an endless wall of pictures that no one drew.
///
/// Without a command it serves the wall on this computer. Every picture is made on the fly by the model inside this program.
#[derive(Parser, Debug)]
#[command(version, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  tadne --open                                     the wall, in your browser
  tadne generate --seeds 0-15 --out pictures       sixteen files
  tadne generate --grid 8x8 --psi 0.7 --out a.png  one sheet of sixty-four
  tadne import network.pkl --out m.safetensors     other people's StyleGAN2 networks
  tadne train --help                               your own model from a folder of pictures")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve the wall (what `tadne` does without a command)
    Serve(serve::Serve),
    /// Draw pictures into files
    Generate(generate::Generate),
    /// Make pictures ahead into a folder or bucket, on one computer or many
    Archive(archive::Archive),
    /// Choose pictures worth training on: no duplicates, nothing broken, a reason for each that goes
    Prepare(Box<prepare::Prepare>),
    /// Say what a model is: size, origin, licence
    Info(info::Info),
    /// Turn a StyleGAN2 .pkl, .pt or .safetensors into a model file
    Import(import::Import),
    /// Make one model of several states of a run
    Average(average::Average),
    /// Write a model as an ONNX graph
    ExportOnnx(export_onnx::ExportOnnx),
    /// The wall as files for any host, drawn in the visitor's browser
    #[command(subcommand)]
    Site(site::Site),
    /// Ask a running service whether it is well
    Health(health::Health),
    /// Show a training run as a page, live or afterwards
    Watch(watch::Watch),
    /// Measure how fast this machine draws
    Bench(bench::Bench),
    /// Train a model from pictures
    Train(Box<train::Train>),
    /// Find the w that a model draws a picture from
    Project(Box<project::Project>),
    /// Teach a model to redraw its pictures at two or four times their size (super-resolution)
    Ink(Box<ink::Ink>),
    /// Turn a training run into a model file
    Export(export::Export),
    /// Measure how far a model's pictures are from real ones
    Metrics(Box<metrics::Metrics>),
    /// Measure a model for the creativity slider
    Calibrate(calibrate::Calibrate),
    /// Let each seed take the best of several z
    Select(select::Select),
    /// Put pictures into classes by what they look like, for training with classes
    Label(label::Label),
    /// Find what of a model's faces can be edited: hair, eyes, mouth, turn, light
    Directions(directions::Directions),
}

fn main() -> ExitCode {
    // Of a collection all archives stay open, and there may be thousands. A system that allows no more says so when one is opened.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let matches = environment::mended(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, matches: &ArgMatches) -> anyhow::Result<()> {
    // Not every command draws, but whoever names an instruction set means all of them.
    synth::Isa::from_environment()?;
    // The service's options say what its log is like.
    if !matches!(cli.command, None | Some(Command::Serve(_))) {
        log::start("warn", log::Form::Text)?;
        environment::warn_of_unread();
    }
    match cli.command {
        None => cli.serve.run(matches),
        Some(Command::Serve(serve)) => serve.run(matches.subcommand().map_or(matches, |(_, matches)| matches)),
        Some(Command::Generate(generate)) => generate.run(),
        Some(Command::Archive(archive)) => archive.run(),
        Some(Command::Prepare(prepare)) => prepare.run(),
        Some(Command::Info(info)) => info.run(),
        Some(Command::Import(import)) => import.run(),
        Some(Command::Average(average)) => average.run(),
        Some(Command::ExportOnnx(export)) => export.run(),
        Some(Command::Site(site)) => site.run(),
        Some(Command::Health(health)) => health.run(),
        Some(Command::Watch(watch)) => watch.run(),
        Some(Command::Bench(bench)) => bench.run(),
        Some(Command::Train(train)) => train.run(),
        Some(Command::Project(project)) => project.run(),
        Some(Command::Ink(ink)) => ink.run(),
        Some(Command::Export(export)) => export.run(),
        Some(Command::Metrics(metrics)) => metrics.run(),
        Some(Command::Calibrate(calibrate)) => calibrate.run(),
        Some(Command::Select(select)) => select.run(),
        Some(Command::Label(label)) => label.run(),
        Some(Command::Directions(directions)) => directions.run(),
    }
}

/// An error and its causes as one line; a cause whose words are there already is not said twice.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said {
        _ if said.is_empty() => cause,
        _ if said.contains(&cause) => said,
        _ => format!("{said}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_once() {
        let io = || std::io::Error::other("disk full");
        let plain = anyhow::Error::new(io()).context("cannot write a.png");
        assert_eq!(sentence(&plain), "cannot write a.png: disk full");
        let told = anyhow::Error::new(io()).context("cannot write a.png: disk full; make room");
        assert_eq!(sentence(&told), "cannot write a.png: disk full; make room");
    }

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
        environment::mended(Cli::command()).debug_assert();
    }

    #[test]
    fn what_select_would_ignore_is_refused() {
        let accepted = |more: &[&str]| {
            let arguments = [&["tadne", "select", "model.safetensors"][..], more].concat();
            Cli::command().try_get_matches_from(arguments).is_ok()
        };
        for more in [&["--by", "run"][..], &["--remove"], &["--data", "d", "--features", "x", "--cache", "c"]] {
            assert!(accepted(more), "{more:?}");
        }
        for more in [
            &["--by", "run", "--features", "x"][..],
            &["--rated", "file", "--cache", "c"],
            &["--remove", "--features", "x"],
            &["--remove", "--crop", "top"],
        ] {
            assert!(!accepted(more), "{more:?}");
        }
    }
}
