//! Settings read from the text of a Python function, as text.

/// The text of one function.
pub(crate) struct Function<'s> {
    signature: Vec<&'s str>,
    body: Vec<&'s str>,
}

/// The function `name` at the outermost level of a module's text.
pub(crate) fn function<'s>(text: &'s str, name: &str) -> Option<Function<'s>> {
    let start = format!("def {name}(");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&start));
    let mut signature = Vec::new();
    for line in lines.by_ref() {
        signature.push(line);
        if code(line).ends_with(':') {
            break;
        }
    }
    let inside = |line: &&str| line.is_empty() || line.starts_with([' ', '\t', '#']);
    let body = lines.take_while(inside).collect();
    (!signature.is_empty()).then_some(Function { signature, body })
}

impl Function<'_> {
    /// What the function itself assigns to a name, whatever it was called with; of several the last.
    pub(crate) fn assigned(&self, name: &str) -> Option<String> {
        let first = self.body.iter().find(|line| !code(line).is_empty())?;
        let indent = first.len() - first.trim_start().len();
        let outermost = self.body.iter().filter(|line| line.len() - line.trim_start().len() == indent);
        outermost.filter_map(|line| value(code(line), name)).next_back()
    }

    /// The default of an argument.
    pub(crate) fn default(&self, name: &str) -> Option<String> {
        self.signature.iter().find_map(|line| value(code(line).trim_end_matches("):").trim_end_matches(','), name))
    }
}

/// A line without its comment. (No setting that matters is a text with a # in it.)
fn code(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// The right side of `name = ...`, without quotes.
fn value(line: &str, name: &str) -> Option<String> {
    let right = line.strip_prefix(name)?.trim_start().strip_prefix('=')?;
    let right = right.trim();
    (!right.starts_with('=')).then(|| right.trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
import os

def other(normalize = 1):
    normalize = 2

def build(
    z,                    # the latent
    kind      = 'lrelu',  # Activation: 'relu', 'lrelu'
    kernel    = [1,3,3,1],
    normalize = True,     # Normalise?
    **_kwargs):           # The rest.

    normalize = False
    if normalize == True:
        kind = 'relu'
    return z

def last(size = 3):
    return size
";

    #[test]
    fn the_body_and_the_defaults_of_the_right_function_are_read() {
        let build = function(TEXT, "build").unwrap();
        assert_eq!(build.assigned("normalize").as_deref(), Some("False"));
        assert_eq!(build.default("normalize").as_deref(), Some("True"));
        assert_eq!(build.assigned("kind"), None, "an assignment under a condition says nothing");
        assert_eq!(build.default("kind").as_deref(), Some("lrelu"));
        assert_eq!(build.default("kernel").as_deref(), Some("[1,3,3,1]"));
        assert_eq!(build.assigned("size"), None);
        assert!(function(TEXT, "absent").is_none());
        assert!(function("def build(", "build").unwrap().assigned("x").is_none());
    }
}
