//! Which policy of a domain is in force: the one that its record names, fetched now or kept from before (RFC 8461 sections
//! 3.3 and 5.1).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::file::{Mode, PolicyFile};
use super::record::{self, Id, NoRecord};
use crate::config::account::{Account, MtaSts, TlsPolicy};
use crate::dns::{Answer, Found, LookupError, Resolver};
use crate::net::https::{self, FetchError, Request};
use crate::route::policy::{Flaw, for_exchanger};
use crate::state::policies::{self as state, Wrong};

/// The policies of domains, each found out once in the life of this value.
pub struct Policies<'a> {
    account: &'a Account,
    store: Option<state::Policies>,
    entries: RefCell<HashMap<String, Rc<Entry>>>,
}

/// What is found out of a domain, step by step.
#[derive(Default)]
struct Entry {
    record: OnceCell<Result<Id, NoId>>,
    known: OnceCell<Rc<Known>>,
}

/// Why a domain names no policy.
#[derive(Clone, Debug)]
enum NoId {
    Record(NoRecord),
    LookUp(LookupError),
}

/// What is known of a domain.
#[derive(Debug, Default)]
pub(in crate::route) struct Known {
    /// The policy in force.
    pub(in crate::route) policy: Option<InForce>,
    /// What went wrong on the way.
    pub(in crate::route) flaw: Option<Flaw>,
    /// What was found, for people.
    pub(in crate::route) decisions: Vec<String>,
}

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// What it says.
    pub file: PolicyFile,
    /// What its record calls it.
    pub id: String,
    /// In seconds since 1970.
    fetched: u64,
}

/// All of a look-up of the file, with its server's addresses, unless the account has less time for a command (RFC 8461
/// section 3.3).
const LIMIT: Duration = Duration::from_secs(60);
/// A policy that is in use is fetched again after so many seconds, before it is too old (RFC 8461 section 10.2).
const FRESH: u64 = 24 * 60 * 60;
/// One that could not be fetched is not asked for again before so many seconds (RFC 8461 section 3.3).
const PAUSE: u64 = 5 * 60;
/// Hosts of a policy that are shown.
const HOSTS_SHOWN: usize = 5;

impl<'a> Policies<'a> {
    /// The policies as the account wants them, with what is kept between runs. Nothing is read yet.
    pub fn new(account: &'a Account) -> Self {
        let store = account.state_file.as_deref().map(state::Policies::beside);
        Policies { account, store, entries: RefCell::default() }
    }

    /// Whether policies count: the account does not refuse them, and TLS is not ruled out.
    fn count(&self) -> bool {
        self.account.mta_sts == MtaSts::Auto && self.account.tls.on_exchangers != TlsPolicy::None
    }

    /// Looks for the record of a domain, so that it is there when it is needed.
    pub(in crate::route) async fn ask_early(&self, domain: &str, resolver: &Resolver<'_>) {
        if self.count() {
            self.entry(domain).record.get_or_init(|| id_of(domain, resolver)).await;
        }
    }

    /// What is known of a domain; nothing where policies do not count, and none of an address (RFC 8461 section 3.4).
    pub(in crate::route) async fn of(&self, domain: &str, resolver: &Resolver<'_>) -> Rc<Known> {
        if !self.count() || domain.starts_with('[') {
            return Rc::default();
        }
        let entry = self.entry(domain);
        let known = entry.known.get_or_init(|| async {
            let id = entry.record.get_or_init(|| id_of(domain, resolver)).await;
            Rc::new(self.find(domain, id, resolver).await)
        });
        known.await.clone()
    }

    /// The policy of a domain that was found to be in force so far.
    pub(in crate::route) fn in_force(&self, domain: &str) -> Option<InForce> {
        let entries = self.entries.borrow();
        entries.get(domain).and_then(|entry| entry.known.get()?.policy.clone())
    }

    /// What was found of a domain so far, for people.
    pub(in crate::route) fn decisions(&self, domain: &str) -> Vec<String> {
        let entries = self.entries.borrow();
        let known = entries.get(domain).and_then(|entry| entry.known.get());
        known.map(|known| known.decisions.clone()).unwrap_or_default()
    }

