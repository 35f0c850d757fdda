//! What an address of the page shows, in words: its title, and the lines in the head by which others introduce it.

use std::fmt::Write;

use synth::{Creativity, Creature, Recipe};

use crate::page::language::Language;
use crate::page::template::escape;
use crate::pictures::address::spelled;
use crate::pictures::render::level;
use crate::wall_place::WallPlace;

/// What a visitor has come to see.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View {
    /// The wall, where it is named; without scripts, its pictures from this seed on.
    Wall { from: u64, hanging: Option<WallPlace> },
    /// One picture, large, with everything that can be played with it.
    Picture { recipe: Recipe, psi: Creativity },
    /// A walk from picture to picture, full screen.
    Walk { from: Creature, psi: Creativity },
    /// Favourites, and what was opened lately.
    Collection,
}

/// A string of the language, by its name.
pub(crate) type Words<'a> = &'a dyn Fn(&str) -> String;

impl View {
    /// The path below which it is, as the page itself spells it.
    pub(crate) fn path(&self) -> String {
        match self {
            View::Wall { .. } => "/".to_owned(),
            View::Picture { recipe, .. } => format!("/p/{recipe}"),
            View::Walk { from, .. } => format!("/walk/{from}"),
            View::Collection => "/collection".to_owned(),
        }
    }

    /// The name of what is seen, without the site's.
    pub(crate) fn title(&self, words: Words<'_>) -> Option<String> {
        match self {
            View::Wall { .. } => None,
            View::Picture { recipe, .. } => Some(name(recipe, words)),
            View::Walk { .. } => Some(words("walk.title")),
            View::Collection => Some(words("collection.title")),
        }
    }

    /// The picture that introduces it: an address below the origin.
    fn card(&self, psi: Creativity, model: &str) -> String {
        match self {
            View::Picture { recipe, psi } => format!("/api/v1/cards/{recipe}.jpg?psi={}&m={model}", spelled(*psi)),
            View::Walk { from, psi } => format!("/api/v1/cards/{from}.jpg?psi={}&m={model}", spelled(*psi)),
            View::Wall { hanging: Some(hanging), .. } => {
                let psi = hanging.psi.map_or(psi, level);
                let (x, y) = hanging.cell();
                format!("/api/v1/cards/wall.jpg?psi={}&wall={:08x}&at={x},{y}&m={model}", spelled(psi), hanging.wall)
            }
            View::Wall { .. } | View::Collection => format!("/api/v1/cards/wall.jpg?psi={}&m={model}", spelled(psi)),
        }
    }

    /// Lines for the head: this page in other languages, and the card of Open Graph and Twitter. `origin` is what
    /// addresses begin with, `https://example.org` or nothing.
    pub(crate) fn head(
        &self,
        origin: &str,
        language: Language,
        psi: Creativity,
        model: &str,
        words: Words<'_>,
    ) -> String {
        let page = format!("{}{}", origin, self.path());
        let query = match self {
            View::Picture { psi, .. } | View::Walk { psi, .. } => format!("psi={}&", spelled(*psi)),
            View::Wall { hanging: Some(hanging), .. } => format!("{hanging}&"),
            View::Wall { .. } | View::Collection => String::new(),
        };
        let mut head = String::new();
        if !is_listed(self, psi) {
            head.push_str("  <meta name=\"robots\" content=\"noindex, nofollow\">\n");
        }
        let mut line = |tag: &str, attribute: &str, name: &str, target: &str, value: &str| {
            let _ = write!(head, "  <{tag} {attribute}=\"{name}\" {target}=\"");
            escape(value, &mut head);
            head.push_str("\">\n");
        };
        for other in Language::ALL {
            let tag = other.tag();
            line("link rel=\"alternate\"", "hreflang", tag, "href", &format!("{page}?{query}lang={tag}"));
        }
        let address = format!("{page}?{query}");
        let address = address.trim_end_matches(['?', '&']);
        line("link rel=\"alternate\"", "hreflang", "x-default", "href", address);
        let site = words("site.title");
        let title = self.title(words).unwrap_or_else(|| site.clone());
        let card = format!("{}{}", origin, self.card(psi, model));
        let mut meta = |name: &str, value: &str| {
            let attribute = if name.starts_with("og:") { "property" } else { "name" };
            line("meta", attribute, name, "content", value);
        };
        meta("og:type", "website");
        meta("og:site_name", &site);
        meta("og:title", &title);
        meta("og:description", &words("site.description"));
        meta("og:url", address);
        meta("og:locale", language.locale());
        meta("og:image", &card);
        meta("og:image:type", "image/jpeg");
        meta("og:image:width", "1200");
        meta("og:image:height", "630");
        meta("og:image:alt", &words("card.alt"));
        meta("twitter:card", "summary_large_image");
        meta("twitter:title", &title);
        meta("twitter:description", &words("site.description"));
        meta("twitter:image", &card);
        head
    }
}

/// What a recipe is called.
pub(crate) fn name(recipe: &Recipe, words: Words<'_>) -> String {
    let creature = |creature: &Creature| match (&creature.found, &creature.path[..]) {
        (Some(found), []) => format!("w{}", found.short()),
        (Some(found), path) => {
            path.iter().fold(format!("w{}-", found.short()), |name, child| format!("{name}{child:x}"))
        }
        (None, []) => creature.seed.to_string(),
        (None, _) => creature.to_string(),
    };
    match recipe {
        Recipe::Single(Creature { found: Some(found), path, .. }) if path.is_empty() => {
            words("title.found").replace("{name}", &found.short())
        }
        Recipe::Single(one) if one.path.is_empty() => words("title.seed").replace("{seed}", &creature(one)),
        Recipe::Single(one) => words("title.child").replace("{name}", &creature(one)),
        Recipe::Blend { from, to, .. } => {
            words("title.blend").replace("{a}", &creature(from)).replace("{b}", &creature(to))
        }
        Recipe::Mix { coarse, fine, .. } => {
            words("title.mix").replace("{a}", &creature(coarse)).replace("{b}", &creature(fine))
        }
    }
}

/// Seeds whose pages are in the sitemap.
pub(crate) const LISTED_SEEDS: u64 = 96;

/// Whether search engines should know this page, and not one of its endless kin.
fn is_listed(view: &View, usual: Creativity) -> bool {
    match view {
        View::Wall { from, hanging } => *from == 0 && hanging.is_none(),
        View::Picture { recipe: Recipe::Single(creature), psi } => {
            creature.is_seed() && creature.seed.0 < LISTED_SEEDS && *psi == usual
        }
        View::Picture { .. } | View::Walk { .. } | View::Collection => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_called_by_its_first_numbers() {
        let words = |key: &str| match key {
            "title.seed" => "seed {seed}".to_owned(),
            "title.found" => "found {name}".to_owned(),
            "title.child" => "child {name}".to_owned(),
            "title.mix" => "{a} and {b}".to_owned(),
            _ => unreachable!("{key}"),
        };
        for (recipe, called) in [
            ("42", "seed 00042"),
            ("42-3b", "child 42-3b"),
            ("7w3c00010203040506", "found 01020304"),
            ("7w3c00010203040506-3b@0p5", "child w01020304-3b"),
            ("7w3c00010203040506_42_3", "w01020304 and 00042"),
        ] {
            assert_eq!(name(&recipe.parse().unwrap(), &words), called);
        }
    }
}
