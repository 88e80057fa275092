//! One question to the servers, through all aliases, to an answer or the reasons why there is none.

use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::{Instant, timeout_at};

use super::Record;
use super::answer::{Found, Raw, Security, shown};
use super::error::{LookupError, Reason};
use super::servers::{ROUNDS, Server, Servers};
use crate::system;

/// Aliases in a row that are followed. More are a mistake, or go in a circle.
const ALIASES: usize = 8;

/// Looks a name up within the limit.
pub(super) async fn follow(servers: &Servers, name: &str, record: Record, limit: Duration) -> Result<Raw, LookupError> {
    let deadline = Instant::now() + limit;
    // What cannot be a name is none.
    let Some(mut current) = name_of(name) else { return Ok(Raw::NoName) };
    let mut aliases = 0;
    let mut security = Security::Secure;
    let mut ttl = u32::MAX;
    loop {
        let failed = |answers| LookupError { domain: name.to_owned(), record, answers };
        let (server, trust, heard) = one_question(servers, &current, record, deadline).await.map_err(failed)?;
        let response = match heard {
            Heard::NoName => return Ok(Raw::NoName),
            Heard::NoData => return Ok(Raw::NoData(shown(&current))),
            Heard::Response(response) => response,
        };
        if !response.metadata.authentic_data || trust == Security::Insecure {
            security = Security::Insecure;
        }
        let before = aliases;
        loop {
            let here = || response.answers.iter().filter(|answer| answer.name == current);
            let mut records = Vec::new();
            for answer in here().filter(|answer| answer.record_type() == kind(record)) {
                ttl = ttl.min(answer.ttl);
                records.push(answer.data.clone());
            }
            if !records.is_empty() {
                let ttl = Duration::from_secs(ttl.into());
                return Ok(Raw::Found(Found { records, ttl, security, name: shown(&current) }));
            }
            let alias = here().find_map(|answer| match &answer.data {
                RData::CNAME(target) => Some((answer.ttl, target.0.clone())),
                _ => None,
            });
            let Some((time, target)) = alias else { break };
            aliases += 1;
            if aliases > ALIASES || target.is_root() {
                let why = format!("more than {ALIASES} aliases in a row, or a circle of them");
                return Err(failed(vec![(server, Reason::Unusable(why))]));
            }
            ttl = ttl.min(time);
            current = target;
        }
        if response.metadata.response_code == ResponseCode::NXDomain {
            return Ok(Raw::NoName);
        }
        // A server that gives an alias and not what is behind it is asked for that, too.
        if aliases == before {
            return Ok(Raw::NoData(shown(&current)));
        }
    }
}

/// What a server says.
enum Heard {
    NoName,
    NoData,
    Response(Box<DnsResponse>),
}

/// Asks each server in turn, and who was silent once more. Gives the server that has answered, and whether its word
/// counts.
async fn one_question(
    servers: &Servers,
    name: &Name,
    record: Record,
    deadline: Instant,
) -> Result<(String, Security, Heard), Vec<(String, Reason)>> {
    let mut failures: Vec<(String, Reason)> = Vec::new();
    for round in 0..ROUNDS {
        for server in &servers.list {
            let earlier = failures.iter().position(|(label, _)| *label == server.label);
            let was_silent =
                earlier.is_some_and(|at| failures.get(at).is_some_and(|(_, why)| *why == Reason::TimedOut));
            if (round > 0 && !was_silent) || (Instant::now() >= deadline && earlier.is_some()) {
                continue;
            }
            let until = deadline.min(Instant::now() + servers.patience);
            let heard = timeout_at(until, send(server, name, record)).await.unwrap_or(Err(Reason::TimedOut));
            if let Err(Reason::TimedOut) = heard {
                server.link.forget();
            }
            match (heard, earlier.and_then(|at| failures.get_mut(at))) {
                (Ok(heard), _) => return Ok((server.label.clone(), server.trust, heard)),
                (Err(reason), Some((_, before))) => *before = reason,
                (Err(reason), None) => failures.push((server.label.clone(), reason)),
            }
        }
    }
    Err(failures)
}

async fn send(server: &Server, name: &Name, record: Record) -> Result<Heard, Reason> {
    let query = Query::query(name.clone(), kind(record));
    let mut request = DnsRequest::from_query(query, DnsRequestOptions::default());
    // "Tell me whether it was validated" (RFC 6840 section 5.7).
    request.metadata.authentic_data = server.trust == Security::Secure;
    match server.link.ask(&request).await {
        Ok(response) => Ok(Heard::Response(Box::new(response))),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => absence(&none),
        Err(error) => Err(reason(error)),
    }
}

/// What an answer without records means.
fn absence(none: &NoRecords) -> Result<Heard, Reason> {
    match none.response_code {
        ResponseCode::NXDomain => Ok(Heard::NoName),
        // Other name servers in place of a start of authority (RFC 2308 section 2.2) are no answer: whoever gives them
        // does not look names up for others.
        ResponseCode::NoError if none.ns.is_some() && none.soa.is_none() => {
            Err(Reason::Unusable("a referral to other servers and no answer; it does not look names up".to_owned()))
        }
        ResponseCode::NoError => Ok(Heard::NoData),
        code => Err(of_code(code)),
    }
}

fn reason(error: NetError) -> Reason {
    match error {
        NetError::Timeout => Reason::TimedOut,
        NetError::Dns(DnsError::ResponseCode(code)) => of_code(code),
        NetError::Io(error) => Reason::Unreachable(system::words(&error)),
        NetError::Truncated => Reason::Unusable("its answer is cut short".to_owned()),
        NetError::RustlsError(error) => Reason::Unreachable(format!("no TLS: {error}")),
        NetError::Proto(_) => Reason::Unusable("its answer cannot be read".to_owned()),
        other => Reason::Unusable(other.to_string()),
    }
}

fn of_code(code: ResponseCode) -> Reason {
    match code {
        ResponseCode::ServFail => Reason::ServerFailure,
        ResponseCode::Refused => Reason::Refused,
        other => Reason::Code(format!("it answers {}", other.to_str())),
    }
}

fn kind(record: Record) -> RecordType {
    match record {
        Record::Mx => RecordType::MX,
        Record::Srv => RecordType::SRV,
        Record::A => RecordType::A,
        Record::Aaaa => RecordType::AAAA,
        Record::Tlsa => RecordType::TLSA,
        Record::Txt => RecordType::TXT,
    }
}

/// A name as it is written in an address or a record, without escapes. The search list of the system is not for it.
fn name_of(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(is_plain) {
        return None;
    }
    Name::from_ascii(format!("{text}.")).ok()
}
