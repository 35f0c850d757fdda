//! Fills the pages' blanks: `{{name}}` becomes text with HTML's special characters escaped, `{{!name}}` HTML as it is.

use std::fmt::Write;

/// A page asks for something that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No value of that name.
    #[error("{page} asks for {name:?}, which neither the strings nor the model's values have")]
    Unknown {
        /// The page's file.
        page: String,
        /// The blank's name.
        name: String,
    },
    /// `{{` without `}}`.
    #[error("{page} has a blank that is opened but not closed")]
    Unclosed {
        /// The page's file.
        page: String,
    },
    /// A file of the page is not there or not readable as what it should be.
    #[error("{page} is missing or broken: {reason}")]
    Broken {
        /// The file.
        page: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Fills every blank of `template` by `value(name)`. `page` names the file in errors.
pub(crate) fn render(
    page: &str,
    template: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or_else(|| TemplateError::Unclosed { page: page.to_owned() })?;
        let (name, raw) = name.strip_prefix('!').map_or((name, false), |name| (name, true));
        let text =
            value(name).ok_or_else(|| TemplateError::Unknown { page: page.to_owned(), name: name.to_owned() })?;
        filled.push_str(before);
        if raw {
            filled.push_str(&text);
        } else {
            escape(&text, &mut filled);
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Appends `text` so that HTML reads it as text, between tags and in quoted attributes.
pub(crate) fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' | '\'' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "&#{};", character as u32);
            }
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Result<String, TemplateError> {
        render("test.html", template, |name| (name == "x").then(|| "<i title=\"a&b\">".to_owned()))
    }

    #[test]
    fn values_are_escaped_unless_asked_not_to_be() {
        assert_eq!(filled("a{{x}}b").unwrap(), "a&lt;i title=&#34;a&amp;b&#34;&gt;b");
        assert_eq!(filled("a{{!x}}b").unwrap(), "a<i title=\"a&b\">b");
        assert_eq!(filled("no blanks }} here").unwrap(), "no blanks }} here");
    }

    #[test]
    fn a_mistake_names_the_page_and_the_blank() {
        assert!(filled("{{nobody}}").unwrap_err().to_string().contains("test.html asks for \"nobody\""));
        assert!(filled("{{x").unwrap_err().to_string().contains("test.html"));
    }
}
