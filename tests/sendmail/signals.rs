//! Signals before the end of the input: the caller has thought better of it, and half a message must not be sent.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

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

/// The other half of the test above: had nobody sent a signal, the message would have arrived.
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
