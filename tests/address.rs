//! Addresses and lists of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use posthaste::address::{Address, Fault, parse_list};
use posthaste::envelope::{Envelope, ReversePath};
use proptest::prelude::*;

/// The list as text: `name <address>`, with blanks and commas between.
fn read(text: &str) -> String {
    match parse_list(text, "d.test") {
        Ok(list) => list
            .iter()
            .map(|one| match &one.name {
                Some(name) => format!("{name} <{}>", one.address.as_str()),
                None => one.address.as_str().to_owned(),
            })
            .collect::<Vec<_>>()
            .join(" | "),
        Err(error) => format!("error {error}"),
    }
}

/// P-350 P-352 P-056 P-058 P-060, and cases 21 to 27, 29, 35 of the sendmail face.
#[test]
fn lists_are_read_as_people_write_them() {
    for (text, list) in [
        ("", ""),
        ("<>", ""),
        (" , ,", ""),
        ("a@x.test", "a@x.test"),
        ("<a@x.test>", "a@x.test"),
        ("a@x.test,", "a@x.test"),
        (",a@x.test,,b@x.test", "a@x.test | b@x.test"),
        ("a@x.test, b@x.test", "a@x.test | b@x.test"),
        ("a@x.test b@x.test", "a@x.test | b@x.test"),
        ("root operator a@x.test", "root@d.test | operator@d.test | a@x.test"),
        ("Joe Q <a@x.test>, \"X, Y\" <b@x.test>", "Joe Q <a@x.test> | X, Y <b@x.test>"),
        ("\"a b\"@x.test", "\"a b\"@x.test"),
        ("\"ab\"@x.test", "ab@x.test"),
        ("\"a\\\"b\"@x.test", "\"a\\\"b\"@x.test"),
        ("\"john..doe\"@x.test", "\"john..doe\"@x.test"),
        ("john..doe@x.test", "\"john..doe\"@x.test"),
        ("user.@x.test", "\"user.\"@x.test"),
        ("\"\"@x.test", "\"\"@x.test"),
        ("\"a b\".c@x.test", "\"a b.c\"@x.test"),
        ("a@x.test (Joe)", "Joe <a@x.test>"),
        ("(one (two) \\) three) a@x.test", "one (two) ) three <a@x.test>"),
        ("a(c)@(d)x.test", "d <a@x.test>"),
        ("a @ x.test", "a@x.test"),
        ("< a . b @ x . test >", "a.b@x.test"),
        ("<@r.test:b@x.test>", "b@x.test"),
        ("Joe <@r.test,@s.test:b@x.test>", "Joe <b@x.test>"),
        ("root", "root@d.test"),
        ("\\root", "root@d.test"),
        ("Root", "Root@d.test"),
        ("postmaster", "postmaster@d.test"),
        ("-a@x.test", "-a@x.test"),
        ("Joe.Bloggs@EXAMPLE.com", "Joe.Bloggs@EXAMPLE.com"),
        ("a@x.test.", "a@x.test"),
        ("a@[127.0.0.1]", "a@[127.0.0.1]"),
        ("b@[IPv6:2001:db8::1]", "b@[IPv6:2001:db8::1]"),
        ("undisclosed-recipients:;", ""),
        ("Undisclosed recipients:", ""),
        ("grp: a@x.test, b@x.test;", "a@x.test | b@x.test"),
        ("G: a@x.test, b@x.test;, c@x.test", "a@x.test | b@x.test | c@x.test"),
        (
            "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            "Ed Jones <c@a.test> | joe@where.test | John <jdoe@one.test>",
        ),
        ("a@x.test,\r\n b@x.test,\n\tc@x.test\n", "a@x.test | b@x.test | c@x.test"),
        ("J. Q. Public <a@x.test>", "J. Q. Public <a@x.test>"),
        ("user@host <user@host.test>", "user@host <user@host.test>"),
        ("[List] Name <a@x.test>", "[List] Name <a@x.test>"),
        ("=?utf-8?Q?J=C3=B6s?= <a@x.test>", "=?utf-8?Q?J=C3=B6s?= <a@x.test>"),
        ("\"(Cron Daemon)\" <alice>", "(Cron Daemon) <alice@d.test>"),
        ("root (Cron Daemon)", "Cron Daemon <root@d.test>"),
        ("\"J\\\"o\" Q <a@x.test>", "J\"o Q <a@x.test>"),
        ("Jös <a@x.test>", "Jös <a@x.test>"),
        ("a+b=c!d#e@x.test", "a+b=c!d#e@x.test"),
        ("MAILER-DAEMON <>, a@x.test", "a@x.test"),
        ("<a@x.test> (Joe)", "Joe <a@x.test>"),
        ("\"|x\"@x.test", "\"|x\"@x.test"),
        ("/c=us/@gate.test", "/c=us/@gate.test"),
        ("a_b@x_y.test", "a_b@x_y.test"),
    ] {
        assert_eq!(read(text), list, "{text}");
    }
}

