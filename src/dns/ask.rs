//! One question to the servers, through all aliases, to an answer or the reasons why there is none.

use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, RecordType};
use tokio::time::{Instant, timeout_at};

use super::Record;
use super::answer::{Bare, Found, Raw, Security, shown};
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
        let (server, response) = one_question(servers, &current, record, deadline).await.map_err(failed)?;
        if !response.metadata.authentic_data || server.trust == Security::Insecure {
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
            let fault = match target.is_root() {
                true => Some(format!("{} is an alias of the root, which has nothing", shown(&current))),
                false if aliases > ALIASES => {
                    Some(format!("more than {ALIASES} aliases in a row, or a circle of them"))
                }
                false => None,
            };
            if let Some(why) = fault {
                return Err(failed(vec![(server.label.clone(), Reason::Unusable(why))]));
            }
            ttl = ttl.min(time);
            current = target;
        }
        if response.metadata.response_code == ResponseCode::NXDomain {
            return Ok(Raw::NoName);
        }
        // A server that gives an alias and not what is behind it is asked for that, too.
        if aliases == before {
            return Ok(Raw::NoData(Bare { name: shown(&current), security }));
        }
    }
}

/// Asks each server in turn, and who was silent once more.
async fn one_question<'s>(
    servers: &'s Servers,
    name: &Name,
    record: Record,
    deadline: Instant,
) -> Result<(&'s Server, DnsResponse), Vec<(String, Reason)>> {
    let mut failures: Vec<(String, Reason)> = Vec::new();
    let order = servers.in_order();
    for round in 0..ROUNDS {
        for server in &order {
            let earlier = failures.iter().position(|(label, _)| *label == server.label);
            let was_silent =
                earlier.is_some_and(|at| failures.get(at).is_some_and(|(_, why)| *why == Reason::TimedOut));
            if (round > 0 && !was_silent) || (Instant::now() >= deadline && earlier.is_some()) {
                continue;
            }
            let until = deadline.min(Instant::now() + servers.patience);
            // Who does not know EDNS may say nothing at all (RFC 6891 section 6.2.2).
            let edns = if round > 0 { Edns::Without } else { Edns::With };
            let heard = timeout_at(until, send(server, name, record, edns)).await.unwrap_or(Err(Reason::TimedOut));
            server.has_been_asked(heard.as_ref().err());
            match (heard, earlier.and_then(|at| failures.get_mut(at))) {
                (Ok(response), _) => return Ok((server, response)),
                (Err(reason), Some((_, before))) => *before = reason,
                (Err(reason), None) => failures.push((server.label.clone(), reason)),
            }
        }
    }
    Err(failures)
}

/// Whether a question has the record by which servers may answer more than 512 octets over UDP (RFC 6891).
#[derive(Clone, Copy, PartialEq)]
enum Edns {
    With,
    Without,
}

async fn send(server: &Server, name: &Name, record: Record, mut edns: Edns) -> Result<DnsResponse, Reason> {
    loop {
        let query = Query::query(name.clone(), kind(record));
        let mut options = DnsRequestOptions::default();
        options.use_edns = edns == Edns::With;
        let mut request = DnsRequest::from_query(query.clone(), options);
        // "Tell me whether it was validated" (RFC 6840 section 5.7).
        request.metadata.authentic_data = server.trust == Security::Secure;
        let response = server.link.ask(&request).await.map_err(reason)?;
        // Who says that he does not know EDNS, by either of these (RFC 6891 section 7), may answer without it.
        let code = response.metadata.response_code;
        if edns == Edns::With && matches!(code, ResponseCode::FormErr | ResponseCode::NotImp) {
            edns = Edns::Without;
            continue;
        }
        return judged(response, &query);
    }
}

/// The response, if it says something about what was asked.
fn judged(response: DnsResponse, query: &Query) -> Result<DnsResponse, Reason> {
    let unusable = |why: &str| Err(Reason::Unusable(why.to_owned()));
    let code = response.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(of_code(code));
    }
    if response.queries != std::slice::from_ref(query) {
        return unusable("an answer to another question");
    }
    if response.all_sections().any(|record| record.dns_class != DNSClass::IN) {
        return unusable("an answer with records of another class than IN");
    }
    // Other name servers in place of a start of authority (RFC 2308 section 2.2) are no answer: whoever gives them
    // does not look names up for others.
    let has = |kind| response.authorities.iter().any(|record| record.record_type() == kind);
    let is_empty = code == ResponseCode::NoError && response.answers.is_empty();
    if is_empty && has(RecordType::NS) && !has(RecordType::SOA) {
        return unusable("a referral to other servers and no answer; it does not look names up");
    }
    // Records of other names alone do not say that this one has none.
    if !response.answers.is_empty() && response.answers.iter().all(|answer| answer.name != query.name) {
        return unusable("an answer about other names");
    }
    Ok(response)
}

fn reason(error: NetError) -> Reason {
    match error {
        NetError::Timeout => Reason::TimedOut,
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
        other => Reason::Code(format!("it answers {} (code {})", other.to_str(), u16::from(other))),
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
