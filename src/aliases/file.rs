//! The file of aliases as text: read with care, cut into entries, and each entry into what it stands for.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Failing;
use crate::address::{Address, parse_list};
use crate::system::words;

/// One of the things that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A name, which may have an entry itself.
    Name(String),
    /// A name that is not looked up: `\root`.
    Final(String),
    Address(Address),
    /// `/dev/null`: whoever this is wants no mail.
    Nobody,
    /// `:include:/path`: a file of targets.
    Include(PathBuf),
    /// A command or a mailbox file, in the words of the file. Nothing here runs commands or writes mailboxes.
    Unserved(String),
}

/// Octets of a file. Lists of ten thousand addresses have a tenth of it.
const SIZE_LIMIT: u64 = 4 << 20;

/// Why a file was not read.
pub(super) enum Unread {
    Absent,
    Because(String, Failing),
}

/// Reads a file that may be trusted with the way of mail: who can write it reads root's.
pub(super) fn read(path: &Path) -> Result<String, Unread> {
    let now = |error: &io::Error| Unread::Because(format!("it cannot be read: {}", words(error)), Failing::Now);
    let always = |reason: &str| Unread::Because(reason.to_owned(), Failing::Always);
    // A FIFO without a writer would be waited for.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unread::Absent),
        Err(error) => return Err(now(&error)),
    };
    let metadata = file.metadata().map_err(|error| now(&error))?;
    if !metadata.is_file() {
        return Err(always("it is not a regular file"));
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(always("everybody may write it (cure: chmod o-w)"));
    }
    let mut octets = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut octets).map_err(|error| now(&error))?;
    if octets.len() as u64 > SIZE_LIMIT {
        return Err(always("it is larger than 4 MiB"));
    }
    // The byte order mark that some editors put before a text would be a part of its first name.
    if octets.starts_with("\u{feff}".as_bytes()) {
        octets.drain(.."\u{feff}".len());
    }
    String::from_utf8(octets).map_err(|_| always("it is not UTF-8 text"))
}

pub(super) fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Entries with the number of their first line, continuation lines joined.
pub(super) fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if is_blank(line) {
            continue;
        }
        match lines.last_mut() {
            Some((_, last)) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => lines.push((number + 1, line.trim().to_owned())),
        }
    }
    lines
}

/// The name before the colon, in lower case and without quotes, and what stands behind.
pub(super) fn split_name(line: &str) -> Result<(String, &str), String> {
    let (name, rest) = match line.strip_prefix('"') {
        Some(quoted) => {
            let (name, rest) = quoted.split_once('"').ok_or("a quote is not closed")?;
            (name, rest.trim_start().strip_prefix(':').ok_or("there is no colon behind the name")?)
        }
        None => line.split_once(':').ok_or("there is no colon behind the name")?,
    };
    let name = name.trim();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | ',')) {
        return Err(format!("{} is no name of a local recipient", name.escape_debug()));
    }
    Ok((name.to_ascii_lowercase(), rest))
}

/// Splits at commas outside of quotes, and reads each piece.
pub(super) fn targets(text: &str) -> Result<Vec<Target>, String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        let last = pieces.len() - 1;
        match c {
            ',' if !quoted => pieces.push(String::new()),
            _ => {
                quoted ^= c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                pieces[last].push(c);
            }
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    pieces.iter().map(|piece| piece.trim()).filter(|piece| !piece.is_empty()).map(target).collect()
}

/// Stands for the domain that a name has not; it never leaves this module.
const OURS: &str = "alias.invalid";

fn target(piece: &str) -> Result<Target, String> {
    let inner = piece.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(piece);
    if inner == "/dev/null" || inner.eq_ignore_ascii_case(":blackhole:") {
        return Ok(Target::Nobody);
    }
    if let Some(path) = inner.strip_prefix(":include:") {
        let path = Path::new(path.trim());
        return match path.is_absolute() {
            true => Ok(Target::Include(path.to_owned())),
            false => Err(format!("{} is no absolute path", path.display())),
        };
    }
    if inner.starts_with('|') {
        return Ok(Target::Unserved("a command".to_owned()));
    }
    if inner.starts_with('/') {
        return Ok(Target::Unserved(format!("the file {inner}")));
    }
    if let Some(name) = inner.strip_prefix('\\') {
        return Ok(Target::Final(name.to_owned()));
    }
    let mut list = parse_list(piece, OURS).map_err(|error| error.to_string())?;
    match (list.pop(), list.is_empty()) {
        // A name that is written in another way than it is understood is a name all the same.
        (Some(mailbox), true) if mailbox.address.is_local() || mailbox.address.domain() == Some(OURS) => {
            Ok(Target::Name(mailbox.address.local().trim_matches('"').to_owned()))
        }
        (Some(mailbox), true) => Ok(Target::Address(mailbox.address)),
        _ => Err(format!("{} is not one recipient; commas go between them", piece.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}root: alice@x.test\n").unwrap();
        assert!(matches!(read(file.path()), Ok(text) if text == "root: alice@x.test\n"));
    }

    #[test]
    fn a_name_behind_a_comment_and_a_backslash_is_a_name() {
        let name = "A".repeat(70);
        for piece in [format!("(c)\\{name}"), name.clone()] {
            assert!(matches!(target(&piece), Ok(Target::Name(found)) if found == name), "{piece}");
        }
    }
}