/// Cases 20, 30 and 37 of the sendmail face: what could go astray is refused, and the error names the piece.
#[test]
fn what_is_no_address_is_named() {
    for (text, piece, fault) in [
        ("a@@x.test, b@x.test", "'a@@x.test'", Fault::TwoAts),
        ("b@x.test, a@b@x.test", "'a@b@x.test'", Fault::TwoAts),
        ("a@x.test;b@y.test", "'a@x.test;b@y.test'", Fault::Semicolon),
        ("|/bin/sh", "'|/bin/sh'", Fault::Command),
        ("\"|/bin/sh -c x\"", "'\"|/bin/sh -c x\"'", Fault::Command),
        ("|sh -c 'a'", "'|sh -c 'a''", Fault::Command),
        ("<|sh>", "'<|sh>'", Fault::Command),
        ("|x@x.test", "'|x@x.test'", Fault::Command),
        ("/etc/x", "'/etc/x'", Fault::File),
        ("\\/etc/x", "'\\/etc/x'", Fault::File),
        (":include:/x", "':include:/x'", Fault::Include),
        ("<:include:/x>", "'<:include:/x>'", Fault::Include),
        ("\":include:/x\"", "'\":include:/x\"'", Fault::Include),
        ("Joe Public, b@x.test", "'Joe Public'", Fault::Words),
        ("Hello. bob@x.test", "'Hello. bob@x.test'", Fault::Words),
        ("@x.test", "'@x.test'", Fault::NoLocal),
        ("a@", "'a@'", Fault::BadDomain),
        ("a@x..test", "'a@x..test'", Fault::BadDomain),
        ("a@x/y", "'a@x/y'", Fault::BadDomain),
        ("a@[a b]", "'a@[a b]'", Fault::BadDomain),
        ("\"a", "'\"a'", Fault::OpenQuote),
        ("(a", "'(a'", Fault::OpenComment),
        ("a@[x", "'[x'", Fault::OpenLiteral),
        ("a)", "')'", Fault::Misplaced(')')),
        ("a@x.test>", "'a@x.test>'", Fault::Misplaced('>')),
        ("Joe <a@x.test", "'Joe <a@x.test'", Fault::OpenAngle),
        ("<a@x.test> b@x.test", "'<a@x.test> b@x.test'", Fault::BehindAngle),
        ("<a@x.test> <b@x.test>", "'<a@x.test> <b@x.test>'", Fault::BehindAngle),
        ("mailto:a@x.test", "'mailto:a@x.test'", Fault::OpenGroup),
        ("g: h: a@x.test;;", "'h: a@x.test;;'", Fault::NestedGroup),
        ("\"a\"b@x.test", "'\"a\"b@x.test'", Fault::BadLocal),
        ("a\\b@x.test", "'a\\b@x.test'", Fault::BadLocal),
        ("j\u{85}s@x.test", "'j\\xc2\\x85s@x.test'", Fault::Control),
        ("a@j\u{f6}s..test", "'a@j\u{f6}s..test'", Fault::NotIdn),
        ("a\u{1}@x.test", "'a\\x01@x.test'", Fault::Control),
        ("a\0@x.test", "'a\\x00@x.test'", Fault::Control),
        ("\"a\tb\"@x.test", "'\"a\\x09b\"@x.test'", Fault::Control),
        ("a@x.test\nb@x.test", "'b@x.test'", Fault::LineBreak),
    ] {
        let error = parse_list(text, "d.test").expect_err(text);
        assert_eq!(error.fault(), fault, "{text:?}: {error}");
        assert_eq!(error.piece(), piece, "{text:?}");
    }
}

