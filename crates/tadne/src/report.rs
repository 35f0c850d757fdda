//! A page of figures that is one file: tables and plots as inline SVG, without scripts, light or dark as the reader's system is.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

mod plot;

pub(crate) use plot::{Line, Spot};

const STYLE: &str = include_str!("report/style.css");

/// A page that grows from top to bottom. All that is given to it is text, and is escaped.
pub(crate) struct Page {
    title: String,
    body: String,
}

impl Page {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: escape(title), body: format!("<h1>{}</h1>\n", escape(title)) }
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.element("h2", text);
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.element("p", text);
    }

    /// A table whose first column names its rows.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        self.body.push_str("<div class=\"table\"><table>\n<thead><tr>");
        for name in head {
            self.push(&format!("<th scope=\"col\">{}</th>", escape(name)));
        }
        self.body.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.body.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let (open, close) = if column == 0 { ("th scope=\"row\"", "th") } else { ("td", "td") };
                self.push(&format!("<{open}>{}</{close}>", escape(cell)));
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// A bar for each value, from 0; values that are not finite are named as missing.
    pub(crate) fn bars(&mut self, caption: &str, values: &[(String, f64)]) {
        self.figure(caption, &plot::bars(caption, values));
    }

    /// Lines over common axes.
    pub(crate) fn lines(&mut self, caption: &str, axes: [&str; 2], lines: &[Line]) {
        self.figure(caption, &plot::lines(caption, axes, lines));
    }

    /// Named points over axes from 0.
    pub(crate) fn spots(&mut self, caption: &str, axes: [&str; 2], spots: &[Spot]) {
        self.figure(caption, &plot::spots(caption, axes, spots));
    }

    /// The whole file.
    pub(crate) fn html(&self) -> String {
        let Self { title, body } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
             <body>\n<main>\n{body}</main>\n<footer>tadne {}</footer>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        synth::write_atomically(path, self.html().as_bytes())
            .with_context(|| format!("cannot write the report {}", path.display()))
    }

    fn element(&mut self, tag: &str, text: &str) {
        self.push(&format!("<{tag}>{}</{tag}>\n", escape(text)));
    }

    fn figure(&mut self, caption: &str, svg: &str) {
        self.push(&format!("<figure>\n<figcaption>{}</figcaption>\n{svg}</figure>\n", escape(caption)));
    }

    fn push(&mut self, text: &str) {
        self.body.push_str(text);
    }
}

/// Text for HTML and SVG, in elements and in attributes.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut all, letter| {
        match letter {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '"' => all.push_str("&quot;"),
            letter if letter.is_control() => {
                let _ = write!(all, "\u{fffd}");
            }
            letter => all.push(letter),
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut page = Page::new("Drawing <fast> & \"well\"");
        page.heading("One");
        page.paragraph("a < b");
        page.table(&["name", "ms"], &[vec!["<script>alert(1)</script>".into(), "1.5".into()]]);
        page.bars("Milliseconds", &[("one".into(), 2.0), ("<two>".into(), 1.0), ("none".into(), f64::NAN)]);
        let points = vec![(0.5, 3.0), (1.0, 1.0), (2.0, f64::INFINITY)];
        page.lines("Distance", ["psi", "KD"], &[Line { name: "model".into(), points }]);
        page.spots("Plane", ["recall", "precision"], &[Spot { name: "psi 1".into(), x: 0.2, y: 0.6 }]);
        page
    }

    #[test]
    fn what_is_shown_is_escaped_and_nothing_is_loaded_or_run() {
        let html = page().html();
        assert!(html.contains("<title>Drawing &lt;fast&gt; &amp; &quot;well&quot;</title>"));
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        for foreign in ["<script", "http:", "https:", "src=", "href=", "@import", "url(", "NaN", "inf"] {
            assert!(!html.contains(foreign), "{foreign} in {html}");
        }
        assert!(html.contains("prefers-color-scheme: dark"));
        assert_eq!(html.matches("<svg").count(), 3);
        assert_eq!(html.matches("role=\"img\"").count(), 3);
    }

    /// Elements that are opened are closed in order; a browser would mend it silently.
    #[test]
    fn elements_nest() {
        let html = page().html();
        let mut open: Vec<&str> = Vec::new();
        for tag in html.split('<').skip(2).map(|rest| rest.split_once('>').expect("a tag ends").0) {
            let name = tag.split_whitespace().next().expect("a tag has a name");
            if let Some(name) = name.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if name != "meta" && !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}
