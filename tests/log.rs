//! The log: what a line says, that nobody can forge one, and where it goes.

#![allow(clippy::unwrap_used)] // clippy does not take helpers beside tests for test code

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use posthaste::address::{Address, parse_list};
use posthaste::config::account;
use posthaste::deliver::Attempt;
use posthaste::envelope::ReversePath;
use posthaste::log::{LINE_LIMIT, Log, Sockets, Submission};
use posthaste::smtp::outcome::{Cause, Trouble, Verdict};
use posthaste::smtp::reply::{Reader, Reply};
use posthaste::smtp::stage::Stage;

fn reply(octets: &[u8]) -> Reply {
    let mut reader = Reader::default();
    reader.push(octets);
    reader.next_reply().unwrap().unwrap()
}

fn address(text: &str) -> Address {
    parse_list(text, "example.org").unwrap().remove(0).address
}

/// One line for one attempt.
struct Case<'a> {
    account: &'a str,
    sender: ReversePath,
    recipient: Address,
    verdict: Verdict,
}

impl Case<'_> {
    fn new(verdict: Verdict) -> Self {
        let sender = ReversePath::Address(address("alice@example.org"));
        Case { account: "work", sender, recipient: address("bob@example.net"), verdict }
    }

    fn record(&self, log: &mut Log) {
        let submission = Submission { account: self.account, sender: &self.sender, size: 1234, note: None };
        let peer = Some(SocketAddr::from(([192, 0, 2, 1], 465)));
        let (server, took) = ("smtp.example.org:465", Duration::from_millis(1250));
        let attempt = Attempt { recipient: &self.recipient, server, peer, verdict: &self.verdict, took };
        log.record(&submission, &attempt).unwrap();
    }

    /// The line in a file, without its end.
    fn line(&self) -> String {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let mut log = Log::open(&account::Log::File(path.clone()), &Sockets::default()).unwrap();
        self.record(&mut log);
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.len() <= LINE_LIMIT, "{}", text.len());
        text.strip_suffix('\n').unwrap().to_owned()
    }
}

fn accepted(octets: &[u8]) -> Verdict {
    Verdict::Accepted(reply(octets))
}

fn trouble(stage: Stage, cause: Cause) -> Verdict {
    Trouble { stage, cause }.verdict()
}

/// Reads a line as strictly as anybody might: `name=value` or `name="value"`, with one blank between.
fn fields(line: &str) -> Vec<(String, String)> {
    let mut rest = line.as_bytes();
    let mut found = Vec::new();
    loop {
        let equals = rest.iter().position(|octet| *octet == b'=').unwrap();
        let name = std::str::from_utf8(&rest[..equals]).unwrap();
        assert!(name.bytes().all(|octet| octet.is_ascii_lowercase()), "{name}");
        rest = &rest[equals + 1..];
        let mut value = Vec::new();
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            rest = quoted;
            loop {
                match rest {
                    [b'"', after @ ..] => break rest = after,
                    [b'\\', b'x', high, low, after @ ..] => {
                        let digits = [*high, *low];
                        value.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                        rest = after;
                    }
                    [b'\\', octet @ (b'"' | b'\\'), after @ ..] | [octet @ b' '..=b'~', after @ ..] => {
                        value.push(*octet);
                        rest = after;
                    }
                    _ => panic!("{line}"),
                }
            }
        } else {
            while let [octet @ b'!'..=b'~', after @ ..] = rest {
                assert!(!b"\"\\=".contains(octet), "{line}");
                value.push(*octet);
                rest = after;
            }
        }
        found.push((name.to_owned(), String::from_utf8(value).unwrap()));
        match rest {
            [] => return found,
            [b' ', after @ ..] => rest = after,
            _ => panic!("{line}"),
        }
    }
}