/// P-055
#[test]
fn an_injected_command_is_refused() {
    for text in ["a@b>\r\nRCPT TO:<x@y", "<a@b>\r\nRCPT TO:<x@y>", "a@b\r\nDATA", "\"a\r\nRCPT TO:<x@y>\"@b"] {
        assert!(Address::parse(text).is_err(), "{text:?}");
        assert!(ReversePath::parse(text, "d.test").is_err(), "{text:?}");
    }
}

/// P-285 P-286: what stands behind the @ is in ASCII, by the rules of 2008.
#[test]
fn domains_are_written_in_ascii() {
    for (address, ascii) in [
        ("user@b\u{fc}cher.example", "user@xn--bcher-kva.example"),
        ("User@B\u{dc}CHER.Example.", "User@xn--bcher-kva.example"),
        ("user@fa\u{df}.de", "user@xn--fa-hia.de"),
        ("user@bu\u{308}cher.example", "user@xn--bcher-kva.example"),
        ("user@\u{4f8b}\u{3048}\u{3002}\u{30c6}\u{30b9}\u{30c8}", "user@xn--r8jz45g.xn--zckzah"),
        ("user@XN--BCHER-KVA.example", "user@xn--bcher-kva.example"),
    ] {
        let address = Address::parse(address).unwrap();
        assert_eq!(address.as_str(), ascii);
        assert!(address.is_ascii());
    }
    let long = format!("user@{}.example", "\u{fc}".repeat(60));
    for bad in ["user@xn--a.example", "user@xn--\u{fc}.example", "user@\u{fc}-.example", &long] {
        assert_eq!(Address::parse(bad).unwrap_err().fault(), Fault::NotIdn, "{bad}");
    }
    // A literal is written in ASCII; what only looks like one once it is mapped is none.
    for bad in ["user@[\u{fc}]", "user@\u{ff3b}127.0.0.1\u{ff3d}", "user@\u{ff3b}x\u{ff3d}"] {
        assert_eq!(Address::parse(bad).unwrap_err().fault(), Fault::BadDomain, "{bad}");
    }
}

/// P-288: the local part is nobody's to change, and domains are the same in any form.
#[test]
fn local_parts_outside_ascii_keep_every_octet() {
    for text in ["\u{3b4}\u{3bf}\u{3ba}\u{3b9}\u{3bc}\u{3ae}@x.test", "jo\u{308}s@x.test", "\"j\u{f6} s\"@x.test"] {
        let address = Address::parse(text).unwrap();
        assert_eq!(address.as_str(), text);
        assert!(!address.is_ascii());
    }
    assert_eq!(read("J\u{f6}s <j\u{f6}s@b\u{fc}cher.test>"), "J\u{f6}s <j\u{f6}s@xn--bcher-kva.test>");
    let list = parse_list("a@b\u{fc}cher.test, a@XN--BCHER-KVA.test, jo\u{308}s@x.test, j\u{f6}s@x.test", "").unwrap();
    let list = list.into_iter().map(|one| one.address).collect();
    let kept = Envelope::new(ReversePath::Null, list).unwrap();
    let kept: Vec<&str> = kept.recipients().iter().map(Address::as_str).collect();
    assert_eq!(kept, ["a@xn--bcher-kva.test", "jo\u{308}s@x.test", "j\u{f6}s@x.test"]);
}

/// P-059
#[test]
fn postmaster_needs_no_domain() {
    let address = Address::parse("Postmaster").unwrap();
    assert_eq!((address.as_str(), address.local(), address.domain()), ("Postmaster", "Postmaster", None));
    assert_eq!(Address::parse("root").unwrap_err().fault(), Fault::Unqualified);
}

