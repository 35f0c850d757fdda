//! What is curated, by which rules, and what is said of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use dataset::{Crop, Files, Region, Source};
use prepare::{Detector, Row, Rules, Tar, Verdict};
use serde::Deserialize;
use serde_json::Value;

use crate::numbers::{at_least, number, within};
use crate::places;

/// The arguments that a selection follows from, whoever makes it.
#[derive(Args, Clone, Debug)]
pub struct Curation {
    /// Folders, tars and zips of pictures; patterns are expanded
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Folder for tars, report and contact sheets, in none of those that --data names
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// Take only the files that this list names, one per line: a file's name, with or without its ending
    #[arg(long, value_name = "FILE")]
    pub only: Option<PathBuf>,
    /// Take of each picture what is in its box, measured from the upper left in pixels: lines of JSON, {"id": 17, "x0": 5, "y0": 9,
    /// "x1": 260, "y1": 264}, where id is a file's name, with or without its ending; pictures without a box are taken whole
    #[arg(long, value_name = "FILE")]
    pub boxes: Option<PathBuf>,
    /// Take of each picture its best face and what is around it, found by a detector: an ONNX file of a network of the YOLO family, or
    /// OpenCV's XML of a cascade of LBP or upright HAAR features; pictures without a face go
    #[arg(long, value_name = "FILE", conflicts_with = "boxes")]
    pub detector: Option<PathBuf>,
    /// Sides of the square around a face, by the longer side of its box; it ends where the picture does
    #[arg(long, value_name = "FACTOR", requires = "detector", default_value_t = MARGIN, value_parser = within(1.0..=20.0))]
    pub detector_margin: f64,
    /// Score that a face must have: of a network 0 to 1, of a cascade how many windows agree [default: 0.5 of a network, 5 of a cascade]
    #[arg(long, value_name = "X", requires = "detector", value_parser = number)]
    pub detector_score: Option<f64>,
    /// Write squares of so many pixels as WebP without loss [default: the files as they are]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=4096))]
    pub size: Option<u16>,
    /// How pictures become square: centre, top (of tall ones, where portraits have their face) or pad (with white)
    #[arg(long, value_name = "HOW", default_value = "centre")]
    pub crop: Crop,
    /// Pixels that the shorter side must have [default: those of --size, else 64]
    #[arg(long, value_name = "PIXELS")]
    pub min_side: Option<usize>,
    /// Largest ratio of the longer side to the shorter, 1 or more
    #[arg(long, value_name = "RATIO", default_value_t = Rules::default().max_aspect, value_parser = at_least(1.0))]
    pub max_aspect: f64,
    /// Variance of the Laplacian at 256 px that a picture must have: below 15 it is very blurred
    #[arg(long, value_name = "X", default_value_t = Rules::default().min_sharpness, value_parser = number)]
    pub min_sharpness: f64,
    /// Mean distance of red and blue from green, 0 to 255, that a picture must have; 0 keeps greyscale ones
    #[arg(long, value_name = "X", default_value_t = Rules::default().min_chroma, value_parser = within(0.0..=255.0))]
    pub min_chroma: f64,
    /// Mean brightness that a picture must have, 0 to 255
    #[arg(long, value_name = "X", default_value_t = Rules::default().min_brightness, value_parser = within(0.0..=255.0))]
    pub min_brightness: f64,
    /// Share of a side that bars of one colour may take, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = Rules::default().max_bars, value_parser = within(0.0..=1.0))]
    pub max_bars: f64,
    /// Near duplicates are pictures whose 64-bit perceptual hashes differ in at most this many bits, 0 to 7; `off` keeps them
    #[arg(long, value_name = "BITS", default_value = "4", value_parser = near)]
    pub near: Near,
    /// Say what would be kept and why not, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// FFHQ's squares, which StyleGAN was made for, have four times the distance between the eyes a side (Karras et al., 2019), and faces are some 2.3 times
/// that distance wide.
const MARGIN: f64 = 1.75;

/// Bits that perceptual hashes of near duplicates may differ in; none to keep them.
#[derive(Clone, Copy, Debug)]
pub struct Near(Option<u32>);

fn near(text: &str) -> Result<Near, String> {
    match text.parse::<u32>() {
        _ if text == "off" => Ok(Near(None)),
        Ok(bits) if bits <= prepare::MAX_HASH_DISTANCE => Ok(Near(Some(bits))),
        _ => Err(format!("use 0 to {}, or off", prepare::MAX_HASH_DISTANCE)),
    }
}

impl Curation {
    /// The files, of which a list was asked for those that it names.
    ///
    /// # Errors
    /// A place or the list cannot be read, the result would lie among the pictures, or there is no writing it where it belongs.
    pub fn files(&self) -> anyhow::Result<Files> {
        check_outside(&self.out, &Source::parse(&self.data)?)?;
        places::check_folder("--out", &self.out)?;
        let mut files = Files::list(&self.data)?;
        if let Some(list) = &self.only {
            let wanted = wanted(list)?;
            select(&mut files, |name| wanted.contains(name), &list.display().to_string());
        }
        if let Some(list) = &self.boxes {
            let boxes = boxes(list)?;
            let number = files.crop(|name| names(name).find_map(|name| boxes.get(name).copied()));
            println!("boxes       {number} of {} files have one in {}", files.len(), list.display());
        }
        Ok(files)
    }

