//! The environment of the process as an argument: what the configuration asks of it, and no more.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::error::{ConfigError, Kind};
use super::schema::{PREFIX, SCHEMA};
use super::settings::{Found, Input, Place, Settings};
use super::{parse, suggest};
use crate::system::{self, Identity, Machine};

/// Variables, and the facts of the system that stand beside them.
///
/// It does not implement `Debug`, for one of the variables may be a password.
#[derive(Clone)]
pub struct Environment {
    variables: Vec<(String, OsString)>,
    user: u32,
    home: fn() -> Option<PathBuf>,
    system_file: PathBuf,
    machine: Machine,
}

impl Environment {
    /// Takes the variables and the user of this process.
    pub fn of_process() -> Self {
        let home = || system::User::current().home;
        Environment { home, ..Environment::new(std::env::vars_os(), system::identity()) }
    }

    /// Takes these variables. When the identity has changed, none of them is believed, not even `HOME`.
    pub fn new<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
        identity: Identity,
    ) -> Self {
        let wanted = |name: &str| name.starts_with(PREFIX) || OTHERS.contains(&name);
        let variables = match identity {
            Identity::Changed => Vec::new(),
            Identity::Plain => variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.into().into_string().ok()?, value.into())))
                .filter(|(name, value)| wanted(name) && !value.is_empty())
                .collect(),
        };
        Environment {
            variables,
            user: system::effective_user(),
            home: || None,
            system_file: SYSTEM_FILE.into(),
            machine: Machine::default(),
        }
    }

    /// Puts another file in the place of `/etc/posthaste/config.toml`.
    pub fn with_system_file(self, path: impl Into<PathBuf>) -> Self {
        Environment { system_file: path.into(), ..self }
    }

    /// Puts another machine in the place of this one.
    pub fn with_machine(self, machine: Machine) -> Self {
        Environment { machine, ..self }
    }

    /// Makes somebody else the user whose files are trusted.
    pub fn with_user(self, user: u32) -> Self {
        Environment { user, ..self }
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The value of a variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    pub(super) fn user(&self) -> u32 {
        self.user
    }

    pub(super) fn system_file(&self) -> &PathBuf {
        &self.system_file
    }

    /// The home directory: `HOME`, and only when that is missing what the system's records say.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.absolute("HOME").or_else(self.home)
    }

    /// The personal file, whether it is there or not.
    pub(super) fn personal_file(&self) -> Option<PathBuf> {
        let base = self.absolute("XDG_CONFIG_HOME").or_else(|| Some(self.home()?.join(".config")))?;
        Some(base.join("posthaste/config.toml"))
    }

    /// The file with what is remembered of servers, whether it is there or not.
    pub(super) fn state_file(&self) -> Option<PathBuf> {
        let base = self.absolute("XDG_STATE_HOME").or_else(|| Some(self.home()?.join(".local/state")))?;
        Some(base.join("posthaste/servers"))
    }

    /// A variable that holds a path; a relative one is passed over, as the XDG specification says.
    pub(super) fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The settings among the variables.
    pub(super) fn settings(&self) -> Result<Settings, ConfigError> {
        let mut settings = Settings::default();
        for (variable, value) in &self.variables {
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let name = name.to_ascii_lowercase().replace('_', "-");
            let Some(key) = SCHEMA.iter().find(|key| key.name == name) else {
                misspelt(variable, &name)?;
                continue;
            };
            let Some(text) = value.to_str() else {
                return Err(ConfigError::new(Kind::Invalid, format!("{variable} is not UTF-8")));
            };
            let input = Input { found: Found::Variable(text), place: Place::Environment };
            key.store(&mut settings, &input).map_err(|mistake| parse::explain(key, variable, mistake).0)?;
        }
        Ok(settings)
    }
}

/// An unknown variable is an error only when a known one was clearly meant. Others are not ours to judge: Kubernetes
/// makes `POSTHASTE_PORT` out of a service that is called so.
fn misspelt(variable: &str, name: &str) -> Result<(), ConfigError> {
    let known = SCHEMA.iter().map(|key| key.name).chain(["account", "config"]);
    if known.clone().any(|known| known == name) {
        return Ok(());
    }
    match suggest::nearest(name, known) {
        None => Ok(()),
        Some(near) => {
            let near = format!("{PREFIX}{}", near.to_ascii_uppercase().replace('-', "_"));
            Err(ConfigError::new(Kind::Invalid, format!("{variable} in the environment is no setting"))
                .help(format!("Did you mean {near}?")))
        }
    }
}

/// Variables without the prefix that are looked at.
const OTHERS: [&str; 4] = ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CREDENTIALS_DIRECTORY"];
const SYSTEM_FILE: &str = "/etc/posthaste/config.toml";
