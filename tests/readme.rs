//! What a newcomer types first: the `console` blocks of README.md and the EXAMPLES of the manual, run by a shell with
//! the README's four lines of configuration against a server with TLS and a login.
//!
//! A block is lines `$ command`, the output that follows, and `? CODE` for an exit code that is not 0.

#![cfg(feature = "sink")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use posthaste::server::options::{Credential, Login, Options, Tls};
use posthaste::server::sink::{Sink, SinkEvent, SinkOptions};
use posthaste::smtp::sasl::BY_STRENGTH;

const README: &str = include_str!("../README.md");
const MANUAL: &str = include_str!("../man/posthaste.1");
const MANUAL_OF_SENDMAIL: &str = include_str!("../man/posthaste-sendmail.8");
const PASSWORD: &str = "correct horse battery staple";

#[test]
fn readme_does_what_it_says() {
    let blocks: Vec<String> = fenced("console").into_iter().map(str::to_owned).collect();
    assert!(blocks.len() >= 3, "{blocks:?}");
    assert_eq!(run(&blocks), ["bob@example.net", "bob@example.net"]);
}

#[test]
fn examples_of_the_manual_do_what_it_says() {
    let received = run(&literals(MANUAL));
    assert_eq!(received, ["bob@example.net", "root@example.org", "bob@example.net", "bob@example.net"]);
}

#[test]
fn examples_of_the_manual_of_sendmail_do_what_it_says() {
    let received = run(&literals(MANUAL_OF_SENDMAIL));
    assert_eq!(received, ["bob@example.net", "bob@example.net", "-bob@example.net"]);
}

/// The blocks without indent among the EXAMPLES of a page.
fn literals(page: &str) -> Vec<String> {
    let examples = page.split(".Sh EXAMPLES\n").nth(1).unwrap().split("\n.Sh ").next().unwrap();
    examples
        .split(".Bd -literal\n")
        .skip(1)
        .map(|rest| rest.split(".Ed").next().unwrap().replace("\\e", "\\").replace("\\&", ""))
        .collect()
}

/// Runs blocks one after the other in one empty home, and hands back who got mail.
fn run(blocks: &[String]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start();
    configure(home.path(), &server);
    for example in blocks.iter().flat_map(|block| examples(block)) {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{}", example.command)])
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", path(home.path()))
            .current_dir(home.path())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!((printed, output.status.code()), (example.output, Some(example.code)), "{}", example.command);
    }
    server.stop()
}

/// Writes the four lines of the README, with another host and the authority behind it; beside them a `pass` that knows
/// the password, and the names under which posthaste is called.
fn configure(home: &Path, server: &Server) {
    let lines = fenced("toml")[0];
    let host = "@smtp.example.org\"";
    assert_eq!(lines.matches(host).count(), 1, "{lines}");
    let lines = lines.replace(host, &format!("@localhost:{}\"", server.port));
    let directory = home.join(".config/posthaste");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("ca.pem"), &server.authority).unwrap();
    fs::write(directory.join("config.toml"), format!("{lines}tls-ca-file = \"ca.pem\"\n")).unwrap();
    fs::create_dir(home.join("bin")).unwrap();
    let script = home.join("pass");
    fs::write(&script, format!("#!/bin/sh\n[ \"$*\" = 'show smtp.example.org' ] && echo '{PASSWORD}'\n")).unwrap();
    // What we write ourselves is open in whatever another test is just starting, and what is open cannot be executed.
    let installed = Command::new("install").args(["-m", "755"]).arg(script).arg(home.join("bin/pass")).status();
    assert!(installed.unwrap().success());
    for name in ["sendmail", "mailq"] {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_posthaste"), home.join("bin").join(name)).unwrap();
    }
}

fn path(home: &Path) -> String {
    let built = Path::new(env!("CARGO_BIN_EXE_posthaste")).parent().unwrap();
    format!("{}:{}:{}", built.display(), home.join("bin").display(), std::env::var("PATH").unwrap())
}

/// The blocks of the README in this language.
fn fenced(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

struct Example {
    command: String,
    output: String,
    code: i32,
}

fn examples(block: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in block.replace("\\\n", "").lines() {
        match (line.strip_prefix("$ "), line.strip_prefix("? "), examples.last_mut()) {
            (Some(command), _, _) => {
                examples.push(Example { command: command.to_owned(), output: String::new(), code: 0 });
            }
            (None, Some(code), Some(example)) => example.code = code.parse().unwrap(),
            (None, None, Some(example)) => example.output.push_str(&format!("{line}\n")),
            (None, _, None) => panic!("output of no command: {line}"),
        }
    }
    examples
}

/// A sink on a thread of its own, which wants TLS from the first octet and a login.
struct Server {
    port: u16,
    authority: String,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    fn start() -> Server {
        let (ready, is_ready) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let credential = Credential::Only { user: "alice".to_owned(), password: PASSWORD.into() };
                let login = Login::Required { mechanisms: BY_STRENGTH.to_vec(), credential };
                let session = Options { tls: Tls::Required, login, ..Options::default() };
                let sink = Sink::bind(SinkOptions { session, ..SinkOptions::default() }).await.unwrap();
                let port = sink.submissions_addr().unwrap().port();
                ready.send((port, sink.certificate_pem().to_owned())).unwrap();
                let mut recipients = Vec::new();
                let on_event = |event| {
                    if let SinkEvent::Message { received, .. } = event {
                        let all = received.transaction.recipients.iter();
                        recipients.extend(all.map(|recipient| recipient.address.as_str().to_owned()));
                    }
                };
                sink.run(on_event, async { drop(stopped.await) }).await;
                recipients
            })
        });
        let (port, authority) = is_ready.recv().unwrap();
        Server { port, authority, stop, thread }
    }

    /// Stops it, and hands back the recipients of all messages.
    fn stop(self) -> Vec<String> {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}
