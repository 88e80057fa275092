//! Passwords: fetched only when a login has been reached, wiped when done, and in no message.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

pub use super::account::Secret;
use super::file;
use crate::system;

/// Why a password could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// What should be a password is none.
    #[error("the password {0}")]
    Unusable(&'static str),
    /// The file cannot be read.
    #[error("{key} {path} cannot be read: {reason}")]
    Unreadable {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: String,
        /// The words of the system.
        reason: String,
    },
    /// The wrong people can read or write the file, or own it.
    #[error("{key} {path} is not safe: {reason} ({cure})")]
    Exposed {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// The command that mends it.
        cure: String,
    },
    /// The command could not be started.
    #[error("password-command cannot be run: {0}")]
    NotRun(String),
    /// The command failed.
    #[error("password-command {0}")]
    Failed(String),
}

/// Fetches a password. It waits for as long as a command takes; a caller with a deadline runs [`command`] itself and
/// gives the answer to [`from_output`].
///
/// # Errors
/// [`SecretError`], which never shows the secret.
pub fn read(secret: &Secret) -> Result<Zeroizing<String>, SecretError> {
    match secret {
        Secret::Literal(password) => Ok(Zeroizing::new(password.expose_secret().to_owned())),
        Secret::File(path) => from_file(path),
        Secret::Command(line) => {
            from_output(command(line).output().map_err(|error| SecretError::NotRun(system::words(&error)))?)
        }
    }
}

/// Prepares `sh -c LINE` to print a password: nothing on stdin, stdout for the caller, stderr as it is (so that the
/// command can say what is wrong), no other descriptor, and an environment without passwords.
pub fn command(line: &str) -> Command {
    system::close_inherited();
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line).env_remove(VARIABLE).env_remove(PROXY_VARIABLE);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// Takes the password out of what a command printed: its first line.
///
/// # Errors
/// [`SecretError::Failed`] when the command did not end well, whatever it printed.
pub fn from_output(output: Output) -> Result<Zeroizing<String>, SecretError> {
    let printed = Zeroizing::new(output.stdout);
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) if printed.is_empty() => Err(SecretError::Failed("printed nothing".to_owned())),
        (Some(0), _) => first_line(&printed),
        (Some(127), _) => Err(SecretError::Failed("was not found (exit status 127)".to_owned())),
        (Some(code), _) => Err(SecretError::Failed(format!("failed with exit status {code}"))),
        (None, Some(signal)) => Err(SecretError::Failed(format!("was ended by signal {signal}"))),
        (None, None) => Err(SecretError::Failed("failed".to_owned())),
    }
}

/// What is wrong with a password, if anything is.
pub(super) fn check(password: &str) -> Result<(), SecretError> {
    match password {
        "" => Err(SecretError::Unusable("is empty")),
        text if text.contains('\0') => Err(SecretError::Unusable("contains a NUL character")),
        _ => Ok(()),
    }
}

/// The variables that hold a password, or may hold one, and that no child sees.
pub(super) const VARIABLE: &str = "POSTHASTE_PASSWORD";
const PROXY_VARIABLE: &str = "POSTHASTE_PROXY";

/// Reads a file with a private key, if nobody else can read it.
///
/// # Errors
/// [`SecretError::Unreadable`] and [`SecretError::Exposed`].
pub fn key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    private_file(path, "dkim-key", "a private key")
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    first_line(&private_file(path, "password-file", "a password")?)
}

/// The content of a file that a setting names, and that holds `what`.
fn private_file(path: &Path, key: &'static str, what: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let name = || path.display().to_string();
    let (octets, access) = file::read(path).map_err(|error| SecretError::Unreadable {
        key,
        path: name(),
        reason: system::words(&error),
    })?;
    let private = match is_mounted(path) {
        true => Ok(()),
        false => access.private(path, what),
    };
    private.and_then(|()| access.trusted(path, system::effective_user())).map_err(|exposure| SecretError::Exposed {
        key,
        path: name(),
        reason: exposure.message,
        cure: exposure.help,
    })?;
    if octets.is_empty() {
        return Err(SecretError::Unreadable { key, path: name(), reason: "it is empty".to_owned() });
    }
    Ok(octets)
}

/// Whether a container's manager has put the secret there. Its mode (0444 in Docker) cannot be changed, and whoever
/// is in the container is meant to read it.
fn is_mounted(path: &Path) -> bool {
    ["/run/secrets", "/var/run/secrets"].iter().any(|dir| path.starts_with(dir))
        && !path.components().any(|component| component.as_os_str() == "..")
}

fn first_line(octets: &[u8]) -> Result<Zeroizing<String>, SecretError> {
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| SecretError::Unusable("is not UTF-8"))?;
    check(text)?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<String, String> {
        match read(&Secret::Command(line.to_owned())) {
            Ok(password) => Ok(password.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn password_is_the_first_line_that_a_command_prints() {
        assert_eq!(run("echo hunter2"), Ok("hunter2".into()));
        assert_eq!(run("printf 'hunter2\\r\\nuser: alice\\n'"), Ok("hunter2".into()));
        assert_eq!(run("printf ' two words '"), Ok(" two words ".into()));
        assert_eq!(run("cat"), Err("password-command printed nothing".into()));
        assert_eq!(run("printf '\\nhunter2'"), Err("the password is empty".into()));
        assert_eq!(run("printf 'hunt\\000er2'"), Err("the password contains a NUL character".into()));
        assert_eq!(run("printf '\\377\\n'"), Err("the password is not UTF-8".into()));
        assert_eq!(run("echo hunter2; exit 3"), Err("password-command failed with exit status 3".into()));
        assert_eq!(run("kill -9 $$"), Err("password-command was ended by signal 9".into()));
    }

    #[test]
    fn secret_that_is_mounted_in_a_container_is_known_by_its_path() {
        assert!(is_mounted(Path::new("/run/secrets/smtp")));
        assert!(!is_mounted(Path::new("/run/secrets/../../home/alice/password")));
        assert!(!is_mounted(Path::new("/run/secretservice/smtp")));
    }
}
