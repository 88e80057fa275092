//! Files of a caller that are not what they should be: none may hold the program, fill its memory or lose a message.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::case::Account::{Clear, StartTls};
use crate::case::{Case, case, play_all};
use crate::certificates::certificates;
use crate::foe::Foe;
use crate::login;

/// What stands under the name of a file, and what is said of it.
type Thing = (&'static str, fn(&Path), &'static str);

const THINGS: [Thing; 8] = [
    ("a FIFO", fifo, "it is not a regular file"),
    ("a directory", |path| fs::create_dir(path).unwrap(), "it is not a regular file"),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap()), ""),
    ("a device without end", |path| symlink("/dev/zero", path).unwrap(), "it is not a regular file"),
    ("a symbolic link to itself", |path| symlink(path, path).unwrap(), "too many levels of symbolic links"),
    ("a symbolic link to nothing", |path| symlink("/nonexistent/file", path).unwrap(), "no such file or directory"),
    ("a symbolic link to a FIFO", link_to_fifo, "it is not a regular file"),
    ("a hole of a gigabyte", hole, "larger than 128 KiB"),
];

fn fifo(path: &Path) {
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
}

fn link_to_fifo(path: &Path) {
    let other = path.with_extension("fifo");
    fifo(&other);
    symlink(other, path).unwrap();
}

fn hole(path: &Path) {
    File::create(path).unwrap().set_len(1 << 30).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, make, words) in THINGS {
        let configuration = case(format!("{what} for a configuration"), Clear, good).ends(78, words).unlogged();
        cases.push(configuration.prepared(move |home| {
            fs::remove_file(home.join("config.toml")).unwrap();
            make(&home.join("config.toml"));
        }));
        // A password is fetched when the login is reached.
        let password = login::login(format!("{what} for a password-file"), "PLAIN", login::good);
        let password = password.ends(77, words).without_password().with("password-file = \"secret\"");
        cases.push(password.prepared(move |home| make(&home.join("secret"))));
        let words = if what == "a hole of a gigabyte" { "larger than 16 MiB" } else { words };
        let authority = case(format!("{what} for a tls-ca-file"), StartTls, trusted).ends(78, words).unlogged();
        cases.push(authority.prepared(move |home| {
            fs::remove_file(home.join("ca.pem")).unwrap();
            make(&home.join("ca.pem"));
        }));
        // A log is never a reason to fail a delivery.
        if what != "a symbolic link to nothing" && what != "a hole of a gigabyte" {
            let log = case(format!("{what} for a log-file"), Clear, good).unlogged();
            cases.push(log.prepared(move |home| make(&home.join("log"))));
        }
    }
    let most = 128 << 10;
    let texts: [(&str, Vec<u8>, &str); 12] = [
        ("as many brackets as may be", [b"server = ", &b"[".repeat(most - 9)[..]].concat(), ""),
        ("as many pairs of brackets as may be", [b"server=[", &b"[],".repeat(most / 3 - 3)[..], b"]"].concat(), ""),
        ("a mebibyte of brackets", b"[".repeat(1 << 20), "larger than 128 KiB"),
        ("thousands of tables", b"[a]\n".repeat(most / 4), ""),
        ("thousands of dots", [b"server", &b".a".repeat(most / 2 - 6)[..], b" = 1"].concat(), ""),
        ("a very long key", [&b"k".repeat(most - 4)[..], b" = 1"].concat(), ""),
        ("a very long value", [b"server = \"", &b"v".repeat(most - 11)[..], b"\""].concat(), ""),
        ("one very long line", vec![b'x'; most], ""),
        ("NULs", b"server = \"\0\"\n\0".to_vec(), ""),
        ("octets that are no text", b"server = \"\xff\xfe\"\n".to_vec(), "not UTF-8"),
        ("terminal escapes", b"\"\x1b]0;pwn\x07\" = 1\n".to_vec(), ""),
        ("escapes that are spelt out", b"\"\\u001b[31m\\u202e\" = 1\n".to_vec(), ""),
    ];
    for (what, text, words) in texts {
        let configuration = case(format!("{what} in a configuration"), Clear, good).ends(78, words).unlogged();
        cases.push(configuration.prepared(move |home| fs::write(home.join("config.toml"), &text).unwrap()));
    }
    cases.push(case("a configuration that all can write", Clear, good).ends(78, "chmod").unlogged().prepared(|home| {
        fs::set_permissions(home.join("config.toml"), Permissions::from_mode(0o666)).unwrap();
    }));
    cases.push(case("a symbolic link to a good configuration", Clear, good).prepared(|home| {
        fs::rename(home.join("config.toml"), home.join("other")).unwrap();
        symlink("other", home.join("config.toml")).unwrap();
    }));
    let authorities: [(&str, Vec<u8>); 5] = [
        ("nothing", Vec::new()),
        ("garbage", b"\0\xff\x1b[31m".repeat(1000)),
        ("a certificate that breaks off", b"-----BEGIN CERTIFICATE-----\nMIIB\n".to_vec()),
        ("a certificate of garbage", b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n".to_vec()),
        ("thousands of certificates", b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n".repeat(10_000)),
    ];
    for (what, text) in authorities {
        let authority = case(format!("{what} in a tls-ca-file"), StartTls, trusted).ends(78, "").unlogged();
        cases.push(authority.prepared(move |home| fs::write(home.join("ca.pem"), &text).unwrap()));
    }
    let commands = [
        ("floods", "yes"),
        ("floods through a pipe", "yes | cat"),
        ("floods in one line", "cat /dev/zero"),
        ("floods and fails", "yes | head -c 100000000; exit 3"),
        ("prints nothing", "true"),
        ("fails", "echo x; exit 3"),
        ("is ended", "kill -9 $$"),
        ("prints NULs", "printf '\\0\\0\\n'"),
        ("prints no text", "printf '\\377\\n'"),
        ("is not there", "/nonexistent/command 2>&-"),
        ("reads from the terminal", "cat"),
    ];
    for (what, command) in commands {
        let fails = login::login(format!("a password-command that {what}"), "PLAIN", login::good);
        let fails = fails.ends(77, "password").without_password();
        cases.push(fails.with(&format!("password-command = {command:?}")));
    }
    cases
}

fn good(foe: &mut Foe<'_>) -> io::Result<()> {
    foe.good_until(0)?;
    foe.good_from(0)
}

fn trusted(foe: &mut Foe<'_>) -> io::Result<()> {
    foe.start_tls(&certificates().trusted).map(drop)
}

#[test]
fn files() {
    play_all(cases());
}
