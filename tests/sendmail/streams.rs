//! Standard input and output as callers leave them.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;

use super::program::{BINARY, Program};
use super::relay::{Relay, plain};

/// A caller that is an event loop gives us a pipe that does not block, and is slower than we are.
#[test]
fn an_input_that_does_not_block_is_waited_for() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let body = "a line of the body\n".repeat(50_000);
    let message = format!("Subject: s\n\n{body}");
    for arguments in [&["sendmail", "bob@x.test"][..], &["send", "--to", "bob@x.test", "--body-file", "-"]] {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut command = program.posthaste(arguments);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        let message = message.clone();
        let feeding = thread::spawn(move || message.as_bytes().chunks(1000).try_for_each(|part| ours.write_all(part)));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        feeding.join().unwrap().unwrap();
        let octets = relay.take().wire.octets;
        assert_eq!(memchr::memmem::find_iter(&octets, b"a line of the body\r\n").count(), 50_000);
    }
}

/// Without -i a line with only a dot ends the message, as with every sendmail; whoever misses the rest finds out why.
#[test]
fn text_behind_a_lone_dot_is_told_in_the_log() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let settings = std::fs::read_to_string(program.config()).unwrap().replace("log = \"none\"", "log-file = \"log\"");
    std::fs::write(program.config(), settings).unwrap();
    for (args, input, told) in [
        (&["bob@x.test"][..], "Subject: s\n\na\n.\nb\n", true),
        (&["bob@x.test"], "Subject: s\n.\nb\n", true),
        (&["bob@x.test"], "Subject: s\n\na\n.\n \n\n", false),
        (&["-i", "bob@x.test"], "Subject: s\n\na\n.\nb\n", false),
    ] {
        program.sendmail(args, input).assert_silent_success();
        relay.take().mail();
        let log = std::fs::read_to_string(program.path("log")).unwrap();
        std::fs::remove_file(program.path("log")).unwrap();
        assert_eq!(log.contains(" note=\"a line with only a dot has ended the message"), told, "{args:?}: {log}");
        assert!(log.contains(" reply=\"250 "), "{log}");
    }
}

/// What nobody could read is no success.
#[test]
fn a_full_disk_is_told() {
    for arguments in [&["demo"][..], &["--help"], &["completions", "bash"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(BINARY).args(arguments).env_clear().stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {said}");
        assert!(said.contains("cannot write to standard output"), "{said}");
    }
}
