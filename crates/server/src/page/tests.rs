//! Tests of the pages as text.

use std::collections::{BTreeMap, BTreeSet};

use synth::Creativity;

use super::*;
use crate::page::still::ON_A_PAGE;

fn pages() -> Pages {
    let facts = ModelFacts {
        directions: vec!["turn".to_owned()],
        width: 64,
        height: 64,
        fingerprint: "0123456789abcdef".to_owned(),
        psi: Creativity::default(),
        layers: 9,
        noise: false,
        address: "/model.safetensors?m=0123abcd".to_owned(),
    };
    Pages::open(facts).unwrap()
}

fn visitor(language: Language) -> PageContext {
    PageContext { language, chosen: false, origin: "https://example.org".to_owned() }
}

/// Every page in a language.
fn all(language: Language) -> Vec<String> {
    let (pages, visitor) = (pages(), visitor(language));
    let recipes = ["42", "42-3b", "42~7~50", "42_7_3", "0w3c00007f80"].map(|recipe| recipe.parse().unwrap());
    let mut all = vec![
        pages.shell(&View::Wall { from: 48, hanging: None }, &visitor).unwrap(),
        pages.shell(&View::Collection, &visitor).unwrap(),
        pages.shell(&View::Walk { from: "5".parse().unwrap(), psi: Creativity::default() }, &visitor).unwrap(),
        pages.montage(Seed(77), &visitor).unwrap(),
        pages.missing(&visitor).unwrap(),
    ];
    all.extend(
        recipes.map(|recipe| {
            pages.shell(&View::Picture { recipe, psi: Creativity::new(1.1).unwrap() }, &visitor).unwrap()
        }),
    );
    all
}

/// The names of the blanks `{name}` in a string.
fn blanks(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

#[test]
fn every_blank_of_every_page_is_filled_in_every_language() {
    for language in Language::ALL {
        for page in all(language) {
            assert!(page.starts_with("<!doctype html>") && !page.contains("{{"));
            assert!(page.contains(&format!("<html lang=\"{}\"", language.tag())));
        }
    }
}

#[test]
fn no_language_lacks_a_string_or_a_blank() {
    let strings: BTreeMap<_, _> =
        pages().strings.into_iter().map(|(language, strings)| (language.tag(), strings)).collect();
    let english = &strings["en"];
    for (tag, strings) in &strings {
        let missing: Vec<_> = english.keys().filter(|name| !strings.contains_key(*name)).collect();
        let unknown: Vec<_> = strings.keys().filter(|name| !english.contains_key(*name)).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{tag} lacks {missing:?} and has besides {unknown:?}");
        for (name, text) in strings {
            assert!(!text.trim().is_empty(), "{tag}: {name} is empty");
            assert_eq!(blanks(text), blanks(&english[name]), "{tag}: {name} has other blanks");
        }
    }
}

#[test]
fn every_string_that_the_scripts_name_exists_and_none_is_left_over() {
    let strings = pages().strings.remove(0).1;
    let mut named = BTreeSet::new();
    let mut everything = String::new();
    for path in assets::all().filter(|path| matches!(path.rsplit_once('.'), Some((_, "js" | "html")))) {
        everything.push_str(&assets::text(&path).unwrap());
    }
    // Whatever stands in quotes and begins like a string's name is one.
    let families: BTreeSet<_> = strings.keys().filter_map(|name| name.split('.').next()).collect();
    for quoted in
        everything.split('\'').filter(|text| text.split_once('.').is_some_and(|(family, _)| families.contains(family)))
    {
        if quoted.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)) {
            assert!(strings.contains_key(quoted), "a script says {quoted:?}, which is no string");
            named.insert(quoted.to_owned());
        }
    }
    assert!(named.len() > 40, "only {} strings are said", named.len());
    for source in ["page.rs", "page/view.rs", "page/still.rs"] {
        everything.push_str(&std::fs::read_to_string(format!("{}/src/{source}", env!("CARGO_MANIFEST_DIR"))).unwrap());
    }
    for name in strings.keys() {
        // Some names are put together from a beginning and one of a few endings.
        let (stem, _) = name.rsplit_once('.').unwrap();
        assert!(
            everything.contains(name.as_str()) || everything.contains(&format!("{stem}.${{")),
            "nobody says {name:?}"
        );
    }
}

#[test]
fn the_montage_has_the_eighteen_levels_of_the_original() {
    let montage = pages().montage(Seed(77), &visitor(Language::English)).unwrap();
    assert_eq!(montage.matches("class=\"psi-value\"").count(), 18);
    for words in [">0.3</span>", ">1.0</span>", ">2.0</span>", "pictures/77.jpg?psi=0.3&amp;", "levels/77.zip"] {
        assert!(montage.contains(words), "{words}");
    }
    let italian = pages().montage(Seed(77), &visitor(Language::Italian)).unwrap();
    assert!(italian.contains("data-psi=\"0.3\">0,3</span>"));
}

#[test]
fn without_scripts_the_wall_is_pages_of_pictures_that_are_links() {
    let index = pages().shell(&View::Wall { from: 24, hanging: None }, &visitor(Language::English)).unwrap();
    let (_, still) = index.rsplit_once("<noscript>").unwrap();
    let (still, _) = still.split_once("</noscript>").unwrap();
    assert_eq!(still.matches("<img ").count(), ON_A_PAGE as usize);
    for link in ["href=\"/p/24?psi=1.0\">", "href=\"/?from=0\">", "href=\"/?from=48\">"] {
        let link = format!("<a rel=\"nofollow\" {link}");
        let link = link.as_str();
        assert!(still.contains(link), "{link}");
    }
    let last = pages().shell(&View::Wall { from: u64::MAX, hanging: None }, &visitor(Language::English)).unwrap();
    assert!(last.contains("/p/18446744073709551615?psi=1.0") && last.contains("/?from=18446744073709551591"));
}

#[test]
fn a_shared_link_introduces_its_picture() {
    let recipe = "42~7~50".parse().unwrap();
    let view = View::Picture { recipe, psi: Creativity::new(1.1).unwrap() };
    let page = pages().shell(&view, &visitor(Language::Italian)).unwrap();
    for line in [
        "<link rel=\"alternate\" hreflang=\"ja\" href=\"https://example.org/p/42~7~50?psi=1.1&amp;lang=ja\">",
        "<meta property=\"og:image\" content=\"https://example.org/api/v1/cards/42~7~50.jpg?psi=1.1&amp;m=01234567\">",
        "<meta property=\"og:locale\" content=\"it_IT\">",
        "<meta name=\"twitter:card\" content=\"summary_large_image\">",
    ] {
        assert!(page.contains(line), "{line}");
    }
}

#[test]
fn a_language_that_was_chosen_is_kept_by_the_links() {
    let visitor = PageContext { chosen: true, ..visitor(Language::Japanese) };
    let page = pages().montage(Seed(7), &visitor).unwrap();
    for link in ["/p/7?psi=0.3&amp;lang=ja", "\"/?lang=ja\"", "/slider.html?seed=00008&amp;lang=ja"] {
        assert!(page.contains(link), "{link}");
    }
}

#[test]
fn no_page_names_another_host_except_in_links() {
    for page in all(Language::English) {
        for (at, _) in page.match_indices("https://").filter(|(at, _)| !page[*at..].starts_with("https://example.org"))
        {
            let before = &page[..at];
            assert!(before.ends_with("<a href=\""), "{}", &page[at..at + 40]);
        }
        assert!(!page.contains("<style") && !page.contains("style=\"") && !page.contains("onclick"));
    }
}
