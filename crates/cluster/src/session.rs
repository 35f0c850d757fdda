//! What scheduler, executors and clients must agree on.

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;

use ballista_core::extension::SessionConfigExt;

use crate::curate::DO_SHARD;
use crate::function::ShardFunction;
use crate::make::MAKE_SHARD;

/// The functions that executors have.
pub(crate) const FUNCTIONS: [&str; 2] = [MAKE_SHARD, DO_SHARD];

/// Settings of a session.
pub(crate) fn config() -> SessionConfig {
    SessionConfig::new_with_ballista()
        // Ballista would put several partitions into a task, for one executor to do alone.
        .set_str("ballista.scheduler.max_partitions_per_task", "1")
        // A call does one shard: what is called off ends with the shard in hand.
        .with_batch_size(1)
}

/// A session that knows the functions, and cannot call them.
///
/// # Errors
/// A function is refused.
pub(crate) fn state(config: SessionConfig) -> Result<SessionState> {
    let mut state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    for name in FUNCTIONS {
        state.register_udf(ShardFunction::planned(name))?;
    }
    Ok(state)
}
