//! Domains side by side: what one server does is nothing to the sessions with the others.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;

use super::host::{Host, Manner};
use super::ports::free_port;
use super::program::{Way, run};
use super::stub::Stub;
use super::verifier::{records, verify};
use super::{direct, send};

/// How far a server is with a session: it goes on when the test lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Somebody has connected.
    Connected,
    /// DATA is not answered yet.
    Data,
    /// So many octets of the message are there.
    Block,
    /// All of it is there, and not answered yet.
    End,
    /// It was accepted.
    Accepted,
    /// The client is gone.
    Closed,
}

/// The messages that a server got, as they were on the wire.
pub type Got = Arc<Mutex<Vec<Vec<u8>>>>;

/// Octets of a message between two [`At::Block`].
const BLOCK: usize = 128 << 10;

/// A server at 127.0.0.`last`.
pub fn server(last: u8, port: u16, offers: &'static str, on: impl Fn(At) + Send + Sync + 'static) -> Got {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).unwrap();
    let got = Got::default();
    let (here, on) = (got.clone(), Arc::new(on));
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (here, on) = (here.clone(), on.clone());
            thread::spawn(move || {
                on(At::Connected);
                let _ = converse(stream, offers, &here, &*on);
                on(At::Closed);
            });
        }
    });
    got
}

fn converse(mut stream: TcpStream, offers: &str, got: &Got, on: &dyn Fn(At)) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 mx\r\n")?;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let reply = match line.get(..4).unwrap_or_default() {
            "EHLO" => format!("250-mx\r\n{offers}250 SIZE"),
            "DATA" => {
                on(At::Data);
                stream.write_all(b"354 go\r\n")?;
                got.lock().unwrap().push(message(&mut lines, on)?);
                on(At::End);
                stream.write_all(b"250 2.0.0 taken\r\n")?;
                on(At::Accepted);
                continue;
            }
            "QUIT" | "" => return Ok(()),
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

/// Reads a message, without its end.
fn message(lines: &mut BufReader<TcpStream>, on: &dyn Fn(At)) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let mut next = BLOCK;
    loop {
        let begin = octets.len();
        if lines.read_until(b'\n', &mut octets)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if octets[begin..] == *b".\r\n" {
            octets.truncate(begin);
            return Ok(octets);
        }
        if octets.len() >= next {
            next += BLOCK;
            on(At::Block);
        }
    }
}

/// A domain for each of these servers, and one exchanger for each domain.
fn table(hosts: &[u8]) -> String {
    hosts.iter().fold(String::new(), |mut table, n| {
        writeln!(table, "d{n}.test MX 10 mx{n}.test\nmx{n}.test A 127.0.0.{n}").unwrap();
        table
    })
}

fn everybody(hosts: &[u8]) -> Vec<String> {
    hosts.iter().map(|n| format!("bob@d{n}.test")).collect()
}