    fn entry(&self, domain: &str) -> Rc<Entry> {
        self.entries.borrow_mut().entry(domain.to_owned()).or_default().clone()
    }

    async fn find(&self, domain: &str, id: &Result<Id, NoId>, resolver: &Resolver<'_>) -> Known {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let kept = self.store.as_ref().map(|store| store.recall(domain)).unwrap_or_default();
        let id = match id {
            Ok(id) => id,
            Err(none) => {
                return without_id(domain, none, kept.policy.and_then(|fetched| InForce::of(fetched, now)), now);
            }
        };
        let (kept, flaw) = match step(kept, id, now) {
            Step::Use(kept) => return Known::of(domain, kept, now),
            Step::Wait(kept, flaw) => (kept, flaw),
            Step::Fetch(kept) => match self.fetch(domain, resolver).await {
                Ok(file) => {
                    let policy = InForce { file, id: id.to_string(), fetched: now };
                    self.keep(domain, &policy, now);
                    return Known::of(domain, policy, now);
                }
                Err(flaw) => {
                    if let Some(store) = &self.store {
                        store.fail(domain, state::Failed { id: id.to_string(), at: now, what: wrong(&flaw) }, now);
                    }
                    (kept, flaw)
                }
            },
        };
        let why = match &flaw {
            Flaw::StsFetch(why) | Flaw::StsInvalid(why) | Flaw::StsWebPki(why) => why,
            Flaw::Tlsa | Flaw::StsHost => "",
        };
        let mut decisions = Vec::new();
        // A domain that asks for nothing may well have taken its web server away (RFC 8461 section 3.3).
        if kept.as_ref().is_none_or(|kept| kept.file.mode != Mode::None) {
            let end = if kept.is_some() { "the one that is kept stays in force" } else { "none is in force" };
            decisions
                .push(format!("{domain}: the MTA-STS policy {id} cannot be had from {}: {why}; {end}", host(domain)));
        }
        decisions.extend(kept.as_ref().map(|kept| kept.told(domain, now)));
        Known { policy: kept, flaw: Some(flaw), decisions }
    }

    fn keep(&self, domain: &str, policy: &InForce, now: u64) {
        let InForce { file, id, fetched } = policy;
        if let Some(store) = &self.store {
            let fetched = state::Fetched { id: id.clone(), at: *fetched, text: file.to_string() };
            store.keep(domain, fetched, now);
        }
    }

    async fn fetch(&self, domain: &str, resolver: &Resolver<'_>) -> Result<PolicyFile, Flaw> {
        let host = host(domain);
        let account = self.account;
        let limit = account.timeouts.command.unwrap_or(LIMIT).min(LIMIT);
        let deadline = Instant::now() + limit;
        let addresses = match timeout_at(deadline, resolver.addresses(&host, account.reach.family)).await {
            Ok(Ok(Answer::Found(found))) => found.records,
            Ok(Ok(Answer::NoName | Answer::NoData(_))) => return Err(Flaw::StsFetch("it has no address".to_owned())),
            Ok(Err(error)) => return Err(Flaw::StsFetch(error.to_string())),
            Err(_) => return Err(Flaw::StsFetch("its addresses could not be looked up in time".to_owned())),
        };
        let request = Request {
            host: &host,
            addresses: &addresses,
            port: account.mta_sts_port,
            path: "/.well-known/mta-sts.txt",
            limit: deadline.saturating_duration_since(Instant::now()),
        };
        let tls = for_exchanger(&account.tls, TlsPolicy::Required);
        match https::get(request, &tls, &account.reach).await {
            Ok(octets) => PolicyFile::parse(&octets).map_err(|error| Flaw::StsInvalid(error.to_string())),
            Err(FetchError::Tls(why)) => Err(Flaw::StsWebPki(why)),
            Err(FetchError::Unreachable(why) | FetchError::Answer(why)) => Err(Flaw::StsFetch(why)),
        }
    }
}

/// What is to be done where a domain names a policy.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// This one is kept, and it is the one.
    Use(InForce),
    /// It is to be fetched; where that fails, this one stays in force.
    Fetch(Option<InForce>),
    /// It could not be fetched a short time ago; this one stays in force.
    Wait(Option<InForce>, Flaw),
}

