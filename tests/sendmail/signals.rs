//! Signals. Before the end of the input the caller has thought better of it, and half a message must not be sent; behind it
//! somebody must be told what became of the message.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use super::program::Program;
use super::relay::{Relay, plain};

/// Case 60: the pipe stays open, and the signal comes when what was written has been read.
///
/// P-084
#[test]
fn a_signal_before_the_end_of_the_input_sends_nothing() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    // A kibibyte, and so much that it is in a file already.
    for length in [1 << 10, 3 << 20] {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            let mut input = b"Subject: s\n\n".to_vec();
            input.resize(length, b'x');
            let (mut child, mut pipe) = start(&program);
            pipe.write_all(&input).unwrap();
            until_read(&pipe);
            kill_process(Pid::from_child(&child), signal).unwrap();
            let status = child.wait().unwrap();
            assert_eq!(status.signal(), Some(signal.as_raw()), "{status:?}");
            let mut rest = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut rest).unwrap();
            assert_eq!(rest, "");
            assert_eq!(relay.take().wire.connections, 0);
            drop(pipe);
        }
    }
}

/// A server that answers up to a command or the end of data, tells so, and then waits for a word of the test.
struct Silent {
    address: SocketAddr,
    reached: Receiver<()>,
    go_on: Sender<()>,
    serving: JoinHandle<()>,
}

impl Silent {
    fn behind(last: &'static str) -> Silent {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ((tell, reached), (go_on, wait)) = (channel(), channel());
        let serving = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let say = |text: &str| drop((&stream).write_all(text.as_bytes()));
            say("220 s.test ESMTP\r\n");
            let mut in_message = false;
            loop {
                let mut line = String::new();
                if lines.read_line(&mut line).unwrap_or_default() == 0 {
                    return;
                }
                in_message &= line != ".\r\n";
                if in_message {
                    continue;
                }
                if line.starts_with(last) {
                    tell.send(()).unwrap();
                    if wait.recv().is_err() {
                        return;
                    }
                }
                in_message = line.starts_with("DATA");
                say(if in_message { "354 go on\r\n" } else { "250 2.0.0 fine\r\n" });
            }
        });
        Silent { address, reached, go_on, serving }
    }

    /// A program that logs, and a message of it on its way to this server, up to where it is silent.
    fn call(&self, signals: &str, args: &[&str], input: &[u8]) -> (Program, Child) {
        let server = format!("server = \"smtp://{}\"\ntls = \"none\"\naliases = \"none\"\n", self.address);
        let program = Program::with(&server);
        let text = fs::read_to_string(program.config()).unwrap();
        fs::write(program.config(), text.replace("log = \"none\"", "log-file = \"log\"")).unwrap();
        let mut command = Command::new("env");
        command.arg(signals).arg(program.path("sendmail")).args(args);
        command.env_clear().env("POSTHASTE_CONFIG", program.config()).env("PATH", "/usr/bin:/bin");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        self.reached.recv().unwrap();
        (program, child)
    }
}

/// Who is ended while a server has the message, or half of it, says what became of it.
///
/// P-084
#[test]
fn a_signal_while_a_server_is_spoken_to_is_told() {
    const S: &[u8] = b"Subject: s\n\nb\n";
    let args = ["-i", "bob@x.test", "carol@x.test"];
    for (last, signal, words) in [
        ("EHLO", Signal::INT, "not sent: SIGINT ended posthaste while waiting for the reply to EHLO"),
        ("DATA", Signal::HUP, "not sent: SIGHUP ended posthaste while waiting for the reply to DATA"),
        (".", Signal::TERM, "may have been delivered, and may not: no answer from "),
    ] {
        let server = Silent::behind(last);
        let (program, child) = server.call("--default-signal", &args, S);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{last}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("posthaste: all 2 recipients: ") && said.contains(words), "{said}");
        assert!(said.ends_with('\n') && said.lines().count() == 1, "{said}");
        let log = fs::read_to_string(program.path("log")).unwrap();
        assert_eq!(
            log.lines().filter(|line| line.contains("result=deferred") && line.contains(words)).count(),
            2,
            "{log}"
        );
        drop(server.go_on);
        server.serving.join().unwrap();
    }
}

#[test]
fn a_client_on_standard_input_is_told_of_a_signal() {
    let server = Silent::behind("DATA");
    let input = b"HELO x\r\nMAIL FROM:<a@o.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n\r\nb\r\n.\r\nNOOP\r\n";
    let (_program, child) = server.call("--default-signal", &["-bs"], input);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(Signal::TERM.as_raw()));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\r\n451 4.3.0 b@x.test: not sent: SIGTERM ended posthaste "), "{said}");
}

/// As under nohup.
#[test]
fn a_signal_that_is_ignored_ends_nothing() {
    let server = Silent::behind(".");
    let (program, child) = server.call("--ignore-signal=HUP", &["bob@x.test"], b"Subject: s\n\nb\n");
    for _ in 0..2 {
        kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    }
    server.go_on.send(()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert!(fs::read_to_string(program.path("log")).unwrap().contains("result=accepted"));
}

/// The other half of the test at the top: had nobody sent a signal, the message would have arrived.
#[test]
fn the_end_of_the_input_sends_the_message() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let (mut child, mut pipe) = start(&program);
    pipe.write_all(b"Subject: s\n\nb\n").unwrap();
    until_read(&pipe);
    drop(pipe);
    assert!(child.wait().unwrap().success());
    assert_eq!(relay.take().mail().text(), "b\r\n");
}

fn start(program: &Program) -> (Child, ChildStdin) {
    // Whoever runs the tests in the background may have SIGINT ignored, and children inherit that.
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program.path("sendmail")).args(["-i", "bob@x.test"]);
    command.env_clear().env("POSTHASTE_CONFIG", program.config()).env("PATH", "/usr/bin:/bin");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take().unwrap();
    (child, pipe)
}

/// Waits until the pipe is empty.
pub fn until_read(pipe: &ChildStdin) {
    while rustix::io::ioctl_fionread(pipe).unwrap() > 0 {
        thread::yield_now();
    }
}
