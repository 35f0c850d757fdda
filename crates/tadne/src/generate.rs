//! `tadne generate`: pictures into files, one each or together on a sheet.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, bail, ensure};
use clap::Args;
use cli::pictures::{format, replace, write};
use indicatif::{ProgressBar, ProgressStyle};
use server::{Format, LEVELS, level};
use synth::{Creativity, Generator, Picture, Recipe, Seed, Worker};

use crate::model::Model;
use crate::outputs;
use crate::seeds::Seeds;

/// A sheet larger than this on a side helps nobody and fills the memory.
const LONGEST_SHEET: usize = 32_768;
/// WebP counts a picture's sides in 14 bits.
const LONGEST_WEBP: usize = 16_383;

/// Arguments of `tadne generate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne generate --seeds 0-15,77 --psi 0.7 --out pictures
  tadne generate --seeds 42 --psi 1.4 --format webp --out pictures
  tadne generate --seeds 42 --size 512 --out pictures
  tadne generate --grid 8x8 --psi 0.7 --out sheet.png
  tadne generate --seeds 0-9 --sweep --out sweep.png
  tadne generate --w found/found.safetensors --out pictures
  tadne generate --model network.pkl --seed-style numpy --seeds 85 --psi 0.5 --out pictures

The same seed, psi and model always give the same picture. Files are named by their seeds alone (seed00042.png), so those of another
psi or model belong into another folder.")]
pub(crate) struct Generate {
    /// Seeds, e.g. 0-15,77 [default: 0, or as many as the grid holds]
    #[arg(long, value_name = "LIST")]
    seeds: Option<Seeds>,
    /// Creativity: 0 is the usual picture of a seed's kind (of all seeds, before tadne calibrate), 0.7 calm, 1 as trained, up to 2 for the strange
    #[arg(long, default_value = "1.0", value_name = "0..2")]
    psi: Creativity,
    /// Folder for the pictures, or the file of the sheet
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Draw these vectors, which `tadne project` found, as they are, into a file of their name
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "psi", "grid", "sweep"])]
    w: Option<PathBuf>,
    /// Put them on one sheet, columns x rows
    #[arg(long, value_name = "CxR")]
    grid: Option<Grid>,
    /// Put them on one sheet, one row per seed, through the 18 levels of creativity from 0.3 to 2
    #[arg(long, conflicts_with_all = ["grid", "psi"])]
    sweep: bool,
    /// Pixels of the longer side; above the model's own, its lens draws them where it has one [default: the model's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(16..=1024), conflicts_with_all = ["grid", "sweep", "w"])]
    size: Option<u16>,
    /// png, webp or jpg [default: png, or what the sheet's name says]
    #[arg(long, value_parser = format, value_name = "KIND")]
    format: Option<Format>,
    /// Threads that draw [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    #[command(flatten)]
    model: Model,
}

/// Columns and rows of a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grid {
    columns: usize,
    rows: usize,
}

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |s: &str| s.parse().ok().filter(|&n| (1..=1024).contains(&n));
        let sides = text.split_once('x').and_then(|(c, r)| Some((side(c)?, side(r)?)));
        let (columns, rows) = sides.ok_or("write columns x rows from 1 to 1024, e.g. 8x8")?;
        Ok(Self { columns, rows })
    }
}

