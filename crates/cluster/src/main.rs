//! `tadne-cluster`: what `tadne archive` and `tadne prepare` make, made by many machines that take work from a scheduler. The engine is
//! Ballista; a shard is done by one call of a function, [`function::ShardFunction`]. And what only collections of millions need: metadata by SQL, and files
//! from lists of addresses.

mod address;
mod archive;
mod curate;
mod executor;
mod fetch;
mod function;
mod job;
mod make;
mod metadata;
mod prepare;
mod scheduler;
mod session;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::log;

/// Pictures made ahead, and collections curated, by a cluster: one scheduler, as many executors as there are machines, and a command that
/// waits for the result.
#[derive(Parser, Debug)]
#[command(name = "tadne-cluster", version)]
#[command(after_help = "\
Examples:
  tadne-cluster scheduler --listen 10.0.0.1:50050
  tadne-cluster executor --scheduler df://10.0.0.1:50050 --listen 10.0.0.2     on every machine
  tadne-cluster archive --cluster df://10.0.0.1:50050 --seeds 0-99999 --out /shared/archive
  tadne-cluster prepare --cluster df://10.0.0.1:50050 --data /shared/collected --out /shared/curated

Whoever reaches the ports may have work done: keep them on a private network. More: docs/scale.md")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Hand out the work
    Scheduler(scheduler::Scheduler),
    /// Do what a scheduler hands out
    Executor(executor::Executor),
    /// Have an archive made, as `tadne archive` makes it
    Archive(archive::Archive),
    /// Curate a collection, as `tadne prepare` does it; also by SQL over its metadata
    Prepare(prepare::Prepare),
    /// Fetch the files that a list of web addresses names, to be curated
    Fetch(fetch::Fetch),
}

fn main() -> ExitCode {
    // Of a collection all archives stay open, and there may be thousands. A system that allows no more says so when one is opened.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let usual = match cli.command {
        // What a client must know it is told; the libraries' errors are the same in more words.
        Command::Archive(_) | Command::Prepare(_) | Command::Fetch(_) => "off",
        _ => "warn,tadne_cluster=info",
    };
    log::start(usual, log::Form::Text)?;
    match cli.command {
        Command::Scheduler(scheduler) => scheduler.run(),
        Command::Executor(executor) => executor.run(),
        Command::Archive(archive) => archive.run(),
        Command::Prepare(prepare) => prepare.run(),
        Command::Fetch(fetch) => fetch.run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shards_without_a_cluster_are_refused() {
        let accepted = |more: &[&str]| {
            let arguments =
                [&["tadne-cluster", "prepare", "--data", "d", "--out", "o", "--shard-files", "9"][..], more];
            Cli::command().try_get_matches_from(arguments.concat()).is_ok()
        };
        assert!(accepted(&["--cluster", "df://127.0.0.1:50050"]) && !accepted(&[]));
    }
}
