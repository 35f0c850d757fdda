//! The page for browsers that run no scripts: pictures that are links, and pages that follow on each other.

use std::fmt::Write;

use synth::{Creativity, Recipe, Seed};

use crate::page::drawn_by::{ModelFacts, short};
use crate::page::language::Language;
use crate::page::template::escape;
use crate::page::view::{View, Words, name};
use crate::pictures::address::spelled;
use crate::pictures::render::{LEVELS, level};

/// Pictures on a page of the wall.
pub(crate) const ON_A_PAGE: u64 = 24;

/// Writes what stands between `<noscript>` and `</noscript>`.
pub(crate) struct Still<'a> {
    pub(crate) facts: &'a ModelFacts,
    pub(crate) language: Language,
    pub(crate) words: Words<'a>,
    /// `&lang=it`, where the visitor chose a language by the address.
    pub(crate) keep: &'a str,
}

impl Still<'_> {
    /// The pictures, links and words that stand for a view.
    pub(crate) fn show(&self, view: &View) -> String {
        match view {
            View::Wall { from, .. } => self.wall(*from),
            View::Picture { recipe, psi } => self.picture(recipe, *psi),
            View::Walk { .. } | View::Collection => {
                let mut out = String::new();
                self.paragraph(&mut out, "noscript.needed");
                self.links(&mut out, &[("/?".to_owned(), "montage.wall")]);
                out
            }
        }
    }

    fn wall(&self, from: u64) -> String {
        let mut out = String::new();
        self.paragraph(&mut out, "noscript.text");
        out.push_str("      <ul class=\"pictures\">\n");
        for seed in (from..=u64::MAX).take(ON_A_PAGE as usize) {
            self.tile(&mut out, &Seed(seed).into(), self.facts.psi, false);
        }
        out.push_str("      </ul>\n");
        let mut links = Vec::new();
        if from > 0 {
            links.push((format!("/?from={}", from.saturating_sub(ON_A_PAGE)), "noscript.before"));
        }
        if let Some(next) = from.checked_add(ON_A_PAGE) {
            links.push((format!("/?from={next}"), "noscript.after"));
        }
        self.links(&mut out, &links);
        out
    }

    fn picture(&self, recipe: &Recipe, psi: Creativity) -> String {
        let model = short(&self.facts.fingerprint);
        let psi = spelled(psi);
        let (width, height) = self.facts.enlarged(512);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "      <h2>{}</h2>\n      <p><img class=\"still-large\" src=\"/api/v1/pictures/{recipe}.jpg?psi={psi}&amp;size=512&amp;m={model}\" \
             width=\"{width}\" height=\"{height}\" alt=\"{}\"></p>",
            escaped(&name(recipe, self.words)),
            self.alt(recipe, &psi),
        );
        let file = |ending: &str| format!("/api/v1/pictures/{recipe}.{ending}?psi={psi}");
        let mut links = vec![
            (file("png"), "room.png"),
            (file("webp"), "room.webp"),
            (file("jpg"), "room.jpg"),
            (format!("/api/v1/sweeps/{recipe}.webp?"), "room.sweep.webp"),
            (format!("/api/v1/levels/{recipe}.zip?"), "room.zip"),
        ];
        self.links(&mut out, &links);
        out.push_str("      <ul class=\"pictures\">\n");
        for tenths in LEVELS {
            self.tile(&mut out, recipe, level(tenths), true);
        }
        out.push_str("      </ul>\n");
        links.clear();
        if let Recipe::Single(creature) = recipe
            && creature.found.is_none()
        {
            let at = |seed: u64| format!("/p/{seed}?psi={psi}");
            links.extend(creature.seed.0.checked_sub(1).map(|seed| (at(seed), "montage.previous")));
            links.extend(creature.seed.0.checked_add(1).map(|seed| (at(seed), "montage.next")));
        }
        links.push(("/?".to_owned(), "montage.wall"));
        self.links(&mut out, &links);
        out
    }

    /// A picture as a list item that leads to its page; `captioned` puts its creativity below it.
    pub(crate) fn tile(&self, out: &mut String, recipe: &Recipe, psi: Creativity, captioned: bool) {
        let ModelFacts { width, height, fingerprint, .. } = self.facts;
        let model = short(fingerprint);
        let (psi, keep) = (spelled(psi), self.keep);
        // The model's name in the query keeps a year-long browser cache honest.
        let _ = write!(
            out,
            "      <li><a rel=\"nofollow\" href=\"/p/{recipe}?psi={psi}{keep}\"><img src=\"/api/v1/pictures/{recipe}.jpg?psi={psi}&amp;m={model}\" \
             width=\"{width}\" height=\"{height}\" alt=\"{}\" loading=\"lazy\" decoding=\"async\">",
            self.alt(recipe, &psi),
        );
        if captioned {
            let _ = write!(out, "<span class=\"psi-value\" data-psi=\"{psi}\">{}</span>", self.language.number(&psi));
        }
        out.push_str("</a></li>\n");
    }

    fn alt(&self, recipe: &Recipe, psi: &str) -> String {
        let words = (self.words)("picture.alt");
        escaped(&words.replace("{name}", &name(recipe, self.words)).replace("{psi}", &self.language.number(psi)))
    }

    fn paragraph(&self, out: &mut String, words: &str) {
        let _ = writeln!(out, "      <p>{}</p>", escaped(&(self.words)(words)));
    }

    /// A row of links; each address has a question mark.
    pub(crate) fn links(&self, out: &mut String, links: &[(String, &str)]) {
        out.push_str("      <p class=\"still-links\">");
        for (address, words) in links {
            let address = address.trim_end_matches('?');
            let keep = if address.contains('?') { self.keep.to_owned() } else { self.keep.replacen("&amp;", "?", 1) };
            // All but the wall itself lead on for ever, or to files.
            let rel = if address == "/" { "" } else { "rel=\"nofollow\" " };
            let _ = write!(out, "<a {rel}href=\"{address}{keep}\">{}</a> ", escaped(&(self.words)(words)));
        }
        out.push_str("</p>\n");
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape(text, &mut out);
    out
}
