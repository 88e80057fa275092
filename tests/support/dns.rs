//! A DNS server on loopback that answers from a table, over UDP and TCP, and does what servers should not.
//!
//! A line of the table is a name, a type and the data as in a zone file, names without a dot at their end:
//!
//! ```text
//! example.test   MX     10 mx1.example.test
//! mx1.example.test A    192.0.2.1
//! _submissions._tcp.example.test SRV 0 1 465 mail.example.test
//! _25._tcp.mx1.example.test TLSA 3 1 1 e3b0…
//! example.test   TXT    v=STSv1; id=1
//! www.test       CNAME  example.test
//! ```
//!
//! `.` is the root, and `\NNN` an octet of a label. Aliases of the table are followed within one answer. A name that is
//! in the table has no data of other types; one that is not there does not exist. In the place of a type and data, for
//! all types or (`MX !silent`) for one:
//!
//! ```text
//! !nodata !nxdomain !servfail !refused !notimp      what they say
//! !silent                                           no answer
//! !wrong-id !wrong-name                             the answer to somebody else
//! !foreign                                          the records are those of somebody else
//! !lame                                             other servers, and no answer
//! !truncate                                         over UDP; the records come over TCP
//! !close !stuck                                     over TCP, the connection is closed behind the answer, or no longer read
//! !code11 !formerr                                  a response code that nobody knows; to a question with EDNS
//! !deaf                                             no answer to a question with EDNS
//! !other                                            over TCP, the answer to another question under the same number
//! !pointer !garbage !short                          no message: a pointer to itself, noise, the header alone
//! !alias                                            only the alias, and not what is behind it
//! !until NAME                                       no answer before somebody has asked for this name
//! !ad                                               not a fault: validated by DNSSEC
//! ```

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub struct Stub {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

struct Line {
    name: String,
    kind: String,
    data: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Udp,
    Tcp,
}

/// Aliases in one answer.
const CHAIN: usize = 12;

impl Stub {
    pub fn start(table: &str) -> Stub {
        Stub::on(Ipv4Addr::LOCALHOST, table)
    }

    /// The same on an address of its own.
    pub fn on(address: Ipv4Addr, table: &str) -> Stub {
        let lines: Vec<Line> = table.lines().filter_map(Line::read).collect();
        let table = Arc::new(lines);
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((address, 0)).unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (lines, log) = (table.clone(), asked.clone());
        thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut packet) {
                if let Some(reply) = answer(&packet[..length], &lines, &log, Over::Udp) {
                    let _ = udp.send_to(&reply, from);
                }
            }
        });
        let connections: Arc<AtomicUsize> = Arc::default();
        let (log, count) = (asked.clone(), connections.clone());
        thread::spawn(move || {
            while let Ok((stream, _)) = tcp.accept() {
                count.fetch_add(1, Ordering::Relaxed);
                let (lines, log) = (table.clone(), log.clone());
                thread::spawn(move || serve(stream, &lines, &log));
            }
        });
        Stub { address, asked, connections }
    }

    /// How many connections came over TCP.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many questions came since the last time that they were taken, repeated ones too.
    pub fn questions(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The questions since the last time, `example.test MX`, in their order; `MX/tcp` over TCP. A question that is
    /// repeated within an instant, as UDP may, is there once.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let mut seen = HashSet::new();
        asked.retain(|question| seen.insert(question.clone()));
        asked
    }
}

fn serve(mut stream: TcpStream, table: &[Line], log: &Mutex<Vec<String>>) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut packet = vec![0; u16::from_be_bytes(length).into()];
        if stream.read_exact(&mut packet).is_err() {
            return;
        }
        if let Some(reply) = answer(&packet, table, log, Over::Tcp) {
            let length = (reply.len() as u16).to_be_bytes();
            let _ = stream.write_all(&[&length[..], &reply].concat());
            let has = |fault| {
                question(&packet).is_some_and(|(name, _)| table.iter().any(|l| l.name == name && l.data == fault))
            };
            if has("!close") {
                return;
            }
            while has("!stuck") {
                thread::park();
            }
        }
    }
}

impl Line {
    fn read(text: &str) -> Option<Line> {
        let mut words = text.split_whitespace();
        let name = words.next()?.to_lowercase();
        let mut kind = words.next()?;
        let mut data = words.collect::<Vec<_>>().join(" ");
        if kind.starts_with('!') {
            (data, kind) = (kind.to_owned(), "*");
        }
        Some(Line { name, kind: kind.to_owned(), data })
    }

    fn is_for(&self, name: &str, kind: &str) -> bool {
        self.name == name && (self.kind == kind || self.kind == "*")
    }
}

const KINDS: [(&str, u16); 8] =
    [("A", 1), ("NS", 2), ("CNAME", 5), ("MX", 15), ("TXT", 16), ("AAAA", 28), ("SRV", 33), ("TLSA", 52)];

/// The name that is asked for, and where it ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    while *query.get(at)? != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase());
        at += length + 1;
    }
    Some((labels.join("."), at))
}

