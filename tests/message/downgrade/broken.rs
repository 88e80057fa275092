//! Messages as they should not be: a result that everybody reads alike, or none.

use super::{Refusal, refusal, same, seven_bit};

const MIXED: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n";

fn is_unclear(text: &str) {
    let refusal = refusal(text.as_bytes());
    assert!(matches!(refusal, Refusal::Unclear(_)), "{refusal} for {text}");
}

/// P-250
#[test]
fn what_can_be_read_in_one_way_only_is_reencoded() {
    // A closing delimiter is added where there is none; the delimiter of what is around ends what is within.
    let open = same(format!("{MIXED}--b\nContent-Type: text/plain; charset=utf-8\n\nö").as_bytes());
    assert!(open.ends_with("quoted-printable\n\n=C3=B6\n\n--b--\n"), "{open}");
    let nested = format!(
        "{MIXED}--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/html; charset=utf-8\n\nä\n--b\n\
         Content-Type: text/plain; charset=utf-8\n\nö\n--b--\n"
    );
    assert!(seven_bit(nested.as_bytes()).contains("\n=C3=A4\n--c--\n--b\n"));
    // A part without a body, and one without anything.
    let empty = format!(
        "{MIXED}--b\nContent-Type: text/plain\n--b\n--b\n\n--b\nContent-Type: text/html; charset=utf-8\n\nö\n--b--\n"
    );
    assert!(same(empty.as_bytes()).contains("Content-Type: text/plain\n--b\n--b\n\n--b\n"));
    // The same label twice.
    let twice = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: 8bit\n\nö\n";
    assert_eq!(same(twice.as_bytes()).matches("Encoding").count(), 1);
    // No version, which some readers want to see.
    assert!(same(b"Content-Type: text/plain; charset=utf-8\n\n\xc3\xb6\n").contains("\nMIME-Version: 1.0\n"));
    assert!(same(MIXED.replace("MIME-Version: 1.0\n", "").as_bytes()).contains("MIME-Version: 1.0\n"));
    // In a digest, a part is a message where nothing else is said.
    let digest = "MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nö\n--b--\n";
    assert!(seven_bit(digest.as_bytes()).contains("Content-Transfer-Encoding: quoted-printable\n\n=C3=B6\n--b--\n"));
    // This type may be encoded, unlike message/rfc822.
    assert!(seven_bit("Content-Type: message/global\n\nSubject: ö\n\nb\n".as_bytes()).contains("Encoding: base64\n"));
    // NULs and odd line ends of a text are what SMTP makes of them.
    let ends = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nö\0\ra\r\r\nb\n";
    assert!(same(ends.as_bytes()).ends_with("\n\n=C3=B6\na\nb\n"));
}

/// A soft line break must not make a delimiter, and nor must encoding. P-358
#[test]
fn no_delimiter_comes_into_being() {
    let text = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b=C3=B6\"\n\n--b=C3=B6\nContent-Type: text/plain; charset=utf-8\n\n\
         --bö\n{}--b=C3=B6\n--b=C3=B6--\n",
        "x".repeat(75)
    );
    assert_eq!(seven_bit(text.as_bytes()).lines().filter(|line| line.starts_with("--")).count(), 2);
    let preamble = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b??\"\n\n--bö\n--b??\n\nö\n--b??--\n";
    assert_eq!(seven_bit(preamble.as_bytes()).lines().filter(|line| line.starts_with("--b??")).count(), 2);
    let long = format!("{MIXED}{}--b\n{}ö\n--b\n\nö\n--b--\n", "x".repeat(998), "y".repeat(5000));
    let after = seven_bit(long.as_bytes());
    assert_eq!(after.lines().filter(|line| line.starts_with("--b")).count(), 2);
    assert!(after.lines().all(|line| line.len() <= 998));
}

