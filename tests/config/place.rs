//! A directory with configuration files in it, and nothing of this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use posthaste::config::account::{Account, Log};
use posthaste::config::{Choice, Config, ConfigError, Environment, load};
use posthaste::system::{Identity, Machine};

/// Files in a directory of their own, and a user to whom they belong who is not root.
pub struct Place {
    directory: tempfile::TempDir,
    pub user: u32,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("posthaste").tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        Place { directory, user: if own == 0 { 1000 } else { own } }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file that belongs to the user, with directories on the way to it.
    pub fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            chown(&path, Some(self.user), Some(self.user)).unwrap();
        }
        path
    }

    /// An environment with these variables, whose system file is `system.toml` here.
    pub fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        self.environment_of(variables, Identity::Plain)
    }

    pub fn environment_of(&self, variables: &[(&str, &str)], identity: Identity) -> Environment {
        let machine = Machine {
            mailname: self.path("mailname"),
            hosts: self.path("hosts"),
            node: Some("machine.example.net".to_owned()),
        };
        Environment::new(variables.iter().copied(), identity)
            .with_system_file(self.path("system.toml"))
            .with_machine(machine)
            .with_user(self.user)
    }

    /// Loads this text as a file that only its owner can read.
    pub fn load(&self, text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let path = self.write("config.toml", text, 0o600);
        load(&self.environment(variables), Some(&path))
    }

    /// The account that this text and these variables make when nobody chooses one.
    pub fn account(&self, text: &str, variables: &[(&str, &str)]) -> Result<Account, ConfigError> {
        self.load(text, variables)?.account(ANY)
    }

    /// A report without the path of this directory.
    pub fn report(&self, error: &ConfigError) -> String {
        error.report().replace(&format!("{}/", self.directory.path().display()), "")
    }
}

/// Nobody chooses an account.
pub const ANY: Choice<'_> = Choice { name: None, sender: None, log: Log::None };

pub fn named(name: &str) -> Choice<'_> {
    Choice { name: Some(name), ..ANY }
}

pub fn sent_by(sender: &str) -> Choice<'_> {
    Choice { sender: Some(sender), ..ANY }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a file to root, which only root can do.
pub fn give_to_root(path: &Path) {
    chown(path, Some(0), Some(0)).unwrap();
}