fn texts(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

/// Something that can be waited for.
#[derive(Default)]
pub struct Event {
    is_over: Mutex<bool>,
    told: Condvar,
}

impl Event {
    pub fn happen(&self) {
        *self.is_over.lock().unwrap() = true;
        self.told.notify_all();
    }

    pub fn wait(&self) {
        drop(self.told.wait_while(self.is_over.lock().unwrap(), |is_over| !*is_over).unwrap());
    }
}

/// A server says nothing until another domain's has accepted the message: nobody waits for it, the transcript tells the
/// sessions apart, and the outcomes have the order of the recipients.
#[test]
fn a_slow_server_holds_up_its_own_domain_alone() {
    let port = free_port();
    let accepted = Arc::new(Event::default());
    let (waiting, happening) = (accepted.clone(), accepted);
    server(2, port, "", move |at| {
        if at == At::Connected {
            waiting.wait()
        }
    });
    server(3, port, "", move |at| {
        if at == At::Accepted {
            happening.happen()
        }
    });
    let dns = Stub::start(&table(&[2, 3]));
    let program = direct(&dns, port, "timeout = \"20s\"\n");
    let ended = send(&program, &["-v", "--json"], &["bob@d2.test", "bob@d3.test", "eve@d2.test"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let outcomes: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = outcomes.iter().map(|one| format!("{} {}", one["recipient"], one["server"])).collect();
    assert_eq!(
        told,
        [(2, "bob"), (3, "bob"), (2, "eve")].map(|(n, name)| format!("\"{name}@d{n}.test\" \"mx{n}.test:{port}\""))
    );
    let session = |n: u8| {
        let name = format!("mx{n}.test:{port} | ");
        ended.stderr.lines().filter_map(|line| line.strip_prefix(&name)).collect::<Vec<_>>()
    };
    for (n, recipients) in [(2, &["bob@d2.test", "eve@d2.test"][..]), (3, &["bob@d3.test"])] {
        let session = session(n);
        assert!(session[1].starts_with(&format!("-- connected to 127.0.0.{n}:{port} from ")), "{}", ended.stderr);
        let size = session.iter().find(|line| line.starts_with("C: [message, ")).unwrap();
        let each = |before: &str, after: &str| {
            recipients.iter().map(|to| format!("{before}{to}{after}")).collect::<Vec<_>>().join("\n")
        };
        let talk = format!(
            "-- connecting to mx{n}.test:{port}\n{}\nS: 220 mx\nC: EHLO box.example.org\nS: 250-mx\nS: 250 SIZE\n\
             C: MAIL FROM:<alice@sender.test>{}\nS: 250 ok\n{}\nC: DATA\nS: 354 go\n{size}\nC: .\nS: 250 2.0.0 taken\n\
             C: QUIT\n-- closed\n{}",
            session[1],
            session.iter().find_map(|line| line.split_once("<alice@sender.test>")).unwrap().1,
            each("C: RCPT TO:<", ">\nS: 250 ok"),
            each("= ", " accepted 250 2.0.0 taken"),
        );
        assert_eq!(session.join("\n"), talk);
    }
    // What is of no session is told of both, before.
    let others: Vec<_> = ended.stderr.lines().filter(|line| !line.contains(" | ")).collect();
    assert!(others.iter().all(|line| line.starts_with("-- d") || line.starts_with("-- mx")), "{others:?}");
}

/// P-075: there are as many sessions at the same time as the account says, and no more.
#[test]
fn sessions_are_bounded() {
    let hosts = [10, 11, 12, 13, 14, 15, 16, 17];
    for bound in [1, 3, 8] {
        let port = free_port();
        // Sessions that are open, and the most that were.
        let open = Arc::new((Mutex::new((0, 0)), Condvar::new()));
        for last in hosts {
            let open = open.clone();
            server(last, port, "", move |at| {
                let (count, changed) = &*open;
                let mut now = count.lock().unwrap();
                match at {
                    At::Connected => {
                        *now = (now.0 + 1, now.1.max(now.0 + 1));
                        changed.notify_all();
                        // All that there may be are open before the first one goes on.
                        drop(changed.wait_while(now, |(_, most)| *most < bound).unwrap());
                    }
                    At::End => now.0 -= 1,
                    _ => {}
                }
            });
        }
        let dns = Stub::start(&table(&hosts));
        let program = direct(&dns, port, &format!("timeout = \"20s\"\nmax-sessions = {bound}\n"));
        let ended = send(&program, &["-v"], &texts(&everybody(&hosts)));
        assert_eq!((ended.code(), *open.0.lock().unwrap()), (0, (0, bound)), "{}", ended.stderr);
        // One behind the other is told as ever.
        assert_eq!(ended.stderr.contains(" | "), bound > 1, "{}", ended.stderr);
    }
}

/// P-075: a server has one session at a time, however many domains come to it by different ways.
#[test]
fn a_server_has_one_session_at_a_time() {
    let port = free_port();
    let busy = Host::start(2, port, Manner { greeting: "421 4.3.2 busy", ..Manner::default() });
    let open = Arc::new(Mutex::new((0, 0)));
    let (began, beginning) = channel();
    let here = open.clone();
    let got = server(3, port, "", move |at| {
        let mut now = here.lock().unwrap();
        match at {
            At::Connected => {
                *now = (now.0 + 1, now.1.max(now.0 + 1));
                let _ = began.send(());
            }
            At::End => now.0 -= 1,
            _ => {}
        }
    });
    let dns = Stub::start(
        "a.test MX 10 mx3.test\nb.test MX 10 mx2.test\nb.test MX 20 mx3.test\nc.test MX 10 mx2.test\nc.test MX 20 mx3.test\n\
         c.test MX 30 mx4.test\nmx2.test A 127.0.0.2\nmx3.test A 127.0.0.3\nmx4.test A 127.0.0.4",
    );
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test", "bob@b.test", "bob@c.test"]);
    assert_eq!((ended.code(), *open.lock().unwrap()), (0, (0, 1)), "{}", ended.stderr);
    assert_eq!((beginning.try_iter().count(), got.lock().unwrap().len()), (3, 3));
    assert_eq!(busy.take().connections, 2);
    let wait = format!("mx2.test:{port} | -- waiting for the end of another session with this server\n");
    assert!(ended.stderr.contains(&wait), "{}", ended.stderr);
}

/// Lines with dots at their beginning, and each of them different.
fn large(size: usize) -> String {
    let mut text = String::with_capacity(size + 1000);
    for n in 0.. {
        if text.len() >= size {
            break;
        }
        writeln!(text, "{}{n} abcdefghijklmnopqrstuvwxyz {:a<900}", ".".repeat(n % 3), "").unwrap();
    }
    text
}

/// In memory, in a file of ours and in the caller's own: four servers take the message in step, a block each, and all get
/// the same one.
#[test]
fn a_message_arrives_whole_at_four_servers_at_the_same_time() {
    let hosts = [20, 21, 22, 23];
    for (way, size) in [(Way::Pipe, 500 << 10), (Way::Pipe, 3 << 20), (Way::File, 3 << 20)] {
        let port = free_port();
        let step = Arc::new(Barrier::new(hosts.len()));
        let got = hosts.map(|last| {
            let step = step.clone();
            server(last, port, "250-8BITMIME\r\n", move |at| {
                if matches!(at, At::Data | At::Block | At::End) {
                    step.wait();
                }
            })
        });
        let dns = Stub::start(&table(&hosts));
        let program = direct(&dns, port, "");
        let body = large(size);
        let input = format!("From: al@example.org\n\n{body}");
        program.run(way, &texts(&everybody(&hosts)), input.as_bytes()).assert_silent_success();
        let wire = body.replace("\n.", "\n..").replace('\n', "\r\n");
        for got in got {
            let got = got.lock().unwrap();
            let [message] = &got[..] else { panic!("{}", got.len()) };
            let split = memchr::memmem::find(message, b"\r\n\r\n").unwrap();
            assert!(message[split + 4..] == *wire.as_bytes(), "{way:?} {size}");
        }
    }
}

/// One server takes 8-bit content and another does not: both messages are signed, at the same time, as they are sent.
#[test]
fn one_of_the_sessions_needs_another_message() {
    let hosts = [30, 31];
    let port = free_port();
    let step = Arc::new(Barrier::new(hosts.len()));
    let got = [(30, "250-8BITMIME\r\n"), (31, "")].map(|(last, offers)| {
        let step = step.clone();
        server(last, port, offers, move |at| {
            if matches!(at, At::Data | At::End) {
                step.wait();
            }
        })
    });
    let dns = Stub::start(&table(&hosts));
    let program =
        direct(&dns, port, "dkim-selector = \"sel\"\ndkim-key = \"sel.pem\"\ndkim-domain = \"example.org\"\n");
    let made = run(
        program
            .posthaste(&["dkim", "keygen", "--selector", "sel", "--domain", "example.org", "--type", "ed25519"])
            .arg(program.path("sel.pem")),
        b"",
    );
    assert_eq!(made.code(), 0, "{}", made.stderr);
    // It has a signature of somebody else, so that nothing is encoded beforehand.
    let head = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=y.test; s=s; h=from; bh=x; b=x\nFrom: al@example.org\n\n";
    let input = format!("{head}{}", format!("h\u{e9}{:a<900}\n", "").repeat(1_500));
    let ended = program.run(Way::File, &texts(&everybody(&hosts)), input.as_bytes());
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let records: HashMap<String, String> = records(&made.stdout);
    let [eight, seven] = got.map(|got| got.lock().unwrap().pop().unwrap());
    assert!(!eight.is_ascii() && seven.is_ascii() && eight.len() > 1 << 20 && seven.len() > eight.len());
    for message in [eight, seven] {
        let found = verify(&message, &records);
        assert!(matches!(&found[..], [Ok(_), Err(_)]), "{found:?}");
    }
}

/// Whatever becomes of a session is nothing to the others.
#[test]
fn a_route_that_fails_is_nothing_to_the_others() {
    let port = free_port();
    let usual = Manner::default;
    let hosts = [
        Host::start(40, port, usual()),
        Host::start(41, port, Manner { greeting: "421 4.3.2 busy", ..usual() }),
        Host::start(42, port, Manner { hello: None, ..usual() }),
        Host::start(43, port, Manner { rcpt: |_| "550 5.1.1 no such user", ..usual() }),
        Host::start(44, port, Manner { data: None, ..usual() }),
        Host::start(45, port, Manner { data: Some("554 5.7.1 spam"), ..usual() }),
        Host::start(46, port, usual()),
    ];
    let numbers = [40, 41, 42, 43, 44, 45, 46, 47];
    let dns = Stub::start(&format!("{}\nfail.test !servfail", table(&numbers)));
    let mut to = everybody(&numbers);
    to.insert(3, "bob@fail.test".to_owned());
    to.push("bob@gone.test".to_owned());
    for bound in ["", "max-sessions = 1\n", "max-sessions = 100\n"] {
        let ended = send(&direct(&dns, port, bound), &["--json"], &texts(&to));
        assert_eq!(ended.code(), 75, "{}", ended.stderr);
        let told: Vec<String> = ended
            .stdout
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                format!("{} {} {}", text("recipient"), text("verdict"), line["code"])
            })
            .collect();
        assert_eq!(
            told,
            [
                "bob@d40.test accepted 250",
                "bob@d41.test deferred 421",
                "bob@d42.test deferred null",
                "bob@fail.test deferred null",
                "bob@d43.test failed 550",
                "bob@d44.test deferred null",
                "bob@d45.test failed 554",
                "bob@d46.test accepted 250",
                "bob@d47.test deferred null",
                "bob@gone.test failed null",
            ]
        );
        assert!(ended.stdout.contains("may have been delivered"), "{}", ended.stdout);
        let mails: Vec<_> = hosts.iter().map(|host| host.mails().len()).collect();
        assert_eq!(mails, [1, 0, 0, 0, 0, 0, 1]);
    }
}

/// The log has a line for each attempt, of the server that it was with.
#[test]
fn the_log_tells_sessions_apart() {
    let hosts = [50, 51, 52, 53];
    let port = free_port();
    let step = Arc::new(Barrier::new(hosts.len()));
    for last in hosts {
        let step = step.clone();
        server(last, port, "", move |at| {
            if at == At::End {
                step.wait();
            }
        });
    }
    let dns = Stub::start(&table(&hosts));
    let program = direct(&dns, port, "");
    let log = program.path("log");
    let config = std::fs::read_to_string(program.config()).unwrap();
    let config = config.replace("log = \"none\"", &format!("log = \"file\"\nlog-file = \"{}\"", log.display()));
    std::fs::write(program.config(), config).unwrap();
    send(&program, &[], &texts(&everybody(&hosts))).assert_silent_success();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().count(), hosts.len(), "{log}");
    for n in hosts {
        let line = log.lines().find(|line| line.contains(&format!(" host=mx{n}.test:{port} "))).unwrap();
        let own = format!(" peer=127.0.0.{n} sender=alice@sender.test recipient=bob@d{n}.test ");
        assert!(line.contains(&own) && line.contains(" result=accepted "), "{log}");
    }
}