    /// Looks, before the pictures are, whether the folder holds a selection by other rules. A dry run goes on, and says what the other would.
    ///
    /// # Errors
    /// It does, and something was to be written.
    pub fn check_selection(&self, rules: &Rules) -> anyhow::Result<()> {
        match prepare::check(&self.out, rules) {
            Err(error) if self.dry_run => {
                println!("note        {error}");
                Ok(())
            }
            checked => Ok(checked?),
        }
    }

    /// Decides, says how many files there are to each verdict, and gives the verdicts if there is anything to write. From here on faces are all that counts
    /// of the files that have one.
    ///
    /// # Errors
    /// Nothing is kept, and something was to be written.
    pub fn judge(&self, files: &mut Files, rows: &[Row], rules: &Rules) -> anyhow::Result<Option<Vec<Verdict>>> {
        prepare::crop(files, rows);
        let verdicts = prepare::decide(rows, rules);
        let kept = say(rows, &verdicts, files);
        if self.dry_run {
            return Ok(None);
        }
        ensure!(kept > 0, "nothing would be kept: see the counts above, and soften the rules (--help lists them)");
        Ok(Some(verdicts))
    }

    /// Writes contact sheets and report, after the tars.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn conclude(&self, files: &Files, rows: &[Row], verdicts: &[Verdict], tars: &[Tar]) -> anyhow::Result<()> {
        prepare::sheets(files, rows, verdicts, &self.out.join("sheets"))?;
        // Last: a report says that all is there.
        let places = prepare::places(tars, rows.len());
        prepare::report(files, rows, verdicts, &places, &self.out.join("report.parquet"))?;
        println!("written     {0}/tars, {0}/report.parquet, {0}/sheets", self.out.display());
        Ok(())
    }

    /// The rules that these arguments are, and the detector that they ask for.
    ///
    /// # Errors
    /// The detector is none, or finds nothing with such a score.
    pub fn rules(&self) -> anyhow::Result<(Rules, Option<Detector>)> {
        let size = self.size.map(usize::from);
        let (faces, detector) = self.detector()?.unzip();
        let rules = Rules {
            min_side: self.min_side.or(size).unwrap_or(Rules::default().min_side),
            max_aspect: self.max_aspect,
            min_sharpness: self.min_sharpness,
            min_chroma: self.min_chroma,
            min_brightness: self.min_brightness,
            max_bars: self.max_bars,
            near: self.near.0,
            crop: self.crop.to_string(),
            size,
            faces,
        };
        Ok((rules, detector))
    }

    #[cfg(feature = "detect")]
    fn detector(&self) -> anyhow::Result<Option<(prepare::Faces, Detector)>> {
        let Some(path) = &self.detector else { return Ok(None) };
        let (faces, find) = crate::faces::rule(path, self.detector_margin, self.detector_score)?;
        println!("detector    {}, faces with a score of {} or more", path.display(), faces.score);
        Ok(Some((faces, Detector { path: path.clone(), find })))
    }