fn field(line: &str, name: &str) -> Option<String> {
    fields(line).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

const NAMES: [&str; 12] =
    ["time", "id", "uid", "account", "host", "peer", "sender", "recipient", "size", "result", "stage", "seconds"];

/// P-076: what the server calls the message is in its reply, and the reply is in the log.
#[test]
fn line_says_who_what_where_and_how_long() {
    let line = Case::new(accepted(b"250 2.0.0 Ok: queued as 4cY\r\n")).line();
    let (time, rest) = line.split_once(' ').unwrap();
    chrono::DateTime::parse_from_rfc3339(time.strip_prefix("time=").unwrap()).unwrap();
    let (id, rest) = rest.split_once(' ').unwrap();
    assert!(id.len() == 15 && id[3..].bytes().all(|octet| octet.is_ascii_hexdigit()), "{id}");
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(
        rest,
        format!(
            "uid={uid} account=work host=smtp.example.org:465 peer=192.0.2.1 sender=alice@example.org \
             recipient=bob@example.net size=1234 result=accepted stage=end-of-data seconds=1.250 \
             reply=\"250 2.0.0 Ok: queued as 4cY\""
        )
    );
}

#[test]
fn reply_or_reason_tells_why_there_was_no_delivery() {
    let table = [
        (
            trouble(Stage::Rcpt, Cause::Replied(reply(b"550-5.1.1 no such\r\n550 5.1.1 user\r\n"))),
            " result=failed stage=rcpt seconds=1.250 reply=\"550 5.1.1 no such 5.1.1 user\"",
        ),
        (
            trouble(Stage::Mail, Cause::Replied(reply(b"451 later\r\n"))),
            " result=deferred stage=mail seconds=1.250 reply=\"451 later\"",
        ),
        (
            trouble(Stage::Connect, Cause::Unreachable("connection refused".to_owned())),
            " result=deferred stage=connect seconds=1.250 \
             reason=\"smtp.example.org:465 cannot be reached: connection refused\"",
        ),
        (
            trouble(Stage::EndOfData, Cause::TimedOut),
            " result=deferred stage=end-of-data seconds=1.250 \
             reason=\"the message may have been delivered, and may not: no answer from smtp.example.org:465 after \
             the message had been sent whole\"",
        ),
    ];
    for (verdict, end) in table {
        let line = Case::new(verdict).line();
        assert!(line.ends_with(end), "{line}");
    }
    let unclear = Case::new(trouble(Stage::EndOfData, Cause::Replied(reply(b"354 go on\r\n")))).line();
    assert!(field(&unclear, "reason").unwrap().starts_with("the message may have been delivered"), "{unclear}");
    assert_eq!(field(&unclear, "reply").as_deref(), Some("354 go on"));
}

#[test]
fn null_reverse_path_is_an_empty_value() {
    let line = Case { sender: ReversePath::Null, ..Case::new(accepted(b"250 ok\r\n")) }.line();
    assert!(line.contains(" sender=\"\" recipient="), "{line}");
}

#[test]
fn lines_of_one_submission_have_one_id_and_those_of_two_have_two() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    for _ in 0..2 {
        let mut log = Log::open(&account::Log::File(path.clone()), &Sockets::default()).unwrap();
        Case::new(accepted(b"250 ok\r\n")).record(&mut log);
        Case::new(accepted(b"250 ok\r\n")).record(&mut log);
    }
    let text = fs::read_to_string(path).unwrap();
    let ids: Vec<String> = text.lines().map(|line| field(line, "id").unwrap()).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2], "{ids:?}");
}

#[test]
fn nothing_from_outside_forges_a_line_or_a_field() {
    let hostile: [&[u8]; 8] = [
        b"250 ok result=failed\r\n",
        b"250 \" result=failed reply=\"\r\n",
        b"250 \\\" result=failed\r\n",
        b"250 \\\r\n",
        b"250 a\rb\x0bc\x00d\x1b[2Je\x7f\r\n",
        b"250 a\nid=1\n",
        "250 \u{202e}ko \u{85} \u{2028} ü\r\n".as_bytes(),
        b"250 \xff\xfe\r\n",
    ];
    for octets in hostile {
        let reply = reply(octets);
        let line = Case::new(Verdict::Accepted(reply.clone())).line();
        assert!(line.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{line}");
        let found = fields(&line);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [&NAMES[..], &["reply"]].concat(), "{line}");
        assert_eq!(found[12].1, reply.to_string());
        assert_eq!(found[9].1, "accepted");
    }
}

#[test]
fn addresses_and_account_names_forge_nothing_either() {
    let strange = "\"x result=failed \\\" y\"@example.net";
    let line = Case {
        account: "a b\" result=failed",
        sender: ReversePath::Address(address("a=b@example.org")),
        recipient: address(strange),
        ..Case::new(accepted(b"250 ok\r\n"))
    }
    .line();
    assert_eq!(field(&line, "account").as_deref(), Some("a b\" result=failed"));
    assert_eq!(field(&line, "sender").as_deref(), Some("a=b@example.org"));
    assert_eq!(field(&line, "recipient").as_deref(), Some(strange));
    assert_eq!(field(&line, "result").as_deref(), Some("accepted"));
    assert_eq!(fields(&line).len(), 13);
}

