//! The program, and the ways in which callers run it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use posthaste::system::User;
use tempfile::TempDir;

/// Where the program is, under its other names too.
pub const BINARY: &str = env!("CARGO_BIN_EXE_posthaste");

/// A configuration, and a place for all that a caller leaves lying about.
pub struct Program {
    home: TempDir,
}

/// How a caller runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As `sendmail`, the message in a pipe.
    Pipe,
    /// As `sendmail`, the message in a file.
    File,
    /// As `posthaste sendmail`, with no environment at all, and nothing open but a pipe with the message.
    Bare,
}

pub const WAYS: [Way; 3] = [Way::Pipe, Way::File, Way::Bare];

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// Whether all of the input could be written.
    pub fed: io::Result<()>,
}

impl Program {
    /// A program that submits to this server, in clear text and without a login.
    pub fn to(server: SocketAddr) -> Program {
        Program::with(&format!("server = \"smtp://{server}\"\ntls = \"none\"\n"))
    }

    /// A program with these settings, and with those that make it independent of this machine.
    pub fn with(settings: &str) -> Program {
        let home = tempfile::tempdir().unwrap();
        let common = "mail-domain = \"example.org\"\nhostname = \"box.example.org\"\nlog = \"none\"\n";
        let program = Program { home };
        // What stands behind a table would belong to it.
        let aliases = if settings.contains("aliases = ") { "" } else { "aliases = \"none\"\n" };
        fs::write(program.config(), format!("{common}{aliases}{settings}")).unwrap();
        fs::set_permissions(program.config(), fs::Permissions::from_mode(0o600)).unwrap();
        for name in ["sendmail", "mailq", "newaliases"] {
            symlink(BINARY, program.path(name)).unwrap();
        }
        program
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file with this content.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// The command under one of its names, with the environment of a plain caller.
    pub fn named(&self, name: &str) -> Command {
        let mut command = Command::new(self.path(name));
        command.env_clear().env("POSTHASTE_CONFIG", self.config());
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.home()).current_dir("/");
        command
    }

    /// `posthaste`, likewise.
    pub fn posthaste(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().env("POSTHASTE_CONFIG", self.config()).env("HOME", self.home()).args(args);
        command
    }

    /// `sendmail` in a shell that does something to it first: `script` gets the command line as `"$@"`.
    pub fn in_shell(&self, script: &str, args: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh", BINARY, "--config"]).arg(self.config()).arg("sendmail").args(args);
        command.env_clear();
        command
    }

    /// Runs `sendmail` in one of the ways.
    pub fn run(&self, way: Way, args: &[&str], input: &[u8]) -> Ended {
        let mut command = match way {
            Way::Pipe | Way::File => self.named("sendmail"),
            Way::Bare => self.in_shell(r#"exec "$@" >&- 2>&-"#, args),
        };
        match way {
            Way::Pipe => run(command.args(args), input),
            Way::File => {
                let file = File::open(self.file("input", input)).unwrap();
                finish(command.args(args).stdin(file), b"")
            }
            Way::Bare => run(&mut command, input),
        }
    }

    /// Runs `sendmail` with the message in a pipe.
    pub fn sendmail(&self, args: &[&str], input: impl AsRef<[u8]>) -> Ended {
        self.run(Way::Pipe, args, input.as_ref())
    }
}

/// Runs a command to its end, with this input in a pipe.
pub fn run(command: &mut Command, input: &[u8]) -> Ended {
    finish(command.stdin(Stdio::piped()), input)
}

/// Runs a command to its end.
pub fn finish(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take();
    thread::scope(|scope| {
        let feeding = scope.spawn(move || pipe.map_or(Ok(()), |mut pipe| pipe.write_all(input)));
        let mut errors = child.stderr.take().unwrap();
        let reading = scope.spawn(move || {
            let mut text = Vec::new();
            errors.read_to_end(&mut text).map(|_| text)
        });
        let mut stdout = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        let status = child.wait().unwrap();
        Ended {
            status,
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(reading.join().unwrap().unwrap()).unwrap(),
            fed: feeding.join().unwrap(),
        }
    })
}

impl Ended {
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{self:?}"))
    }

    /// Success, and not a word: callers take any output for a failure.
    pub fn assert_silent_success(&self) {
        let Ended { stdout, stderr, .. } = self;
        assert_eq!((self.code(), stdout.as_str(), stderr.as_str()), (0, "", ""));
        assert!(self.fed.is_ok(), "the input was not read to its end");
    }

    /// A failure in one line, fit for a log, that has these words.
    pub fn assert_failure(&self, code: i32, words: &[&str]) {
        self.assert_failures(code, 1, words);
    }

    pub fn assert_failures(&self, code: i32, lines: usize, words: &[&str]) {
        let Ended { stdout, stderr, .. } = self;
        assert_eq!((self.code(), stdout.as_str()), (code, ""), "{stderr}");
        assert!(stderr.ends_with('\n') && stderr.lines().count() == lines, "{stderr:?}");
        for line in stderr.lines() {
            assert!(line.starts_with("posthaste: ") && !line.contains(char::is_control), "{line:?}");
        }
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
        }
    }
}

/// The caller's own address.
pub fn me() -> String {
    format!("{}@example.org", User::current().login)
}
