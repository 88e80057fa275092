//! A reader of messages that knows only what the standard says, and holds all in memory: a second opinion.

/// The decoded leaves of a message with CRLF, in order.
pub fn leaves(message: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    entity(message, "text/plain", &mut found);
    found
}

fn entity(text: &[u8], default: &str, found: &mut Vec<Vec<u8>>) {
    let (header, content) = match text.strip_prefix(b"\r\n") {
        Some(content) => (&b""[..], content),
        None => split(text, b"\r\n\r\n").unwrap_or((text, b"")),
    };
    let header = String::from_utf8_lossy(header).replace("\r\n ", " ").replace("\r\n\t", " ");
    let value = |name: &str| {
        let line = header.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line[name.len() + 1..].trim().to_owned())
    };
    let content_type = value("content-type").unwrap_or_else(|| default.to_owned());
    let encoding = value("content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
    if content_type.starts_with("multipart/") {
        assert!(matches!(&*encoding, "" | "7bit" | "8bit" | "binary"), "{encoding}");
        let boundary = content_type.split_once("boundary=").unwrap().1.trim_matches('"');
        let default = if content_type.starts_with("multipart/digest") { "message/rfc822" } else { "text/plain" };
        return parts(content, boundary, default, found);
    }
    if content_type.starts_with("message/rfc822") {
        assert!(matches!(&*encoding, "" | "7bit" | "8bit" | "binary"), "{encoding}");
        return entity(content, "text/plain", found);
    }
    found.push(match &*encoding {
        "quoted-printable" => quoted_printable(content),
        "base64" => base64(content),
        _ => content.to_vec(),
    });
}

/// Line by line: a part is what stands between two delimiters, without the line end in front of the second.
fn parts(text: &[u8], boundary: &str, default: &str, found: &mut Vec<Vec<u8>>) {
    let mut part: Option<Vec<u8>> = None;
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let bare = line.trim_ascii_end();
        let is_end = bare == format!("--{boundary}--").as_bytes();
        if !is_end && bare != format!("--{boundary}").as_bytes() {
            if let Some(part) = &mut part {
                part.extend_from_slice(line);
            }
            continue;
        }
        if let Some(part) = part.replace(Vec::new()) {
            entity(part.strip_suffix(b"\r\n").unwrap_or(&part), default, found);
        }
        if is_end {
            return;
        }
    }
    panic!("no closing delimiter for {boundary}");
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = text.windows(at.len()).position(|window| window == at)?;
    Some((&text[..place], &text[place + at.len()..]))
}

fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(text.to_vec()).unwrap().replace("=\r\n", "");
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'=' {
            decoded.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
            rest = &rest[2..];
        } else {
            decoded.push(*first);
        }
    }
    decoded
}

fn base64(text: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').collect();
    assert!(lines.iter().all(|line| line.len() <= 77));
    let letters: Vec<u8> = text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(letters).unwrap()
}
