//! What differs in the page when a host serves it that runs nothing: its head, and addresses that are all relative.

use std::fmt::Write;

use crate::page::language::Language;
use crate::page::template::escape;
use crate::page::view::Words;
use crate::request::POLICY;

/// Where the files of a site are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    /// The folder of the files that never change, below the pages.
    pub(crate) folder: &'a str,
    /// What the site's address begins with, ending in a slash; empty if it is not known.
    pub(crate) url: &'a str,
}

/// The page of a language.
pub(crate) fn page_of(language: Language) -> String {
    match language {
        Language::English => "index.html".to_owned(),
        other => format!("{}.html", other.tag()),
    }
}

/// The manifest of a language.
pub(crate) fn manifest_of(language: Language) -> String {
    match language {
        Language::English => "manifest.webmanifest".to_owned(),
        other => format!("{}.webmanifest", other.tag()),
    }
}

/// Appends the line that names the manifest.
pub(crate) fn manifest_line(head: &mut String, address: &str) {
    let _ = writeln!(head, "  <link rel=\"manifest\" href=\"{address}\">");
}

/// Lines for the head: the page in other languages, the card of Open Graph and Twitter, and what makes it an app.
pub(crate) fn head(site: &Site<'_>, language: Language, words: Words<'_>) -> String {
    let mut head = String::new();
    let mut line = |tag: &str, attribute: &str, name: &str, target: &str, value: &str| {
        let _ = write!(head, "  <{tag} {attribute}=\"{name}\" {target}=\"");
        escape(value, &mut head);
        head.push_str("\">\n");
    };
    line("link", "rel", "manifest", "href", &manifest_of(language));
    for other in Language::ALL {
        line("link rel=\"alternate\"", "hreflang", other.tag(), "href", &format!("{}{}", site.url, page_of(other)));
    }
    let title = words("site.title");
    let description = words("site.description");
    let card = format!("{}card.jpg", site.url);
    for (name, value) in [
        ("og:type", "website"),
        ("og:site_name", &title),
        ("og:title", &title),
        ("og:description", &description),
        ("og:locale", language.locale()),
        ("og:image", &card),
        ("og:image:type", "image/jpeg"),
        ("og:image:width", "1200"),
        ("og:image:height", "630"),
        ("og:image:alt", &words("card.alt")),
        ("twitter:card", "summary_large_image"),
        ("twitter:title", &title),
        ("twitter:description", &description),
        ("twitter:image", &card),
    ] {
        line("meta", if name.starts_with("og:") { "property" } else { "name" }, name, "content", value);
    }
    if !site.url.is_empty() {
        line("meta", "property", "og:url", "content", site.url);
    }
    head
}

/// Says what to do where the page was opened as a file: browsers then load neither modules nor the model. It is the only script
/// inside the page, known to the policy by its hash.
const FILE: &str = include_str!("hosted-file.js");
/// SHA-256 of [`FILE`], in base64.
const FILE_HASH: &str = "pCMXkEjyusTDVV+YzvKSafDqx/TBfICApSlW8MnnEsg=";

/// Appends the policy that the service sends as a header, and the script that is allowed by it, which shows `note`. Who may
/// frame the page cannot be said in a page.
pub(crate) fn policy(head: &mut String, note: &str) {
    let kept: Vec<&str> =
        POLICY.split(';').map(str::trim).filter(|rule| !rule.starts_with("frame-ancestors")).collect();
    let _ = writeln!(
        head,
        "  <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">",
        kept.join("; ").replace("script-src 'self'", &format!("script-src 'self' 'sha256-{FILE_HASH}'"))
    );
    head.push_str("  <meta name=\"file-note\" content=\"");
    escape(note, head);
    let _ = writeln!(head, "\">\n  <script>{FILE}</script>");
}

/// The page with its own files below the site's folder, its languages as files, and no address that begins at the root.
pub(crate) fn relative(page: &str, folder: &str) -> String {
    let mut page = page.to_owned();
    for files in ["css/", "js/", "fonts/", "strings/", "icons/", "icon.svg"] {
        page = page.replace(&format!("=\"/{files}"), &format!("=\"{folder}/{files}"));
    }
    for language in Language::ALL {
        let file = page_of(language);
        page = page.replace(&format!("href=\"?lang={}\"", language.tag()), &format!("href=\"{file}\""));
    }
    // Scripts give the other links their addresses when they run.
    page.replace("=\"/walk/42\"", "=\"?walk=42\"").replace("=\"/collection\"", "=\"?collection=\"")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use sha2::Digest;

    use super::*;

    #[test]
    fn the_policy_allows_the_script_inside_the_page_and_no_other() {
        let mut head = String::new();
        policy(&mut head, "a \"note\"");
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(FILE));
        assert!(head.contains(&format!("script-src 'self' 'sha256-{hash}' 'wasm-unsafe-eval'")), "{head}");
        assert!(head.contains(&format!("<script>{FILE}</script>")) && head.contains("a &#34;note&#34;"), "{head}");
    }
}
