//! `tadne info`: what a model is, for people and (with `--json`) for programs.

use clap::Args;
use serde_json::json;
use synth::Generator;

use crate::model::Model;

/// Arguments of `tadne info`.
#[derive(Args, Debug)]
pub(crate) struct Info {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: Model,
}

impl Info {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let file = self.model.file()?;
        let generator = Generator::new(&file)?;
        let (height, width) = generator.resolution();
        let parameters: usize = file.tensors.values().map(|t| t.data.len()).sum();
        if self.json {
            let all = json!({
                "width": width,
                "height": height,
                "parameters": parameters,
                "macs": file.architecture.macs(),
                "architecture": file.architecture,
                "provenance": file.metadata.provenance,
                "license": file.metadata.license,
                "calibration": file.metadata.calibration,
                "fingerprint": generator.fingerprint(),
                "simd": generator.simd(),
            });
            println!("{}", serde_json::to_string_pretty(&all)?);
            return Ok(());
        }
        println!("pictures      {width} x {height}");
        println!("parameters    {:.2} M", parameters as f64 / 1e6);
        println!("work          {:.3} GMAC a picture", file.architecture.macs() as f64 / 1e9);
        println!("architecture  {}", serde_json::to_string(&file.architecture)?);
        println!("provenance    {}", file.metadata.provenance);
        println!("licence       {}", file.metadata.license);
        println!("fingerprint   {}", generator.fingerprint());
        println!("this machine  {}", generator.simd());
        Ok(())
    }
}
