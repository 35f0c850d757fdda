//! A function of a plan, `name(job, shard)`, that does a shard of a job and says in a row what was done.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::thread;

use archive::Outcome;
use datafusion::arrow::array::{ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::datatypes::{DataType, UInt64Type};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use serde::{Deserialize, Serialize};

/// What was done about a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its place in the job, counted from 0.
    pub(crate) shard: u64,
    /// The executor, as others reach it.
    pub(crate) by: String,
    /// Pictures of the shard; none where nothing could be done.
    pub(crate) pictures: u64,
    /// What was done, or why nothing can be: trying again would not help, and the rest of the job goes on.
    pub(crate) done: std::result::Result<Outcome, String>,
}

/// Why a shard was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It may go well the next time.
    Passing(String),
    /// It would not.
    Lasting(String),
}

/// Does a shard of a job; gives its pictures and what was done about them.
pub(crate) type Work = dyn Fn(&str, u64) -> std::result::Result<(u64, Outcome), Trouble> + Send + Sync;

/// The function. Where nobody works it can be planned with, and not called.
pub(crate) struct ShardFunction {
    name: &'static str,
    signature: Signature,
    /// An executor's name, and what it does.
    worker: Option<(String, Box<Work>)>,
}

impl fmt::Debug for ShardFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

// A process has one of a name.
impl PartialEq for ShardFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ShardFunction {}

impl Hash for ShardFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ShardFunction {
    /// For those who only plan.
    pub(crate) fn planned(name: &'static str) -> Arc<ScalarUDF> {
        Self::with(name, None)
    }

    /// For an executor of the name `by`.
    pub(crate) fn working(name: &'static str, by: String, work: Box<Work>) -> Arc<ScalarUDF> {
        Self::with(name, Some((by, work)))
    }

    fn with(name: &'static str, worker: Option<(String, Box<Work>)>) -> Arc<ScalarUDF> {
        // Volatile: it writes, so no plan may leave it out or call it twice.
        let signature = Signature::exact(vec![DataType::Utf8, DataType::UInt64], Volatility::Volatile);
        Arc::new(ScalarUDF::from(Self { name, signature, worker }))
    }
}

impl ScalarUDFImpl for ShardFunction {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (by, work) = self.worker.as_ref().ok_or_else(|| {
            DataFusionError::Execution(format!("{} was called where nobody works; only executors do", self.name))
        })?;
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let (jobs, shards) = (columns[0].as_string::<i32>(), columns[1].as_primitive::<UInt64Type>());
        let mut rows = StringBuilder::new();
        for row in 0..shards.len() {
            let shard = shards.value(row);
            let (pictures, done) = attempt(work.as_ref(), jobs.value(row), shard)?;
            let report = Report { shard, by: by.clone(), pictures, done };
            rows.append_value(serde_json::to_string(&report).map_err(|error| DataFusionError::External(error.into()))?);
        }
        Ok(ColumnarValue::Array(Arc::new(rows.finish()) as ArrayRef))
    }
}

/// Does a shard. Only what may be otherwise the next time is an error, of the one kind that Ballista tries again.
fn attempt(work: &Work, job: &str, shard: u64) -> Result<(u64, std::result::Result<Outcome, String>)> {
    // Buckets wait for their own runtime, which threads of another one may not; and a panic costs a shard, not the executor.
    match thread::scope(|scope| scope.spawn(|| work(job, shard)).join()) {
        Ok(Ok((pictures, outcome))) => Ok((pictures, Ok(outcome))),
        Ok(Err(Trouble::Passing(reason))) => Err(DataFusionError::IoError(std::io::Error::other(reason))),
        Ok(Err(Trouble::Lasting(reason))) => Ok((0, Err(reason))),
        Err(_) => Ok((0, Err("it failed by a fault of the program; the executor's log says where".into()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_an_error_and_a_panic_costs_a_shard() {
        let of = |work: &Work| attempt(work, "", 3);
        assert_eq!(of(&|_, shard| Ok((shard, Outcome::Kept))).unwrap(), (3, Ok(Outcome::Kept)));
        let lasting = of(&|_, _| Err(Trouble::Lasting("no model".into()))).unwrap();
        assert_eq!(lasting, (0, Err("no model".into())));
        let passing = of(&|_, _| Err(Trouble::Passing("disk".into())));
        assert!(matches!(passing, Err(DataFusionError::IoError(error)) if error.to_string() == "disk"));
        let (pictures, done) = of(&|_, _| panic!("as tests do")).unwrap();
        assert!(pictures == 0 && done.unwrap_err().contains("log"));
    }
}