    #[cfg(not(feature = "detect"))]
    fn detector(&self) -> anyhow::Result<Option<(prepare::Faces, Detector)>> {
        ensure!(
            self.detector.is_none(),
            "--detector: this program was built without detectors; build it with `cargo build --release --features detect`, or use tadne-cluster prepare"
        );
        Ok(None)
    }
}

/// Refuses a result in a folder that is looked through, where the next run would take it for pictures.
fn check_outside(out: &Path, data: &[Source]) -> anyhow::Result<()> {
    let whole = std::path::absolute(out).with_context(|| format!("cannot find {}", out.display()))?;
    // What is not there yet will be below the last folder that is.
    let real = |there: &Path| Some(there.canonicalize().ok()?.join(whole.strip_prefix(there).ok()?));
    let place = whole.ancestors().find_map(real).unwrap_or_else(|| whole.clone());
    let around = data.iter().find(|source| matches!(source, Source::Folder(folder) if place.starts_with(folder)));
    if let Some(folder) = around {
        bail!(
            "--out {} lies in {}, which --data names: the next run would take what it holds for pictures; name a folder elsewhere",
            out.display(),
            folder.path().display()
        );
    }
    Ok(())
}

/// Keeps the files that a list names, each by its name with or without its ending, and says how many.
pub fn select(files: &mut Files, wanted: impl Fn(&str) -> bool, list: &str) {
    let found = files.len();
    files.retain(|name| is_wanted(&wanted, name));
    println!("list        {} of {found} files are named in {list}", files.len());
}

/// Prints the counts; how many are kept.
fn say(rows: &[prepare::Row], verdicts: &[Verdict], files: &Files) -> usize {
    // Of each verdict how many, and the first.
    let mut counts: BTreeMap<&str, (usize, &str, &str)> = BTreeMap::new();
    for (row, verdict) in rows.iter().zip(verdicts) {
        counts.entry(verdict.word).or_insert((0, &row.name, &verdict.reason)).0 += 1;
    }
    println!("{:10}  {}", "files", rows.len());
    for word in Verdict::WORDS {
        match counts.get(word) {
            Some((count, name, reason)) if word != "kept" => {
                println!("{word:10}  {count}, such as {name}: {reason}");
            }
            Some((count, ..)) => println!("{word:10}  {count}"),
            None => {}
        }
    }
    if let [(name, reason), ..] = files.skipped() {
        println!("{:10}  {}, such as {name}: {reason}", "passed by", files.skipped().len());
    }
    counts.get("kept").map_or(0, |(count, ..)| *count)
}