impl Generate {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (generator, _) = self.model.generator()?;
        if let Some(path) = &self.w {
            return self.vectors(&generator, path);
        }
        let drawn = match self.grid {
            Some(grid) => self.grid(&generator, grid),
            None if self.sweep => self.levels(&generator),
            None => self.files(&generator),
        }?;
        // In full: another psi draws other pictures.
        let psi = if self.sweep { "0.3 to 2.0".into() } else { format!("{:?}", self.psi.get()) };
        println!("{drawn} pictures at psi {psi} in {}", self.out.display());
        Ok(())
    }

    /// Draws a file a seed; gives their number.
    fn files(&self, generator: &Arc<Generator>) -> anyhow::Result<u64> {
        let seeds = self.seeds.clone().unwrap_or(Seeds::first(1));
        let format = self.format.unwrap_or(Format::Png);
        ensure!(
            outputs::format_of(&self.out).is_none() || self.out.is_dir(),
            "--out {}: pictures go into a folder, by the names of their seeds; a sheet of them (--grid 1x1 for one) is a file",
            self.out.display()
        );
        fs::create_dir_all(&self.out).with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        let lost = AtomicU64::new(0);
        self.draw(generator, seeds.count(), seeds.iter().map(|seed| (seed, self.psi)), |_, seed, picture| {
            let is_lost = replace(&self.out.join(format!("seed{seed}.{}", format.extension())), format, picture)?;
            lost.fetch_add(u64::from(is_lost), Ordering::Relaxed);
            Ok(())
        })?;
        tell_lost(lost.into_inner(), &self.out);
        Ok(seeds.count())
    }

    /// Draws the picture of vectors.
    fn vectors(&self, generator: &Arc<Generator>, path: &Path) -> anyhow::Result<()> {
        let vectors = crate::project::vectors(path, generator)?;
        let picture = generator.worker().draw_w(&vectors.w, vectors.noise);
        let format = self.format.unwrap_or(Format::Png);
        fs::create_dir_all(&self.out).with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        let file = self.out.join(format!("{name}.{}", format.extension()));
        let is_lost = replace(&file, format, &picture)?;
        println!("1 picture in {}", file.display());
        tell_lost(u64::from(is_lost), &self.out);
        Ok(())
    }

    /// Draws a sheet of different seeds; gives their number.
    fn grid(&self, generator: &Arc<Generator>, grid: Grid) -> anyhow::Result<u64> {
        let cells = (grid.columns * grid.rows) as u64;
        let seeds = self.seeds.clone().unwrap_or(Seeds::first(cells));
        ensure!(
            seeds.count() == cells,
            "a grid of {}x{} holds {cells} pictures, but {} seeds were given",
            grid.columns,
            grid.rows,
            seeds.count()
        );
        self.sheet(generator, grid, cells, seeds.iter().map(|seed| (seed, self.psi)))
    }

    /// Draws a sheet of all levels of creativity; gives the number of pictures on it.
    fn levels(&self, generator: &Arc<Generator>) -> anyhow::Result<u64> {
        let seeds = self.seeds.clone().unwrap_or(Seeds::first(1));
        let rows = usize::try_from(seeds.count()).unwrap_or(usize::MAX);
        let grid = Grid { columns: LEVELS.count(), rows };
        let wanted = seeds.iter().flat_map(|seed| LEVELS.map(move |tenths| (seed, level(tenths))));
        self.sheet(generator, grid, (grid.columns as u64).saturating_mul(seeds.count()), wanted)
    }

    /// Draws the wanted pictures, so many, on one sheet; gives their number.
    fn sheet(
        &self,
        generator: &Arc<Generator>,
        grid: Grid,
        count: u64,
        wanted: impl Iterator<Item = (Seed, Creativity)> + Send,
    ) -> anyhow::Result<u64> {
        let (height, width) = generator.resolution();
        let (across, down) = (grid.columns.saturating_mul(width), grid.rows.saturating_mul(height));
        let Some(format) = self.format.or(outputs::format_of(&self.out)) else {
            let endings = Format::listed(".");
            bail!("{} does not end in {endings}; name it so or add --format", self.out.display())
        };
        outputs::check("--out", Some(&self.out))?;
        let (longest, otherwise) =
            if format == Format::Webp { (LONGEST_WEBP, " or name it .png") } else { (LONGEST_SHEET, "") };
        ensure!(
            across <= longest && down <= longest,
            "the sheet would be {across} x {down} pixels; {longest} a side is the limit, draw fewer pictures{otherwise}",
        );
        let pictures = Mutex::new(vec![Picture::default(); grid.columns * grid.rows]);
        self.draw(generator, count, wanted, |place, _, picture| {
            pictures.lock().expect("no thread panics holding the sheet")[place].clone_from(picture);
            Ok(())
        })?;
        let pictures = pictures.into_inner().expect("no thread panics holding the sheet");
        write(&self.out, format, &synth::sheet(&pictures, grid.columns))?;
        Ok(count)
    }

    /// One picture at the size that was asked for.
    fn picture(&self, worker: &mut Worker, seed: Seed, psi: Creativity) -> anyhow::Result<Picture> {
        let Some(side) = self.size.map(usize::from) else { return Ok(worker.draw(seed, psi)) };
        let styles = Recipe::from(seed).styles(worker.generator(), psi);
        let mut picture = Picture::default();
        worker.draw_styles_sized_into(&styles, Some(seed), Some(side), &|| false, &mut picture);
        Ok(server::to_side(picture, side)?)
    }

    /// Draws what is wanted, `count` in all, on all threads and hands each picture to `done` with its place in the order; the
    /// first error ends it.
    fn draw(
        &self,
        generator: &Arc<Generator>,
        count: u64,
        wanted: impl Iterator<Item = (Seed, Creativity)> + Send,
        done: impl Fn(usize, Seed, &Picture) -> anyhow::Result<()> + Sync,
    ) -> anyhow::Result<()> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or_else(cores, usize::from);
        let bar = ProgressBar::new(count);
        let style = "{bar:32} {percent:>3} %  {human_pos} of {human_len} pictures  {per_sec}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
        let queue = Mutex::new(wanted.enumerate());
        let failed = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut worker = generator.worker();
                    while failed.lock().expect("no thread panics holding an error").is_none() {
                        let Some((place, (seed, psi))) =
                            queue.lock().expect("no thread panics holding the queue").next()
                        else {
                            break;
                        };
                        let drawn = self.picture(&mut worker, seed, psi);
                        if let Err(error) = drawn.and_then(|picture| done(place, seed, &picture)) {
                            *failed.lock().expect("no thread panics holding an error") = Some(error);
                        }
                        bar.inc(1);
                    }
                });
            }
        });
        bar.finish_and_clear();
        match failed.into_inner().expect("no thread panics holding an error") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Says how many files were other pictures before.
fn tell_lost(count: u64, folder: &Path) {
    if count > 0 {
        eprintln!(
            "note: {count} files in {} held other pictures and were written over; name another folder with --out to keep such",
            folder.display()
        );
    }
}
