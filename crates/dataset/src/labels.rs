//! Classes of pictures: by the folder that each lies in, or by a StyleGAN data set's `dataset.json`, `{"labels": [["00000/img00000000.png", 6], ...]}`
//! or `null` for none.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::names::{parts_of, split, steps};
use crate::report::Labels;
use crate::{Error, Source};

/// The file that holds them.
pub(crate) const FILE: &str = "dataset.json";

/// The most classes that a data set may have.
const MOST: usize = 1 << 16;

/// Where the class of each picture comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelSource {
    /// The folder that the picture lies in, or the archive where that has none: its name is the class's.
    Folders,
    /// A file as StyleGAN's dataset tool writes it: `{"labels": [["folder/picture.png", 6], ...]}`, classes counted from 0. A picture's path may have
    /// more folders before those that are named.
    File(PathBuf),
}

impl From<String> for LabelSource {
    fn from(text: String) -> Self {
        if text == "folders" { Self::Folders } else { Self::File(text.into()) }
    }
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folders => f.write_str("folders"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The classes of a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Their names.
    pub(crate) names: Vec<String>,
    /// Of each picture its class.
    pub(crate) of: Vec<u32>,
}

/// The classes of pictures with these names, as messages spell them.
pub(crate) fn classes(source: &LabelSource, pictures: &[String]) -> Result<Classes, Error> {
    let found = match source {
        LabelSource::Folders => Ok(by_folder(pictures)),
        LabelSource::File(path) => by_file(path, pictures),
    };
    let fail = |reason| Error::Labels { from: source.to_string(), reason };
    let classes = found.map_err(fail)?;
    match classes.names.len() {
        // Nothing to say of: an empty data set is refused with better words.
        0 => Ok(classes),
        1 => Err(fail(format!(
            "all pictures are of one class ({}); give each class a folder of its own, or leave --labels out",
            classes.names[0]
        ))),
        n if n > MOST => Err(fail(format!("there are {n} classes, and {MOST} at most can be told apart"))),
        _ => Ok(classes),
    }
}

fn by_folder(pictures: &[String]) -> Classes {
    let folder = |name: &String| parts_of(name).iter().rev().nth(1).map_or_else(String::new, |part| (*part).to_owned());
    let names: Vec<String> = pictures.iter().map(folder).collect::<BTreeSet<_>>().into_iter().collect();
    let of = pictures.iter().map(|name| names.binary_search(&folder(name)).expect("it is one of them") as u32);
    Classes { of: of.collect(), names }
}

fn by_file(path: &Path, pictures: &[String]) -> Result<Classes, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let json: Value = serde_json::from_slice(&bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let pairs = json.get("labels").and_then(Value::as_array).filter(|pairs| !pairs.is_empty());
    let pairs = pairs.ok_or("it has no list of \"labels\" as StyleGAN's dataset tool writes it")?;
    let mut known = HashMap::with_capacity(pairs.len());
    for pair in pairs {
        let name = pair.get(0).and_then(Value::as_str);
        let class = pair.get(1).and_then(Value::as_u64).filter(|class| (*class as usize) < MOST);
        let (Some(name), Some(class)) = (name, class) else {
            return Err(format!("{pair} is no [\"path\", class] with a class from 0 to {}", MOST - 1));
        };
        known.insert(parts_of(name).join("/"), class as u32);
    }
    let of: Vec<Option<u32>> = pictures.iter().map(|name| of_end(&known, &parts_of(name))).collect();
    let without: Vec<&String> = pictures.iter().zip(&of).filter(|(_, of)| of.is_none()).map(|(name, _)| name).collect();
    if let Some(first) = without.first() {
        return Err(format!("it has no class for {} of {} pictures, such as {first}", without.len(), pictures.len()));
    }
    let of: Vec<u32> = of.into_iter().flatten().collect();
    let count = known.values().max().map_or(0, |last| *last as usize + 1);
    Ok(Classes { names: (0..count).map(|class| class.to_string()).collect(), of })
}

/// What is known of the longest end of a path that anything is known of.
fn of_end<T: Copy>(known: &HashMap<String, T>, parts: &[&str]) -> Option<T> {
    (0..parts.len()).find_map(|start| known.get(&parts[start..].join("/")).copied())
}

/// What a `dataset.json` calls pictures of `sources` that have these names, as [`Dataset::name`](crate::Dataset::name) spells them: paths within the
/// folder or the archive that a source names, so that they hold for pictures that are moved. Where [`LabelSource::File`] would take one picture for
/// another, as many folders before that as tell them apart.
pub fn label_names(sources: &[Source], pictures: &[&str]) -> Vec<String> {
    let folders = sources.iter().filter(|source| matches!(source, Source::Folder(_)));
    let folders: HashSet<&Path> = folders.map(Source::path).collect();
    let parts: Vec<Vec<&str>> = pictures.iter().map(|name| parts_of(name)).collect();
    let mut lengths: Vec<usize> = pictures.iter().map(|name| parts_within(&folders, name)).collect();
    loop {
        let end = |(parts, length): (&Vec<&str>, &usize)| parts[parts.len() - length..].join("/");
        let names: Vec<String> = parts.iter().zip(&lengths).map(end).collect();
        // Of each name the first picture, and how many have it.
        let mut known: HashMap<String, (usize, usize)> = HashMap::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            known.entry(name.clone()).or_insert((i, 0)).1 += 1;
        }
        let mut all_apart = true;
        for (i, (parts, length)) in parts.iter().zip(&mut lengths).enumerate() {
            if *length < parts.len() && of_end(&known, parts) != Some((i, 1)) {
                *length += 1;
                all_apart = false;
            }
        }
        if all_apart {
            return names;
        }
    }
}

