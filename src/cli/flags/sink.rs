//! The flags of `posthaste sink`.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format;
use crate::cli::values::{self, Sink, SinkFaults, SinkLogin, SinkProtocol, SinkTls};

const EXAMPLES: &str = "\
Examples:
  posthaste sink
  posthaste sink --maildir caught --tls-listen 2465 --require-tls
  posthaste sink --json --count 1 > message.json";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SinkFlags {
    /// Listen here; a port alone is on loopback
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2525", value_parser = values::listen_address)]
    listen: std::net::SocketAddr,
    /// Listen here too, with TLS from the first octet
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = values::listen_address)]
    tls_listen: Option<std::net::SocketAddr>,
    /// Store messages in this Maildir, which is made; without it, print them
    #[arg(long, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    maildir: Option<PathBuf>,
    /// Report in JSON, one object a message
    #[arg(long)]
    json: bool,
    /// Demand a login under this name; without it, any or none will do
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// The file whose first line is the password
    #[arg(long, value_name = "FILE", requires = "user", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Speak LMTP, with an answer for each recipient
    #[arg(long)]
    lmtp: bool,
    /// Take no mail in clear text
    #[arg(long)]
    require_tls: bool,
    /// Write the certificate of its authority here, for a client's tls-ca-file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Refuse larger messages; octets, or with K, M or G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,
    /// Fail as local parts ask: refuse-550@…, defer-451@…, data-refuse-554@…, data-defer-451@…, drop@…, data-drop@…
    #[arg(long)]
    faults: bool,
    /// End after this many messages
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU64>,
}

impl SinkFlags {
    pub(super) fn sink(self) -> Sink {
        Sink {
            listen: self.listen,
            tls_listen: self.tls_listen,
            maildir: self.maildir,
            format: format(self.json),
            login: self.user.zip(self.password_file).map(|(user, password_file)| SinkLogin { user, password_file }),
            protocol: if self.lmtp { SinkProtocol::Lmtp } else { SinkProtocol::Smtp },
            tls: if self.require_tls { SinkTls::Required } else { SinkTls::Offered },
            ca_file: self.ca_file,
            max_size: self.max_size,
            faults: if self.faults { SinkFaults::ByLocalPart } else { SinkFaults::Off },
            count: self.count,
        }
    }
}
