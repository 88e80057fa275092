//! Whether the owner of a domain wants reports, and where: `_smtp._tls.example.org` (RFC 8460 section 3).

use crate::address::Address;

/// A record that asks for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// It, as it is written.
    pub text: String,
    /// Where reports go; each place gets one.
    pub destinations: Vec<Destination>,
}

/// A place to which reports go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// By mail.
    Mail(Address),
    /// By a POST to this URL.
    Https(String),
}

/// The beginning of each record.
const VERSION: &str = "v=TLSRPTv1";
/// Places that are kept.
const MOST: usize = 16;

impl Record {
    /// The name below which a domain has its record.
    pub fn name_of(domain: &str) -> String {
        format!("_smtp._tls.{domain}")
    }

    /// The record among the texts of that name; nothing where there is none that can be used, or more than one, which
    /// means the same.
    pub fn among(texts: &[Vec<u8>]) -> Option<Self> {
        let mut records = texts.iter().filter_map(|text| std::str::from_utf8(text).ok()).filter(|text| is_ours(text));
        match (records.next(), records.next()) {
            (Some(text), None) => Record::parse(text),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(';').skip(1).map(|field| field.trim_matches(is_blank));
        let destinations = fields.find_map(|field| field.strip_prefix("rua="))?;
        let destinations: Vec<_> = destinations.split(',').filter_map(destination).take(MOST).collect();
        (!destinations.is_empty()).then(|| Record { text: text.to_owned(), destinations })
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Others are passed over, as if they were not there.
fn is_ours(text: &str) -> bool {
    let rest = text.strip_prefix(VERSION).map(|rest| rest.trim_start_matches(is_blank));
    rest.is_some_and(|rest| rest.starts_with(';')) && text.bytes().all(|octet| matches!(octet, b'\t' | b' '..=b'~'))
}

fn destination(uri: &str) -> Option<Destination> {
    let uri = uri.trim_matches(is_blank);
    let (scheme, rest) = uri.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        // Fields for a header are no business of the domain (RFC 6068 section 2).
        "mailto" => {
            let address = decoded(rest.split('?').next()?)?;
            let is_good = |address: &Address| address.domain().is_some() && address.is_ascii();
            Address::parse(&address).ok().filter(is_good).map(Destination::Mail)
        }
        "https" if rest.starts_with("//") && rest.len() > 2 && !rest.contains(is_blank) => {
            Some(Destination::Https(uri.to_owned()))
        }
        _ => None,
    }
}

/// Without percent-encoding: a comma and a semicolon have no other way into a record.
fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut octets = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(texts: &[&str]) -> Option<Vec<String>> {
        let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        let shown = |one: Destination| match one {
            Destination::Mail(address) => address.to_string(),
            Destination::Https(url) => url,
        };
        Some(Record::among(&texts)?.destinations.into_iter().map(shown).collect())
    }

    /// P-331: exactly one record counts, with places that can be used.
    #[test]
    fn one_record_says_where_reports_go() {
        let of = |rua: &str| format!("v=TLSRPTv1; rua={rua}");
        for (text, places) in [
            ("v=TLSRPTv1; rua=mailto:reports@a.test".to_owned(), &["reports@a.test"][..]),
            ("v=TLSRPTv1;rua=mailto:reports@a.test;".to_owned(), &["reports@a.test"]),
            (
                "v=TLSRPTv1 \t; \trua=mailto:x@a.test , https://a.test/v1 ;".to_owned(),
                &["x@a.test", "https://a.test/v1"],
            ),
            ("v=TLSRPTv1; new=thing; rua=mailto:x@a.test; rua=mailto:y@a.test".to_owned(), &["x@a.test"]),
            (of("MAILTO:x%2Cy@a.test?subject=z%0A"), &["\"x,y\"@a.test"]),
            (of("ftp://a.test,mailto:x@a.test,http://a.test/,mailto:nobody"), &["x@a.test"]),
        ] {
            let places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
            match text.contains("%2C") {
                // A comma stands in a quoted local part alone.
                true => assert_eq!(among(&[&text]), None, "{text}"),
                false => assert_eq!(among(&[&text]), Some(places), "{text}"),
            }
        }
        assert_eq!(among(&[&of("mailto:%22x%2Cy%22@a.test")]), Some(vec!["\"x,y\"@a.test".to_owned()]));
        for bad in [
            "v=TLSRPTv1",
            "v=TLSRPTv1;",
            "v=TLSRPTv1; rua=",
            "v=TLSRPTv1 rua=mailto:x@a.test",
            "v=TLSRPTv2; rua=mailto:x@a.test",
            " v=TLSRPTv1; rua=mailto:x@a.test",
            "v=tlsrptv1; rua=mailto:x@a.test",
            "v=TLSRPTv1; rua=mailto:x",
            "v=TLSRPTv1; rua=mailto:x@a.test%0aBcc:y",
            "v=TLSRPTv1; rua=mailto:x@a.test%",
            "v=TLSRPTv1; rua=mailto:%c3%a9@a.test",
            "v=TLSRPTv1; rua=mailto:x@a.test\n",
            "v=TLSRPTv1; rua=https:a.test",
        ] {
            assert_eq!(among(&[bad]), None, "{bad}");
        }
        let good = of("mailto:x@a.test");
        assert_eq!(among(&["v=spf1 -all", &good, "\u{e9}"]), Some(vec!["x@a.test".to_owned()]));
        assert_eq!(among(&[&good, &good]), None, "two are none");
        assert_eq!(among(&[]), None);
        let many = (0..99).map(|n| format!("mailto:x{n}@a.test")).collect::<Vec<_>>().join(",");
        assert_eq!(among(&[&of(&many)]).unwrap().len(), MOST);
    }
}
