//! `tadne site export`: the wall as files that any host can serve, drawn in the visitor's browser.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use server::{Config, SiteFile};

use crate::model::Model;

/// Files are kept packed as well where that saves so much of them.
const WORTH: f64 = 0.2;
/// Brotli's best quality, and the window browsers accept.
const BROTLI: (u32, u32) = (11, 22);

/// What `tadne site` does.
#[derive(Subcommand, Debug)]
pub(crate) enum Site {
    /// Write the wall as files for any host
    Export(Export),
}

/// Arguments of `tadne site export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tadne site export --out dist
  tadne site export --url https://example.org/wall --out dist
  python3 -m http.server --directory dist              look at it

The folder works wherever it is put, in a subfolder too. Files ending in .br and .gz are the same files packed, for hosts
that can send those; the site works without them too.")]
pub(crate) struct Export {
    /// Folder to write; new, empty, or one that an earlier export wrote
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Where the site will be, for the picture of shared links
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    model: Model,
}

impl Site {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let Site::Export(export) = self;
        export.run()
    }
}

impl Export {
    fn run(&self) -> anyhow::Result<()> {
        let earlier = ours(&self.out)?;
        cli::places::check_folder("--out", &self.out)?;
        let (generator, metadata) = self.model.generator()?;
        let Some(weights) = self.model.for_browsers()? else {
            bail!(
                "browsers draw as the model does by default: leave --seed-style, --noise, --noise-seed and --class out"
            );
        };
        let config =
            Config { weights: Some(weights.into()), public_url: self.url.clone(), metadata, ..Config::default() };
        let files = server::site(&config, &generator)?;
        let mut bytes = 0;
        let mut written = Vec::new();
        for SiteFile { path, bytes: contents } in files {
            for (ending, packed) in
                [("", Some(contents.clone())), (".br", brotli(&contents)?), (".gz", gzip(&contents)?)]
            {
                let Some(packed) = packed else { continue };
                let name = format!("{path}{ending}");
                write(&self.out.join(&name), &packed)?;
                bytes += packed.len();
                written.push(name);
            }
        }
        let list = format!("{}\n", written.join("\n"));
        write(&self.out.join(LIST), list.as_bytes())?;
        // What an earlier export wrote and this one did not; nothing else is ever removed.
        for old in earlier.iter().filter(|name| !written.contains(name)) {
            let _ = std::fs::remove_file(self.out.join(old));
            if let Some(folder) = Path::new(old).parent() {
                let _ = std::fs::remove_dir(self.out.join(folder));
            }
        }
        println!("written  {} ({} files, {:.1} MB)", self.out.display(), written.len(), bytes as f64 / 1e6);
        Ok(())
    }
}

/// Names the files of an export, so that the next one can take the place of this.
const LIST: &str = "files.txt";
/// Files that every export has.
const MARKS: [&str; 2] = ["index.html", "sw.js"];

/// The files of an earlier export in a folder.
fn ours(folder: &Path) -> anyhow::Result<Vec<String>> {
    let list = folder.join(LIST);
    if let Ok(text) = std::fs::read_to_string(&list) {
        let inside =
            |name: &&str| Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let names: Vec<String> = text.lines().filter(inside).map(str::to_owned).collect();
        // Somebody's own list of files may have the same name.
        if MARKS.iter().all(|mark| names.iter().any(|name| name == mark) && folder.join(mark).is_file()) {
            return Ok(names);
        }
    }
    match std::fs::read_dir(folder).map(Iterator::count) {
        Ok(1..) => bail!("{} holds files that are not an earlier export; choose an empty folder", folder.display()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot look into {}", folder.display()))
        }
        _ => Ok(Vec::new()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    synth::write_atomically(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// What is packed, if it is smaller enough.
fn worthwhile(packed: Vec<u8>, plain: &[u8]) -> Option<Vec<u8>> {
    ((packed.len() as f64) < plain.len() as f64 * (1.0 - WORTH)).then_some(packed)
}

fn brotli(bytes: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, BROTLI.0, BROTLI.1);
    packer.write_all(bytes)?;
    Ok(worthwhile(packer.into_inner(), bytes))
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes)?;
    Ok(worthwhile(packer.finish()?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ours(folder.path()).unwrap(), Vec::<String>::new());
        std::fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        assert!(ours(folder.path()).unwrap_err().to_string().contains("empty folder"));
        std::fs::write(folder.path().join(LIST), "thesis.txt\n").unwrap();
        assert!(ours(folder.path()).is_err(), "a list of somebody's own files is no export");
        let list = "a/b.js\nindex.html\n../thesis.txt\n/etc/passwd\nsw.js\n";
        std::fs::write(folder.path().join(LIST), list).unwrap();
        assert!(ours(folder.path()).is_err(), "nor is one without its files");
        for mark in MARKS {
            std::fs::write(folder.path().join(mark), "").unwrap();
        }
        assert_eq!(ours(folder.path()).unwrap(), ["a/b.js", "index.html", "sw.js"]);
    }

    #[test]
    fn what_packing_does_not_make_smaller_stays_alone() {
        assert!(gzip(&[7; 1000]).unwrap().is_some() && brotli(&[7; 1000]).unwrap().is_some());
        let noise: Vec<u8> = (0..1000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(gzip(&noise[..32]).unwrap().is_none());
    }
}
