//! Crawlers: one that keeps every rule ends after the pages of the sitemap; one that knows only `nofollow` ends as well; and
//! the service says no to a public address that its pages cannot live at.

mod common;

use std::collections::{BTreeSet, VecDeque};

use axum::Router;
use axum::http::StatusCode;
use common::{TINY, config, generator, get, tiny};

/// Which rules a crawler keeps.
#[derive(Clone, Copy, PartialEq)]
enum Manners {
    /// robots.txt, `nofollow` and `noindex`.
    Polite,
    /// `nofollow` alone.
    Halfway,
    /// None.
    Rude,
}

/// What a crawl came to.
#[derive(Debug)]
struct Crawl {
    pages: BTreeSet<String>,
    waiting: usize,
    indexed: usize,
}

/// The rules for all crawlers of a robots.txt: allowed or not, and the pattern.
fn rules(robots: &str) -> Vec<(bool, String)> {
    let rule = |line: &str| {
        let (key, value) = line.split_once(": ")?;
        matches!(key, "Allow" | "Disallow").then(|| (key == "Allow", value.to_owned()))
    };
    robots.lines().filter_map(rule).collect()
}

/// RFC 9309, 2.2: the longest pattern that fits decides; `*` stands for anything, `$` for the end.
fn allowed(rules: &[(bool, String)], path: &str) -> bool {
    fn fits(pattern: &str, path: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern.strip_suffix('$').map_or_else(|| path.starts_with(pattern), |whole| whole == path),
            Some((start, rest)) => path
                .strip_prefix(start)
                .is_some_and(|left| (0..=left.len()).any(|at| left.is_char_boundary(at) && fits(rest, &left[at..]))),
        }
    }
    let longest =
        rules.iter().filter(|(_, pattern)| fits(pattern, path)).max_by_key(|(allow, pattern)| (pattern.len(), *allow));
    longest.is_none_or(|(allow, _)| *allow)
}

/// The addresses that a page's links lead to, and whether each is to be followed.
fn links(html: &str, page: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for tag in html.split('<').filter(|tag| tag.starts_with("a ") || tag.starts_with("link rel=\"alternate\"")) {
        let Some(href) = tag.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()) else { continue };
        let href = href.replace("&amp;", "&");
        let path = match href.strip_prefix("http://crawled.example") {
            Some(path) => path.to_owned(),
            None if href.starts_with('/') => href,
            None if href.starts_with('?') => format!("{}{href}", page.split('?').next().unwrap()),
            None => continue,
        };
        found.push((path.split('#').next().unwrap().to_owned(), !tag.contains("rel=\"nofollow\"")));
    }
    found
}

