//! What becomes of what sessions with mail exchangers tell of TLS: the key `tlsrpt`.

use std::path::PathBuf;

use super::resolve::Resolver;
use super::settings::Set;
use super::value::{Fault, list, quoted, text};

/// What becomes of it (RFC 8460).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsReports {
    /// Nothing is recorded.
    Off,
    /// It is kept in files of this directory, for `posthaste tlsrpt`.
    Files(PathBuf),
    /// A collector gets it, at this Unix socket.
    Collector(PathBuf),
}

/// The value as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Off,
    /// In the usual directory, or in this one.
    Files(Option<String>),
    Collector(String),
}

pub(super) fn kept(value: &str) -> Result<Kept, Fault> {
    match value.split_once(':') {
        None if value == "off" => Ok(Kept::Off),
        None if value == "record" => Ok(Kept::Files(None)),
        Some(("record", directory)) => text(directory).map(|directory| Kept::Files(Some(directory))),
        Some(("socket", path)) => text(path).map(Kept::Collector),
        _ => {
            let forms = list(["off", "record", "record:DIRECTORY", "socket:PATH"]);
            Err(Fault::new(format!("{} is none of {forms}", quoted(value))))
        }
    }
}

impl Resolver<'_> {
    /// Without a home there is no usual directory, and nothing is recorded.
    pub(super) fn tls_reports(&self) -> TlsReports {
        let Some(set) = self.pick_set(|s| s.tlsrpt.as_ref()) else { return TlsReports::Off };
        let path = |text: &String| self.path(&Set { value: text.clone(), place: set.place });
        match &set.value {
            Kept::Off => TlsReports::Off,
            Kept::Files(Some(directory)) => TlsReports::Files(path(directory)),
            Kept::Files(None) => self.state_directory().map_or(TlsReports::Off, TlsReports::Files),
            Kept::Collector(socket) => TlsReports::Collector(path(socket)),
        }
    }
}
