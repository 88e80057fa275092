//! Calls that fail before anything is sent. The numbers are those of the list of conformance cases.

use std::process::Stdio;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::program::Program;
use super::relay::{Relay, plain};

const S: &[u8] = b"Subject: s\n\nb\n";

/// Number, arguments, input, exit code, and what the one line must say.
pub type Case = (u32, &'static [&'static str], &'static [u8], i32, &'static [&'static str]);

pub const CASES: &[Case] = &[
    (15, &["-t"], S, 64, &["no recipients"]),
    (16, &[], S, 64, &["no recipients"]),
    (20, &["-t"], b"To: a@@x.test, b@x.test\n\nb\n", 65, &["a@@x.test", "To"]),
    (20, &["a@@x.test", "b@x.test"], S, 65, &["a@@x.test"]),
    (28, &["bob@x.test", "-i"], S, 64, &["`-i`", "`--`"]),
    (30, &["|/bin/sh"], S, 65, &["|/bin/sh"]),
    (30, &["/etc/x"], S, 65, &["/etc/x"]),
    (30, &[":include:/x"], S, 65, &[":include:/x"]),
    (30, &["-t"], b"To: \"|/bin/sh\"\n\nb\n", 65, &["|/bin/sh"]),
    (37, &["-f", "a@o.test,b@o.test", "bob@x.test"], S, 64, &["sender", "a@o.test,b@o.test"]),
    (37, &["-f", "a@@o.test", "bob@x.test"], S, 64, &["sender", "a@@o.test"]),
    (37, &["-f", "a@o.test\r\nRCPT TO:<c@x.test>", "bob@x.test"], S, 64, &["sender"]),
    (53, &["-Z", "bob@x.test"], S, 64, &["-Z"]),
    (53, &["-bd"], S, 64, &["-bd"]),
    (53, &["-bz"], S, 64, &["-bz"]),
    (53, &["bob@x.test", ""], S, 64, &["empty"]),
    (53, &["-f"], S, 64, &["-f", "value"]),
];

/// Case 53: somebody sits at the other end of standard input, and never types a word.
#[test]
fn a_usage_error_does_not_wait_for_input() {
    let program = Program::with("");
    for args in [&["-Z", "bob@x.test"][..], &["-bd"], &["-bz"], &["-f"], &[], &["bob@x.test", "-i"]] {
        let mut command = program.named("sendmail");
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let open = child.stdin.take().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(64), "{args:?}");
        // Nobody reads any more, once a program that another test is just starting has given up its copy of that end.
        let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&open, PollFlags::empty())], Some(&patience)), Ok(1), "{args:?}");
    }
}

#[test]
fn quiet_errors_are_told_by_the_exit_code_alone() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for (args, code) in [(&["-oeq", "-t"][..], 64), (&["-oeq", "refuse-550@x.test"], 67)] {
        let ended = program.sendmail(args, S);
        assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (code, "", ""), "{args:?}");
    }
}
