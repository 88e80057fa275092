//! A case: a server that means no good, the account that meets it, and how that must end.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::certificates::certificates;
use crate::foe::Foe;
use crate::program::{BINARY, Program};
use crate::secrets::{PASSWORD, USER, secrets};
use crate::wire::{Wire, holds};

/// Most KiB of memory for data that the system gives the program; beyond that it would be ended by SIGABRT. What is
/// resident at the peak would say less: the kernel counts in what this process has when it makes the child.
const MEMORY: u32 = 16 << 10;
/// A run that lasts longer hangs. No run takes nearly so long, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(90);
/// Most octets of what a person has to read.
const WORDS: usize = 2048;
/// What errors look like that were not made for people.
const DEBUG_FORMS: [&str; 8] = ["(os error", "IpAddress(", "DnsName(", "Some(", "Err(", "Custom {", ": [6", "panicked"];
/// Cases that are played at a time; most of them wait.
const AT_A_TIME: usize = 4;

/// What is done to the files in the home directory before the program runs.
type Prepare = Box<dyn Fn(&Path) + Send>;
type Script = Box<dyn FnMut(&mut Foe<'_>) -> io::Result<()> + Send>;

/// How an account comes to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// In clear text, without a login.
    Clear,
    /// In clear text, with a login: the user wants it so.
    ClearLogin,
    /// By STARTTLS, with a login.
    StartTls,
    /// By TLS from the start, with a login.
    Implicit,
}

pub struct Case {
    pub name: String,
    account: Account,
    settings: String,
    prepare: Option<Prepare>,
    message: Vec<u8>,
    script: Script,
    log: LogIs,
    password: PasswordIs,
    code: i32,
    words: &'static str,
}

/// Whether there is a log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LogIs {
    Kept,
    Absent,
}

/// Where the password stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PasswordIs {
    InConfiguration,
    Elsewhere,
}