/// Follows links breadth first from the wall (and the sitemap), up to `limit` pages.
async fn crawl(router: &Router, manners: Manners, limit: usize) -> Crawl {
    let headers = [("host", "crawled.example")];
    let robots = common::ask(router, "GET", "/robots.txt", &headers).await;
    let rules = if manners == Manners::Polite { rules(robots.text()) } else { Vec::new() };
    let mut waiting = VecDeque::from(["/".to_owned()]);
    if manners == Manners::Polite {
        let place = robots.text().split("Sitemap: http://crawled.example").nth(1).unwrap().trim();
        let sitemap = common::ask(router, "GET", place, &headers).await;
        waiting.extend(sitemap.text().split("<loc>http://crawled.example").skip(1).map(|rest| {
            let path = rest.split('<').next().unwrap().to_owned();
            assert!(allowed(&rules, &path), "the sitemap names {path}, which robots.txt keeps out");
            path
        }));
    }
    let mut known: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut done = Crawl { pages: BTreeSet::new(), waiting: 0, indexed: 0 };
    while done.pages.len() < limit {
        let Some(path) = waiting.pop_front() else { break };
        // Pictures and archives are left undrawn: what counts is that they wait.
        let is_page = !path.starts_with("/api/v1/") && !path.contains(".png") && !path.contains(".zip");
        if !is_page {
            done.pages.insert(path);
            continue;
        }
        let answer = common::ask(router, "GET", &path, &headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let html = if answer.header("content-type").starts_with("text/html") { answer.text() } else { "" };
        let hidden = html.contains("content=\"noindex, nofollow\"");
        done.indexed += usize::from(!hidden);
        for (link, follow) in links(html, &path) {
            let goes = manners == Manners::Rude || (follow && !hidden && allowed(&rules, &link));
            if goes && known.insert(link.clone()) {
                waiting.push_back(link);
            }
        }
        done.pages.insert(path);
    }
    done.waiting = waiting.len();
    done
}

#[tokio::test]
async fn crawlers_that_keep_rules_come_to_an_end() {
    let router = tiny();
    let polite = crawl(&router, Manners::Polite, 2000).await;
    println!("polite: {} fetched, {} waiting, {} to be indexed", polite.pages.len(), polite.waiting, polite.indexed);
    assert_eq!(polite.waiting, 0);
    assert!((98..150).contains(&polite.pages.len()), "{:?}", polite.pages);
    assert!(polite.pages.contains("/p/95") && !polite.pages.iter().any(|page| page.starts_with("/api/v1/pictures")));
    let halfway = crawl(&router, Manners::Halfway, 2000).await;
    println!("nofollow alone: {} fetched, {} waiting", halfway.pages.len(), halfway.waiting);
    assert!(halfway.waiting == 0 && halfway.pages.len() < 50, "{halfway:?}");
    // Nothing but limits stops who keeps none; the figures are for docs/operations.md.
    let rude = crawl(&router, Manners::Rude, 2000).await;
    println!("rude: {} fetched, {} waiting", rude.pages.len(), rude.waiting);
    assert_eq!(rude.pages.len(), 2000);
}

#[tokio::test]
async fn variants_are_not_for_search_engines_and_the_pages_of_the_sitemap_are() {
    let router = tiny();
    let hidden = "<meta name=\"robots\" content=\"noindex, nofollow\">";
    for page in ["/?from=24", "/p/5?psi=1.3", "/p/96", "/p/5~6~50", "/p/5-3", "/walk/42", "/collection"] {
        let answer = get(&router, page).await;
        assert!(answer.status == StatusCode::OK && answer.text().contains(hidden), "{page}");
    }
    for page in ["/", "/?lang=ja", "/p/0", "/p/95", "/p/5?lang=it"] {
        assert!(!get(&router, page).await.text().contains(hidden), "{page}");
    }
    // What introduces a shared link stays open to those who fetch it.
    let rules = rules(get(&router, "/robots.txt").await.text());
    for (path, open) in [
        ("/api/v1/cards/42.jpg?psi=1.0", true),
        ("/css/base.css", true),
        ("/p/42", true),
        ("/p/42?psi=1.1", false),
        ("/p/42~7~50", false),
        ("/?from=24", false),
        ("/?lang=it&from=24", false),
        ("/api/v1/pictures/42.png", false),
        ("/results/psi-1.0/seed00042.png", false),
    ] {
        assert_eq!(allowed(&rules, path), open, "{path}");
    }
}

#[tokio::test]
async fn a_public_address_below_a_path_is_refused_at_the_start() {
    let open = |url: &str| {
        let config = server::Config { public_url: Some(url.into()), ..config() };
        server::router(&config, generator(TINY, 1)).map_err(|error| error.to_string())
    };
    for url in ["https://example.org", "https://example.org/", "http://127.0.0.1:8080"] {
        assert!(open(url).is_ok(), "{url}");
    }
    for (url, word) in [
        ("https://host/gallery", "gallery.example.org"),
        ("https://host/gallery/", "site export"),
        ("https://host/?x", "without ? and #"),
        ("host.example", "http://"),
        ("ftp://host", "http://"),
        ("", "http://"),
    ] {
        let error = open(url).err().unwrap_or_else(|| panic!("{url:?} starts"));
        assert!(error.contains(word) && error.contains("public address"), "{url:?}: {error}");
    }
    let router = open("https://example.org").unwrap();
    assert!(get(&router, "/robots.txt").await.text().contains("Sitemap: https://example.org/sitemap.xml"));
}

#[tokio::test]
async fn jpeg_is_an_ending_as_well() {
    let router = tiny();
    for path in [
        "/results/psi-1.0/seed00042.jpeg",
        "/api/v1/pictures/42.jpeg",
        "/api/v1/cards/42.jpeg",
        "/api/v1/cards/wall.jpeg",
    ] {
        let (long, short) = (get(&router, path).await, get(&router, &path.replace("jpeg", "jpg")).await);
        assert_eq!((long.status, long.header("content-type")), (StatusCode::OK, "image/jpeg"), "{path}");
        assert_eq!(long.body, short.body, "{path}");
    }
    assert!(get(&router, "/random.jpeg").await.status.is_redirection());
}
