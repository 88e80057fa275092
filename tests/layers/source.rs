//! Rust source as far as the rules need it: the paths that it names, the functions and macros that it calls.

/// A piece of source. Comments, blanks and what stands in quotes are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    /// A number, as written.
    Number(String),
    /// Something in quotes.
    Text,
    Sign(char),
}

/// The source of one file, without what is compiled for tests only.
pub struct Source {
    tokens: Vec<Token>,
    /// The module that the file makes, as `["smtp", "reply"]`; empty for the root.
    module: Vec<String>,
}

impl Source {
    /// Reads a file; `file` is its path below `src`.
    pub fn new(file: &str, text: &str) -> Self {
        let stem = file.strip_suffix(".rs").unwrap_or(file);
        let module = stem.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).map(str::to_owned);
        Source { tokens: without_tests(&tokens(text)), module: module.collect() }
    }

    /// Every path of two segments or more, with `use` trees spelt out, and `super`, `self` and the crate's own name
    /// replaced by `crate` and what follows.
    pub fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = self.tokens.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                Token::Word(word) if word == "use" => rest = tree(rest, &[], &mut found),
                Token::Word(word) => {
                    let mut path = vec![word.clone()];
                    while let [Token::Sign(':'), Token::Sign(':'), Token::Word(word), after @ ..] = rest {
                        path.push(word.clone());
                        rest = after;
                    }
                    found.push(path);
                }
                _ => {}
            }
        }
        let paths = found.into_iter().filter(|path| path.len() > 1);
        paths.map(|path| self.absolute(&path).join("::")).collect()
    }

    fn absolute(&self, path: &[String]) -> Vec<String> {
        let mut base: Option<Vec<String>> = None;
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match (first.as_str(), &mut base) {
                ("crate" | "posthaste", None) => base = Some(Vec::new()),
                ("self", None) => base = Some(self.module.clone()),
                ("super", None) => {
                    base = Some(self.module[..self.module.len().saturating_sub(1)].to_vec());
                }
                ("super", Some(base)) => {
                    base.pop();
                }
                _ => break,
            }
            rest = after;
        }
        match base {
            Some(base) => ["crate".to_owned()].into_iter().chain(base).chain(rest.iter().cloned()).collect(),
            None => path.to_vec(),
        }
    }

    /// Words that a `(` follows, or `!` and then a bracket (`name!`).
    pub fn calls(&self) -> Vec<String> {
        let at = |index: usize| self.tokens.get(index);
        let mut found = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let Token::Word(word) = token else { continue };
            let method = index > 0 && at(index - 1) == Some(&Token::Sign('.'));
            match (at(index + 1), at(index + 2)) {
                (Some(Token::Sign('(')), _) if method => found.push(format!(".{word}")),
                (Some(Token::Sign('(')), _) => found.push(word.clone()),
                (Some(Token::Sign('!')), Some(Token::Sign('(' | '[' | '{'))) => found.push(format!("{word}!")),
                _ => {}
            }
        }
        found
    }

    /// All words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Word(word) => Some(word.as_str()),
            _ => None,
        })
    }

    /// Numbers that stand for a variant of an enum (`Name = 64,`) or alone in the brackets of a call of `ExitCode::from`.
    pub fn codes(&self) -> Vec<u32> {
        let codes = self.tokens.windows(4).filter_map(|window| match window {
            [Token::Word(_), Token::Sign('='), Token::Number(number), Token::Sign(',' | '}')] => Some(number),
            [Token::Word(word), Token::Sign('('), Token::Number(number), Token::Sign(')')] if word == "from" => {
                Some(number)
            }
            _ => None,
        });
        codes.filter_map(|number| number.trim_end_matches("u8").parse().ok()).collect()
    }
}

/// Reads a tree behind `use` into paths; gives what follows it.
fn tree<'a>(mut rest: &'a [Token], prefix: &[String], found: &mut Vec<Vec<String>>) -> &'a [Token] {
    let mut path = prefix.to_vec();
    loop {
        match rest {
            [Token::Sign(':'), Token::Sign(':'), after @ ..] => rest = after,
            [Token::Word(word), Token::Word(_), after @ ..] if word == "as" => rest = after,
            [Token::Word(word), after @ ..] => {
                // `a::{self}` is `a`.
                if word != "self" || path.is_empty() {
                    path.push(word.clone());
                }
                rest = after;
            }
            [Token::Sign('*'), after @ ..] => {
                path.push("*".to_owned());
                rest = after;
            }
            [Token::Sign('{'), after @ ..] => {
                rest = after;
                loop {
                    rest = match rest {
                        [Token::Sign('}'), after @ ..] => {
                            rest = after;
                            break;
                        }
                        [Token::Sign(','), after @ ..] => after,
                        [] => return rest,
                        _ => tree(rest, &path, found),
                    };
                }
                return rest;
            }
            _ => {
                found.push(path);
                return rest;
            }
        }
    }
}

/// Leaves out each item behind `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        match is_test_attribute(rest) {
            true => rest = after_item(rest),
            false => {
                kept.push(first.clone());
                rest = after;
            }
        }
    }
    kept
}

fn is_test_attribute(tokens: &[Token]) -> bool {
    let word = |token: &Token, expected: &str| matches!(token, Token::Word(word) if word == expected);
    match tokens {
        [Token::Sign('#'), Token::Sign('['), cfg, Token::Sign('('), test, Token::Sign(')'), ..] => {
            word(cfg, "cfg") && word(test, "test")
        }
        _ => false,
    }
}

/// What follows the item: the first `;` outside of brackets, or the end of the first block.
fn after_item(tokens: &[Token]) -> &[Token] {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(close @ (')' | ']' | '}')) => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *close == '}' {
                    return &tokens[index + 1..];
                }
            }
            Token::Sign(';') if depth == 0 => return &tokens[index + 1..],
            _ => {}
        }
    }
    &[]
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else if let Some(after) = after_text(rest) {
            found.push(Token::Text);
            rest = after;
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = rest[..end].to_owned();
            found.push(if first.is_ascii_digit() { Token::Number(word) } else { Token::Word(word) });
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                found.push(Token::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// Comments in `/*` and `*/` nest.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (0, text);
    loop {
        if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, after);
            if depth == 0 {
                return rest;
            }
        } else {
            let Some(first) = rest.chars().next() else { return "" };
            rest = &rest[first.len_utf8()..];
        }
    }
}

/// What follows a literal in quotes, if the text begins with one.
fn after_text(text: &str) -> Option<&str> {
    let plain = ["b", "c", ""].iter().find_map(|prefix| text.strip_prefix(prefix)?.strip_prefix('"'));
    if let Some(rest) = plain {
        return Some(after_quote(rest, '"'));
    }
    let raw = ["br", "cr", "r"].iter().find_map(|prefix| text.strip_prefix(prefix));
    if let Some(rest) = raw {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        if let Some(rest) = rest[hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            return Some(rest.split_once(&end).map_or("", |(_, after)| after));
        }
    }
    let rest = ["b'", "'"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let mut characters = rest.chars();
    let escaped = characters.next()? == '\\';
    // `'a` is a lifetime, and `'a'` is not.
    (escaped || characters.next() == Some('\'')).then(|| after_quote(rest, '\''))
}

fn after_quote(text: &str, quote: char) -> &str {
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => _ = characters.next(),
            end if end == quote => return &text[index + 1..],
            _ => {}
        }
    }
    ""
}
