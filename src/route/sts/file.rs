//! The policy itself, as the domain's web server gives it (RFC 8461 section 3.2), and the hosts that it allows.

use std::fmt;
use std::time::Duration;

use super::record::is_name;
use crate::smtp::reply::printable;

/// What a domain asks of those who send to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// How much it insists.
    pub mode: Mode,
    /// The hosts that take its mail; at least one, unless the mode is [`Mode::None`].
    pub mx: Vec<Pattern>,
    /// How long it is to be kept in mind, from when it was fetched: at most a year.
    pub max_age: Duration,
}

/// How much a domain insists on its policy (RFC 8461 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is sent to a host that does not do as it says.
    Enforce,
    /// Mail is sent all the same, and what is amiss is told.
    Testing,
    /// It asks for nothing.
    None,
}

/// A host name, or all names with one label in the place of `*` (RFC 8461 section 4.1). In lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a file is no policy, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPolicy(String);

/// The longest time to keep a policy: a year of 365 days and a quarter.
const LONGEST: u64 = 31_557_600;
/// Hosts of a policy that count. The file itself is bounded by whoever reads it.
const MOST_HOSTS: usize = 1000;
/// Characters of a line in an error.
const SHOWN: usize = 60;

impl Mode {
    /// The word for it in the file.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        }
    }
}

impl Pattern {
    /// Nothing where it can match no host.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_inner = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_inner);
        (text.len() <= 253 && name.split('.').all(is_label)).then(|| Pattern(text.to_ascii_lowercase()))
    }

    /// Whether it allows this host.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self.0.strip_prefix("*.") {
            None => host.eq_ignore_ascii_case(&self.0),
            Some(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
            }
        }
    }

    /// As it stands in the file, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PolicyFile {
    /// Reads a file: lines `KEY: VALUE`. Of a key that stands there twice the first counts, but for `mx`; unknown ones are
    /// passed over, and so are values of `mx` that can match no host. A longer `max_age` than a year is a year.
    ///
    /// # Errors
    /// [`NoPolicy`] with the reason.
    pub fn parse(octets: &[u8]) -> Result<Self, NoPolicy> {
        let text = std::str::from_utf8(octets).map_err(|_| NoPolicy("it is no UTF-8".to_owned()))?;
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut mx = Vec::new();
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches([' ', '\t']);
            if line.is_empty() {
                continue;
            }
            let field = line.split_once(':').filter(|(key, _)| is_name(key));
            let Some((key, value)) = field.filter(|_| !line.contains(is_control)) else {
                return Err(NoPolicy(format!("a line of it is no field: {}", shown(line))));
            };
            let value = value.trim_start_matches([' ', '\t']);
            match key {
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = max_age.get_or_insert(value),
                "mx" if mx.len() < MOST_HOSTS => mx.extend(Pattern::new(value)),
                _ => {}
            }
        }
        let lacks = |key: &str| NoPolicy(format!("it has no {key}"));
        match version.ok_or_else(|| lacks("version"))? {
            "STSv1" => {}
            other => return Err(NoPolicy(format!("its version is not STSv1 but {}", shown(other)))),
        }
        let mode = match mode.ok_or_else(|| lacks("mode"))? {
            "enforce" => Mode::Enforce,
            "testing" => Mode::Testing,
            "none" => Mode::None,
            other => return Err(NoPolicy(format!("its mode is none of enforce, testing and none: {}", shown(other)))),
        };
        let max_age = seconds(max_age.ok_or_else(|| lacks("max_age"))?)?;
        if mx.is_empty() && mode != Mode::None {
            return Err(NoPolicy("it names no host (mx)".to_owned()));
        }
        Ok(PolicyFile { mode, mx, max_age })
    }

    /// Whether it allows this host.
    pub fn allows(&self, host: &str) -> bool {
        self.mx.iter().any(|pattern| pattern.matches(host))
    }
}

/// As a file, without what was passed over.
impl fmt::Display for PolicyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version: STSv1\nmode: {}", self.mode.word())?;
        self.mx.iter().try_for_each(|pattern| writeln!(f, "mx: {}", pattern.as_str()))?;
        writeln!(f, "max_age: {}", self.max_age.as_secs())
    }
}

fn seconds(text: &str) -> Result<Duration, NoPolicy> {
    let is_number = (1..=10).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(seconds) if is_number => Ok(Duration::from_secs(seconds.min(LONGEST))),
        _ => Err(NoPolicy(format!("its max_age is no number of seconds: {}", shown(text)))),
    }
}

fn is_control(c: char) -> bool {
    c.is_control() && c != '\t'
}

