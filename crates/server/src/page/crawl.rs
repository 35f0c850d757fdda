//! What crawlers are told. There are more pictures than there are atoms to keep them on, each with a page, each page with
//! variants: whoever follows every link never ends. So the pages of the first seeds are offered in a sitemap, the rest is kept
//! out by robots.txt (RFC 9309), and links into it carry `nofollow`; the pictures for shared links stay open.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::api::deliver::A_DAY;
use crate::app::App;
use crate::door::conditional::Known;
use crate::page::view::LISTED_SEEDS;

/// Where crawlers go and where not. A `*` stands for anything; the longest rule that fits wins.
const ROBOTS: &str = "\
# Pictures without end: those in the sitemap stand for all.
User-agent: *
Allow: /api/v1/cards/
Disallow: /api/v1/
Disallow: /results/
Disallow: /random.
Disallow: /walk/
Disallow: /collection
Disallow: /slider.html
Disallow: /model.safetensors
Disallow: /p/*?
Disallow: /p/*~
Disallow: /p/*-
Disallow: /p/*w
Disallow: /*?from=
Disallow: /*&from=
Disallow: /*?wall=
Disallow: /*&wall=
";

/// `GET /robots.txt`
pub(crate) async fn robots(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let origin = app.origin(&headers);
    answer(&headers, "text/plain; charset=utf-8", format!("{ROBOTS}\nSitemap: {origin}/sitemap.xml\n"))
}

/// `GET /sitemap.xml`
pub(crate) async fn sitemap(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let origin = app.origin(&headers);
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    let pages =
        ["/".to_owned(), "/api/".to_owned()].into_iter().chain((0..LISTED_SEEDS).map(|seed| format!("/p/{seed}")));
    for page in pages {
        // An origin is a scheme, a host and a port, without anything that XML minds.
        let _ = writeln!(text, "  <url><loc>{origin}{page}</loc></url>");
    }
    text.push_str("</urlset>\n");
    answer(&headers, "application/xml", text)
}

fn answer(headers: &HeaderMap, kind: &'static str, text: String) -> Response {
    Known::by(text.as_bytes(), A_DAY).answer(headers, [(header::CONTENT_TYPE, kind)], text)
}