/// By what is kept of a domain, the id that it names, and the time in seconds since 1970.
fn step(kept: state::Kept, id: &Id, now: u64) -> Step {
    let policy = kept.policy.and_then(|fetched| InForce::of(fetched, now));
    let failed = kept.failed.filter(|failed| failed.id == id.as_str() && failed.at <= now && now - failed.at < PAUSE);
    match (policy, failed) {
        (Some(policy), _) if policy.id == id.as_str() && policy.fetched <= now && now - policy.fetched < FRESH => {
            Step::Use(policy)
        }
        (policy, Some(failed)) => {
            let ago = span(now.saturating_sub(failed.at));
            let in_vain = |why: &str| format!("an attempt {ago} ago was in vain{why}, and the next is not due");
            let flaw = match failed.what {
                Wrong::Answer => Flaw::StsFetch(in_vain("")),
                Wrong::Certificate => Flaw::StsWebPki(in_vain(" for want of TLS with a good certificate")),
                Wrong::Text => Flaw::StsInvalid(in_vain(", as the text is no policy")),
            };
            Step::Wait(policy, flaw)
        }
        (policy, None) => Step::Fetch(policy),
    }
}

/// What of a flaw is kept.
fn wrong(flaw: &Flaw) -> Wrong {
    match flaw {
        Flaw::StsWebPki(_) => Wrong::Certificate,
        Flaw::StsInvalid(_) => Wrong::Text,
        Flaw::StsFetch(_) | Flaw::StsHost | Flaw::Tlsa => Wrong::Answer,
    }
}

/// The web server with the policy of a domain (RFC 8461 section 3.3).
fn host(domain: &str) -> String {
    format!("mta-sts.{domain}")
}

async fn id_of(domain: &str, resolver: &Resolver<'_>) -> Result<Id, NoId> {
    match resolver.txt(&format!("_mta-sts.{domain}")).await {
        Ok(Answer::Found(Found { records, .. })) => record::id(&records).map_err(NoId::Record),
        Ok(Answer::NoName | Answer::NoData(_)) => Err(NoId::Record(NoRecord::None)),
        Err(error) => Err(NoId::LookUp(error)),
    }
}

/// A policy that is kept stays in force though its record is gone: whoever forges DNS would take it away (RFC 8461 section
/// 10.2).
fn without_id(domain: &str, none: &NoId, cached: Option<InForce>, now: u64) -> Known {
    let why = match none {
        NoId::Record(NoRecord::None) => cached.as_ref().map(|_| "its record is gone".to_owned()),
        NoId::Record(record) => record.words().map(str::to_owned),
        NoId::LookUp(error) => Some(error.to_string()),
    };
    let mut decisions: Vec<String> = why.map(|why| format!("{domain}: MTA-STS: {why}")).into_iter().collect();
    decisions.extend(cached.as_ref().map(|cached| cached.told(domain, now)));
    Known { policy: cached, flaw: None, decisions }
}

impl Known {
    fn of(domain: &str, policy: InForce, now: u64) -> Self {
        Known { decisions: vec![policy.told(domain, now)], policy: Some(policy), flaw: None }
    }
}

impl InForce {
    /// A policy that was kept; nothing where it is too old, or none that can be read.
    fn of(kept: state::Fetched, now: u64) -> Option<Self> {
        let file = PolicyFile::parse(kept.text.as_bytes()).ok()?;
        let is_live = now.saturating_sub(kept.at) < file.max_age.as_secs();
        is_live.then_some(InForce { file, id: kept.id, fetched: kept.at })
    }

    /// How long ago it was fetched.
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(now.as_secs().saturating_sub(self.fetched))
    }

    /// What it is, for people.
    fn told(&self, domain: &str, now: u64) -> String {
        let InForce { file, id, fetched } = self;
        let mut hosts: Vec<&str> = file.mx.iter().take(HOSTS_SHOWN).map(|pattern| pattern.as_str()).collect();
        if file.mx.len() > HOSTS_SHOWN {
            hosts.push("…");
        }
        let hosts = if hosts.is_empty() { String::new() } else { format!(", hosts {}", hosts.join(", ")) };
        let age = now.saturating_sub(*fetched);
        let source = if age == 0 { "fetched".to_owned() } else { format!("kept, {} old", span(age)) };
        let mode = file.mode.word();
        format!("{domain}: MTA-STS policy {id}: {mode}{hosts}, max_age {} s, {source}", file.max_age.as_secs())
    }
}

