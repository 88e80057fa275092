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
    /// CHUNKING (RFC 3030 section 2).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030 section 3).
    pub binary_mime: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034); the codes are read even where it is not listed.
    pub enhanced_status_codes: bool,
    /// SIZE (RFC 1870).
    pub size: Size,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// DELIVERBY (RFC 2852).
    pub deliver_by: Option<DeliverByOffer>,
    /// FUTURERELEASE (RFC 4865).
    pub future_release: Option<FutureReleaseOffer>,
    /// MT-PRIORITY (RFC 6710).
    pub mt_priority: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// Attributes after XCLIENT, in upper case; empty where it is not listed.
    pub xclient: Vec<String>,
    /// LIMITS (RFC 9422).
    pub limits: Limits,
    /// Mechanisms after AUTH (RFC 4954), in upper case, without duplicates, in the server's order.
    pub auth: Vec<String>,
    /// Every line after the first as the server wrote it, for people.
    pub lines: Vec<String>,
    /// Keywords that a firewall has overwritten with X.
    pub masked: bool,
}

/// What comes with DELIVERBY (RFC 2852 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliverByOffer {
    /// Fewer seconds than these are refused for a message that is to come back.
    pub least: Option<u32>,
}

/// What comes with FUTURERELEASE (RFC 4865 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FutureReleaseOffer {
    /// The server holds no message for more seconds.
    pub most_seconds: Option<u32>,
    /// Nor until a later time, in UTC and whole seconds: `2026-12-24T18:00:00Z`.
    pub last_time: Option<String>,
}

/// What a server bears in one session (RFC 9422 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// MAIL commands in a session, those that fail too.
    pub mail_max: Option<usize>,
    /// RCPT commands in a transaction, those that fail too.
    pub rcpt_max: Option<usize>,
    /// Domains of recipients in a session.
    pub rcpt_domain_max: Option<usize>,
}

/// An extension that a sender may count on, beyond those that all servers have or can be done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Delivery status notifications (RFC 3461).
    Dsn,
    /// Delivery by a time (RFC 2852).
    DeliverBy,
    /// Release at a later time (RFC 4865).
    FutureRelease,
    /// Priorities (RFC 6710).
    MtPriority,
    /// TLS all the way (RFC 8689).
    RequireTls,
    /// Another client than the one there is (XCLIENT of Postfix).
    Xclient,
}

impl Extension {
    /// Its keyword in the reply to EHLO.
    pub fn keyword(self) -> &'static str {
        match self {
            Extension::Dsn => "DSN",
            Extension::DeliverBy => "DELIVERBY",
            Extension::FutureRelease => "FUTURERELEASE",
            Extension::MtPriority => "MT-PRIORITY",
            Extension::RequireTls => "REQUIRETLS",
            Extension::Xclient => "XCLIENT",
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

/// Nine attributes have a name.
const XCLIENT_LIMIT: usize = 16;

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
                "CHUNKING" => found.chunking = true,
                "BINARYMIME" => found.binary_mime = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_status_codes = true,
                "DSN" => found.dsn = true,
                "DELIVERBY" => found.deliver_by = Some(DeliverByOffer { least: words.next().and_then(number) }),
                "FUTURERELEASE" => found.future_release = Some(FutureReleaseOffer::parse(words)),
                "MT-PRIORITY" => found.mt_priority = true,
                "REQUIRETLS" => found.require_tls = true,
                "XCLIENT" => found.xclient = words.take(XCLIENT_LIMIT).map(str::to_ascii_uppercase).collect(),
                "LIMITS" => found.limits = Limits::parse(line),
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

impl FutureReleaseOffer {
    fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Self {
        let most_seconds = words.next().and_then(number);
        // Only a time in this form can be compared with another by its characters.
        let form = "dddd-dd-ddTdd:dd:ddZ";
        let has_form = |time: &&str| {
            let fits = |(octet, form): (u8, u8)| if form == b'd' { octet.is_ascii_digit() } else { octet == form };
            time.len() == form.len() && time.bytes().zip(form.bytes()).all(fits)
        };
        FutureReleaseOffer { most_seconds, last_time: words.next().filter(has_form).map(str::to_owned) }
    }
}

impl Limits {
    /// Reads `LIMITS NAME=VALUE …`; what is unknown or wrong is ignored.
    fn parse(line: &str) -> Self {
        let mut limits = Limits::default();
        for (name, value) in line.split([' ', '\t']).filter_map(|item| item.split_once('=')) {
            let is_number = (1..=6).contains(&value.len()) && !value.starts_with('0');
            let value = number(value).filter(|_| is_number).map(|value| value as usize);
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => limits.mail_max = value,
                "RCPTMAX" => limits.rcpt_max = value,
                "RCPTDOMAINMAX" => limits.rcpt_domain_max = value,
                _ => {}
            }
        }
        limits
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u32> {
    let digits = Some(text).filter(|text| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()));
    digits?.parse().ok()
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

    /// P-299
    #[test]
    fn limits_are_small_numbers_with_known_names() {
        let limits = |text: &str| parse(&format!("250-h\n250 {text}\n")).limits;
        let of = |mail_max, rcpt_max, rcpt_domain_max| Limits { mail_max, rcpt_max, rcpt_domain_max };
        assert_eq!(limits("LIMITS RCPTMAX=20 FOO=1 MAILMAX=0"), of(None, Some(20), None));
        assert_eq!(limits("limits MailMax=999999 RCPTDOMAINMAX=1"), of(Some(999_999), None, Some(1)));
        assert_eq!(limits("LIMITS RCPTMAX MAILMAX=1000000 RCPTDOMAINMAX=-1 x"), Limits::default());
    }

    /// P-294 P-295
    #[test]
    fn offers_of_time_may_have_bounds() {
        let found = parse("250-h\n250-DELIVERBY 240\n250 FUTURERELEASE 864000 2026-12-24T18:00:00Z\n");
        assert_eq!(found.deliver_by, Some(DeliverByOffer { least: Some(240) }));
        let last_time = Some("2026-12-24T18:00:00Z".to_owned());
        assert_eq!(found.future_release, Some(FutureReleaseOffer { most_seconds: Some(864_000), last_time }));
        let found = parse("250-h\n250-DELIVERBY\n250 FUTURERELEASE soon 2026-12-24T18:00:00+01:00\n");
        assert_eq!(found.deliver_by, Some(DeliverByOffer::default()));
        assert_eq!(found.future_release, Some(FutureReleaseOffer::default()));
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