fn shown(line: &str) -> String {
    let short: String = line.chars().take(SHOWN).collect();
    let more = if short.len() < line.len() { "…" } else { "" };
    format!("\"{}{more}\"", printable(short.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Result<PolicyFile, String> {
        PolicyFile::parse((lines.join("\n") + "\n").as_bytes()).map_err(|error| error.to_string())
    }

    const USUAL: [&str; 5] = ["version: STSv1", "mode: enforce", "mx: mx1.a.test", "mx: *.b.test", "max_age: 604800"];

    /// P-325: the fields in any order, with either line end, and what is to be passed over.
    #[test]
    fn a_policy_is_read() {
        let usual = lines(&USUAL).unwrap();
        assert_eq!((usual.mode, usual.max_age.as_secs()), (Mode::Enforce, 604_800));
        assert_eq!(usual.mx.iter().map(Pattern::as_str).collect::<Vec<_>>(), ["mx1.a.test", "*.b.test"]);
        let text = USUAL.join("\n");
        for same in [
            text.clone(),
            text.replace('\n', "\r\n") + "\r\n",
            text.replace(": ", ":"),
            text.replace(": ", ":\t  "),
            text.replace('\n', " \t\n\n"),
            USUAL.iter().rev().copied().filter(|line| !line.starts_with("mx")).collect::<Vec<_>>().join("\n")
                + "\nmx: mx1.a.test\nmx: *.b.test",
            format!("{text}\nversion: STSv2\nmode: none\nmax_age: 5"),
            format!("{text}\nX-9_.: whatever: that is, ünicode\nmx: -\u{fc}\nmx: a..b\nmx:"),
            text.replace("mx1.a.test", "MX1.A.test."),
        ] {
            assert_eq!(PolicyFile::parse(same.as_bytes()), Ok(usual.clone()), "{same:?}");
        }
        assert_eq!(PolicyFile::parse(usual.to_string().as_bytes()), Ok(usual));
        let none = lines(&["version: STSv1", "mode: none", "max_age: 0"]).unwrap();
        assert_eq!((none.mode, none.mx.len(), none.max_age), (Mode::None, 0, Duration::ZERO));
        let aged = lines(&["version: STSv1", "mode: testing", "mx: a.test", "max_age: 9999999999"]).unwrap();
        assert_eq!((aged.mode, aged.max_age.as_secs()), (Mode::Testing, 31_557_600));
    }

    /// P-325
    #[test]
    fn what_is_no_policy_is_refused() {
        for (from, to, why) in [
            ("version: STSv1", "version: STSv2", "version"),
            ("version: STSv1", "VERSION: STSv1", "version"),
            ("version: STSv1", "x: y", "version"),
            ("mode: enforce", "mode: Enforce", "mode"),
            ("mode: enforce", "mode: ", "mode"),
            ("mode: enforce", "x: y", "mode"),
            ("max_age: 604800", "x: y", "max_age"),
            ("max_age: 604800", "max_age: -1", "max_age"),
            ("max_age: 604800", "max_age: +1", "max_age"),
            ("max_age: 604800", "max_age: 1.5", "max_age"),
            ("max_age: 604800", "max_age: 12345678901", "max_age"),
            ("max_age: 604800", "max_age:", "max_age"),
            ("mx: mx1.a.test", "mx mx1.a.test", "no field"),
            ("mx: mx1.a.test", "mx: a\u{0}b", "no field"),
            ("mx: mx1.a.test", " mx: mx1.a.test", "no field"),
            ("mx: mx1.a.test", "<html>", "no field"),
        ] {
            let text = USUAL.join("\n").replace(from, to);
            let error = PolicyFile::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        for mode in ["enforce", "testing"] {
            let error = lines(&["version: STSv1", &format!("mode: {mode}"), "mx: *", "max_age: 1"]).unwrap_err();
            assert!(error.contains("no host"), "{error}");
        }
        assert!(PolicyFile::parse(b"").is_err() && PolicyFile::parse(b"\xff").is_err());
        let long = PolicyFile::parse(format!("\u{1b}{}", "é".repeat(5000)).as_bytes()).unwrap_err().to_string();
        assert!(long.len() < 200 && !long.contains('\u{1b}'), "{long}");
    }

    /// P-326: the name, or one label in the place of the asterisk; the case does not matter.
    #[test]
    fn a_pattern_stands_for_one_label() {
        for (pattern, host, expected) in [
            ("mx.example.com", "mx.example.com", true),
            ("mx.example.com", "MX.Example.Com", true),
            ("MX.example.com", "mx.example.com", true),
            ("mx.example.com", "mx.example.com.", true),
            ("mx.example.com", "a.mx.example.com", false),
            ("mx.example.com", "example.com", false),
            ("*.example.com", "mx.example.com", true),
            ("*.example.com", "MX.EXAMPLE.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "badexample.com", false),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(host), expected, "{pattern} {host}");
        }
        for none in
            ["", "*", "*.", ".example.com", "*.*.example.com", "mx*.example.com", "a b", "mx..a", "*example.com"]
        {
            assert_eq!(Pattern::new(none), None, "{none}");
        }
    }
}