/// P-250 P-252 P-357
#[test]
fn what_some_would_read_differently_is_refused() {
    let part = |header: &str, content: &str| format!("{MIXED}--b\n{header}\n{content}\n--b--\n");
    for line in ["--bc", "--b--x", "--b --", &format!("--b{}", " ".repeat(5000))] {
        is_unclear(&part("", &format!("ö\n{line}\n")));
    }
    for (outer, inner, line) in [("b", "b", "--b"), ("b", "bc", "--bcd"), ("bc", "b", "--bc"), ("b--", "b", "--b--")] {
        is_unclear(&format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary={outer}\n\n--{outer}\n\
             Content-Type: multipart/mixed; boundary={inner}\n\n--{inner}\n\nö\n{line}\n\nö\n"
        ));
    }
    for header in [
        "no field\n",
        "Content-Type: text/plain\nno field\n",
        "Content-Type : text/plain\n",
        "Content-Type: text/plain\n \n x\n",
        " Content-Type: text/plain\n",
        "Content-Type: text/plain\nContent-Type: text/html\n",
        "Content-Type: text\n",
        "Content-Type: text/plain; charset=utf-8; name=a b\n",
        "Content-Type: multipart/mixed\n",
        "Content-Type: multipart/mixed; boundary=\"\"\n",
        "Content-Type: multipart/mixed; boundary=x; boundary=y\n",
        "Content-Type: multipart/mixed; boundary*=utf-8''x\n",
        // Without parts, readers show all of it.
        "Content-Type: multipart/mixed; boundary=x\n",
    ] {
        is_unclear(&part(header, "ö"));
        // Nothing has to be changed there.
        let elsewhere = format!("{MIXED}--b\n{header}\nascii\n--b\nContent-Type: text/html\n\nö\n--b--\n");
        assert!(seven_bit(elsewhere.as_bytes()).contains(&format!("--b\n{header}\nascii\n--b\n")));
    }
    // No empty line, so that the text may be a header.
    is_unclear(&format!("{MIXED}--b\nText mit ö\n--b--\n"));
    is_unclear(&format!("{MIXED}--b\n\na\n--b--\n--b\n\nö\n--b--\n"));
    is_unclear(&format!("{MIXED}ö\n"));
    is_unclear(&format!("{MIXED}ö\n--b--\n"));
    for label in ["quoted-printable", "base64", "8-bit", "x-uuencode", "", "8bit\nContent-Transfer-Encoding: 7bit"] {
        let header = format!("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {label}\n");
        assert!(matches!(refusal(part(&header, "ö").as_bytes()), Refusal::Encoded(_)), "{label}");
        let message = format!("Content-Type: message/rfc822\nContent-Transfer-Encoding: {label}\n");
        assert!(matches!(refusal(part(&message, "\nö").as_bytes()), Refusal::Encoded(_)), "{label}");
    }
    for content_type in ["message/partial; id=x", "message/external-body; access-type=x", "message/delivery-status"] {
        let header = format!("Content-Type: {content_type}\n");
        assert!(matches!(refusal(part(&header, "ö").as_bytes()), Refusal::Type(_)), "{content_type}");
    }
    for content in ["ö\0", "ö\rx", "\rö"] {
        let header = "Content-Type: application/octet-stream\nContent-Transfer-Encoding: 8bit\n";
        assert!(matches!(refusal(part(header, content).as_bytes()), Refusal::Binary(_)), "{content:?}");
        let header = "Content-Type: text/plain; charset=utf-16\n";
        assert!(matches!(refusal(part(header, content).as_bytes()), Refusal::Binary(_)), "{content:?}");
    }
}

/// Memory and time have a limit, whatever comes.
#[test]
fn endless_messages_are_refused() {
    let many = format!("{MIXED}{}", "--b\n\n".repeat(100_001));
    assert_eq!(refusal(format!("{many}ö\n").as_bytes()), Refusal::ManyParts);
    let deep = "Content-Type: message/rfc822\n\n".repeat(102);
    assert_eq!(refusal(format!("{deep}ö\n").as_bytes()), Refusal::Deep);
    let large = format!("{MIXED}--b\nX: {}", "x".repeat((2 << 20) + 1));
    assert_eq!(refusal(format!("{large}\n\nö\n").as_bytes()), Refusal::LargeHeader);
}
