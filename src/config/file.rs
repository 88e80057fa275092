//! Files with settings or secrets: opened once, looked at through the one descriptor, and read if their owner and
//! mode allow that.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::system::{self, Content};

/// Who may do what with a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub owner: u32,
    pub mode: u32,
}

/// Why a file is not to be used, and the command that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exposure {
    pub message: String,
    pub help: String,
}

/// Reads a file of the configuration, or one with a secret.
pub(super) fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Access)> {
    let Content { octets, owner, mode } = system::read_file(path, LARGEST)?;
    Ok((octets, Access { owner, mode }))
}

impl Access {
    /// Whether the file may tell `user` what to do: it is theirs or root's, and not everybody can write it.
    pub(super) fn trusted(self, path: &Path, user: u32) -> Result<(), Exposure> {
        if self.owner != user && self.owner != 0 {
            let owner = system::User::of(self.owner).login;
            return Err(Exposure {
                message: format!("it belongs to {owner}, who is neither root nor the user of this process"),
                help: format!("Run: chown {} {}", system::User::of(user).login, shell(path)),
            });
        }
        if self.mode & 0o002 != 0 {
            let message = "everybody can write it".to_owned();
            return Err(Exposure { message, help: format!("Run: chmod o-w {}", shell(path)) });
        }
        Ok(())
    }

    /// Whether the file may hold such a secret: nobody but its owner can read it and, if that is root, its group.
    pub(super) fn private(self, path: &Path, what: &str) -> Result<(), Exposure> {
        let shared = if self.owner == 0 { 0 } else { 0o040 };
        let who = match self.mode & (0o004 | shared) {
            0 => return Ok(()),
            mode if mode & 0o004 != 0 => "everybody",
            _ => "its group",
        };
        let mode = if self.owner == 0 && self.mode & 0o040 != 0 { "640" } else { "600" };
        Err(Exposure {
            message: format!("it holds {what}, and {who} can read it"),
            help: format!("Run: chmod {mode} {}", shell(path)),
        })
    }
}

/// A path as a shell wants it.
pub(super) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    match text.chars().all(plain) && !text.starts_with('-') {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// KiB that a file may have. What TOML makes of one may need a hundred times as much memory, before anything in it can be
/// refused.
const LARGEST: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_for_its_owner_and_the_group_of_root() {
        let path = Path::new("/etc/posthaste/config.toml");
        let table = [
            (1000, 0o600, None),
            (1000, 0o400, None),
            (1000, 0o640, Some("Run: chmod 600 /etc/posthaste/config.toml")),
            (1000, 0o604, Some("Run: chmod 600 /etc/posthaste/config.toml")),
            (1000, 0o644, Some("Run: chmod 600 /etc/posthaste/config.toml")),
            (0, 0o640, None),
            (0, 0o600, None),
            (0, 0o644, Some("Run: chmod 640 /etc/posthaste/config.toml")),
            (0, 0o604, Some("Run: chmod 600 /etc/posthaste/config.toml")),
        ];
        for (owner, mode, expected) in table {
            let help = Access { owner, mode }.private(path, "a password").err().map(|exposure| exposure.help);
            assert_eq!(help.as_deref(), expected, "{owner} {mode:o}");
        }
    }

    #[test]
    fn file_of_another_user_and_file_that_all_can_write_are_not_trusted() {
        let path = Path::new("/srv/it's.toml");
        assert!(Access { owner: 0, mode: 0o644 }.trusted(path, 1000).is_ok());
        assert!(Access { owner: 1000, mode: 0o664 }.trusted(path, 1000).is_ok());
        assert!(Access { owner: 1001, mode: 0o600 }.trusted(path, 1000).is_err());
        assert!(Access { owner: 1001, mode: 0o600 }.trusted(path, 0).is_err());
        let exposure = Access { owner: 1000, mode: 0o666 }.trusted(path, 1000).unwrap_err();
        assert_eq!(exposure.help, "Run: chmod o-w '/srv/it'\\''s.toml'");
    }
}
