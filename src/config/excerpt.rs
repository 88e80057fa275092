//! The one line of a file that an error shows, without the secrets in it.
//!
//! A configuration with a mistake is often one with a password, and the mistake may be just there: `pasword =`, a
//! quote that is missing. So this looks at text and not at what the parser understood, and leaves out too much
//! rather than too little.

use std::ops::Range;

/// A line of a file and a part of it that is marked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    line: usize,
    column: usize,
    text: String,
    highlight: Range<usize>,
}

impl Excerpt {
    /// Cuts the line out of `source` where `span` (in octets) begins.
    pub(super) fn new(source: &str, span: Range<usize>) -> Self {
        let at = floor(source, span.start.min(source.len()));
        let from = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = source[from..].split('\n').next().unwrap_or("");
        let line = line.strip_suffix('\r').unwrap_or(line);
        let shown = line.len().min(hidden_from(&source[..from], line));
        let mut text: String = line[..shown].chars().map(visible).collect();
        let cut = text.chars().count() > LONGEST;
        if cut {
            text = text.chars().take(LONGEST).collect();
        }
        // One character stands for one character above, so positions move with their lengths only.
        let position = |offset: usize| {
            let characters = line[..floor(line, offset.min(shown))].chars().count();
            text.char_indices().nth(characters).map_or(text.len(), |(index, _)| index)
        };
        let start = position(at - from);
        let end = position(span.end.max(at) - from).max(start);
        let column = line[..floor(line, (at - from).min(line.len()))].chars().count() + 1;
        let mut end_of_text = end;
        if shown < line.len() {
            if span.end - from > shown {
                end_of_text = text.len() + HIDDEN.len();
            }
            text.push_str(HIDDEN);
        } else if cut {
            text.push('…');
        }
        // An empty mark is not drawn, and there is something to say all the same.
        let highlight = match start..end_of_text {
            empty if empty.is_empty() && start >= text.len() => {
                text.push(' ');
                start..start + 1
            }
            empty if empty.is_empty() => start..start + text[start..].chars().next().map_or(1, char::len_utf8),
            mark => mark,
        };
        Excerpt { line: source[..from].matches('\n').count() + 1, column, text, highlight }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn column(&self) -> usize {
        self.column
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn highlight(&self) -> Range<usize> {
        self.highlight.clone()
    }
}

/// The offset in `line` behind which nothing may be shown.
fn hidden_from(before: &str, line: &str) -> usize {
    let url = line.find("://").map(|scheme| scheme + 3).unwrap_or(0);
    let in_url = match (line[url..].find(':'), line.rfind('@')) {
        // Colons stand before addresses there.
        _ if line.trim_start().starts_with("sender-map") => usize::MAX,
        (Some(colon), Some(at)) if url + colon < at => url + colon,
        _ => usize::MAX,
    };
    if continues_secret(before) || follows_secret(before, line) {
        return 0;
    }
    // A key of which the `=` is missing or something else.
    let start = line.len() - line.trim_start().len();
    let word = line[start..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).next().unwrap_or("");
    let after = &line[start + word.len()..];
    if !after.trim_start().starts_with('=') && is_secret(word) {
        return (start + word.len()).min(in_url);
    }
    let mut from = 0;
    while let Some(equals) = line[from..].find('=').map(|equals| from + equals) {
        let before = &line[from..equals];
        if is_secret(key_before(before)) || is_damaged_secret(before) {
            return (equals + 1).min(in_url);
        }
        from = equals + 1;
    }
    in_url
}

/// Whether the lines before leave a text in three quotes open that belongs to a secret.
fn continues_secret(before: &str) -> bool {
    let mut open: Option<(&str, bool)> = None;
    for line in before.split('\n') {
        let mut rest = line;
        loop {
            match open {
                Some((quotes, secret)) => match rest.find(quotes) {
                    Some(end) => {
                        rest = &rest[end + 3..];
                        open = None;
                    }
                    None => {
                        open = Some((quotes, secret));
                        break;
                    }
                },
                None => {
                    let next = ["\"\"\"", "'''"].into_iter().filter_map(|q| rest.find(q).map(|at| (at, q))).min();
                    let Some((at, quotes)) = next else { break };
                    let key = rest[..at].trim_end().strip_suffix('=').map_or("", key_before);
                    open = Some((quotes, is_secret(key)));
                    rest = &rest[at + 3..];
                }
            }
        }
    }
    open.is_some_and(|(_, secret)| secret)
}

/// Whether the line above sets a secret whose value may have slipped down to this one.
fn follows_secret(before: &str, line: &str) -> bool {
    let Some(above) = before.lines().rev().map(str::trim).find(|above| !above.is_empty()) else { return false };
    let unfinished = above.ends_with('=') || !above.contains('=');
    let sets_nothing = !line.contains('=') && !line.trim_start().starts_with('[');
    (unfinished || sets_nothing) && hidden_from("", above) != usize::MAX
}

/// The last word of what stands before a `=`.
fn key_before(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let start = text
        .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    &text[start..]
}

/// Whether a key is `password` or may have been meant so.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('_', "-");
    if matches!(key.as_str(), "password-file" | "password-command") {
        return false;
    }
    ["pass", "pas", "pw", "secret", "token", "word"].iter().any(|part| key.contains(part))
        || super::suggest::nearest(&key, ["password"]).is_some()
}

/// Whether a key is `password` with a quote, a bracket or the like in the midst of it.
fn is_damaged_secret(text: &str) -> bool {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    letters.contains("password") && !matches!(key_before(text), "password-file" | "password-command")
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What stands in the place of a secret.
const HIDDEN: &str = " [hidden]";
/// Characters of a line that are shown.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, mark: &str) -> (usize, usize, String, String) {
        let at = source.find(mark).unwrap();
        let excerpt = Excerpt::new(source, at..at + mark.len());
        let highlight = excerpt.text()[excerpt.highlight()].to_owned();
        (excerpt.line(), excerpt.column(), excerpt.text().to_owned(), highlight)
    }

