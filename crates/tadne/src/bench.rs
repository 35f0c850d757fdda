//! `tadne bench`: how fast this machine draws, in milliseconds, in pictures a second, and against what its arithmetic
//! could do.

mod html;
mod measure;
mod networks;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cli::pictures::format;
use serde::Serialize;
use server::Format;
use synth::{Generator, ModelFile, WeightDtype};

use crate::model::Model;
use crate::outputs;
use measure::{Row, Way};
use networks::Network;

/// Arguments of `tadne bench`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne bench                                 the model inside this program, 1 thread to all
  tadne bench --layers --threads 1            where the time goes
  tadne bench --format webp                   what writing a file costs beside drawing it
  tadne bench --network stylegan2-512 --json  an untrained network of a well-known size
  tadne bench --layers --report bench.html    a page with plots
  TADNE_SIMD=avx2 tadne bench                 as on a machine without AVX-512

GFLOP/s are effective: those of the plain convolutions, two for every multiply-accumulate. As the kernels need fewer, the
share of the measured peak can be above 100 %.")]
pub(crate) struct Bench {
    #[command(flatten)]
    model: Model,
    /// An untrained network instead of a model
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "path")]
    network: Option<Network>,
    /// Numbers of threads, e.g. 1,2,8 [default: 1, and all cores]
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Vec<u16>,
    /// Pictures that are drawn together
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=64))]
    batch: u16,
    /// Write each picture as a file as well, in memory, as the service does
    #[arg(long, value_name = "KIND", value_parser = format)]
    format: Option<Format>,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Time every layer of one picture as well
    #[arg(long)]
    layers: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also write the figures here as a page with plots, one HTML file
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    report: Option<PathBuf>,
    /// Write the untrained network to a model file and stop, so that others can be measured with the same weights
    #[arg(long, value_name = "FILE", requires = "network")]
    save: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|s| (0.001..=600.0).contains(s)).ok_or_else(|| "use a number from 0.001 to 600".into())
}

/// Everything measured, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    machine: String,
    simd: &'static str,
    width: usize,
    height: usize,
    /// Of one picture.
    gmac: f64,
    /// Megabytes of weights as the kernels read them.
    weights_mb: f64,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Layer>,
    /// The most memory that this process has had, in megabytes, if the system says.
    memory_mb: Option<f64>,
}

/// A part of the network.
#[derive(Debug, Serialize)]
struct Layer {
    name: String,
    ms: f64,
    /// Effective; none for parts that are not convolutions.
    gflops: Option<f64>,
}

impl Bench {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        outputs::check("--save", self.save.as_deref())?;
        outputs::check("--report", self.report.as_deref())?;
        let file = match self.network {
            Some(network) => ModelFile::random(network.architecture(), synth::Seed(1))?,
            None => self.model.file()?,
        };
        if let Some(path) = &self.save {
            file.save(path, WeightDtype::F32).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{} in {}", file.fingerprint(), path.display());
            return Ok(());
        }
        let generator = Arc::new(Generator::consume(file)?);
        let report = self.measure(&generator);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            report.print();
        }
        if let Some(path) = &self.report {
            report.page().save(path)?;
        }
        Ok(())
    }

    fn measure(&self, generator: &Arc<Generator>) -> Report {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut threads: Vec<usize> = self.threads.iter().map(|&n| n.into()).collect();
        if threads.is_empty() {
            threads = if cores > 1 { vec![1, cores] } else { vec![1] };
        }
        let time = Duration::from_secs_f64(self.seconds);
        let mut rows = Vec::new();
        for &threads in &threads {
            let peak = measure::peak(generator, threads);
            rows.push(Row::new(generator, Way::Together, threads, 1, peak, time));
            rows.push(Row::new(generator, Way::Together, threads, self.batch.into(), peak, time));
            if threads > 1 || self.format.is_some() {
                rows.push(Row::new(generator, Way::Apart, threads, 1, peak, time));
            }
            if let Some(format) = self.format {
                rows.push(Row::new(generator, Way::Written(format), threads, 1, peak, time));
            }
        }
        let layers = if self.layers { measure::layers(generator, threads[0], time) } else { Vec::new() };
        let (height, width) = generator.resolution();
        Report {
            version: env!("CARGO_PKG_VERSION"),
            machine: measure::machine(),
            simd: generator.simd(),
            width,
            height,
            gmac: generator.architecture().macs() as f64 / 1e9,
            weights_mb: generator.packed_bytes() as f64 / 1e6,
            rows,
            layers: layers.into_iter().map(|(name, ms, gflops)| Layer { name, ms, gflops }).collect(),
            memory_mb: measure::memory_mb(),
        }
    }
}

impl Report {
    fn print(&self) {
        println!("{}, {}", self.machine, self.simd);
        println!(
            "{} x {} pixels, {:.3} GMAC a picture, {:.1} MB of packed weights",
            self.width, self.height, self.gmac, self.weights_mb
        );
        println!("\nthreads  way                     ms a picture  fastest  pictures/s  GFLOP/s  of peak");
        for row in &self.rows {
            println!(
                "{:7}  {:22}  {:12.3}  {:7.3}  {:10.1}  {:7.1}  {:5.0} %",
                row.threads,
                row.way(),
                row.ms,
                row.fastest_ms,
                row.pictures_per_second,
                row.gflops,
                row.share_of_peak * 100.0
            );
        }
        if !self.layers.is_empty() {
            let total: f64 = self.layers.iter().map(|layer| layer.ms).sum();
            println!("\n{:24}      ms  share  GFLOP/s", "part");
            for Layer { name, ms, gflops } in &self.layers {
                let gflops = gflops.map_or(String::new(), |g| format!("{g:7.1}"));
                println!("{name:24}  {ms:6.3}  {:3.0} %  {gflops}", ms / total * 100.0);
            }
            println!("{:24}  {total:6.3}", "all");
        }
        if let Some(memory) = self.memory_mb {
            println!("\n{memory:.0} MB of memory at most");
        }
    }
}
