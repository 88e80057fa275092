//! Command lines, as far as their syntax goes (RFC 5321 section 4.1).

/// Where in its message a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Inner,
    Last,
}

/// A command line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Helo(&'a str),
    Ehlo(&'a str),
    Lhlo(&'a str),
    /// What stands behind `FROM:`.
    Mail(&'a str),
    /// What stands behind `TO:`.
    Rcpt(&'a str),
    Data,
    Bdat {
        size: u64,
        position: Position,
    },
    Rset,
    Noop,
    Quit,
    Help,
    Vrfy,
    StartTls,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
    /// One that exists and is not served here.
    Unserved,
    /// The beginning of something that is not SMTP, or that brings octets which must not be read as commands.
    Alien,
    /// A known verb with arguments that it cannot have.
    Malformed(&'static str),
    Unknown,
}

impl<'a> Command<'a> {
    /// Reads a line without its end. Verbs are known in any case; spaces at the end do not count.
    pub(super) fn parse(line: &'a str) -> Self {
        let line = line.trim_end_matches(' ');
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim_start_matches(' ');
        let alone =
            |command| if argument.is_empty() { command } else { Command::Malformed("no argument belongs here") };
        match verb.to_ascii_uppercase().as_str() {
            "HELO" | "EHLO" | "LHLO" if argument.is_empty() => Command::Malformed("the name of the client is missing"),
            "HELO" => Command::Helo(argument),
            "EHLO" => Command::Ehlo(argument),
            "LHLO" => Command::Lhlo(argument),
            "MAIL" => behind("FROM:", argument).map_or(Command::Malformed("MAIL FROM:<address> it is"), Command::Mail),
            "RCPT" => behind("TO:", argument).map_or(Command::Malformed("RCPT TO:<address> it is"), Command::Rcpt),
            "DATA" => alone(Command::Data),
            "BDAT" => bdat(argument),
            "RSET" => alone(Command::Rset),
            "QUIT" => alone(Command::Quit),
            "STARTTLS" => alone(Command::StartTls),
            "NOOP" => Command::Noop,
            "HELP" => Command::Help,
            "VRFY" if argument.is_empty() => Command::Malformed("an address is missing"),
            "VRFY" => Command::Vrfy,
            "AUTH" => auth(argument),
            "EXPN" | "ETRN" | "ATRN" | "TURN" | "SEND" | "SOML" | "SAML" => Command::Unserved,
            // What a browser says that was sent here.
            "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" | "DELETE" | "PATCH" | "PRI" => Command::Alien,
            _ => Command::Unknown,
        }
    }
}

/// A chunk whose size cannot be read cannot be told from the commands behind it.
fn bdat(argument: &str) -> Command<'_> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|word| word.bytes().all(|octet| octet.is_ascii_digit()));
    match (size.and_then(|word| word.parse().ok()), words.next(), words.next()) {
        (Some(size), None, _) => Command::Bdat { size, position: Position::Inner },
        (Some(size), Some(word), None) if word.eq_ignore_ascii_case("LAST") => {
            Command::Bdat { size, position: Position::Last }
        }
        _ => Command::Alien,
    }
}

fn auth(argument: &str) -> Command<'_> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Command::Auth { mechanism, initial },
        _ => Command::Malformed("AUTH mechanism [initial response] it is"),
    }
}

/// The rest of `text` behind `keyword`, which is known in any case.
fn behind<'a>(keyword: &str, text: &'a str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_in_any_case_with_their_arguments() {
        for (line, command) in [
            ("ehlo a", Command::Ehlo("a")),
            ("HELO  a  ", Command::Helo("a")),
            ("EHLO", Command::Malformed("the name of the client is missing")),
            ("mail from:<a@b> SIZE=1", Command::Mail("<a@b> SIZE=1")),
            ("MAIL FROM <a@b>", Command::Malformed("MAIL FROM:<address> it is")),
            ("MAIL é", Command::Malformed("MAIL FROM:<address> it is")),
            ("RCPT To: <a@b>", Command::Rcpt(" <a@b>")),
            ("DATA x", Command::Malformed("no argument belongs here")),
            ("NOOP whatever", Command::Noop),
            ("auth plain", Command::Auth { mechanism: "plain", initial: None }),
            ("AUTH PLAIN =", Command::Auth { mechanism: "PLAIN", initial: Some("=") }),
            ("AUTH PLAIN a b", Command::Malformed("AUTH mechanism [initial response] it is")),
            ("EXPN list", Command::Unserved),
            ("GET / HTTP/1.1", Command::Alien),
            ("BDAT 10 LAST", Command::Bdat { size: 10, position: Position::Last }),
            ("bdat 0 last", Command::Bdat { size: 0, position: Position::Last }),
            ("BDAT 99", Command::Bdat { size: 99, position: Position::Inner }),
            ("BDAT", Command::Alien),
            ("BDAT -1", Command::Alien),
            ("BDAT 1 FIRST", Command::Alien),
            ("BDAT 1 LAST 2", Command::Alien),
            ("", Command::Unknown),
            ("MAILFROM:<a@b>", Command::Unknown),
        ] {
            assert_eq!(Command::parse(line), command, "{line:?}");
        }
    }
}
