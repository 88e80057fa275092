//! Capabilities: what the reply to EHLO lists (RFC 5321 section 4.1.1.1). Only the last EHLO counts.

use super::reply::Reply;

/// The capabilities of a server in the present state of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034); the codes are read even where it is not listed.
    pub enhanced_status_codes: bool,
    /// SIZE (RFC 1870).
    pub size: Size,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// Mechanisms after AUTH (RFC 4954), in upper case, without duplicates, in the server's order.
    pub auth: Vec<String>,
    /// Every line after the first as the server wrote it, for people.
    pub lines: Vec<String>,
    /// Keywords that a firewall has overwritten with X.
    pub masked: bool,
}

/// An extension that a sender may count on, beyond those that all servers have or can be done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Delivery status notifications (RFC 3461).
    Dsn,
}

impl Extension {
    /// Its keyword in the reply to EHLO.
    pub fn keyword(self) -> &'static str {
        match self {
            Extension::Dsn => "DSN",
        }
    }
}

/// What the server says of the size of messages (RFC 1870 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// SIZE is not listed, `SIZE=` must not be sent.
    #[default]
    NotListed,
    /// Listed, without a limit or with a limit that no number can hold.
    Unlimited,
    /// No message of more octets.
    Limit(u64),
}

/// The name of a mechanism is no longer (RFC 4422 section 3.1), and no server has so many of them.
const NAME_LIMIT: usize = 20;
const AUTH_LIMIT: usize = 64;

impl Capabilities {
    /// Reads the reply to EHLO. The first line is the server's name and greeting, never a keyword. Unknown keywords
    /// and parameters are ignored.
    pub fn parse(reply: &Reply) -> Self {
        let mut found = Capabilities::default();
        for line in reply.lines().iter().skip(1) {
            // `AUTH=LOGIN` was the form of drafts; old Exchange and some firewalls write only that.
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "STARTTLS" => found.starttls = true,
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit_mime = true,
                // An SMTPUTF8 server must take 8-bit content; some list only this (Postfix reads it so).
                "SMTPUTF8" => {
                    found.smtp_utf8 = true;
                    found.eight_bit_mime = true;
                }
                "ENHANCEDSTATUSCODES" => found.enhanced_status_codes = true,
                "DSN" => found.dsn = true,
                "SIZE" => found.size = Size::parse(words.next()),
                "AUTH" => words.filter(|name| name.len() <= NAME_LIMIT).map(str::to_ascii_uppercase).for_each(|name| {
                    if !found.auth.contains(&name) && found.auth.len() < AUTH_LIMIT {
                        found.auth.push(name);
                    }
                }),
                other if is_masked(other) => found.masked = true,
                _ => {}
            }
            found.lines.push(line.clone());
        }
        found
    }
}

impl Size {
    fn parse(parameter: Option<&str>) -> Self {
        let digits = parameter.filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        match digits.and_then(|text| text.parse().ok()) {
            None | Some(0) => Size::Unlimited,
            Some(limit) => Size::Limit(limit),
        }
    }
}

/// Cisco's "inspect esmtp" overwrites what it does not know, such as STARTTLS, with X and one last letter.
fn is_masked(keyword: &str) -> bool {
    keyword.len() >= 4 && keyword.bytes().take(keyword.len() - 1).all(|b| b == b'X')
}

#[cfg(test)]
mod tests {
    use super::super::reply::Reader;
    use super::*;

    fn parse(text: &str) -> Capabilities {
        let mut reader = Reader::default();
        reader.push(text.replace('\n', "\r\n").as_bytes());
        Capabilities::parse(&reader.next_reply().unwrap().unwrap())
    }

    /// P-038 P-039 P-043 P-306
    #[test]
    fn keywords_are_read_without_regard_to_case_and_never_from_the_first_line() {
        let found = parse(
            "250-PIPELINING.example.com hello\n250-pipelining\n250-8bitmime extra\n250-XFOO bar\n250-X-ANONYMOUSTLS\n250 StartTLS foo\n",
        );
        assert!(found.pipelining && found.eight_bit_mime && found.starttls);
        assert_eq!(parse("250 PIPELINING\n"), Capabilities::default());
        assert!(!parse("250-PIPELINING\n250 XFOO\n").pipelining);
    }

    /// P-226 P-044
    #[test]
    fn sizes() {
        for (line, size) in [
            ("SIZE", Size::Unlimited),
            ("SIZE 0", Size::Unlimited),
            ("SIZE 35882577", Size::Limit(35_882_577)),
            ("SIZE 99999999999999999999", Size::Unlimited),
            ("SIZE -5", Size::Unlimited),
            ("50000000", Size::NotListed),
        ] {
            assert_eq!(parse(&format!("250-h\n250 {line}\n")).size, size, "{line}");
        }
    }

    /// P-040 P-381
    #[test]
    fn both_forms_of_auth_are_merged() {
        assert_eq!(
            parse("250-h\n250-AUTH=LOGIN plain\n250 AUTH PLAIN CRAM-MD5\n").auth,
            ["LOGIN", "PLAIN", "CRAM-MD5"]
        );
        assert_eq!(parse("250-h\n250 AUTH=LOGIN\n").auth, ["LOGIN"]);
        assert_eq!(parse("250-h\n250-AUTH\n250 X\n").auth, Vec::<String>::new());
    }

    /// P-042
    #[test]
    fn masked_keywords_are_noticed() {
        assert!(parse("250-h\n250-XXXXXXXA\n250 XXXXXXXB\n").masked);
        assert!(!parse("250-h\n250-XCLIENT\n250 XEXCH50\n").masked);
    }
}
