//! `posthaste dkim`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::UsageError;
use crate::cli::values::{Dkim, KeyName, KeyType};

const EXAMPLES: &str = "\
Examples:
  posthaste dkim keygen --selector 2026a --domain example.org 2026a.pem
  posthaste dkim record";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(super) struct DkimFlags {
    /// What is to be done
    #[arg(value_name = "ACTION")]
    action: Action,
    /// The file with the private key; `record` takes those of the account without it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// The name of the key's record below _domainkey
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// The domain whose mail is signed
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// What kind of key is made
    #[arg(long = "type", value_name = "TYPE", default_value = "rsa")]
    kind: Kind,
    /// How long a key of RSA is
    #[arg(long, value_name = "NUMBER", default_value = "2048", value_parser = ["2048", "3072", "4096"])]
    bits: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    /// Make a key in a new file, and print its record
    Keygen,
    /// Print the record of a key
    Record,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// RSA, which all verifiers know
    Rsa,
    /// Ed25519, which many do not know yet
    Ed25519,
}

impl DkimFlags {
    pub(super) fn dkim(self) -> Result<Dkim, UsageError> {
        let name = match (self.selector, self.domain) {
            (Some(selector), Some(domain)) => Some(KeyName { selector, domain }),
            (None, None) => None,
            _ => return Err(UsageError::new("--selector and --domain belong together")),
        };
        let kind = match self.kind {
            Kind::Rsa => KeyType::Rsa { bits: self.bits.parse().unwrap_or(2048) },
            Kind::Ed25519 => KeyType::Ed25519,
        };
        match (self.action, self.file, name) {
            (Action::Keygen, Some(file), Some(name)) => Ok(Dkim::KeyGen { file, name, kind }),
            (Action::Keygen, ..) => Err(UsageError::new("a key needs a file, a selector and a domain")
                .hint("posthaste dkim keygen --selector 2026a --domain example.org 2026a.pem")),
            (Action::Record, Some(file), Some(name)) => Ok(Dkim::Record { file, name }),
            (Action::Record, None, None) => Ok(Dkim::AccountRecords),
            (Action::Record, ..) => {
                Err(UsageError::new("the record of a file needs --selector and --domain, and these a file"))
            }
        }
    }
}