/// A case whose message must be sent, unless it is told otherwise.
pub fn case(
    name: impl Into<String>,
    account: Account,
    script: impl FnMut(&mut Foe<'_>) -> io::Result<()> + Send + 'static,
) -> Case {
    let message = b"Subject: s\n\nb\n".to_vec();
    let script = Box::new(script);
    Case {
        name: name.into(),
        account,
        settings: String::new(),
        prepare: None,
        message,
        script,
        log: LogIs::Kept,
        password: PasswordIs::InConfiguration,
        code: 0,
        words: "",
    }
}

impl Case {
    /// It ends with this exit code, and with these words.
    pub fn ends(self, code: i32, words: &'static str) -> Case {
        Case { code, words, ..self }
    }

    /// It is a temporary failure.
    pub fn deferred(self, words: &'static str) -> Case {
        self.ends(75, words)
    }

    /// An account with this setting too.
    pub fn with(mut self, setting: &str) -> Case {
        writeln!(self.settings, "{setting}").unwrap();
        self
    }

    /// Something is done to the files in the home directory, once, before the program runs.
    pub fn prepared(self, prepare: impl Fn(&Path) + Send + 'static) -> Case {
        Case { prepare: Some(Box::new(prepare)), ..self }
    }

    /// No line of the log tells how it ended.
    pub fn unlogged(self) -> Case {
        Case { log: LogIs::Absent, ..self }
    }

    /// The password is where another setting says.
    pub fn without_password(self) -> Case {
        Case { password: PasswordIs::Elsewhere, ..self }
    }

    /// A server that waits is soon given up.
    pub fn impatient(self) -> Case {
        self.with("timeout = \"1s\"")
    }

    /// A message that fits into no buffer on the way.
    pub fn large(self) -> Case {
        Case { message: [&b"Subject: s\n\n"[..], &b"a line\n".repeat(1 << 20)].concat(), ..self }
    }
}

/// Plays all cases, each quietly and with the transcript, and tells of everything that was wrong.
pub fn play_all(cases: Vec<Case>) {
    let count = cases.len();
    let next = Mutex::new(cases.into_iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else { break };
                    let name = case.name.clone();
                    if let Err(what) = play(case) {
                        wrong.lock().unwrap().push(format!("{name}: {what}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {count} cases went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn play(case: Case) -> Result<(), String> {
    let Case { account, settings, prepare, message, mut script, log: log_is, password, code, words, .. } = case;
    let (tell, over) = channel();
    let wire = Wire::open(move |peer| script(&mut Foe { peer, over: &over }));
    let program = Program::with("");
    program.file("ca.pem", &certificates().authority_pem);
    program.file("config.toml", configuration(account, password, wire.address) + &settings);
    if let Some(prepare) = prepare {
        prepare(program.home());
    }
    for args in [&["bob@x.test"][..], &["-v", "bob@x.test"]] {
        let run = run(&mut limited(&program, &[&["sendmail"], args].concat()), &message);
        // A script that waits for it is the exception.
        let _ = tell.send(());
        let clear = wire.take().octets;
        let log = match log_is {
            LogIs::Kept => fs::read(program.path("log")).unwrap_or_default(),
            LogIs::Absent => Vec::new(),
        };
        let result = run.check(code, words, args.len() > 1, account);
        let result = result.and_then(|()| if log_is == LogIs::Kept { check_log(&log, code) } else { Ok(()) });
        result.and_then(|()| run.check_secrets(&clear, &log, account)).map_err(|what| {
            format!("{what}\n  with {args:?} the program said, and ended with {:?}:\n{}", run.code, run.stderr)
        })?;
    }
    Ok(())
}

fn configuration(account: Account, password: PasswordIs, server: SocketAddr) -> String {
    let scheme = match account {
        Account::Clear | Account::ClearLogin => "smtp",
        Account::StartTls => "submission",
        Account::Implicit => "submissions",
    };
    let mut text = format!("server = \"{scheme}://{server}\"\ntls-ca-file = \"ca.pem\"\nlog-file = \"log\"\n");
    text += "mail-domain = \"example.org\"\nhostname = \"box.example.org\"\n";
    if matches!(account, Account::Clear | Account::ClearLogin) {
        text += "tls = \"none\"\n";
    }
    if account != Account::Clear {
        writeln!(text, "user = \"{USER}\"").unwrap();
    }
    if account != Account::Clear && password == PasswordIs::InConfiguration {
        writeln!(text, "password = \"{PASSWORD}\"").unwrap();
    }
    text
}

/// The program with little memory.
pub fn limited(program: &Program, args: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("ulimit -d {MEMORY}; exec \"$@\"")).args(["sh", BINARY]).args(args);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", program.home());
    command.env("POSTHASTE_CONFIG", program.config());
    command
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Runs the program with this input, and ends it when it hangs.
pub fn run(command: &mut Command, input: &[u8]) -> Run {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_child(&child);
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut stderr = child.stderr.take().unwrap();
    thread::scope(|scope| {
        // One that does not want its input may close it.
        scope.spawn(move || _ = stdin.write_all(input));
        let (ended, watch) = channel::<()>();
        scope.spawn(move || {
            if watch.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                // It has not been waited for, so the number is its own.
                let _ = kill_process(id, Signal::KILL);
            }
        });
        let printing = scope.spawn(move || {
            let mut octets = Vec::new();
            stdout.read_to_end(&mut octets).map(|_| octets)
        });
        let mut told = Vec::new();
        stderr.read_to_end(&mut told).unwrap();
        let stdout = printing.join().unwrap().unwrap();
        let status = child.wait().unwrap();
        drop(ended);
        let stderr = String::from_utf8(told).unwrap();
        Run { code: status.code(), stdout, stderr }
    })
}

impl Run {
    fn check(&self, code: i32, words: &str, verbose: bool, account: Account) -> Result<(), String> {
        let stderr = &self.stderr;
        if self.code.is_none() {
            return Err("it was ended by a signal, as one that hangs or has too little memory".to_owned());
        }
        if self.code != Some(code) {
            return Err(format!("the exit code is not {code}"));
        }
        if !self.stdout.is_empty() {
            return Err(format!("it printed {}", self.stdout.escape_ascii()));
        }
        if let Some(control) = stderr.chars().find(|c| c.is_control() && *c != '\n') {
            return Err(format!("{control:?} in what it said"));
        }
        if let Some(form) = DEBUG_FORMS.iter().find(|form| stderr.contains(**form)) {
            return Err(format!("{form} in what it said"));
        }
        let lines = stderr.lines().filter(|line| !verbose || line.starts_with("posthaste: ")).count();
        let expected = usize::from(code != 0);
        if lines != expected {
            return Err(format!("{lines} lines, not {expected}"));
        }
        if expected == 1 && !stderr.lines().any(|line| line.starts_with("posthaste: ") && line.contains(words)) {
            return Err(format!("its line does not say {words:?}"));
        }
        if !verbose && stderr.len() > WORDS {
            return Err(format!("a line of {} octets ({account:?})", stderr.len()));
        }
        Ok(())
    }

    fn check_secrets(&self, clear: &[u8], log: &[u8], account: Account) -> Result<(), String> {
        for secret in secrets() {
            let places: [(&str, &[u8]); 3] =
                [("stderr", self.stderr.as_bytes()), ("the log", log), ("the wire", clear)];
            for (place, octets) in places {
                let is_wanted = place == "the wire" && account == Account::ClearLogin;
                if !is_wanted && holds(octets, &secret) {
                    return Err(format!("{} in {place}", secret.escape_ascii()));
                }
            }
        }
        Ok(())
    }
}

/// Each line of the log is printable, and the last one tells how it ended.
fn check_log(log: &[u8], code: i32) -> Result<(), String> {
    let text = std::str::from_utf8(log).map_err(|_| format!("the log has {}", log.escape_ascii()))?;
    if let Some(line) = text.lines().find(|line| !line.bytes().all(|b| b.is_ascii_graphic() || b == b' ')) {
        return Err(format!("the log has {line:?}"));
    }
    let last = text.lines().last().unwrap_or_default();
    let result = if code == 0 { "result=accepted" } else { "result=" };
    let is_right = last.contains(result) && last.contains("result=accepted") == (code == 0);
    if is_right { Ok(()) } else { Err(format!("the log ends with {last:?}")) }
}