/// A time in its largest unit.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("{count} {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const WEEK: u64 = 7 * 24 * 60 * 60;

    fn policy(id: &str, age: u64) -> state::Fetched {
        let text = format!("version: STSv1\nmode: enforce\nmx: mx.test\nmax_age: {WEEK}\n");
        state::Fetched { id: id.to_owned(), at: NOW - age, text }
    }

    fn failed(id: &str, age: u64) -> state::Failed {
        state::Failed { id: id.to_owned(), at: NOW - age, what: Wrong::Answer }
    }

    /// P-329: what is done, by the age of what is kept: a policy holds until its max_age and is fetched anew each day and for
    /// another id, but not within five minutes of a failure with the same id.
    #[test]
    fn the_clock_says_what_is_done() {
        let id = Id::new("2").unwrap();
        for (fetched, attempt, expected) in [
            (None, None, "fetch, none kept"),
            (Some(policy("2", 0)), None, "use"),
            (Some(policy("2", FRESH - 1)), None, "use"),
            (Some(policy("2", FRESH)), None, "fetch, one kept"),
            (Some(policy("2", WEEK - 1)), None, "fetch, one kept"),
            (Some(policy("2", WEEK)), None, "fetch, none kept"),
            (Some(policy("1", 0)), None, "fetch, one kept"),
            (Some(policy("1", WEEK)), None, "fetch, none kept"),
            (None, Some(failed("2", 0)), "wait, none kept"),
            (None, Some(failed("2", PAUSE - 1)), "wait, none kept"),
            (None, Some(failed("2", PAUSE)), "fetch, none kept"),
            (None, Some(failed("1", 0)), "fetch, none kept"),
            (Some(policy("1", 0)), Some(failed("2", 10)), "wait, one kept"),
            (Some(policy("1", 0)), Some(failed("1", 10)), "fetch, one kept"),
            (Some(policy("2", FRESH)), Some(failed("2", 10)), "wait, one kept"),
            (Some(policy("2", 5)), Some(failed("2", 10)), "use"),
        ] {
            let shown = format!("{fetched:?} {attempt:?}");
            let kept = |policy: Option<InForce>| if policy.is_some() { "one kept" } else { "none kept" };
            let done = match step(state::Kept { policy: fetched, failed: attempt }, &id, NOW) {
                Step::Use(_) => "use".to_owned(),
                Step::Fetch(policy) => format!("fetch, {}", kept(policy)),
                Step::Wait(policy, _) => format!("wait, {}", kept(policy)),
            };
            assert_eq!(done, expected, "{shown}");
        }
        // A clock that was wrong does not stop it for long, and does not take a policy away: how old it is nobody knows.
        let ahead = state::Fetched { at: NOW + 10, ..policy("2", 0) };
        assert!(matches!(step(state::Kept { policy: Some(ahead), failed: None }, &id, NOW), Step::Fetch(Some(_))));
        let ahead = state::Failed { at: NOW + 10, ..failed("2", 0) };
        assert_eq!(step(state::Kept { policy: None, failed: Some(ahead) }, &id, NOW), Step::Fetch(None));
        // What was wrong is known as long as nobody asks again.
        for what in [Wrong::Answer, Wrong::Certificate, Wrong::Text] {
            let failed = Some(state::Failed { what, ..failed("2", 10) });
            let Step::Wait(None, flaw) = step(state::Kept { policy: None, failed }, &id, NOW) else { panic!() };
            assert_eq!(wrong(&flaw), what);
        }
        let broken = state::Fetched { text: "nonsense".to_owned(), ..policy("2", 0) };
        assert_eq!(step(state::Kept { policy: Some(broken), failed: None }, &id, NOW), Step::Fetch(None));
    }
}