/// P-057 P-062, and case 12 of the sendmail face.
#[test]
fn recipients_are_kept_once() {
    let recipients = |text| -> Vec<String> {
        let list = parse_list(text, "").unwrap().into_iter().map(|one| one.address).collect();
        Envelope::new(ReversePath::Null, list).unwrap().recipients().iter().map(Address::to_string).collect()
    };
    assert_eq!(recipients("a@x.test, A@X.TEST, a@X.Test"), ["a@x.test", "A@X.TEST"]);
    assert_eq!(recipients("POSTMASTER@x.test, postmaster@x.test"), ["POSTMASTER@x.test"]);
    assert_eq!(recipients("\"a\"@x.test, a@x.test"), ["a@x.test"]);
}

/// P-061, and cases 31 to 33, 35 and 37 of the sendmail face.
#[test]
fn the_sender_is_one_address_or_none() {
    let read = |text| ReversePath::parse(text, "d.test").map(|path| path.as_str().to_owned());
    for (text, path) in
        [("", ""), ("<>", ""), ("Joe Q <me@o.test>", "me@o.test"), ("<me@o.test>", "me@o.test"), ("me", "me@d.test")]
    {
        assert_eq!(read(text).as_deref(), Ok(path), "{text}");
    }
    for text in ["a@x.test,b@y.test", "a b", "a@x.test\n", "g:;", "a@x.test\n b"] {
        assert!(read(text).is_err(), "{text:?}");
    }
}

/// P-054: more than the limits of the standard is the server's affair, up to a bound.
#[test]
fn long_addresses_are_bounded() {
    let local = "l".repeat(65);
    assert!(Address::parse(&format!("{local}@x.test")).is_ok());
    assert_eq!(Address::parse(&format!("{}@x.test", "l".repeat(1000))).unwrap_err().fault(), Fault::TooLong);
    assert_eq!(Address::parse(&format!("a@{}", "l.".repeat(150))).unwrap_err().fault(), Fault::BadDomain);
}

#[test]
fn comments_are_nested_to_a_bound() {
    let nested = |depth| format!("{}{} a@x.test", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse_list(&nested(50), "").unwrap()[0].address.as_str(), "a@x.test");
    assert_eq!(parse_list(&nested(51), "").unwrap_err().fault(), Fault::DeepComment);
}

#[test]
fn a_list_of_many_is_read_whole() {
    let text = (0..20_000).map(|n| format!("\"User, {n}\" <user{n}@x.test>")).collect::<Vec<_>>().join(",\r\n ");
    let list = parse_list(&text, "").unwrap();
    assert_eq!(list.len(), 20_000);
    assert_eq!(list[19_999].address.as_str(), "user19999@x.test");
    let words = (0..20_000).map(|n| format!("u{n}@x.test")).collect::<Vec<_>>().join(" ");
    assert_eq!(parse_list(&words, "").unwrap().len(), 20_000);
}

/// Whether the text can stand in `RCPT TO:<…>` and mean one path.
fn is_safe(text: &str) -> bool {
    let mut octets = text.bytes();
    let mut is_quoted = false;
    while let Some(octet) = octets.next() {
        match octet {
            0..=31 | 127 => return false,
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => _ = octets.next(),
            b' ' | b'<' | b'>' | b'\\' | b',' | b';' if !is_quoted => return false,
            _ => {}
        }
    }
    !is_quoted && text.len() <= 1000 && !text.chars().any(char::is_control)
}

proptest! {
    /// P-055 P-056: whatever is read as an address is fit for a command, and reads as itself.
    #[test]
    fn no_text_breaks_out_of_an_address(pieces in prop::collection::vec(prop::sample::select(vec![
        "a", "b", ".", "@", "<", ">", "\"", "\\", " ", "\t", "\r", "\n", "\0", "(", ")", "[", "]", ":", ";", ",", "|", "/", "é", "x.test", "\u{7f}", "RCPT TO:",
    ]), 0..14)) {
        let text = pieces.concat();
        for one in parse_list(&text, "d.test").unwrap_or_default() {
            prop_assert!(is_safe(one.address.as_str()), "{:?} gave {:?}", text, one.address.as_str());
            let again = Address::parse(one.address.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&one.address));
            prop_assert!(one.name.is_none_or(|name| !name.chars().any(char::is_control)));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Ok(list) = parse_list(&text, "d.test") {
            prop_assert!(list.iter().all(|one| is_safe(one.address.as_str())));
        }
    }
}