/// The lines of a list.
fn wanted(list: &Path) -> anyhow::Result<HashSet<String>> {
    let text = std::fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Whether a list names a file.
fn is_wanted(wanted: impl Fn(&str) -> bool, name: &str) -> bool {
    names(name).any(wanted)
}

/// What lists call a file: its name without folders and archives, or that without its ending.
fn names(name: &str) -> impl Iterator<Item = &str> {
    let name = dataset::parts_of(name).last().copied().unwrap_or(name);
    [Some(name), name.rsplit_once('.').map(|(stem, _)| stem)].into_iter().flatten()
}

/// A line of a list of boxes.
#[derive(Deserialize)]
struct Line {
    id: Value,
    x0: f64,
    y0: f64,
    x1: f64,
    y1: f64,
}

/// The boxes of a list, by the names in it.
fn boxes(list: &Path) -> anyhow::Result<HashMap<String, Region>> {
    let cannot = || format!("cannot read {}", list.display());
    let mut boxes = HashMap::new();
    for (number, line) in (1..).zip(BufReader::new(File::open(list).with_context(cannot)?).lines()) {
        let line = line.with_context(cannot)?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: String| anyhow!("{}, line {number}: {what}", list.display());
        let line: Line = serde_json::from_str(&line).map_err(|error| {
            wrong(format!("{error}; a line is {{\"id\": 17, \"x0\": 5, \"y0\": 9, \"x1\": 260, \"y1\": 264}}"))
        })?;
        let id = match line.id {
            Value::String(id) => id,
            Value::Number(id) => id.to_string(),
            other => return Err(wrong(format!("the id {other} is neither text nor a number"))),
        };
        // Detectors give fractions, and reach beyond edges; the cast ends at 0.
        let [left, top, right, bottom] = [line.x0, line.y0, line.x1, line.y1].map(|edge| edge.round() as u32);
        if left >= right || top >= bottom {
            return Err(wrong(format!("the box of {id} holds no pixel: x1 and y1 must be larger than x0 and y0")));
        }
        if boxes.contains_key(&id) {
            return Err(wrong(format!("{id} has a second box, and a picture is cropped once; choose one")));
        }
        boxes.insert(id, Region { left, top, right, bottom });
    }
    Ok(boxes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_files_with_and_without_their_ending() {
        let list: HashSet<String> = ["17", "18.png", "Re:Zero 01"].map(str::to_owned).into();
        for (name, wants) in [
            ("a/17.png", true),
            ("b.tar:0017/17.jpg", true),
            ("b.tar:17.webp", true),
            ("18.png", true),
            ("18.jpg", false),
            ("a/17/5.png", false),
            ("170.png", false),
            ("a/Re:Zero 01.png", true),
            ("b.tar:c/Re:Zero 01.png", true),
            ("a/Re:17.png", false),
        ] {
            assert_eq!(is_wanted(|name| list.contains(name), name), wants, "{name}");
        }
        assert!(near("7").is_ok() && near("8").is_err() && near("off").is_ok_and(|near| near.0.is_none()));
    }

    #[test]
    fn the_result_lies_outside_of_what_is_looked_through() {
        let place = tempfile::tempdir().unwrap();
        let (data, beside) = (place.path().join("data"), place.path().join("data-curated"));
        std::fs::create_dir_all(data.join("deep")).unwrap();
        std::fs::create_dir(&beside).unwrap();
        let sources = Source::parse(&[&data]).unwrap();
        for out in [data.clone(), data.join("new/out"), data.join("deep"), beside.join("../data/out")] {
            let error = check_outside(&out, &sources).unwrap_err().to_string();
            assert!(error.contains("--data") && error.contains(&*out.to_string_lossy()), "{error}");
        }
        for out in [beside.join("new"), beside, place.path().to_owned(), "nowhere".into()] {
            assert!(check_outside(&out, &sources).is_ok(), "{}", out.display());
        }
    }

    #[test]
    fn boxes_have_pixels_and_an_id() {
        let list = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(list.path(), text).unwrap();
            boxes(list.path()).map_err(|error| error.to_string())
        };
        let line = |id: &str, edges: [&str; 4]| {
            let [x0, y0, x1, y1] = edges;
            format!("{{\"id\": {id}, \"x0\": {x0}, \"y0\": {y0}, \"x1\": {x1}, \"y1\": {y1}, \"score\": 0.9}}\n")
        };
        let good = line("17", ["-3.2", "4.6", "60", "70.2"]) + "\n" + &line("\"a.png\"", ["0", "0", "1", "1e12"]);
        let found = read(&good).unwrap();
        assert_eq!(found["17"], Region { left: 0, top: 5, right: 60, bottom: 70 });
        assert_eq!(found["a.png"].bottom, u32::MAX);
        for (bad, said) in [
            (line("1", ["5", "5", "5", "9"]), "line 1: the box of 1 holds no pixel"),
            (line("1", ["0", "0", "-5", "9"]), "holds no pixel"),
            (good.clone() + &line("17", ["0", "0", "5", "9"]), "line 4: 17 has a second box"),
            (line("null", ["0", "0", "5", "9"]), "neither text nor a number"),
            ("{\"id\": 3}".into(), "line 1: missing field"),
            ("17,0,0,5,5".into(), "line 1"),
        ] {
            let error = read(&bad).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(boxes(Path::new("/nowhere/boxes.jsonl")).unwrap_err().to_string().contains("/nowhere"));
    }
}
