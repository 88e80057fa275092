//! Delivery to a Maildir: written in `tmp`, on disk before it is seen in `new`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::transaction::Transaction;

/// Makes the directories of a Maildir that are not there, for their owner alone.
pub(super) fn create(directory: &Path) -> io::Result<()> {
    for part in ["tmp", "new", "cur"] {
        DirBuilder::new().recursive(true).mode(0o700).create(directory.join(part))?;
    }
    Ok(())
}

/// A message on its way; it is taken away again unless [`Delivery::finish`] succeeds.
#[derive(Debug)]
pub(super) struct Delivery {
    file: BufWriter<File>,
    directory: PathBuf,
    name: String,
    line_end: LineEnd,
    done: Done,
}

/// What a CR at the end of the last block may become.
#[derive(Debug, PartialEq, Eq)]
enum LineEnd {
    Nothing,
    Cr,
}

#[derive(Debug, PartialEq, Eq)]
enum Done {
    No,
    Yes,
}

impl Delivery {
    /// Opens a file under a name that is used once, and writes the envelope at its top: `X-Envelope-From` and an
    /// `X-Envelope-To` for each recipient.
    pub(super) fn begin(directory: &Path, host: &str, transaction: &Transaction) -> io::Result<Self> {
        let name = unique_name(host);
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join("tmp").join(&name))?;
        let mut delivery = Delivery {
            file: BufWriter::with_capacity(1 << 16, file),
            directory: directory.to_owned(),
            name,
            line_end: LineEnd::Nothing,
            done: Done::No,
        };
        writeln!(delivery.file, "X-Envelope-From: <{}>", transaction.sender.as_str())?;
        for recipient in &transaction.recipients {
            writeln!(delivery.file, "X-Envelope-To: <{}>", recipient.address.as_str())?;
        }
        Ok(delivery)
    }

    /// Writes octets. CRLF becomes LF, as in any Maildir; lone CRs and LFs stay.
    pub(super) fn push(&mut self, mut octets: &[u8]) -> io::Result<()> {
        if self.line_end == LineEnd::Cr && !octets.is_empty() {
            if octets[0] != b'\n' {
                self.file.write_all(b"\r")?;
            }
            self.line_end = LineEnd::Nothing;
        }
        if let Some(head) = octets.strip_suffix(b"\r") {
            octets = head;
            self.line_end = LineEnd::Cr;
        }
        let mut rest = octets;
        while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
            self.file.write_all(&rest[..at])?;
            rest = &rest[at + 1..];
        }
        self.file.write_all(rest)
    }

    /// Moves the message to `new` when it is on disk, and says where it is.
    pub(super) fn finish(mut self) -> io::Result<PathBuf> {
        if self.line_end == LineEnd::Cr {
            self.file.write_all(b"\r")?;
        }
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let new = self.directory.join("new");
        let path = new.join(&self.name);
        std::fs::rename(self.temporary(), &path)?;
        self.done = Done::Yes;
        File::open(new)?.sync_all()?;
        Ok(path)
    }

    fn temporary(&self) -> PathBuf {
        self.directory.join("tmp").join(&self.name)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.done == Done::No {
            // Nobody looks at what is left in tmp; a Maildir's owner sweeps it.
            let _ = std::fs::remove_file(self.temporary());
        }
    }
}

/// `seconds.MmicrosecondsPprocessQcount.host`, as the Maildir specification proposes.
fn unique_name(host: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let host: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect();
    format!("{}.M{}P{}Q{count}.{host}", now.as_secs(), now.subsec_micros(), process::id())
}
