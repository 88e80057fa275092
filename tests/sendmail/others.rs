//! The sixty cases against another sendmail, which `SENDMAIL_UNDER_TEST` names: what it does otherwise stands in
//! `docs/differences.md`, all of it and nothing else. `tests/others/run.py` sets such sendmails up and calls this.
//!
//! `SENDMAIL_UNDER_TEST_NAME` is the heading in that page, `SENDMAIL_UNDER_TEST_PORT` the port of 127.0.0.1 to which the other
//! one is configured to send, and `SENDMAIL_UNDER_TEST_SETTLE` a command that ends when its queue is at rest, and empty.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use posthaste::server::options::{Extension, Options};

use super::program::{Ended, Program, run};
use super::relay::{Mail, Relay, plain};
use super::tally;
use super::trials::{Server, Servers, Trial, Wanted, trials};

/// The sendmail under test.
struct Other {
    path: PathBuf,
    name: String,
    port: u16,
    settle: Option<String>,
}

impl Other {
    fn of_environment() -> Option<Other> {
        let variable = |name: &str| std::env::var(format!("SENDMAIL_UNDER_TEST{name}")).ok();
        Some(Other {
            path: variable("")?.into(),
            name: variable("_NAME").expect("SENDMAIL_UNDER_TEST_NAME"),
            port: variable("_PORT").expect("SENDMAIL_UNDER_TEST_PORT").parse().unwrap(),
            settle: variable("_SETTLE"),
        })
    }

    /// None where there is no such program.
    fn call(&self, trial: &Trial) -> Option<Ended> {
        // Where another one is installed, its mailq and newaliases are beside it or in the place for users' programs.
        let beside = self.path.with_file_name(trial.name);
        let places = [beside, Path::new("/usr/bin").join(trial.name)];
        let path =
            if trial.name == "sendmail" { self.path.clone() } else { places.into_iter().find(|it| it.exists())? };
        let mut command = Command::new("timeout");
        command.args(["20"]).arg(path).args(&trial.args).env_clear().envs(trial.variable).current_dir("/");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
        let ended = run(&mut command, &trial.input);
        if let Some(settle) = &self.settle {
            let settled = Command::new("/bin/sh").args(["-c", settle]).output().unwrap();
            assert!(settled.status.success(), "{settled:?}");
        }
        Some(ended)
    }
}

#[test]
fn another_sendmail_differs_as_the_page_says() {
    let Some(other) = Other::of_environment() else { return };
    let servers = Servers::start();
    let mut found: BTreeMap<(u32, String), (String, Vec<String>)> = BTreeMap::new();
    let (mut sent, mut seen) = (0, BTreeMap::<String, usize>::new());
    let trials = trials();
    for server in [Server::Plain, Server::Old, Server::Absent] {
        let relay = match server {
            Server::Old => {
                Some(Relay::start_at(other.port, Options { extensions: vec![Extension::Pipelining], ..plain() }))
            }
            Server::Plain => Some(Relay::start_at(other.port, plain())),
            _ => None,
        };
        for trial in trials.iter().filter(|trial| trial.server == server && trial.can_be_compared()) {
            let (own_relay, program) = servers.of(server);
            let ours = Observed::of(trial.call_ours(program), own_relay.take().mails);
            let Some(ended) = other.call(trial) else {
                found.insert((trial.number, trial.shown()), (ours.shown(), vec![format!("no {}", trial.name)]));
                continue;
            };
            let theirs = Observed::of(ended, relay.as_ref().map(|relay| relay.take().mails).unwrap_or_default());
            let differences = ours.differences(&theirs);
            if !ours.mails.is_empty() && !theirs.mails.is_empty() {
                sent += 1;
                differences.iter().for_each(|one| *seen.entry(one.clone()).or_default() += 1);
            }
            found.insert((trial.number, trial.shown()), (ours.shown(), differences));
        }
    }
    // What it does nearly always is said once.
    seen.retain(|_, count| *count > sent / 2);
    let everywhere: BTreeSet<String> = seen.into_keys().collect();
    let mut rows: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    if !everywhere.is_empty() {
        let all = everywhere.iter().cloned().collect::<Vec<_>>().join("; ");
        rows.insert(("all".to_owned(), "most that are sent".to_owned()), (String::new(), all));
    }
    for ((number, call), (ours, differences)) in &found {
        let differences: Vec<&str> =
            differences.iter().filter(|one| !everywhere.contains(*one)).map(String::as_str).collect();
        if !differences.is_empty() {
            rows.insert(
                (number.to_string(), call.clone()),
                (ours.clone(), differences.join("; ").replace('|', "\\|").replace("\\\\|", "\\|")),
            );
        }
    }
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/differences.md")).unwrap();
    let listed = listed(&page, &other.name);
    let mut faults = Vec::new();
    for ((number, call), (ours, theirs)) in &rows {
        match listed.get(&(number.clone(), call.clone())) {
            Some(cells) if cells == &(ours.clone(), theirs.clone()) => {}
            Some(_) => faults.push(format!("is listed otherwise:\n| {number} | `{call}` | {ours} | {theirs} |")),
            None => faults.push(format!("is not listed:\n| {number} | `{call}` | {ours} | {theirs} |")),
        }
    }
    for key in listed.keys().filter(|key| !rows.contains_key(*key)) {
        faults.push(format!("is listed and was not seen: {key:?}"));
    }
    let verdict = if faults.is_empty() { "as docs/differences.md lists them" } else { "FAILED" };
    let counts = format!("{}: {} calls, {} differ, {verdict}", other.name, found.len(), rows.len());
    tally(&counts, &faults);
    assert!(faults.is_empty());
}