#[test]
fn line_is_short_whatever_comes() {
    let (account, domain) = ("\u{7f}".repeat(500), vec!["d".repeat(60); 4].join("."));
    let long = address(&format!("{}@{domain}", "r".repeat(64)));
    let endless = format!("250-{}\r\n", "\u{1b}".repeat(3000)).repeat(5) + "250 ok\r\n";
    let line = Case {
        account: &account,
        sender: ReversePath::Address(long.clone()),
        recipient: long,
        verdict: accepted(endless.as_bytes()),
    }
    .line();
    let reply = field(&line, "reply").unwrap();
    assert!(reply.starts_with("250 \\x1b") && reply.ends_with("..."), "{reply}");
    assert_eq!(fields(&line).len(), 13);
}

#[test]
fn syslog_gets_a_datagram_for_each_line() {
    let place = tempfile::tempdir().unwrap();
    let sockets = Sockets { syslog: place.path().join("log"), journal: place.path().join("absent") };
    let logger = UnixDatagram::bind(&sockets.syslog).unwrap();
    let mut log = Log::open(&account::Log::Syslog, &sockets).unwrap();
    let long = format!("250 {}\r\n", "x".repeat(9000));
    let cases = [
        (accepted(b"250 ok\r\n"), "<22>"),
        (trouble(Stage::Mail, Cause::Replied(reply(b"451 later\r\n"))), "<20>"),
        (accepted(long.as_bytes()), "<22>"),
    ];
    for (verdict, priority) in cases {
        Case::new(verdict).record(&mut log);
        let mut octets = [0; 4096];
        let size = logger.recv(&mut octets).unwrap();
        assert!(size <= LINE_LIMIT, "{size}");
        let datagram = std::str::from_utf8(&octets[..size]).unwrap();
        let stamped = datagram.strip_prefix(priority).unwrap();
        let entry = stamped.strip_prefix(&format!("posthaste[{}]: ", std::process::id())).unwrap();
        let names: Vec<String> = fields(entry).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&NAMES[1..], &["reply"]].concat());
    }
}

#[test]
fn syslog_may_be_restarted_between_two_lines() {
    let place = tempfile::tempdir().unwrap();
    let sockets = Sockets { syslog: place.path().join("log"), ..Sockets::default() };
    let mut log = Log::open(&account::Log::Syslog, &sockets).unwrap();
    for _ in 0..2 {
        let logger = UnixDatagram::bind(&sockets.syslog).unwrap();
        Case::new(accepted(b"250 ok\r\n")).record(&mut log);
        assert!(logger.recv(&mut [0; 4096]).unwrap() > 100);
        fs::remove_file(&sockets.syslog).unwrap();
    }
}

#[test]
fn journal_gets_fields() {
    let place = tempfile::tempdir().unwrap();
    let sockets = Sockets { syslog: place.path().join("absent"), journal: place.path().join("socket") };
    let journal = UnixDatagram::bind(&sockets.journal).unwrap();
    let mut log = Log::open(&account::Log::Journal, &sockets).unwrap();
    let hostile = reply(b"550 5.1.1 no\x0b\nPRIORITY=0\n");
    Case::new(trouble(Stage::Rcpt, Cause::Replied(hostile))).record(&mut log);
    let mut octets = [0; 4096];
    let size = journal.recv(&mut octets).unwrap();
    let text = std::str::from_utf8(&octets[..size]).unwrap();
    let fields: Vec<(&str, &str)> = text.lines().map(|line| line.split_once('=').unwrap()).collect();
    let value = |name: &str| {
        let values: Vec<&str> = fields.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect();
        assert_eq!(values.len(), 1, "{name}: {text}");
        values[0]
    };
    assert!(value("MESSAGE").contains(" recipient=bob@example.net "));
    assert_eq!((value("PRIORITY"), value("SYSLOG_FACILITY")), ("4", "2"));
    assert_eq!(value("SYSLOG_IDENTIFIER"), "posthaste");
    assert_eq!(value("POSTHASTE_RECIPIENT"), "bob@example.net");
    assert_eq!(value("POSTHASTE_RESULT"), "failed");
    assert_eq!(value("POSTHASTE_REPLY"), "550 5.1.1 no\\\\x0b");
    assert!(text.ends_with('\n'));
}

#[test]
fn logger_that_does_not_read_ends_the_log_and_not_the_delivery() {
    let place = tempfile::tempdir().unwrap();
    let sockets = Sockets { syslog: place.path().join("log"), ..Sockets::default() };
    let _deaf = UnixDatagram::bind(&sockets.syslog).unwrap();
    let mut log = Log::open(&account::Log::Syslog, &sockets).unwrap();
    let (sender, recipient, verdict) = (ReversePath::Null, address("bob@example.net"), accepted(b"250 ok\r\n"));
    let submission = Submission { account: "work", sender: &sender, size: 1, note: None };
    let attempt =
        Attempt { recipient: &recipient, server: "a:25", peer: None, verdict: &verdict, took: Duration::ZERO };
    let error = (0..100_000).find_map(|_| log.record(&submission, &attempt).err()).unwrap();
    assert!(error.to_string().starts_with(&format!("cannot log to {}: ", sockets.syslog.display())), "{error}");
}

