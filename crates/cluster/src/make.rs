//! The function `make_shard(job, shard)`, which makes a shard of an archive.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use archive::{Error, Hooks, Maker, Outcome, Part, Plan, Target};
use serde::{Deserialize, Serialize};
use synth::Generator;

use crate::function::Trouble;

/// The function's name in a plan.
pub(crate) const MAKE_SHARD: &str = "make_shard";

/// What a client wants, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) out: String,
    pub(crate) plan: Plan,
    pub(crate) verify: bool,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::File { action, path, reason } => Self::Passing(format!("cannot {action} {path}: {reason}")),
            error => Self::Lasting(error.to_string()),
        }
    }
}

/// Makes a shard.
///
/// # Errors
/// It cannot be made here, or not now.
pub(crate) fn make(generator: &Arc<Generator>, job: &str, shard: u64) -> Result<(u64, Outcome), Trouble> {
    let refused = |reason: String| Err(Trouble::Lasting(reason));
    let Job { out, plan, verify } = match serde_json::from_str(job) {
        Ok(job) => job,
        Err(error) => {
            return refused(format!("the job cannot be read ({error}); client and executor must be of one version"));
        }
    };
    let (wanted, own) = (plan.kind().model, generator.fingerprint());
    if wanted != own {
        return refused(format!(
            "it draws with the model {own}, and the client with {wanted}; start both with the same --model, --seed-style, --noise and --class"
        ));
    }
    let target = Target::open(&out)?;
    if !target.is(&plan.kind())? {
        return refused(format!(
            "it sees no archive at {out}, where the client began one; use a folder that all machines have at the same path, or a bucket"
        ));
    }
    let place = u64::try_from(plan.shards()).ok().and_then(|shards| Part::new(shard, shards));
    let Some(shard) = place.and_then(|place| plan.part(place).next()) else {
        return refused(format!("there is no shard {shard} in the plan"));
    };
    let hooks = Hooks { drawn: &|| (), stop: &AtomicBool::new(false) };
    let outcome = Maker::new(&plan, &target, generator, 1, hooks).shard(&shard, verify)?;
    Ok((plan.pictures_of(&shard), outcome))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use server::Format;
    use synth::{Architecture, ModelFile, Seed};

    use super::*;

    fn generator() -> Arc<Generator> {
        let architecture = Architecture::plain(16, 16, &[16, 16, 8, 8]);
        let file = ModelFile::random(architecture, Seed(1)).expect("a sound architecture");
        Arc::new(Generator::new(&file).expect("a sound model"))
    }

    fn job(generator: &Generator, out: &Path) -> Job {
        let plan = Plan::new(generator.fingerprint(), vec![0..=7], vec![10], Format::Png, None);
        Job { out: out.to_string_lossy().into_owned(), plan: plan.with_seeds_a_shard(4), verify: false }
    }

    fn made(generator: &Arc<Generator>, job: &Job, shard: u64) -> Result<(u64, Outcome), Trouble> {
        make(generator, &serde_json::to_string(job).expect("plain data"), shard)
    }

    fn refusal(done: Result<(u64, Outcome), Trouble>) -> String {
        match done {
            Err(Trouble::Lasting(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_shard_is_made_once() {
        let (folder, generator) = (tempfile::tempdir().unwrap(), generator());
        let job = job(&generator, folder.path());
        Target::open(&job.out).unwrap().claim(&job.plan.kind()).unwrap();
        assert!(matches!(made(&generator, &job, 1), Ok((4, Outcome::Made { bytes: 1.. }))));
        assert_eq!(made(&generator, &job, 1), Ok((4, Outcome::Kept)));
        assert!(folder.path().join("results/psi-1.0/seed00007.png").exists());
        assert!(!folder.path().join("results/psi-1.0/seed00000.png").exists());
        assert!(refusal(made(&generator, &job, 2)).contains("no shard 2"));
    }

    #[test]
    fn what_would_fail_again_is_told_from_what_may_pass() {
        let (folder, generator) = (tempfile::tempdir().unwrap(), generator());
        let job = job(&generator, folder.path());
        assert!(refusal(made(&generator, &job, 0)).contains("sees no archive at"));
        assert!(refusal(make(&generator, "{}", 0)).contains("of one version"));
        let other = Job { plan: Plan::new("other".into(), vec![0..=7], vec![10], Format::Png, None), ..job.clone() };
        assert!(refusal(made(&generator, &other, 0)).contains("the same --model"));
        Target::open(&job.out).unwrap().claim(&job.plan.kind()).unwrap();
        let nowhere = Job { out: "ftp://host/folder".into(), ..job.clone() };
        assert!(refusal(made(&generator, &nowhere, 0)).contains("cannot hold an archive"));
        // A file where a folder should be.
        std::fs::write(folder.path().join("results"), "").unwrap();
        assert!(matches!(made(&generator, &job, 0), Err(Trouble::Passing(_))));
    }
}