    #[test]
    fn line_column_and_mark_are_those_of_the_span() {
        let expected = (2, 8, "tls = \"reqired\"".to_owned(), "reqired".to_owned());
        assert_eq!(shown("a = 1\r\ntls = \"reqired\"\r\nb = 2\n", "reqired"), expected);
        let expected = (1, 9, "ä = \"öö\" x".to_owned(), " ".to_owned());
        assert_eq!(shown("ä = \"öö\" x", " x").0, expected.0);
        assert_eq!(shown("ä = \"öö\" x", " x").1, expected.1);
        assert_eq!(shown("x = 1\t\u{1b}[2J", "[2J").2, "x = 1 \u{fffd}[2J");
    }

    #[test]
    fn nothing_that_may_be_a_password_is_shown() {
        let table = [
            "password = \"hunter2\"",
            "password = hunter2",
            "pasword = \"hunter2\"",
            "\"passwd\" = 'hunter2'",
            "Pass_Word=\"hunter2\"",
            "password \"hunter2\"",
            "  passwort: hunter2",
            "account = { work = { password = \"hunter2\", prot = 1 } }",
            "server = \"submissions://alice:hunter2@smtp.example.org\"",
            "server = \"alice:hunter2@smtp.example.org\"",
            "server = \"submissions://a@b:hunter2@smtp.example.org\"",
            "smtp_token = \"hunter2\"",
            "passw\"ord = \"hunter2\"",
            "pass,word = 'hunter2'",
            "password  'hunter2=hunter2'",
        ];
        for line in table {
            for end in 0..=line.len() {
                for start in [0, end / 2, end] {
                    let excerpt = Excerpt::new(line, start..end);
                    assert!(!excerpt.text().contains("unter2"), "{line}: {}", excerpt.text());
                    assert!(
                        excerpt.text().get(excerpt.highlight()).is_some_and(|mark| !mark.is_empty()),
                        "{line} {end}"
                    );
                }
            }
        }
    }

    #[test]
    fn second_line_of_a_password_is_hidden_too() {
        let source = "password = \"\"\"\nhunter2\\q\n\"\"\"\nlog = 1\n";
        assert_eq!(shown(source, "\\q").2, " [hidden]");
        assert_eq!(shown(source, "log").2, "log = 1");
    }

    #[test]
    fn password_that_slipped_down_a_line_is_hidden_and_the_next_setting_is_not() {
        for line in ["\"hunter2\"", "  hunter2", "'hun=ter2'", "= \"hunter2\""] {
            let source = format!("password =\n{line}\nlog = 1\n");
            assert_eq!(shown(&source, line).2, " [hidden]", "{line}");
            assert_eq!(shown(&source, "log").2, "log = 1");
        }
        assert_eq!(shown("password = \"x\"\n[account.work]\n", "work").2, "[account.work]");
        assert_eq!(shown("from = [\n\"a@b\",\n3]\n", "3").2, "3]");
    }

    #[test]
    fn command_and_file_of_a_password_are_shown() {
        assert_eq!(shown("password-command = 7", "7").2, "password-command = 7");
        assert_eq!(shown("password-file = 7", "7").3, "7");
    }

    #[test]
    fn span_outside_the_text_is_no_panic() {
        for text in ["", "\n", "ä", "a = \n"] {
            for start in 0..6 {
                for end in start..6 {
                    let excerpt = Excerpt::new(text, start..end);
                    assert!(excerpt.text().get(excerpt.highlight()).is_some());
                }
            }
        }
    }
}