#[test]
fn file_is_made_for_its_owner_and_appended_to() {
    let place = tempfile::tempdir().unwrap();
    let (new, old) = (place.path().join("new"), place.path().join("old"));
    fs::write(&old, "before\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).unwrap();
    for (path, mode, before) in [(&new, 0o600, ""), (&old, 0o640, "before\n")] {
        let mut log = Log::open(&account::Log::File(path.clone()), &Sockets::default()).unwrap();
        Case::new(accepted(b"250 ok\r\n")).record(&mut log);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, mode);
        let text = fs::read_to_string(path).unwrap();
        assert!(text.strip_prefix(before).unwrap().starts_with("time="), "{text}");
    }
}

#[test]
fn file_that_is_none_is_refused_without_waiting() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::write(path("target"), "").unwrap();
    symlink(path("target"), path("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    fs::create_dir(path("directory")).unwrap();
    let device = Path::new("/dev/null").to_owned();
    let table = [
        (path("link"), "it is a symbolic link"),
        (path("fifo"), "it is not a regular file"),
        (path("directory"), "Is a directory"),
        (path("absent/log"), "No such file or directory"),
        (device, "it is not a regular file"),
    ];
    for (path, reason) in table {
        let error = Log::open(&account::Log::File(path.clone()), &Sockets::default()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot log to {}: {reason}", path.display())), "{error}");
    }
    assert_eq!(fs::read_to_string(path("target")).unwrap(), "");
}

#[test]
fn nobody_is_told_when_nothing_is_to_be_logged() {
    let mut log = Log::open(&account::Log::None, &Sockets::default()).unwrap();
    Case::new(accepted(b"250 ok\r\n")).record(&mut log);
}

/// A server for so many connections, which logs in whoever wants it and takes whatever comes; it ends by itself.
struct Server {
    port: u16,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(connections: usize, last_words: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let serving: Vec<_> = (0..connections)
                .map(|_| listener.accept().unwrap().0)
                .map(|stream| thread::spawn(move || serve(stream, last_words)))
                .collect();
            serving.into_iter().for_each(|one| one.join().unwrap());
        });
        Server { port, thread }
    }

    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
        command.args(arguments).env_clear().env("HOME", "/nonexistent");
        command.env("POSTHASTE_SERVER", format!("smtp://127.0.0.1:{}", self.port));
        command.env("POSTHASTE_TLS", "none").env("POSTHASTE_MAIL_DOMAIN", "example.org");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn serve(stream: TcpStream, last_words: &[u8]) {
    let mut out = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).split(b'\n');
    let mut say = |octets: &[u8]| out.write_all(octets).unwrap();
    say(b"220 test ESMTP\r\n");
    while let Some(Ok(line)) = lines.next() {
        match &line[..4] {
            b"EHLO" => say(b"250-test\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n"),
            b"AUTH" => say(b"235 2.7.0 ok\r\n"),
            b"DATA" => {
                say(b"354 go on\r\n");
                while lines.next().is_some_and(|line| line.unwrap() != b".\r") {}
                say(last_words);
            }
            b"QUIT" => return say(b"221 bye\r\n"),
            _ => say(b"250 ok\r\n"),
        }
    }
}

fn with_message(command: &mut Command) -> Child {
    let mut child = command.spawn().unwrap();
    // One that ends at once reads nothing.
    let _ = child.stdin.take().unwrap().write_all(b"Subject: hello\n\nhello\n");
    child
}

fn run(command: &mut Command) -> Output {
    with_message(command).wait_with_output().unwrap()
}

const TO_BOB: [&str; 2] = ["sendmail", "bob@example.net"];
const TO_BOB_TOO: [&str; 6] = ["send", "--to", "bob@example.net", "-b", "hello", "--from=alice@example.org"];

