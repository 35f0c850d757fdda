//! The files of the page, carried inside the binary (a debug build reads them from `web/`, so that edits show at once).

use std::borrow::Cow;

use rust_embed::Embed;

use crate::page::template::TemplateError;

/// The folder `web/`.
#[derive(Embed)]
#[folder = "../../web/"]
struct Web;

/// One file with what HTTP says about it.
pub(crate) struct Asset {
    /// Its contents.
    pub(crate) bytes: Cow<'static, [u8]>,
    /// For `Content-Type`.
    pub(crate) media_type: &'static str,
    /// A strong entity tag of the contents.
    pub(crate) etag: String,
}

/// A file by its path below `web/`, if there is one that visitors may have as it is: pages are templates and are not.
pub(crate) fn public(path: &str) -> Option<Asset> {
    let media_type = media_type(path)?;
    let file = Web::get(path)?;
    let hash = file.metadata.sha256_hash();
    let etag = format!("\"{:016x}\"", u64::from_be_bytes(*hash.first_chunk()?));
    Some(Asset { bytes: file.data, media_type, etag })
}

/// A text of the page itself: a template, or the strings.
pub(crate) fn text(path: &str) -> Result<String, TemplateError> {
    let broken = |reason: &str| TemplateError::Broken { page: path.to_owned(), reason: reason.to_owned() };
    let file = Web::get(path).ok_or_else(|| broken("there is no such file in web/"))?;
    String::from_utf8(file.data.into_owned()).map_err(|_| broken("it is not UTF-8"))
}

/// The paths of all files.
pub(crate) fn all() -> impl Iterator<Item = String> {
    Web::iter().map(Cow::into_owned)
}

/// What kind of file an ending means; `None` for files that are not served.
fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "woff2" => "font/woff2",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_web_is_served_or_a_template() {
        for path in Web::iter() {
            assert!(public(&path).is_some() || path.ends_with(".html"), "{path} would never reach a visitor");
        }
        assert!(public("index.html").is_none(), "a template is not for visitors");
        assert!(public("../Cargo.toml").is_none());
    }
}
