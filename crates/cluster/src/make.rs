//! The function `make_shard(job, shard)`, which makes a shard of an archive and says in a row what was done.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use archive::{Error, Hooks, Maker, Outcome, Part, Plan, Target};
use datafusion::arrow::array::{ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, UInt64Type};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use serde::{Deserialize, Serialize};
use synth::Generator;

/// The function's name in a plan.
pub(crate) const MAKE_SHARD: &str = "make_shard";

/// What a client wants, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) out: String,
    pub(crate) plan: Plan,
    pub(crate) verify: bool,
}

/// What was done about a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its place in the plan, counted from 0.
    pub(crate) shard: u64,
    /// The executor, as others reach it.
    pub(crate) by: String,
    /// Pictures of the shard; none where nothing could be done.
    pub(crate) pictures: u64,
    /// What was done, or why nothing can be: trying again would not help, and the rest of the job goes on.
    pub(crate) done: std::result::Result<Outcome, String>,
}

/// A shard in a report.
type Done = (u64, std::result::Result<Outcome, String>);

/// The function. Where nothing draws it can be planned with, and not called.
#[derive(Debug)]
pub(crate) struct MakeShard {
    signature: Signature,
    studio: Option<Studio>,
}

struct Studio {
    generator: Arc<Generator>,
    name: String,
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Studio").field("name", &self.name).finish_non_exhaustive()
    }
}

// A process has one.
impl PartialEq for MakeShard {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for MakeShard {}

impl Hash for MakeShard {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

impl MakeShard {
    /// For those who only plan.
    pub(crate) fn planned() -> Arc<ScalarUDF> {
        Self::with(None)
    }

    /// For an executor of this name.
    pub(crate) fn drawing(generator: Arc<Generator>, name: String) -> Arc<ScalarUDF> {
        Self::with(Some(Studio { generator, name }))
    }

    fn with(studio: Option<Studio>) -> Arc<ScalarUDF> {
        // Volatile: it writes, so no plan may leave it out or call it twice.
        let signature = Signature::exact(vec![DataType::Utf8, DataType::UInt64], Volatility::Volatile);
        Arc::new(ScalarUDF::from(Self { signature, studio }))
    }
}

impl ScalarUDFImpl for MakeShard {
    fn name(&self) -> &'static str {
        MAKE_SHARD
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let studio = self.studio.as_ref().ok_or_else(|| {
            DataFusionError::Execution(format!("{MAKE_SHARD} was called where nothing draws; only executors can"))
        })?;
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let (jobs, shards) = (columns[0].as_string::<i32>(), columns[1].as_primitive::<UInt64Type>());
        let mut rows = StringBuilder::new();
        for row in 0..shards.len() {
            let (pictures, done) = studio.make(jobs.value(row), shards.value(row))?;
            let report = Report { shard: shards.value(row), by: studio.name.clone(), pictures, done };
            rows.append_value(serde_json::to_string(&report).map_err(|error| DataFusionError::External(error.into()))?);
        }
        Ok(ColumnarValue::Array(Arc::new(rows.finish()) as ArrayRef))
    }
}

impl Studio {
    /// Makes a shard. Only what may be otherwise the next time is an error, of the one kind that Ballista tries again.
    fn make(&self, job: &str, shard: u64) -> Result<Done> {
        // Buckets wait for their own runtime, which threads of another one may not; and a panic costs a shard, not the executor.
        let made = thread::scope(|scope| scope.spawn(|| self.attempt(job, shard)).join());
        match made {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Error::File { action, path, reason })) => {
                Err(DataFusionError::IoError(std::io::Error::other(format!("cannot {action} {path}: {reason}"))))
            }
            Ok(Err(error)) => Ok((0, Err(error.to_string()))),
            Err(_) => Ok((0, Err("drawing it went wrong; the executor's log says how".into()))),
        }
    }

    fn attempt(&self, job: &str, shard: u64) -> std::result::Result<Done, Error> {
        let refused = |reason: String| Ok((0, Err(reason)));
        let Job { out, plan, verify } = match serde_json::from_str(job) {
            Ok(job) => job,
            Err(error) => {
                return refused(format!(
                    "the job cannot be read ({error}); client and executor must be of one version"
                ));
            }
        };
        let (wanted, own) = (plan.kind().model, self.generator.fingerprint());
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
        let outcome = Maker::new(&plan, &target, &self.generator, 1, hooks).shard(&shard, verify)?;
        Ok((plan.pictures_of(&shard), Ok(outcome)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use server::Format;
    use synth::{Architecture, ModelFile, Seed};

    use super::*;

    fn studio() -> Studio {
        let architecture = Architecture::plain(16, 16, &[16, 16, 8, 8]);
        let file = ModelFile::random(architecture, Seed(1)).expect("a sound architecture");
        Studio { generator: Arc::new(Generator::new(&file).expect("a sound model")), name: "here:1".into() }
    }

    fn job(studio: &Studio, out: &Path) -> Job {
        let plan = Plan::new(studio.generator.fingerprint(), vec![0..=7], vec![10], Format::Png, None);
        Job { out: out.to_string_lossy().into_owned(), plan: plan.with_seeds_a_shard(4), verify: false }
    }

    fn make(studio: &Studio, job: &Job, shard: u64) -> Result<Done> {
        studio.make(&serde_json::to_string(job).expect("plain data"), shard)
    }

    fn refusal(done: Result<Done>) -> String {
        match done {
            Ok((0, Err(reason))) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_shard_is_made_once() {
        let (folder, studio) = (tempfile::tempdir().unwrap(), studio());
        let job = job(&studio, folder.path());
        Target::open(&job.out).unwrap().claim(&job.plan.kind()).unwrap();
        assert!(matches!(make(&studio, &job, 1).unwrap(), (4, Ok(Outcome::Made { bytes: 1.. }))));
        assert_eq!(make(&studio, &job, 1).unwrap(), (4, Ok(Outcome::Kept)));
        assert!(folder.path().join("results/psi-1.0/seed00007.png").exists());
        assert!(!folder.path().join("results/psi-1.0/seed00000.png").exists());
        assert!(refusal(make(&studio, &job, 2)).contains("no shard 2"));
    }

    #[test]
    fn what_would_fail_again_is_refused_and_the_rest_is_an_input_output_error() {
        let (folder, studio) = (tempfile::tempdir().unwrap(), studio());
        let job = job(&studio, folder.path());
        assert!(refusal(make(&studio, &job, 0)).contains("sees no archive at"));
        assert!(refusal(studio.make("{}", 0)).contains("of one version"));
        let other = Job { plan: Plan::new("other".into(), vec![0..=7], vec![10], Format::Png, None), ..job.clone() };
        assert!(refusal(make(&studio, &other, 0)).contains("the same --model"));
        Target::open(&job.out).unwrap().claim(&job.plan.kind()).unwrap();
        let nowhere = Job { out: "ftp://host/folder".into(), ..job.clone() };
        assert!(refusal(make(&studio, &nowhere, 0)).contains("cannot hold an archive"));
        // A file where a folder should be.
        std::fs::write(folder.path().join("results"), "").unwrap();
        assert!(matches!(make(&studio, &job, 0), Err(DataFusionError::IoError(_))));
    }
}
