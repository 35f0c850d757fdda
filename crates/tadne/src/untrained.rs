//! What `train` and `export` say in a build that has no trainer.

use anyhow::bail;
use clap::Args;

/// Takes whatever the full command would take.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct Untrained {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<String>,
}

impl Untrained {
    #[allow(clippy::unused_self, reason = "called like the commands that exist")]
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        bail!(
            "this build has no trainer. Build it with libtorch 2.11:\n\
             \x20 cargo build --release --features train              with LIBTORCH=/path/to/libtorch set\n\
             \x20 cargo build --release --features download-libtorch  fetches libtorch for the CPU"
        )
    }
}
