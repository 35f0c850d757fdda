//! The HTML pages, filled with their strings and the model's values when the service starts.

use std::collections::BTreeMap;
use std::fmt::Write;

use synth::{Psi, Seed};

use crate::address::{PictureAddress, spelled};
use crate::assets;
use crate::config::Config;
use crate::encode::Format;
use crate::template::{TemplateError, escape, render};

/// The creativity slider of the original: 0.3 to 2.0 in steps of 0.1.
const LEVELS: std::ops::RangeInclusive<u8> = 3..=20;
/// Pictures on the page for browsers without scripts.
const WITHOUT_SCRIPT: u64 = 24;

/// What the pages need to know about the model.
#[derive(Clone, Debug)]
pub(crate) struct ModelFacts {
    /// Pixels across and down.
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) fingerprint: String,
    /// Where the creativity slider stands at first.
    pub(crate) psi: Psi,
}

/// Rendered pages, and what is needed to render those that depend on the request.
pub(crate) struct Pages {
    strings: BTreeMap<String, String>,
    facts: ModelFacts,
    pub(crate) index: String,
    pub(crate) not_found: String,
    montage: String,
}

impl ModelFacts {
    pub(crate) fn new(generator: &synth::Generator, config: &Config) -> Self {
        let (height, width) = generator.resolution();
        let best = config.metadata.calibration.map_or(1.0, |calibration| calibration.psi_best);
        // The slider has steps of 0.1 and starts at 0.3, whatever the calibration found.
        let psi = Psi::new((best.clamp(0.3, 2.0) * 10.0).round() / 10.0).unwrap_or_default();
        Self { width, height, fingerprint: generator.fingerprint(), psi }
    }
}

impl Pages {
    /// Reads and fills the pages.
    pub(crate) fn open(facts: ModelFacts) -> Result<Self, TemplateError> {
        let file = "strings/en.json";
        let strings: BTreeMap<String, String> = serde_json::from_str(&assets::text(file)?)
            .map_err(|error| TemplateError::Broken { page: file.to_owned(), reason: error.to_string() })?;
        let montage = assets::text("montage.html")?;
        let mut pages = Self { strings, facts, index: String::new(), not_found: String::new(), montage };
        let pictures = pages.without_script();
        pages.index = pages.fill("index.html", &assets::text("index.html")?, &[("noscript.pictures", &pictures)])?;
        pages.not_found = pages.fill("not-found.html", &assets::text("not-found.html")?, &[])?;
        // Filled once now, so that a mistake in it is found when starting.
        pages.montage(Seed(0))?;
        Ok(pages)
    }

    /// One seed at each of the 18 levels of creativity.
    pub(crate) fn montage(&self, seed: Seed) -> Result<String, TemplateError> {
        let mut tiles = String::new();
        for level in LEVELS {
            let psi = Psi::new(f32::from(level) / 10.0).unwrap_or_default();
            self.tile(&mut tiles, PictureAddress { seed, psi, format: Format::Webp }, true);
        }
        let neighbour = |step: i64| Seed(seed.0.wrapping_add_signed(step)).to_string();
        let values =
            [("seed", seed.to_string()), ("previous", neighbour(-1)), ("next", neighbour(1)), ("tiles", tiles)];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.fill("montage.html", &self.montage, &values)
    }

    /// Pictures that link to themselves.
    fn without_script(&self) -> String {
        let mut tiles = String::new();
        for seed in 0..WITHOUT_SCRIPT {
            self.tile(
                &mut tiles,
                PictureAddress { seed: Seed(seed), psi: self.facts.psi, format: Format::Webp },
                false,
            );
        }
        tiles
    }

    /// A picture as a list item; `levels` puts its creativity below it, where tools for the original look for it.
    fn tile(&self, out: &mut String, address: PictureAddress, levels: bool) {
        let ModelFacts { width, height, fingerprint, .. } = &self.facts;
        let psi = spelled(address.psi);
        let mut alt = String::new();
        escape(
            &self.string("picture.alt").replace("{seed}", &address.seed.to_string()).replace("{psi}", &psi),
            &mut alt,
        );
        let png = PictureAddress { format: Format::Png, ..address };
        let caption = if levels { format!("<span class=\"psi-value\">{psi}</span>") } else { String::new() };
        // Writing to a String cannot fail. The model's name in the query keeps a year-long browser cache honest.
        let _ = writeln!(
            out,
            "<li><a href=\"/results/{png}\"><img src=\"/results/{address}?m={fingerprint:.8}\" width=\"{width}\" height=\"{height}\" \
             alt=\"{alt}\" loading=\"lazy\" decoding=\"async\">{caption}</a></li>",
        );
    }

    fn string(&self, name: &str) -> &str {
        self.strings.get(name).map_or("", String::as_str)
    }

    fn fill(&self, page: &str, template: &str, values: &[(&str, &str)]) -> Result<String, TemplateError> {
        render(page, template, |name| {
            let given = values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            given.or_else(|| self.strings.get(name).cloned()).or_else(|| self.fact(name))
        })
    }

    fn fact(&self, name: &str) -> Option<String> {
        Some(match name {
            "model.width" => self.facts.width.to_string(),
            "model.height" => self.facts.height.to_string(),
            "model.fingerprint" => format!("{:.8}", self.facts.fingerprint),
            "model.psi" => spelled(self.facts.psi),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        let facts =
            ModelFacts { width: 64, height: 64, fingerprint: "0123456789abcdef".to_owned(), psi: Psi::default() };
        Pages::open(facts).unwrap()
    }

    #[test]
    fn every_blank_of_every_page_is_filled() {
        let pages = pages();
        for page in [&pages.index, &pages.not_found, &pages.montage(Seed(77)).unwrap()] {
            assert!(page.starts_with("<!doctype html>") && !page.contains("{{"));
        }
    }

    #[test]
    fn the_montage_has_the_eighteen_levels_of_the_original() {
        let montage = pages().montage(Seed(77)).unwrap();
        assert_eq!(montage.matches("class=\"psi-value\"").count(), 18);
        for address in ["psi-0.3/seed00077.webp", "psi-1.0/seed00077.webp", "psi-2.0/seed00077.webp"] {
            assert!(montage.contains(address), "{address}");
        }
    }

    #[test]
    fn without_scripts_the_page_shows_pictures_that_are_links() {
        let index = pages().index;
        let (_, noscript) = index.rsplit_once("<noscript>").unwrap();
        let (noscript, _) = noscript.split_once("</noscript>").unwrap();
        assert_eq!(noscript.matches("<img ").count(), WITHOUT_SCRIPT as usize);
        assert!(noscript.contains("<a href=\"/results/psi-1.0/seed00000.png\">"));
    }

    #[test]
    fn no_page_names_another_host_except_in_links() {
        let pages = pages();
        for page in [&pages.index, &pages.not_found, &pages.montage(Seed(77)).unwrap()] {
            for (at, _) in page.match_indices("https://") {
                let before = &page[..at];
                assert!(
                    before.ends_with("<a href=\"") || before.ends_with("<a rel=\"noreferrer\" href=\""),
                    "{}",
                    &page[at..at + 40]
                );
            }
            assert!(!page.contains("<style") && !page.contains("style=\"") && !page.contains("onclick"));
        }
    }
}