fn answer(query: &[u8], table: &[Line], log: &Mutex<Vec<String>>, over: Over) -> Option<Vec<u8>> {
    let (name, at) = question(query)?;
    let number = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let question = &query[12..at + 5];
    let kind = KINDS.iter().find(|(_, code)| *code == number).map_or("other", |(word, _)| *word);
    let suffix = if over == Over::Tcp { "/tcp" } else { "" };
    log.lock().unwrap().push(format!("{name} {kind}{suffix}"));

    let faults: Vec<&str> =
        table.iter().filter(|line| line.is_for(&name, kind)).map(|line| line.data.as_str()).collect();
    let has = |fault: &str| faults.contains(&fault);
    let is_there = |name: &str| table.iter().any(|line| line.name == name || line.name.ends_with(&format!(".{name}")));
    let mut id = [query[0], query[1]];
    let mut code = if is_there(&name) { 0 } else { 3 };
    for (word, number) in [("!nodata", 0), ("!servfail", 2), ("!nxdomain", 3), ("!notimp", 4), ("!refused", 5)] {
        if has(word) {
            code = number;
        }
    }
    let mut records = Vec::new();
    let mut here = name.clone();
    for _ in 0..CHAIN {
        let own = |kind: &str| table.iter().filter(|line| line.name == here && line.kind == kind).collect::<Vec<_>>();
        let of_kind: Vec<_> = own(kind).into_iter().filter(|line| !line.data.starts_with('!')).collect();
        records.extend(of_kind.iter().map(|line| (here.clone(), number, data(kind, &line.data))));
        let Some(alias) = own("CNAME").first().copied() else { break };
        if !of_kind.is_empty() {
            break;
        }
        records.push((here.clone(), 5, wire(&alias.data)));
        if has("!alias") {
            break;
        }
        here.clone_from(&alias.data);
        if !is_there(&here) {
            code = 3;
        }
    }
    let has_edns = query.get(11).is_some_and(|count| *count > 0);
    if has("!code11") {
        code = 11;
    }
    if has("!formerr") && has_edns {
        code = 1;
    }
    let mut flags = 0x80;
    let mut authority = vec![("test".to_owned(), 6, [wire("ns.test"), wire("root.test"), vec![0; 20]].concat())];
    if has("!silent") || has("!deaf") && has_edns {
        return None;
    }
    let was_asked = |name: &str| log.lock().unwrap().iter().any(|question| question.split(' ').next() == Some(name));
    if faults.iter().filter_map(|fault| fault.strip_prefix("!until ")).any(|name| !was_asked(name)) {
        return None;
    }
    if has("!garbage") {
        return Some([&id[..], &[0xff; 60]].concat());
    }
    if has("!short") {
        return Some([&id[..], &[0x81, 0x80]].concat());
    }
    if has("!wrong-id") {
        id = [!id[0], !id[1]];
    }
    if has("!lame") {
        (records, flags) = (Vec::new(), 0);
        authority = vec![("test".to_owned(), 2, wire("ns.elsewhere.test"))];
    }
    let is_cut = has("!truncate") && over == Over::Udp;
    if code != 0 && code != 3 || has("!nodata") || has("!nxdomain") || is_cut {
        records.clear();
    }
    if !records.is_empty() {
        authority.clear();
    }
    if has("!foreign") {
        records.iter_mut().for_each(|(owner, ..)| owner.insert_str(0, "not-"));
    }
    let wants_ad = query[3] & 0x20 != 0;
    let ad = if has("!ad") && wants_ad { 0x20 } else { 0 };
    let mut reply = id.to_vec();
    reply.extend([0x80 | (query[2] & 0x79) | if is_cut { 2 } else { 0 }, flags | code | ad]);
    let counts = [1, records.len() as u16, authority.len() as u16, 0];
    reply.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    if has("!wrong-name") || has("!other") && over == Over::Tcp {
        reply.extend([wire("someone.else.test"), number.to_be_bytes().to_vec(), vec![0, 1]].concat());
    } else {
        reply.extend_from_slice(question);
    }
    for (owner, kind, data) in records.iter().chain(&authority) {
        if has("!pointer") {
            let here = 0xc000 | reply.len() as u16;
            reply.extend(here.to_be_bytes());
        } else if *owner == name {
            reply.extend([0xc0, 12]);
        } else {
            reply.extend(wire(owner));
        }
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend((data.len() as u16).to_be_bytes());
        reply.extend(data);
    }
    // What does not fit is cut, as every server does.
    if over == Over::Udp && reply.len() > 1232 {
        reply.truncate(12 + question.len());
        reply[2] |= 2;
        reply[6..12].fill(0);
    }
    Some(reply)
}

fn data(kind: &str, text: &str) -> Vec<u8> {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |at: usize| words[at].parse::<u16>().unwrap().to_be_bytes().to_vec();
    match kind {
        "A" => text.parse::<Ipv4Addr>().unwrap().octets().to_vec(),
        "AAAA" => text.parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec(),
        "MX" => [number(0), wire(words[1])].concat(),
        "SRV" => [number(0), number(1), number(2), wire(words[3])].concat(),
        "TXT" => text.as_bytes().chunks(100).flat_map(|part| [&[part.len() as u8], part].concat()).collect(),
        "TLSA" => {
            let numbers = words[..3].iter().map(|word| word.parse::<u8>().unwrap());
            let hex = (0..words[3].len()).step_by(2).map(|at| u8::from_str_radix(&words[3][at..at + 2], 16).unwrap());
            numbers.chain(hex).collect()
        }
        _ => wire(text),
    }
}

/// A name as it goes over the wire.
fn wire(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let mut plain = Vec::new();
        let mut rest = label;
        while let Some(first) = rest.bytes().next() {
            if first == b'\\' {
                plain.push(rest[1..4].parse().unwrap());
                rest = &rest[4..];
            } else {
                plain.push(first);
                rest = &rest[1..];
            }
        }
        octets.push(plain.len() as u8);
        octets.extend(plain);
    }
    octets.push(0);
    octets
}
