//! The wall as files for a host that runs nothing: the page in every language, the module that draws, the model.
//!
//! Everything that can change lies in a folder named after its contents, so that a host may let browsers keep it for ever;
//! what has a name of its own are the pages, the service worker and the manifest, which are asked for again. Every address
//! is relative, so that the folder works wherever it is put.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use synth::Generator;

use crate::api::facts;
use crate::app::public_address;
use crate::config::Config;
use crate::error::Error;
use crate::page::Pages;
use crate::page::assets;
use crate::page::drawn_by::ModelFacts;
use crate::page::hosted::{Site, manifest_of, page_of};
use crate::page::language::Language;
use crate::pictures::order::Order;
use crate::pictures::render::Renderer;

/// Keeps the files in the browser; two blanks are filled.
const WORKER: &str = include_str!("site/sw.js");

/// One file of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFile {
    /// Its path below the site's folder.
    pub path: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// Makes the files of a site that draws with a model in the visitor's browser. `config.weights` is the model's file;
/// `config.public_url` is what the site's address will be, for shared links, if it is known.
///
/// # Errors
/// There are no weights, a page of the binary is broken, or the picture for shared links cannot be drawn.
pub fn site(config: &Config, generator: &Arc<Generator>) -> Result<Vec<SiteFile>, Error> {
    let weights = config.weights.clone().ok_or(Error::NoWeights)?;
    config.public_url.as_deref().map(public_address).transpose()?;
    let mut facts = ModelFacts::new(generator, config);
    let mut files: Vec<SiteFile> = assets::all()
        .filter_map(|path| assets::public(&path).map(|asset| SiteFile { path, bytes: asset.bytes.into_owned() }))
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    // Whose instructions draw is known to the browser that does, not to the computer that exports.
    let mut model = facts::about(generator, &config.metadata);
    if let Some(model) = model.as_object_mut() {
        model.remove("simd");
    }
    let model = model.to_string();
    files.push(SiteFile { path: "model.json".to_owned(), bytes: model.into_bytes() });
    let mut hasher = DefaultHasher::new();
    for SiteFile { path, bytes } in &files {
        (path, bytes).hash(&mut hasher);
    }
    let folder = format!("{:08x}", hasher.finish() as u32);
    let inside: Vec<String> = files.iter().map(|file| format!("{folder}/{}", file.path)).collect();
    for (file, path) in files.iter_mut().zip(&inside) {
        file.path.clone_from(path);
    }
    facts.address = format!("model-{:.16}.safetensors", facts.fingerprint);
    let card_order = Order::WallCard { psi: facts.psi.into(), place: None };
    let card = Renderer::new(generator).make(&card_order, &|| false).map_err(|_| Error::NoCard)?;
    let weights_path = facts.address.clone();

    let pages = Pages::open(facts)?;
    let url = config.public_url.as_deref().map_or_else(String::new, |url| format!("{}/", url.trim_end_matches('/')));
    let mut names = Vec::new();
    for language in Language::ALL {
        let html = pages.hosted(&Site { folder: &folder, url: &url }, language)?;
        names.push(page_of(language));
        files.push(SiteFile { path: page_of(language), bytes: html.clone().into_bytes() });
        if language == Language::English {
            // Where tools for the original look for the montage.
            files.push(SiteFile { path: "slider.html".to_owned(), bytes: html.into_bytes() });
        }
    }
    for language in Language::ALL {
        let start = if language == Language::English { "./".to_owned() } else { page_of(language) };
        let manifest = pages.manifest_of(language, &start, &format!("{folder}/"));
        names.push(manifest_of(language));
        files.push(SiteFile { path: manifest_of(language), bytes: manifest.into_bytes() });
    }
    // The modules are left to the visit: a browser needs one of the three.
    let keep = inside.iter().filter(|path| !matches!(ending(path), "wasm" | "txt"));
    let keep: Vec<&str> = ["./", weights_path.as_str()]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .chain(keep.map(String::as_str))
        .collect();
    let mut hasher = DefaultHasher::new();
    for SiteFile { path, bytes } in &files {
        (path, bytes).hash(&mut hasher);
    }
    weights_path.hash(&mut hasher);
    let worker = WORKER
        .replace("__VERSION__", &format!("{:016x}", hasher.finish()))
        .replace("__KEEP__", &serde_json::to_string(&keep).unwrap_or_default());
    files.push(SiteFile { path: "sw.js".to_owned(), bytes: worker.into_bytes() });
    files.push(SiteFile { path: "card.jpg".to_owned(), bytes: card.into() });
    files.push(SiteFile { path: weights_path, bytes: weights.to_vec() });
    Ok(files)
}

/// What a file's name ends with.
fn ending(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, ending)| ending)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use synth::{Architecture, ModelFile, Seed, Upsample, WeightDtype};

    use super::*;

    fn made() -> Vec<SiteFile> {
        let architecture = Architecture { upsample: Upsample::UpConv, ..Architecture::plain(8, 8, &[8, 8]) };
        let model = ModelFile::random(architecture, Seed(1)).unwrap();
        let weights = Some(model.to_bytes(WeightDtype::F16).unwrap().into());
        let config = Config { weights, public_url: Some("https://example.org/wall".to_owned()), ..Config::default() };
        site(&config, &Arc::new(Generator::new(&model).unwrap())).unwrap()
    }

    #[test]
    fn every_file_that_a_page_or_the_worker_names_is_there() {
        let files = made();
        let there: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        for page in Language::ALL.map(page_of).into_iter().chain(["slider.html".to_owned()]) {
            let html = files.iter().find(|file| file.path == page).unwrap();
            let html = std::str::from_utf8(&html.bytes).unwrap();
            let addresses = [" href=\"", " src=\""].into_iter().flat_map(|mark| html.split(mark).skip(1));
            let named = addresses.filter_map(|rest| rest.split('"').next());
            let files = named.filter(|name| {
                !name.contains("://")
                    && [".css", ".js", ".json", ".woff2", ".svg", ".png", ".webmanifest"]
                        .iter()
                        .any(|end| name.ends_with(end))
            });
            let mut count = 0;
            for name in files {
                assert!(there.contains(name), "{page} names {name:?}");
                count += 1;
            }
            assert!(count > 20, "{page} names only {count} files");
            assert!(!html.contains("=\"/"), "{page} has an address that is not relative");
            assert!(html.contains("https://example.org/wall/card.jpg"), "{page} has no picture for shared links");
        }
        let worker = files.iter().find(|file| file.path == "sw.js").unwrap();
        let worker = std::str::from_utf8(&worker.bytes).unwrap();
        let keep: Vec<String> =
            serde_json::from_str(worker.split("KEEP = ").nth(1).unwrap().split(';').next().unwrap()).unwrap();
        for name in keep.iter().filter(|name| *name != "./") {
            assert!(there.contains(name.as_str()), "the worker keeps {name:?}");
        }
    }

    #[test]
    fn the_same_program_and_model_make_the_same_files() {
        assert_eq!(made(), made());
    }

    #[test]
    fn without_weights_there_is_no_site() {
        let model = ModelFile::from_bytes(&made().iter().find(|file| file.path.starts_with("model-")).unwrap().bytes);
        let generator = Arc::new(Generator::new(&model.unwrap()).unwrap());
        assert!(matches!(site(&Config::default(), &generator), Err(Error::NoWeights)));
    }
}
