//! What may leave for a server, judged by nothing that the program has: a grammar of the few commands there are, and the
//! names of the fields.

/// The commands and the message on a wire.
#[derive(Debug)]
pub struct Dialogue {
    pub hello: String,
    pub sender: String,
    pub recipients: Vec<String>,
    pub header: Vec<Field>,
    pub body: Vec<u8>,
    /// All parameters of MAIL and RCPT.
    pub parameters: Vec<String>,
}

/// A field, its value unfolded.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub value: String,
}

/// Reads a whole session with one message: EHLO, perhaps HELO, one MAIL, RCPT, one DATA, QUIT, and nothing else.
pub fn read(wire: &[u8]) -> Result<Dialogue, String> {
    let shown = || wire.escape_ascii().to_string();
    let mut rest = wire;
    let mut command = || -> Result<String, String> {
        let end = rest.windows(2).position(|two| two == b"\r\n").ok_or_else(|| format!("an open line: {}", shown()))?;
        let (line, behind) = rest.split_at(end);
        rest = &behind[2..];
        let line = String::from_utf8(line.to_vec()).map_err(|_| format!("no UTF-8: {}", shown()))?;
        match line.chars().find(|it| it.is_control()) {
            Some(control) => Err(format!("{control:?} in {line:?}")),
            None => Ok(line),
        }
    };
    let hello = command()?;
    let hello = hello.strip_prefix("EHLO ").ok_or_else(|| format!("not EHLO: {hello}"))?.to_owned();
    let (sender, mut parameters) = path(&command()?, "MAIL FROM:")?;
    known(&parameters, &["SIZE=", "BODY=", "SMTPUTF8", "RET=", "ENVID="])?;
    let mut recipients = Vec::new();
    loop {
        let line = command()?;
        if line == "DATA" {
            break;
        }
        let (recipient, said) = path(&line, "RCPT TO:")?;
        known(&said, &["NOTIFY=", "ORCPT="])?;
        recipients.push(recipient);
        parameters.extend(said);
    }
    let end = rest.windows(5).position(|five| five == b"\r\n.\r\n").ok_or("no end of data")? + 2;
    let (message, behind) = rest.split_at(end);
    if behind != b".\r\nQUIT\r\n" {
        return Err(format!("behind the message: {}", behind.escape_ascii()));
    }
    let (header, body) = message_of(message)?;
    Ok(Dialogue { hello, sender, recipients, header, body, parameters })
}

/// `VERB:<path> parameters`: quoted strings in the path may hold anything printable, all else neither blanks nor brackets.
fn path(line: &str, verb: &str) -> Result<(String, Vec<String>), String> {
    let bad = |what: &str| format!("{what}: {line}");
    let rest = line.strip_prefix(verb).and_then(|rest| rest.strip_prefix('<')).ok_or_else(|| bad("another command"))?;
    let (mut quoted, mut escaped, mut end) = (false, false, None);
    for (at, letter) in rest.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '>' => {
                end = Some(at);
                break;
            }
            '<' | ' ' | '\\' | ',' | ';' | '(' | ')' => return Err(bad("no path")),
            _ => {}
        }
    }
    let (path, parameters) = rest.split_at(end.ok_or_else(|| bad("an open path"))?);
    let parameters: Vec<String> = match &parameters[1..] {
        "" => Vec::new(),
        parameters => {
            parameters.strip_prefix(' ').ok_or_else(|| bad("no blank"))?.split(' ').map(str::to_owned).collect()
        }
    };
    if path.len() > 400 || (!path.is_empty() && !path.contains('@')) {
        return Err(bad("no address"));
    }
    Ok((path.to_owned(), parameters))
}

fn known(parameters: &[String], names: &[&str]) -> Result<(), String> {
    for parameter in parameters {
        let name =
            names.iter().find(|name| parameter.starts_with(**name)).ok_or_else(|| format!("unknown: {parameter}"))?;
        let value = &parameter[name.len()..];
        let is_right = match *name {
            "SIZE=" => !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit()),
            "BODY=" => matches!(value, "7BIT" | "8BITMIME"),
            "SMTPUTF8" => value.is_empty(),
            "RET=" => matches!(value, "FULL" | "HDRS"),
            "NOTIFY=" => value.split(',').all(|one| matches!(one, "NEVER" | "SUCCESS" | "FAILURE" | "DELAY")),
            "ENVID=" => is_xtext(value),
            _ => value.strip_prefix("rfc822;").is_some_and(is_xtext) || value.starts_with("utf-8;"),
        };
        if !is_right {
            return Err(format!("a wrong value: {parameter}"));
        }
    }
    Ok(())
}

/// RFC 3461 section 4.
fn is_xtext(value: &str) -> bool {
    decode_xtext(value).is_some()
}

pub fn decode_xtext(value: &str) -> Option<String> {
    let (mut decoded, mut rest) = (String::new(), value);
    while let Some(first) = rest.chars().next() {
        match first {
            '+' => {
                let octet = u8::from_str_radix(rest.get(1..3)?, 16).ok()?;
                decoded.push(char::from(octet));
                rest = &rest[3..];
            }
            '!'..='~' if first != '=' => {
                decoded.push(first);
                rest = &rest[1..];
            }
            _ => return None,
        }
    }
    Some(decoded)
}

fn message_of(stuffed: &[u8]) -> Result<(Vec<Field>, Vec<u8>), String> {
    let shown = || stuffed.escape_ascii().to_string();
    let mut lines = Vec::new();
    for line in stuffed.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\r\n").ok_or_else(|| format!("a bare LF: {}", shown()))?;
        if text.contains(&b'\r') || text.contains(&0) {
            return Err(format!("a bare CR or a NUL: {}", shown()));
        }
        lines.push(text.strip_prefix(b".").unwrap_or(text));
    }
    let blank = lines.iter().position(|line| line.is_empty()).ok_or("no blank line")?;
    let mut header: Vec<Field> = Vec::new();
    for line in &lines[..blank] {
        let line = String::from_utf8_lossy(line);
        match (header.last_mut(), line.split_once(':')) {
            (Some(last), _) if line.starts_with([' ', '\t']) => last.value.push_str(&line),
            (_, Some((name, value))) if !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic()) => {
                header.push(Field { name: name.to_owned(), value: value.to_owned() });
            }
            _ => return Err(format!("no field: {line:?} in {}", shown())),
        }
    }
    Ok((header, lines[blank + 1..].join(&b"\r\n"[..])))
}