#[test]
fn lines_of_concurrent_runs_do_not_mix() {
    const RUNS: usize = 4;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let server = Server::start(RUNS, b"250 2.0.0 taken\r\n");
    let recipients: Vec<String> = (0..90).map(|number| format!("r{number}@example.net")).collect();
    let arguments: Vec<&str> = ["sendmail"].into_iter().chain(recipients.iter().map(String::as_str)).collect();
    let variables = [("POSTHASTE_LOG_FILE", path.to_str().unwrap())];
    let runs: Vec<Child> = (0..RUNS).map(|_| with_message(&mut server.command(&arguments, &variables))).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    server.thread.join().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let mut found: Vec<(String, String)> =
        text.lines().map(|line| (field(line, "id").unwrap(), field(line, "recipient").unwrap())).collect();
    assert_eq!(found.len(), RUNS * recipients.len());
    found.sort();
    found.dedup();
    assert_eq!(found.len(), RUNS * recipients.len());
    assert!(text.lines().all(|line| fields(line).len() == 13 && line.ends_with("reply=\"250 2.0.0 taken\"")));
}

#[test]
fn calls_that_end_before_a_server_is_asked_have_a_line_too() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let table: [(&[&str], &str, &str); 4] = [
        (&["sendmail", "-t"], "64", "no recipients"),
        (&["sendmail", "bob@@example.net"], "65", "'bob@@example.net': more than one @"),
        (&["sendmail", "-f", "a,b", "bob@example.net"], "64", "the sender cannot be used: "),
        (&["--account", "none", "sendmail", "bob@example.net"], "78", "none"),
    ];
    for (arguments, exit, reason) in table {
        let _ = fs::remove_file(&path);
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
        command.args(arguments).env_clear().env("HOME", "/nonexistent").env("POSTHASTE_LOG_FILE", &path);
        // Nobody listens there, and nobody is asked.
        command.env("POSTHASTE_SERVER", "smtp://127.0.0.1:1").env("POSTHASTE_TLS", "none");
        command.env("POSTHASTE_MAIL_DOMAIN", "example.org");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = run(&mut command);
        assert_eq!(output.status.code().unwrap().to_string(), exit, "{output:?}");
        let text = fs::read_to_string(&path).unwrap_or_default();
        if arguments[0] == "--account" {
            // The account that has the log is not there, so it went to syslog.
            assert_eq!(text, "");
            continue;
        }
        let names: Vec<String> = fields(text.trim_end()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["time", "id", "uid", "result", "exit", "reason"], "{text}");
        assert_eq!(field(text.trim_end(), "exit").as_deref(), Some(exit));
        assert_eq!(field(text.trim_end(), "result").as_deref(), Some("failed"));
        assert!(field(text.trim_end(), "reason").unwrap().starts_with(reason), "{text}");
    }
}

#[test]
fn log_that_cannot_be_opened_is_told_to_a_person_and_fails_nothing() {
    let server = Server::start(2, b"250 taken\r\n");
    let variables = [("POSTHASTE_LOG_FILE", "/nonexistent/log")];
    let output = run(&mut server.command(&TO_BOB, &variables));
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    let output = server.command(&TO_BOB_TOO, &variables).output().unwrap();
    let told = "posthaste: cannot log to /nonexistent/log: No such file or directory\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), told));
    server.thread.join().unwrap();
}

#[test]
fn disk_that_is_full_is_told_once_and_fails_nothing() {
    let server = Server::start(1, b"250 taken\r\n");
    let arguments = ["send", "--to=b@example.net,c@example.net", "-b", "hello", "--from=alice@example.org"];
    // A file that must not grow: what a full disk or a quota is like.
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let mut command = Command::new("/bin/sh");
    let inner = server.command(&arguments, &[]);
    command.arg("-c").arg("trap '' XFSZ; ulimit -f 0; exec \"$@\"").arg("sh").arg(inner.get_program());
    command.args(inner.get_args()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("POSTHASTE_LOG_FILE", &path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.starts_with("posthaste: cannot log to ") && told.matches('\n').count() == 1, "{told}");
    server.thread.join().unwrap();
}

#[test]
fn no_secret_gets_into_the_log() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let server = Server::start(1, b"550 5.7.1 no\r\n");
    let variables = [
        ("POSTHASTE_LOG_FILE", path.to_str().unwrap()),
        ("POSTHASTE_USER", "alice"),
        ("POSTHASTE_PASSWORD", "correct horse"),
    ];
    let output = run(&mut server.command(&TO_BOB, &variables));
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    server.thread.join().unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(field(text.trim_end(), "result").as_deref(), Some("failed"));
    assert_eq!(field(text.trim_end(), "reply").as_deref(), Some("550 5.7.1 no"));
    for secret in ["correct", "horse", "AGFsaWNlAGNvcnJlY3QgaG9yc2U=", "Y29ycmVjdCBob3JzZQ=="] {
        assert!(!text.contains(secret), "{text}");
    }
}
