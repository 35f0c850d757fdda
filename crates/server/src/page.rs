//! The HTML pages: one shell for all views, the montage, and the page that is not there, each in every language.

pub(crate) mod assets;
pub(crate) mod crawl;
pub(crate) mod drawn_by;
pub(crate) mod handlers;
pub(crate) mod hosted;
pub(crate) mod language;
pub(crate) mod site;
pub(crate) mod still;
pub(crate) mod template;
pub(crate) mod view;

use std::collections::BTreeMap;

use serde_json::json;
use synth::Seed;

use crate::page::drawn_by::{ModelFacts, short};
use crate::page::hosted::Site;
use crate::page::language::Language;
use crate::page::still::Still;
use crate::page::template::{TemplateError, escape, render};
use crate::page::view::View;
use crate::pictures::address::spelled;
use crate::pictures::render::{LEVELS, level};

/// The visitor as the pages see it.
#[derive(Clone, Debug)]
pub(crate) struct PageContext {
    pub(crate) language: Language,
    /// Whether the language was chosen by the address, so that links should keep it.
    pub(crate) chosen: bool,
    /// `https://example.org`, if it is known.
    pub(crate) origin: String,
}

/// The strings of one language by name.
type Strings = BTreeMap<String, String>;

/// Templates and strings, read and checked when the service starts.
pub(crate) struct Pages {
    strings: Vec<(Language, Strings)>,
    facts: ModelFacts,
    shell: String,
    montage: String,
    missing: String,
}

impl Pages {
    /// Reads the pages and fills each once in each language, so that a mistake is found now.
    pub(crate) fn open(facts: ModelFacts) -> Result<Self, TemplateError> {
        let strings = Language::ALL.map(|language| {
            let file = format!("strings/{}.json", language.tag());
            let strings = serde_json::from_str(&assets::text(&file)?)
                .map_err(|error| TemplateError::Broken { page: file, reason: error.to_string() })?;
            Ok((language, strings))
        });
        let pages = Self {
            strings: strings.into_iter().collect::<Result<_, TemplateError>>()?,
            facts,
            shell: assets::text("index.html")?,
            montage: assets::text("montage.html")?,
            missing: assets::text("not-found.html")?,
        };
        for language in Language::ALL {
            let visitor = PageContext { language, chosen: false, origin: String::new() };
            pages.shell(&View::Wall { from: 0, hanging: None }, &visitor)?;
            pages.manifest(language);
            pages.montage(Seed(0), &visitor)?;
            pages.missing(&visitor)?;
        }
        Ok(pages)
    }

    /// The page itself, opened at a view.
    pub(crate) fn shell(&self, view: &View, visitor: &PageContext) -> Result<String, TemplateError> {
        let words = |name: &str| self.string(visitor.language, name);
        let site = words("site.title");
        let title = view.title(&words).map_or_else(|| site.clone(), |title| format!("{title} · {site}"));
        let model = short(&self.facts.fingerprint);
        let head = view.head(&visitor.origin, visitor.language, self.facts.psi, model, &words);
        let keep = kept(visitor);
        let still = Still { facts: &self.facts, language: visitor.language, words: &words, keep: &keep }.show(view);
        let languages = languages(visitor.language);
        let mut head = head;
        hosted::manifest_line(&mut head, &format!("/manifest.webmanifest?lang={}", visitor.language.tag()));
        let about = self.about(visitor.language, "about.what.drawn");
        let values = [
            ("page.title", title.as_str()),
            ("page.head", &head),
            ("page.still", &still),
            ("page.site", "served"),
            ("about.what.text", &about),
            ("page.languages", &languages),
        ];
        self.fill("index.html", &self.shell, visitor.language, &values)
    }

    /// The page as a file of a hosted site.
    pub(crate) fn hosted(&self, site: &Site<'_>, language: Language) -> Result<String, TemplateError> {
        let words = |name: &str| self.string(language, name);
        let title = words("site.title");
        let mut head = hosted::head(site, language, &words);
        hosted::policy(&mut head, &words("noscript.file"));
        let languages = languages(language);
        let about = self.about(language, "about.what.drawn-here");
        let mut still = String::from("      <p>");
        escape(&words("noscript.needed"), &mut still);
        still.push_str("</p>\n");
        let values = [
            ("page.title", title.as_str()),
            ("page.head", &head),
            ("page.still", &still),
            ("page.site", "hosted"),
            ("about.what.text", &about),
            ("page.languages", &languages),
        ];
        let page = self.fill("index.html", &self.shell, language, &values)?;
        Ok(hosted::relative(&page, site.folder))
    }

    /// What the wall is: places, who draws (`drawn` names the string), and the address.
    fn about(&self, language: Language, drawn: &str) -> String {
        let parts = ["about.what.places", drawn, "about.what.address"].map(|name| self.string(language, name));
        parts.join(language.between_sentences())
    }

