//! What callers leave to the program they start: an input of some kind, an environment or none, and descriptors that are
//! open or closed.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::process::{Command, Stdio};

use super::program::{BINARY, Ended, Program, finish};

/// How a process is started.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub name: &'static str,
    pub input: Input,
    pub environment: Environment,
    /// Which of standard output and standard error are closed.
    pub closed: &'static [u8],
}

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    Pipe,
    File,
    /// A file of which something else was read before.
    Rest,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// That of a plain caller, the program being called by its name as `sendmail`.
    Callers,
    /// None at all (`env -i`), the program being called as `posthaste --config FILE sendmail`.
    Empty,
}

const PLAIN: Start = Start { name: "a pipe", input: Input::Pipe, environment: Environment::Callers, closed: &[] };

pub const STARTS: &[Start] = &[
    PLAIN,
    Start { name: "a file", input: Input::File, ..PLAIN },
    Start { name: "a file from its middle on", input: Input::Rest, ..PLAIN },
    Start { name: "without standard output", closed: &[1], ..PLAIN },
    Start { name: "without standard error", closed: &[2], ..PLAIN },
    Start { name: "without both", closed: &[1, 2], ..PLAIN },
    Start { name: "without an environment", environment: Environment::Empty, ..PLAIN },
    Start { name: "a file and nothing else", input: Input::File, environment: Environment::Empty, closed: &[1, 2] },
    Start {
        name: "the rest of a file and nothing else",
        input: Input::Rest,
        environment: Environment::Empty,
        closed: &[1, 2],
    },
    Start { name: "without standard input", input: Input::Closed, ..PLAIN },
    Start { name: "without anything", input: Input::Closed, environment: Environment::Empty, closed: &[1, 2] },
];

/// What stands in the file before the place where the program begins to read: a recipient, should it do so too early.
const BEFORE: &[u8] = b"To: too-early@x.test\nBcc: too-early@x.test\n\n.\n";

impl Start {
    /// The same with an empty pipe, which is what a closed input must be taken for.
    pub fn with_nothing_to_read(self) -> Start {
        Start { input: Input::Pipe, ..self }
    }

    /// The command that starts the program under a name, a descriptor closed where it is to be.
    pub fn command(&self, program: &Program, name: &str, args: &[String]) -> Command {
        let mut words = Vec::new();
        match self.environment {
            Environment::Callers => words.push(program.path(name)),
            Environment::Empty => words.extend([BINARY.into(), "--config".into(), program.config(), name.into()]),
        }
        let closed = |descriptor: &u8| format!(" {descriptor}>&-");
        let input = if self.input == Input::Closed { " <&-" } else { "" };
        // A shell makes variables of its own; and whoever runs the tests in the background may have SIGINT ignored, which
        // children inherit.
        let env = if self.environment == Environment::Empty { "env -i" } else { "env" };
        let closed: String = self.closed.iter().map(closed).collect();
        let script = format!("exec /usr/bin/{env} --default-signal \"$@\"{input}{closed}");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script, "sh"]).args(words).args(args).env_clear().current_dir("/");
        if self.environment == Environment::Callers {
            command.env("POSTHASTE_CONFIG", program.config());
            command.env("PATH", "/usr/bin:/bin").env("HOME", program.home());
        }
        command
    }

    /// Runs a command that [`Start::command`] made.
    pub fn run(&self, command: &mut Command, program: &Program, input: &[u8]) -> Ended {
        match self.input {
            Input::Pipe => finish(command.stdin(Stdio::piped()), input),
            Input::Closed => finish(command.stdin(Stdio::null()), b""),
            Input::File | Input::Rest => {
                let before = if self.input == Input::Rest { BEFORE } else { b"" };
                let mut file = File::open(program.file("input", [before, input].concat())).unwrap();
                file.seek(SeekFrom::Start(before.len() as u64)).unwrap();
                finish(command.stdin(file), b"")
            }
        }
    }
}
