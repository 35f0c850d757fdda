//! Which of the page's languages a visitor reads, and how numbers are written in it.

/// The languages there are strings for, in the order the page lists them; the first is for everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    English,
    Italian,
    Japanese,
}

impl Language {
    pub(crate) const ALL: [Language; 3] = [Language::English, Language::Italian, Language::Japanese];

    /// Its tag, as in `lang` and `?lang=`.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Italian => "it",
            Language::Japanese => "ja",
        }
    }

    /// What those who read it call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Italian => "Italiano",
            Language::Japanese => "日本語",
        }
    }

    /// What stands between two sentences.
    pub(crate) fn between_sentences(self) -> &'static str {
        match self {
            Language::Japanese => "",
            Language::English | Language::Italian => " ",
        }
    }

    /// How Open Graph writes it.
    pub(crate) fn locale(self) -> &'static str {
        match self {
            Language::English => "en_US",
            Language::Italian => "it_IT",
            Language::Japanese => "ja_JP",
        }
    }

    /// A number with the language's decimal mark.
    pub(crate) fn number(self, plain: &str) -> String {
        match self {
            Language::Italian => plain.replace('.', ","),
            Language::English | Language::Japanese => plain.to_owned(),
        }
    }

    /// The one a visitor chose by `?lang=`, or else the best of its `Accept-Language`.
    pub(crate) fn choose(asked: Option<&str>, accept: Option<&str>) -> Self {
        asked.and_then(Self::from_tag).or_else(|| accept.and_then(Self::negotiate)).unwrap_or(Language::English)
    }

    /// `it`, and `it-CH` as well.
    fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next()?;
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The language of the highest weight (RFC 9110, 12.5.4); of equal ones the first.
    fn negotiate(accept: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for range in accept.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok());
            let language = if tag.trim() == "*" { Some(Language::English) } else { Self::from_tag(tag) };
            if let (Some(weight), Some(language)) = (weight, language)
                && weight > best.map_or(0.0, |(weight, _)| weight)
            {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_every_variant() {
        // A new variant does not compile before it has its place here.
        let next = |one: &Language| match one {
            Language::English => Some(Language::Italian),
            Language::Italian => Some(Language::Japanese),
            Language::Japanese => None,
        };
        assert!(std::iter::successors(Some(Language::English), next).eq(Language::ALL));
    }

    #[test]
    fn the_choice_wins_then_the_highest_weight_then_english() {
        let choose = Language::choose;
        for (asked, accept, expected) in [
            (None, None, "en"),
            (None, Some("it"), "it"),
            (None, Some("it-CH, en;q=0.9"), "it"),
            (None, Some("de, fr;q=0.9, ja;q=0.5, en;q=0.4"), "ja"),
            (None, Some("en;q=0.2, IT;q=0.8"), "it"),
            (None, Some("it;q=0, ja;q=0.1"), "ja"),
            (None, Some("de"), "en"),
            (None, Some("*;q=0.5, it;q=0.4"), "en"),
            (None, Some(";;q=,,x;q=NaN,"), "en"),
            (Some("ja"), Some("it"), "ja"),
            (Some("xx"), Some("it"), "it"),
            (Some(""), Some("ja-JP"), "ja"),
        ] {
            assert_eq!(choose(asked, accept).tag(), expected, "{asked:?} {accept:?}");
        }
    }

    #[test]
    fn italians_write_a_comma() {
        assert_eq!(Language::Italian.number("1.1"), "1,1");
        assert_eq!(Language::Japanese.number("1.1"), "1.1");
    }
}