/// How many parts of a picture's name lie within its archive, or else within the outermost of the folders; the file alone if it lies in none of them.
fn parts_within(folders: &HashSet<&Path>, name: &str) -> usize {
    let (path, entry) = split(name);
    if !entry.is_empty() {
        return steps(entry).count();
    }
    let above = Path::new(path).ancestors().enumerate().filter(|(_, folder)| folders.contains(folder));
    above.last().map_or(1, |(below, _)| below)
}

/// What a `dataset.json` says; none if it labels nothing or is something else.
pub(crate) fn parse(bytes: &[u8]) -> Option<Labels> {
    let json: Value = serde_json::from_slice(bytes).ok()?;
    let pairs = json.get("labels")?.as_array()?;
    let labels: Vec<String> = pairs.iter().filter_map(|pair| Some(pair.as_array()?.get(1)?.to_string())).collect();
    let classes = labels.iter().collect::<BTreeSet<_>>().len();
    (!labels.is_empty()).then_some(Labels { pictures: labels.len(), classes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_counted_and_other_files_are_not_taken_for_them() {
        let three = br#"{"labels": [["a.png", 0], ["b.png", 1], ["c.png", 0]]}"#;
        assert_eq!(parse(three), Some(Labels { pictures: 3, classes: 2 }));
        let vectors = br#"{"labels": [["a.png", [0.5, 1]], ["b.png", [0.5, 2]]]}"#;
        assert_eq!(parse(vectors), Some(Labels { pictures: 2, classes: 2 }));
        for other in [&br#"{"labels": null}"#[..], br#"{"labels": []}"#, b"[]", b"{", b"", br#"{"labels": [1, [2]]}"#] {
            assert_eq!(parse(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_folder_or_an_archive_is_a_class() {
        let pictures = named(&["d/cats/1.png", "d/x.tar:dogs/2.png", "e/cats/deep.png", "d/owls.zip:3.png"]);
        let found = classes(&LabelSource::Folders, &pictures).unwrap();
        assert_eq!((found.names, found.of), (named(&["cats", "dogs", "owls.zip"]), vec![0, 1, 0, 2]));
        let titles = named(&["d/Re:Zero/1.png", "d/Re:Life/Re:Life 1.png"]);
        assert_eq!(classes(&LabelSource::Folders, &titles).unwrap().names, named(&["Re:Life", "Re:Zero"]));
        let one = classes(&LabelSource::Folders, &named(&["d/1.png", "d/2.png"])).unwrap_err().to_string();
        assert!(one.contains("one class (d)") && one.contains("--labels"), "{one}");
    }

    #[test]
    fn a_file_names_classes_by_the_ends_of_paths() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataset.json");
        let said = |text: &str, pictures: &[&str]| {
            std::fs::write(&path, text).unwrap();
            classes(&LabelSource::File(path.clone()), &named(pictures))
        };
        let text = r#"{"labels": [["00000/a.png", 3], ["00001/a.png", 0], ["b.png", 1]]}"#;
        let found = said(text, &["data.zip:00001/a.png", "/x/00000/a.png", "x/00009/b.png"]).unwrap();
        assert_eq!((found.of, found.names.len()), (vec![0, 3, 1], 4));
        for (text, pictures, expected) in [
            (text, &["00002/a.png", "b.png"][..], "no class for 1 of 2 pictures, such as 00002/a.png"),
            (r#"{"labels": null}"#, &["b.png"], "no list"),
            ("[", &["b.png"], "no JSON"),
            (r#"{"labels": [["b.png", [0.5, 1]]]}"#, &["b.png"], "from 0 to 65535"),
            (r#"{"labels": [["b.png", 70000]]}"#, &["b.png"], "from 0 to 65535"),
            (r#"{"labels": [["b.png", 0]]}"#, &["b.png"], "one class"),
        ] {
            let error = said(text, pictures).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("dataset.json"), "{error}");
        }
        let missing = LabelSource::File(folder.path().join("nothing.json"));
        assert!(classes(&missing, &named(&["b.png"])).unwrap_err().to_string().contains("nothing.json"));
    }

    /// The names of pictures, of which a file of labels says that each is of a class of its own, as it is read.
    fn labelled(sources: &[Source], pictures: &[&str], moved: &[&str]) -> Vec<String> {
        let names = label_names(sources, pictures);
        let pairs: Vec<(&String, usize)> = names.iter().zip(0..).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), serde_json::json!({ "labels": pairs }).to_string()).unwrap();
        for read in [pictures, moved] {
            let found = classes(&LabelSource::File(file.path().into()), &named(read)).unwrap();
            assert_eq!(found.of, (0..pictures.len() as u32).collect::<Vec<_>>(), "{names:?} of {read:?}");
        }
        names
    }

    #[test]
    fn labels_hold_for_pictures_that_are_moved() {
        let folder = |path: &str| Source::Folder(path.into());
        let names = labelled(
            &[folder("/d/pics"), folder("/d/pics/a")],
            &["/d/pics/a/1.png", "/d/pics/1.png"],
            &["/e/moved/a/1.png", "/e/p.tar:./1.png"],
        );
        assert_eq!(names, ["a/1.png", "1.png"]);
        let tar = [Source::Tar("/d/p.tar".into()), Source::Picture("/d/3.png".into())];
        let names = labelled(
            &tar,
            &["/d/p.tar:./pics/1.png", "/d/p.tar:./pics/2.png", "/d/3.png"],
            &["/e/pics/1.png", "/e/q.zip:pics/2.png", "3.png"],
        );
        assert_eq!(names, ["pics/1.png", "pics/2.png", "3.png"]);
    }

    #[test]
    fn names_of_labels_tell_all_pictures_apart() {
        let sources = ["/d/one", "/d/two", "/d/tars", "/d/x"].map(|path| Source::Folder(path.into()));
        for (pictures, names) in [
            (&["/d/one/1.png", "/d/two/1.png", "/d/one/2.png"][..], &["one/1.png", "two/1.png", "2.png"][..]),
            (&["/d/tars/a.tar:1.png", "/d/tars/b.tar:1.png"], &["a.tar/1.png", "b.tar/1.png"]),
            // A folder of the same name within it: the end of one path is the whole name of the other.
            (&["/d/x/1.png", "/d/x/x/1.png"], &["d/x/1.png", "x/x/1.png"]),
        ] {
            assert_eq!(labelled(&sources, pictures, pictures), names);
        }
        // A tar may have two files of one name, which nothing tells apart.
        let names = label_names(&[Source::Tar("/d/p.tar".into())], &["/d/p.tar:1.png", "/d/p.tar:1.png"]);
        assert_eq!(names, ["d/p.tar/1.png"; 2]);
    }

    #[test]
    fn a_source_is_spelled_as_it_is_read() {
        for text in ["folders", "pictures/dataset.json"] {
            assert_eq!(LabelSource::from(text.to_owned()).to_string(), text);
        }
    }
}
