//! The sixty conformance cases, each in every way in which a caller may start the program.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::program::Ended;
use super::relay::Relay;
use super::signals::until_read;
use super::starts::{Environment, Input, STARTS, Start};
use super::stdio::codes;
use super::tally;
use super::trials::{Servers, Trial, Wanted, trials};

/// P-048 P-052 P-055 P-058 P-060 P-061 P-082 P-133 P-276 P-347 P-348 P-349 P-401 P-402
#[test]
fn every_case_in_every_way() {
    let servers = Servers::start();
    let trials = trials();
    let numbers: std::collections::BTreeSet<u32> = trials.iter().map(|trial| trial.number).collect();
    assert!(numbers.iter().copied().eq(1..=60), "{numbers:?}");
    let (mut runs, mut failed) = (0, Vec::new());
    for trial in &trials {
        for start in STARTS.iter().filter(|start| trial.allows(start)) {
            runs += 1;
            if catch_unwind(AssertUnwindSafe(|| trial.run(start, &servers))).is_err() {
                failed.push(format!("case {} {} {:?}: {}", trial.number, trial.name, trial.args, start.name));
                // What is left of it is not the next one's.
                servers.of(trial.server).0.take();
            }
        }
    }
    let verdict = if failed.is_empty() { "all pass" } else { "FAILED" };
    tally(&format!("{} cases × {} ways, {runs} runs: {verdict}", numbers.len(), STARTS.len()), &failed);
    assert!(failed.is_empty(), "{failed:#?}");
}

impl Trial {
    /// Whether the case means anything when the program is started so.
    fn allows(&self, start: &Start) -> bool {
        let has_variable = self.variable.is_none() || start.environment == Environment::Callers;
        // What has ended cannot be interrupted.
        let can_wait = !matches!(self.wanted, Wanted::Interrupted) || start.input == Input::Pipe;
        has_variable && can_wait
    }

    fn command(&self, start: &Start, servers: &Servers) -> Command {
        let mut command = start.command(&servers.of(self.server).1, self.name, &self.args);
        command.envs(self.variable);
        command
    }

    fn run(&self, start: &Start, servers: &Servers) {
        let (relay, program) = servers.of(self.server);
        let mut command = self.command(start, servers);
        if matches!(self.wanted, Wanted::Interrupted) {
            return interrupt(&mut command, &self.input, relay);
        }
        let ended = start.run(&mut command, program, &self.input);
        if start.input == Input::Closed {
            // What the case says of its input does not hold; it must be as good as an empty one.
            let found = summary(&ended, relay);
            let other = start.with_nothing_to_read();
            let ended = other.run(&mut self.command(&other, servers), program, b"");
            return assert_eq!(found, summary(&ended, relay));
        }
        self.verify(&ended, start, relay);
    }

    fn verify(&self, ended: &Ended, start: &Start, relay: &Relay) {
        let shows = |descriptor| !start.closed.contains(&descriptor);
        let seen = relay.take();
        match &self.wanted {
            Wanted::Mail(check) => {
                ended.assert_silent_success();
                check(&seen.mail());
            }
            Wanted::Failure { code, lines, words, reached } => {
                match shows(2) {
                    true => ended.assert_failures(*code, *lines, words),
                    false => assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (*code, "", "")),
                }
                let got: Vec<&String> = seen.mails.iter().flat_map(|mail| &mail.recipients).collect();
                assert_eq!(got, *reached);
            }
            Wanted::Printed(text) => {
                let text = if shows(1) { text } else { "" };
                assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (0, text, ""));
                assert_eq!(seen.wire.connections, 0);
            }
            Wanted::Dialogue { codes: wanted, code, check } => {
                assert_eq!(ended.code(), *code, "{ended:?}");
                if shows(1) {
                    assert_eq!(codes(&ended.stdout), *wanted);
                }
                check(&seen);
            }
            Wanted::Interrupted => unreachable!(),
        }
    }
}

/// All that does not change from one run to the next.
fn summary(ended: &Ended, relay: &Relay) -> impl PartialEq + std::fmt::Debug + use<> {
    let mails = relay.take().mails.into_iter();
    let mails: Vec<_> =
        mails.map(|mail| (mail.sender.clone(), mail.recipients.clone(), mail.body().to_vec())).collect();
    (ended.code(), codes(&ended.stdout), ended.stderr.is_empty(), mails)
}

/// The pipe stays open, and the signal comes when what was written has been read.
fn interrupt(command: &mut Command, input: &[u8], relay: &Relay) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input).unwrap();
    until_read(&pipe);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{status:?}");
    relay.take().assert_nothing();
}