    /// What makes the page an app, in a language: where it starts, and where its icons are, below its own address.
    pub(crate) fn manifest_of(&self, language: Language, start: &str, folder: &str) -> String {
        let icon = |name: &str, size: u16, purpose: &str| {
            let sizes = format!("{size}x{size}");
            json!({ "src": format!("{folder}icons/{name}.png"), "sizes": sizes, "type": "image/png", "purpose": purpose })
        };
        json!({
            "id": "./",
            "name": self.string(language, "site.title"),
            "short_name": "Tadne",
            "description": self.string(language, "site.description"),
            "lang": language.tag(),
            "start_url": start,
            "scope": "./",
            "display": "standalone",
            "background_color": "#0d0c10",
            "theme_color": "#0d0c10",
            "icons": [
                json!({ "src": format!("{folder}icon.svg"), "sizes": "any", "type": "image/svg+xml" }),
                icon("icon-192", 192, "any"),
                icon("icon-512", 512, "any"),
                icon("maskable-512", 512, "maskable"),
            ],
        })
        .to_string()
    }

    /// The manifest of the service's own pages.
    pub(crate) fn manifest(&self, language: Language) -> String {
        self.manifest_of(language, &format!("/?lang={}", language.tag()), "/")
    }

    /// One seed at each of the 18 levels of creativity.
    pub(crate) fn montage(&self, seed: Seed, visitor: &PageContext) -> Result<String, TemplateError> {
        let words = |name: &str| self.string(visitor.language, name);
        let keep = kept(visitor);
        let still = Still { facts: &self.facts, language: visitor.language, words: &words, keep: &keep };
        let mut tiles = String::new();
        for tenths in LEVELS {
            still.tile(&mut tiles, &seed.into(), level(tenths), true);
        }
        let mut files = String::new();
        let file = |kind: &str, ending: &str| format!("/api/v1/{kind}/{}.{ending}?", seed.0);
        still.links(
            &mut files,
            &[
                (file("montages", "png"), "room.montage"),
                (file("levels", "zip"), "room.zip"),
                (file("sweeps", "webp"), "room.sweep.webp"),
                (file("sweeps", "png"), "room.sweep.png"),
            ],
        );
        let at = |seed: u64| format!("/slider.html?seed={seed:05}");
        let mut links = Vec::new();
        links.extend(seed.0.checked_sub(1).map(|seed| (at(seed), "montage.previous")));
        links.push(("/?".to_owned(), "montage.wall"));
        links.extend(seed.0.checked_add(1).map(|seed| (at(seed), "montage.next")));
        let mut nav = String::new();
        still.links(&mut nav, &links);
        let view = View::Picture { recipe: seed.into(), psi: self.facts.psi };
        let model = short(&self.facts.fingerprint);
        let head = view.head(&visitor.origin, visitor.language, self.facts.psi, model, &words);
        let title = words("title.seed").replace("{seed}", &seed.to_string());
        let values =
            [("title", title.as_str()), ("page.head", &head), ("tiles", &tiles), ("files", &files), ("nav", &nav)];
        self.fill("montage.html", &self.montage, visitor.language, &values)
    }

    /// For addresses at which there is nothing.
    pub(crate) fn missing(&self, visitor: &PageContext) -> Result<String, TemplateError> {
        self.fill("not-found.html", &self.missing, visitor.language, &[])
    }

    fn string(&self, language: Language, name: &str) -> String {
        let strings = self.strings.iter().find(|(other, _)| *other == language);
        strings.and_then(|(_, strings)| strings.get(name)).cloned().unwrap_or_default()
    }

    fn fill(
        &self,
        page: &str,
        template: &str,
        language: Language,
        values: &[(&str, &str)],
    ) -> Result<String, TemplateError> {
        render(page, template, |name| {
            let given = values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            given
                .or_else(|| self.fact(name, language))
                .or_else(|| Some(self.string(language, name)).filter(|text| !text.is_empty()))
        })
    }

    fn fact(&self, name: &str, language: Language) -> Option<String> {
        Some(match name {
            "lang" => language.tag().to_owned(),
            "model.width" => self.facts.width.to_string(),
            "model.height" => self.facts.height.to_string(),
            "model.fingerprint" => short(&self.facts.fingerprint).to_owned(),
            "model.psi" => spelled(self.facts.psi),
            "model.layers" => self.facts.layers.to_string(),
            "model.directions" => self.facts.directions.join(" "),
            "model.address" => self.facts.address.clone(),
            "model.noise" => if self.facts.noise { "on" } else { "none" }.to_owned(),
            _ => return None,
        })
    }
}

/// Links to the same page in every language.
fn languages(current: Language) -> String {
    let link = |language: Language| {
        let (tag, name, current) = (language.tag(), language.name(), language == current);
        format!(
            "          <a href=\"?lang={tag}\" lang=\"{tag}\" hreflang=\"{tag}\" aria-current=\"{current}\">{name}</a>\n"
        )
    };
    Language::ALL.map(link).concat()
}

/// What links carry on: the language, where it was chosen by an address.
fn kept(visitor: &PageContext) -> String {
    if visitor.chosen { format!("&amp;lang={}", visitor.language.tag()) } else { String::new() }
}

#[cfg(test)]
mod tests;
