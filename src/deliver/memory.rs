//! What is remembered of a server, as far as it is of use to an account.

use crate::config::account::{self, Account, Endpoint, Host, Scheme};
use crate::route::{Hop, LogIn};
use crate::smtp::memory::Memory;
use crate::smtp::sasl::Mechanism;
use crate::smtp::session::{LoginMode, Settings, TlsMode};
use crate::state::{Key, Store};

/// A place for what is known of one server.
#[derive(Debug)]
pub struct Remembered {
    store: Store,
    key: Key,
}

impl Remembered {
    /// The place; `None` where nothing could be gained by it, or nothing shall be kept.
    pub fn of(account: &Account, hop: &Hop<'_>, settings: &Settings) -> Option<Self> {
        let path = account.state_file.as_ref()?;
        let server = &hop.server;
        let (host, port) = match &server.endpoint {
            Endpoint::Tcp { host: Host::Name(name), port } => (name.clone(), *port),
            Endpoint::Tcp { host: Host::Address(address), port } => (address.to_string(), *port),
            Endpoint::Unix(_) => return None,
        };
        let (user, may_go_ahead) = match &settings.login {
            LoginMode::None => ("", false),
            LoginMode::As { user, mechanisms, .. } => {
                let in_one_step = |mechanism| matches!(mechanism, &Mechanism::Plain | &Mechanism::External);
                (user.as_str(), mechanisms.iter().any(in_one_step))
            }
        };
        let chunks = matches!(account.chunking, account::Chunking::Always | account::Chunking::SameFlight);
        let is_of_use = may_go_ahead || chunks || settings.tls == TlsMode::Opportunistic;
        // Mail exchangers are too many, and see each of us too seldom. For another client the server may behave in another way.
        if !is_of_use || server.scheme == Scheme::Lmtp || hop.login == LogIn::Never || !account.xclient.is_empty() {
            return None;
        }
        let key = Key { host, port, tls: settings.tls, user: user.to_owned() };
        Some(Remembered { store: Store::new(path), key })
    }

    /// What is known.
    pub fn recall(&self) -> Memory {
        self.store.recall(&self.key)
    }

    /// Keeps what is known now.
    pub fn remember(&self, memory: Memory) {
        self.store.remember(&self.key, memory);
    }
}
