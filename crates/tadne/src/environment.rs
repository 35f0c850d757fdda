//! What the environment says: variables that hold nothing, and names of ours that nothing reads.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;

use clap::{Arg, Command, CommandFactory};

use crate::Cli;

/// What the names of all variables of ours begin with.
const OURS: &str = "TADNE_";
/// Those that no option reads: the kernels do, the log, and tests.
const OTHERS: [&str; 3] = ["TADNE_LOG", "TADNE_SIMD", "TADNE_TEST_ALL"];
/// What those of `tadne-cluster` begin with.
const CLUSTER: &str = "TADNE_CLUSTER_";

/// The command as arguments are read by it: a variable that is empty is none, and of a number below 0 its option says what is wrong with it.
pub(crate) fn mended(command: Command) -> Command {
    command.mut_args(argument).mut_subcommands(mended)
}

fn argument(arg: Arg) -> Arg {
    let is_empty = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    let arg = if arg.get_env().is_some_and(is_empty) { arg.env(None::<&str>) } else { arg };
    let has_value = arg.get_long().is_some() && arg.get_action().takes_values();
    if has_value { arg.allow_negative_numbers(true) } else { arg }
}

/// Warns of variables that have a name as ours have and that nothing reads; to be called once there is a log.
pub(crate) fn warn_of_unread() {
    let names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let mut known = BTreeSet::from(OTHERS.map(str::to_owned));
    add_known(&Cli::command(), &mut known);
    if let Some(line) = unread(&names, &known) {
        tracing::warn!("{line}");
    }
}

/// Adds the variables that a command and those below it read.
fn add_known(command: &Command, known: &mut BTreeSet<String>) {
    known.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())));
    for inner in command.get_subcommands() {
        add_known(inner, known);
    }
}

/// What is said of those of the names that are spelled as ours and are none.
fn unread(names: &[String], known: &BTreeSet<String>) -> Option<String> {
    // Kubernetes tells of every service of a cluster: of one that is called tadne by TADNE_SERVICE_HOST, TADNE_PORT_80_TCP and the like.
    let services: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix("_SERVICE_HOST")).collect();
    let of_service = |name: &str| {
        let mut rests = services.iter().filter_map(|service| name.strip_prefix(*service));
        rests.any(|rest| rest.starts_with("_SERVICE_") || rest.starts_with("_PORT"))
    };
    let is_ours = |name: &str| name.starts_with(OURS) && !name.starts_with(CLUSTER) && !of_service(name);
    let mut lost: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| is_ours(name) && !known.contains(*name)).collect();
    lost.sort_unstable();
    let said = |name: &&str| match nearest(name, known) {
        Some(meant) => format!("{name} (is {meant} meant?)"),
        None => (*name).to_owned(),
    };
    let said: Vec<String> = lost.iter().map(said).collect();
    (!said.is_empty()).then(|| {
        format!(
            "nothing reads {} of the environment; `tadne serve --help` names the variables that count",
            said.join(", ")
        )
    })
}

/// The known name that begins most alike, if that is more than what all have in common.
fn nearest<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let alike = |other: &str| name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let nearest = known.iter().map(String::as_str).min_by_key(|other| Reverse(alike(other)));
    nearest.filter(|other| alike(other) > OURS.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str]) -> Option<String> {
        let mut known = BTreeSet::from(OTHERS.map(str::to_owned));
        add_known(&Cli::command(), &mut known);
        unread(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &known)
    }

    #[test]
    fn names_that_nothing_reads_are_told_and_those_of_others_are_not() {
        let all = ["PATH", "TADNE_SIMD", "TADNE_LOG", "TADNE_TEST_ALL", "TADNE_RATE", "TADNE_MODEL", "TADNE_ADDR"];
        assert_eq!(said(&[&all[..], &["TADNE_CLUSTER_LISTEN", "MY_TADNE_RATES"]].concat()), None);
        let line = said(&["TADNE_ZZ", "TADNE_RATES", "TADNE_CACHES"]).unwrap();
        let named = "TADNE_CACHES (is TADNE_CACHE meant?), TADNE_RATES (is TADNE_RATE meant?), TADNE_ZZ of";
        assert!(line.contains(named) && !line.contains('\n'), "{line}");
        // As Kubernetes has them in every container beside a service of that name.
        let service = ["TADNE_SERVICE_HOST", "TADNE_SERVICE_PORT_HTTP", "TADNE_PORT", "TADNE_PORT_80_TCP_ADDR"];
        let scheduler = ["TADNE_SCHEDULER_SERVICE_HOST", "TADNE_SCHEDULER_PORT"];
        assert_eq!(said(&[&service[..], &scheduler].concat()), None);
        assert!(said(&["TADNE_PORT"]).is_some(), "no service explains it");
    }

    #[test]
    fn a_number_below_0_is_the_values_of_its_option() {
        let said = |arguments: &[&str]| mended(Cli::command()).try_get_matches_from(arguments).unwrap_err().to_string();
        let ink = ["tadne", "ink", "--data", "d", "--model", "m", "--out", "o", "--kimg"];
        for number in ["-5", "-0.5", "nan", "inf", "0"] {
            let error = said(&[&ink[..], &[number]].concat());
            assert!(error.contains("'--kimg <N>': use a number above 0"), "{error}");
        }
        let error = said(&["tadne", "directions", "model", "--samples", "-5"]);
        assert!(error.contains("'--samples <N>'"), "{error}");
    }
}