/// The rows below the heading of a program: case and call, and what each of the two does.
fn listed(page: &str, name: &str) -> BTreeMap<(String, String), (String, String)> {
    let section = page.split("\n## ").find(|section| section.starts_with(name)).unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        assert!(cells.len() == 5 && !cells[4].is_empty(), "no reason in {row}");
        let call = cells[1].trim_matches('`').to_owned();
        ((cells[0].to_owned(), call), (cells[2].to_owned(), cells[3].to_owned()))
    });
    cells.collect()
}

impl Trial {
    /// A signal needs a pipe that stays open, and that is not how the others are called here.
    fn can_be_compared(&self) -> bool {
        !matches!(self.wanted, Wanted::Interrupted)
    }

    fn call_ours(&self, program: &Program) -> Ended {
        let mut command = program.named(self.name);
        run(command.args(&self.args).envs(self.variable), &self.input)
    }

    /// As it is written in the page: the command line, and the input where the case is about that.
    fn shown(&self) -> String {
        let words = self.args.iter().map(|word| match word.split_once(env!("CARGO_TARGET_TMPDIR")) {
            Some((before, path)) => format!("{before}{}", path.rsplit('/').next().unwrap()),
            None if word.is_empty() || word.contains([' ', '"', '<', '|']) => {
                format!("'{}'", word.replace('|', "\\|").replace('\r', "\\r").replace('\n', "\\n"))
            }
            None => word.escape_debug().to_string(),
        });
        let mut shown = [self.name.to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ");
        if !matches!(self.input.as_slice(), b"" | b"Subject: s\n\nb\n") {
            shown += &format!(" < {}", short(&self.input));
        }
        shown
    }
}

/// A few octets, in one line of a table.
fn short(octets: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(octets).escape_debug().to_string();
    let text = text.replace('|', "\\|").replace('`', "'");
    match text.char_indices().nth(90) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// What came of a call, but for what no two calls have in common.
struct Observed {
    code: i32,
    stdout: bool,
    stderr: bool,
    mails: Vec<Mail>,
}

/// Fields that differ every time: that they are there is all that counts.
const OWN: [&str; 5] = ["date", "message-id", "received", "resent-date", "resent-message-id"];

impl Observed {
    fn of(ended: Ended, mails: Vec<Mail>) -> Observed {
        let (stdout, stderr) = (!ended.stdout.is_empty(), !ended.stderr.is_empty());
        Observed { code: ended.code(), stdout, stderr, mails }
    }

    fn shown(&self) -> String {
        match self.mails.first() {
            None if self.code == 0 => "exit 0".to_owned(),
            None => format!("exit {}, nothing sent", self.code),
            Some(mail) => format!("exit {}, to {}", self.code, mail.recipients.join(", ")),
        }
    }

    fn differences(&self, other: &Observed) -> Vec<String> {
        let mut found = Vec::new();
        if other.code != self.code {
            found.push(format!("exit {}", other.code));
        }
        match (self.stdout || self.stderr, other.stdout, other.stderr) {
            (_, false, false) if self.stderr => found.push("not a word".to_owned()),
            (false, true, _) | (_, true, _) if other.stdout != self.stdout => {
                found.push("words on standard output".to_owned())
            }
            (false, false, true) => found.push("words on standard error".to_owned()),
            _ => {}
        }
        let is_bounce = |mail: &&Mail| mail.sender.is_empty() && self.mails.iter().all(|own| !own.sender.is_empty());
        let bounces: Vec<&Mail> = other.mails.iter().filter(is_bounce).collect();
        let theirs: Vec<&Mail> = other.mails.iter().filter(|mail| !is_bounce(mail)).collect();
        match (self.mails.first(), theirs.first()) {
            (None, None) => {}
            (Some(_), None) => found.push("nothing sent".to_owned()),
            (None, Some(_)) => found.push(format!("sent to {}", recipients(&theirs).join(", "))),
            (Some(own), Some(mail)) => {
                if theirs.len() != self.mails.len() {
                    found.push(format!("in {} transactions", theirs.len()));
                }
                if mail.sender != own.sender {
                    found.push(format!("from <{}>", mail.sender));
                }
                let own_recipients = recipients(&self.mails.iter().collect::<Vec<_>>());
                if recipients(&theirs) != own_recipients {
                    found.push(format!("to {}", recipients(&theirs).join(", ")));
                }
                found.extend(parameters(own, mail));
                found.extend(headers(own, mail));
                if mail.decoded_or_raw() != own.decoded_or_raw() {
                    found.push(format!("the body is `{}`", short(&mail.decoded_or_raw())));
                }
            }
        }
        if let Some(bounce) = bounces.first() {
            found.push(format!("a bounce to {}", bounce.recipients.join(", ")));
        }
        found
    }
}

fn recipients(mails: &[&Mail]) -> Vec<String> {
    let mut all: Vec<String> = mails.iter().flat_map(|mail| mail.recipients.clone()).collect();
    all.sort();
    all
}

fn parameters(own: &Mail, other: &Mail) -> Vec<String> {
    let said = |mail: &Mail| {
        let first = &mail.envelope.recipients[0];
        let own = format!("rfc822;{}", first.address.as_str());
        let original = first.orcpt.clone().map(|it| if it == own { "itself".to_owned() } else { it });
        let mut said = vec![
            ("RET", mail.envelope.ret.map(|ret| format!("{ret:?}").to_uppercase())),
            ("ENVID", mail.envelope.envid.clone()),
            ("NOTIFY", first.notify.clone()),
            ("ORCPT", original),
        ];
        if mail.body_type.is_some_and(|body| format!("{body:?}") == "EightBitMime") {
            said.push(("BODY", Some("8BITMIME".to_owned())));
        }
        said.retain(|(_, value)| value.is_some());
        said.into_iter().map(|(name, value)| format!("{name}={}", value.unwrap())).collect::<BTreeSet<_>>()
    };
    let (ours, theirs) = (said(own), said(other));
    let lacking = ours.difference(&theirs).map(|one| format!("no {one}"));
    let added = theirs.difference(&ours).cloned();
    lacking.chain(added).collect()
}

/// The name of a field as we write it, where we know it.
fn spelled(name: &str) -> String {
    let known = ["Message-ID", "Resent-Message-ID", "MIME-Version"];
    known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name).to_owned()
}

fn headers(own: &Mail, other: &Mail) -> Vec<String> {
    let fields = |mail: &Mail| {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in
            mail.header().replace("\r\n ", " ").replace("\r\n\t", "\t").split("\r\n").filter(|line| !line.is_empty())
        {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = if OWN.contains(&&*name.to_ascii_lowercase()) { "" } else { value.trim() };
            all.entry(spelled(name)).or_default().push(value.to_owned());
        }
        all
    };
    let (ours, theirs) = (fields(own), fields(other));
    let mut found = Vec::new();
    for name in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        match (ours.get(name), theirs.get(name)) {
            (None, Some(values)) if values.iter().all(String::is_empty) => found.push(format!("adds {name}")),
            (None, Some(values)) => found.push(format!("adds `{name}: {}`", short(values[0].as_bytes()))),
            (Some(_), None) => found.push(format!("no {name}")),
            (Some(ours), Some(theirs)) if ours != theirs => {
                let shown: Vec<String> =
                    theirs.iter().map(|value| format!("`{name}: {}`", short(value.as_bytes()))).collect();
                found.push(shown.join(", "));
            }
            _ => {}
        }
    }
    found
}

impl Mail {
    /// The body as it is, unless it was re-encoded on the way.
    fn decoded_or_raw(&self) -> Vec<u8> {
        // Not `fields`, which wants every line to be one.
        match self.header().to_lowercase().split("content-transfer-encoding:").nth(1).map(str::trim_start) {
            Some(rest) if rest.starts_with("quoted-printable") || rest.starts_with("base64") => {
                self.decoded().replace('\n', "\r\n").into_bytes()
            }
            _ => self.body().to_vec(),
        }
    }
}
