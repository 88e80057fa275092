//! One message over its servers, to a verdict for each recipient.

mod memory;
mod series;
mod session;
mod side;
mod tls_reports;

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

pub use self::memory::Remembered;
pub use self::series::{Letter, Letters};
pub use self::session::settings;

use self::series::Elsewhere;
use self::session::{Attempted, Stretch, one_session, user};
use self::side::{Audience, Busy, Voice};
use crate::address::Address;
use crate::config::account::{Account, Relay};
use crate::envelope::{Envelope, Way};
use crate::message::dkim::Signer;
use crate::message::{Facts, Message, tls_required};
use crate::net::Notice;
use crate::net::drive::Detail;
use crate::net::stop::{Stop, Stopped, unless};
use crate::net::tls::{Connectors, UnusableTls};
use crate::route::policy::Regard;
use crate::route::{self, Guide, LogIn, Plan, Route, Unroutable, Ways};
use crate::smtp::outcome::{Cause, NoRouteKind, Trouble, Verdict};
use crate::smtp::reply::Class;
use crate::smtp::session::Caution;
use crate::smtp::stage::Stage;

/// Whoever wants to know what happens, as it happens.
pub trait Witness {
    /// What follows is of the session with this server, one of several at the same time; `None`: of no session, or of
    /// the only one.
    fn session(&mut self, server: Option<&str>) {
        let _ = server;
    }
    /// The attempts that follow are of a message of so many octets.
    fn message(&mut self, size: u64) {
        let _ = size;
    }
    /// Something happened on a connection.
    fn notice(&mut self, notice: Notice);
    /// A recipient has a verdict from one attempt. There may be another attempt after a deferral.
    fn attempt(&mut self, attempt: &Attempt<'_>);
}

/// One attempt for one recipient.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    /// The recipient.
    pub recipient: &'a Address,
    /// The server as configured: `host:port`, or the path of a socket.
    pub server: &'a str,
    /// The address that answered, where there is one.
    pub peer: Option<SocketAddr>,
    /// What came of it.
    pub verdict: &'a Verdict,
    /// How long it took, from the first look-up on.
    pub took: Duration,
}

/// What became of a recipient in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The recipient.
    pub recipient: Address,
    /// The verdict.
    pub verdict: Verdict,
    /// The server that it comes from: `host:port`, or the path of a socket; the domain, where there is no way to it.
    pub server: String,
    /// Whose that is.
    pub whose: Whose,
    /// How the message came to that server, where it was looked up: what was found and decided, in order.
    pub decisions: Decisions,
}

/// What was found and decided on the way, shared by all recipients whose way it is: there may be thousands of both.
pub type Decisions = Rc<[String]>;

/// Whose a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One of the account.
    Own,
    /// A mail exchanger of others.
    Exchanger,
}

/// What is to be delivered.
pub struct Job<'a> {
    /// The account that sends.
    pub account: &'a Account,
    /// The envelope.
    pub envelope: &'a Envelope,
    /// What the message is like.
    pub facts: Facts,
    /// The message.
    pub message: &'a Message,
    /// Who signs a message anew that had to be re-encoded, where the account signs.
    pub signer: Option<&'a Signer>,
    /// TLS, as other jobs of this process may have used it already.
    pub connectors: &'a Connectors,
    /// Who knows where it goes. Nobody is asked for the way to a smarthost.
    pub guide: &'a Guide<'a>,
    /// How much the witness wants to know.
    pub detail: Detail,
    /// What ends the delivery early, where something may.
    pub stop: Option<&'a Stop>,
}

/// Most connections to one server that teach something about it: one, and one more for what the first has taught. Those
/// that bring a part of the message's recipients to their end do not count.
const CONNECTIONS: usize = 2;

/// Submits a message, and perhaps other messages of the same account in the same session: each server of the account in
/// turn, until every recipient is accepted or refused for good.
/// A recipient whose message was sent whole is never tried again here, so nothing is doubled. Where recipients
/// have different servers, as many of these are served side by side as the account says.
///
/// # Errors
/// [`UnusableTls`] when TLS cannot be made ready as the account wants it; nothing was sent then.
pub async fn deliver(
    job: &Job<'_>,
    mut letters: Option<&mut dyn Letters>,
    witness: &mut dyn Witness,
) -> Result<Vec<Outcome>, UnusableTls> {
    let audience = Audience::new(witness);
    let voice = Voice::alone(&audience);
    let all = 0..job.envelope.recipients().len();
    let progress = Progress::of(job);
    for relay in &job.account.servers {
        let open = progress.open(all.clone());
        if open.is_empty() {
            break;
        }
        let found = {
            let planning = pin!(async {
                let mut ways = route::ways(relay, job.guide, regard(job, relay), job.envelope, open.clone()).await;
                (ways.next().await, ways)
            });
            unless(job.stop, planning).await
        };
        let (plan, ways) = match found {
            Ok(found) => found,
            Err(stopped) => {
                progress.stopped(open, stopped, voice);
                break;
            }
        };
        if ways.is_done()
            && let [route] = &plan.routes[..]
        {
            tls_reports::barred(job, &plan.barred, voice).await;
            progress.no_ways(plan.unroutable, voice);
            let done = progress.along(route, Company::None, again(&mut letters), voice).await;
            progress.without_tls(done.err().map(|why| (route, why)), voice)?;
            continue;
        }
        // Other messages are for the account's own servers, which make one route. The box is for what those would carry along.
        Box::pin(progress.side_by_side(open, plan, ways, voice)).await?;
    }
    Ok(progress.outcomes.into_inner().into_iter().flatten().collect())
}

/// What became of the recipients so far.
struct Progress<'a> {
    job: &'a Job<'a>,
    outcomes: RefCell<Vec<Option<Outcome>>>,
    /// Users whose login was refused: each attempt with a wrong password counts towards a lock-out.
    refused: RefCell<Vec<String>>,
    /// Sessions that were begun.
    sessions: Cell<usize>,
}

/// Whether other routes are served at the same time.
#[derive(Clone, Copy)]
enum Company<'a> {
    None,
    Others(&'a Busy),
}

impl<'a> Progress<'a> {
    fn of(job: &'a Job<'a>) -> Self {
        let outcomes = RefCell::new(vec![None; job.envelope.recipients().len()]);
        Progress { job, outcomes, refused: RefCell::default(), sessions: Cell::default() }
    }

    /// Those of the recipients who are still to be served.
    fn open(&self, recipients: impl Iterator<Item = usize>) -> Vec<usize> {
        let outcomes = self.outcomes.borrow();
        recipients.filter(|at| outcomes.get(*at).is_some_and(|outcome| may_try(outcome.as_ref()))).collect()
    }

    fn no_ways(&self, dead_ends: Vec<Unroutable>, voice: Voice<'_, '_>) {
        for dead_end in dead_ends {
            voice.decisions(&dead_end.decisions);
            self.no_way(dead_end, voice);
        }
    }

    fn no_way(&self, dead_end: Unroutable, voice: Voice<'_, '_>) {
        let Unroutable { recipients, place, trouble, decisions } = dead_end;
        let verdict = trouble.verdict();
        let decisions = Decisions::from(decisions);
        for at in recipients {
            let Some(recipient) = self.job.envelope.recipients().get(at) else { continue };
            let took = Duration::ZERO;
            voice.attempt(&Attempt { recipient, server: &place, peer: None, verdict: &verdict, took });
            self.settle(at, verdict.clone(), &place, Whose::Own, &decisions);
        }
    }

    /// Nobody knows a way for these yet, and nobody will look for it.
    fn stopped(&self, recipients: Vec<usize>, stopped: Stopped, voice: Voice<'_, '_>) {
        for at in recipients {
            let Some(recipient) = self.job.envelope.recipients().get(at) else { continue };
            let place = recipient.domain().unwrap_or_default().to_owned();
            let trouble = Trouble { stage: Stage::Route, cause: Cause::Stopped(stopped.name()) };
            self.no_way(Unroutable { recipients: vec![at], place, trouble, decisions: Vec::new() }, voice);
        }
    }

    fn settle(&self, at: usize, verdict: Verdict, server: &str, whose: Whose, decisions: &Decisions) {
        let mut outcomes = self.outcomes.borrow_mut();
        let (Some(recipient), Some(slot)) = (self.job.envelope.recipients().get(at), outcomes.get_mut(at)) else {
            return;
        };
        let decisions = decisions.clone();
        let server = server.to_owned();
        let outcome = Outcome { recipient: recipient.clone(), verdict, server, whose, decisions };
        *slot = Some(match slot.take() {
            Some(before) if is_better(&before.verdict, &outcome.verdict) => before,
            _ => outcome,
        });
    }

    /// Routes on which TLS cannot be made ready with any host concern their own recipients alone, once there was a session
    /// for others.
    fn without_tls<'r>(
        &self,
        routes: impl IntoIterator<Item = (&'r Route<'r>, UnusableTls)>,
        voice: Voice<'_, '_>,
    ) -> Result<(), UnusableTls> {
        for (route, unusable) in routes {
            if self.sessions.get() == 0 {
                return Err(unusable);
            }
            let trouble = Trouble { stage: Stage::Handshake, cause: Cause::Tls(unusable.to_string()) };
            let place = route.hops.last().map(|hop| hop.server.to_string()).unwrap_or_default();
            let recipients = self.open(route.groups.iter().flatten().copied());
            self.no_way(Unroutable { recipients, place, trouble, decisions: route.decisions.clone() }, voice);
        }
        Ok(())
    }

    /// The routes of a plan, and those of the other recipients as they become known meanwhile, as many at the same time as the account says. Nobody
    /// waits for anybody else: what TLS must be like, and what is told of it, is found out beside the sessions.
    async fn side_by_side(
        &self,
        mut undecided: Vec<usize>,
        plan: Plan<'_>,
        mut ways: Ways<'_, '_>,
        voice: Voice<'_, '_>,
    ) -> Result<(), UnusableTls> {
        let job = self.job;
        let busy = Busy::default();
        let most = job.account.max_sessions;
        let company = if most > 1 || !ways.is_done() { Company::Others(&busy) } else { Company::None };
        let mut routes = VecDeque::new();
        let mut sessions = FuturesUnordered::new();
        let mut reports = FuturesUnordered::new();
        let mut unusable = Vec::new();
        let mut next = Some(plan);
        loop {
            if let Some(plan) = next.take() {
                let decided: HashSet<usize> = plan.recipients().collect();
                undecided.retain(|at| !decided.contains(at));
                let Plan { routes: more, unroutable, barred } = plan;
                reports.push(async move { tls_reports::barred(job, &barred, voice).await });
                self.no_ways(unroutable, voice);
                routes.extend(more);
            }
            while sessions.len() < most
                && let Some(route) = routes.pop_front()
            {
                sessions.push(async move {
                    let done = self.along(&route, company, None, voice).await;
                    (route, done)
                });
            }
            tokio::select! {
                biased;
                Some((route, done)) = sessions.next() => unusable.extend(done.err().map(|why| (route, why))),
                Some(()) = reports.next() => {}
                plan = async { unless(job.stop, pin!(ways.next())).await }, if !ways.is_done() && !undecided.is_empty() => match plan {
                    Ok(plan) => next = Some(plan),
                    Err(stopped) => self.stopped(std::mem::take(&mut undecided), stopped, voice),
                },
                else => break,
            }
        }
        self.without_tls(unusable.iter().map(|(route, why): &(Route<'_>, UnusableTls)| (route, why.clone())), voice)
    }

    /// Each host of the route in turn.
    ///
    /// # Errors
    /// [`UnusableTls`] when that is so of every host.
    async fn along(
        &self,
        route: &Route<'_>,
        company: Company<'_>,
        mut letters: Option<&mut dyn Letters>,
        voice: Voice<'_, '_>,
    ) -> Result<(), UnusableTls> {
        let job = self.job;
        voice.decisions(&route.decisions);
        let mut decisions = route.decisions.clone();
        let elsewhere = match (job.account.servers.len(), route.hops.len()) {
            (0 | 1, 0 | 1) => Elsewhere::Nowhere,
            _ => Elsewhere::Servers,
        };
        let mut unusable = None;
        let mut sessions = 0;
        for hop in &route.hops {
            let user = user(job.account, hop);
            if user.is_some_and(|user| self.refused.borrow().iter().any(|refused| refused == user)) {
                continue;
            }
            let server = hop.server.to_string();
            let whose = if hop.login == LogIn::Never { Whose::Exchanger } else { Whose::Own };
            let connector = match job.connectors.for_server(&hop.tls, &hop.server) {
                Ok(connector) => connector,
                Err(why) => {
                    if route.hops.len() > 1 {
                        let decision = format!("{server} is passed over: {why}");
                        voice.decisions(std::slice::from_ref(&decision));
                        decisions.push(decision);
                    }
                    unusable = Some(why);
                    continue;
                }
            };
            let mut addresses = hop.addresses.clone();
            let mut caution = Caution::None;
            let mut lessons = 0;
            while lessons < CONNECTIONS {
                let open: Vec<Vec<usize>> = route
                    .groups
                    .iter()
                    .map(|group| self.open(group.iter().copied()))
                    .filter(|group| !group.is_empty())
                    .collect();
                if open.is_empty() {
                    return Ok(());
                }
                let envelopes = open.iter().filter_map(|group| job.envelope.part(group)).collect();
                let before: Vec<usize> = open.into_iter().flatten().collect();
                let connector = connector.as_deref();
                let letters = again(&mut letters);
                let stretch = Stretch { hop, addresses: &addresses, connector, envelopes, caution, elsewhere, letters };
                sessions += 1;
                self.sessions.set(self.sessions.get() + 1);
                let Attempted { verdicts, retry, peer } = match company {
                    Company::None => one_session(job, stretch, voice).await,
                    Company::Others(busy) => {
                        let voice = voice.among_others(&server);
                        let _turn = busy.turn(&server, voice).await;
                        one_session(job, stretch, voice).await
                    }
                };
                if verdicts.iter().flatten().any(is_login_refused) {
                    self.refused.borrow_mut().extend(user.map(str::to_owned));
                }
                let is_loop = verdicts.iter().flatten().any(is_loop);
                let is_cut_short = verdicts.iter().any(Option::is_none);
                let is_early = verdicts.iter().flatten().all(is_before_message);
                if !decisions.is_empty() {
                    decisions.push(format!("{server}: {}", tally(&verdicts)));
                }
                let decisions = Decisions::from(decisions.as_slice());
                for (at, verdict) in before.iter().zip(verdicts) {
                    if let Some(verdict) = verdict {
                        self.settle(*at, verdict, &server, whose, &decisions);
                    }
                }
                // Hosts of a higher number would bring the mail here (RFC 5321 section 5.1).
                if is_loop {
                    return Ok(());
                }
                let left = self.open(before.iter().copied()).len();
                if retry != Caution::None {
                    caution = retry;
                    lessons += usize::from(retry != Caution::Rest || left == before.len());
                } else if is_cut_short && left < before.len() {
                    // The others have had no turn yet.
                } else if is_early
                    && addresses.len() > 1
                    && let Some(peer) = peer
                {
                    // Another address of the same host may be another machine (RFC 5321 section 5.1).
                    addresses.retain(|address| *address != peer.ip());
                    lessons += 1;
                } else {
                    break;
                }
            }
        }
        match unusable {
            Some(why) if sessions == 0 => Err(why),
            _ => Ok(()),
        }
    }
}

/// Whether policies of domains count for the message: not where its header waives them, unless the envelope insists on TLS
/// (RFC 8689 section 4.2).
fn regard(job: &Job<'_>, relay: &Relay) -> Regard {
    let may_waive = *relay == Relay::Exchangers && job.envelope.wishes().way == Way::Usual;
    if may_waive && tls_required::waives(job.message.head()) { Regard::Waived } else { Regard::Kept }
}

/// The same letters once more.
fn again<'a>(letters: &'a mut Option<&mut dyn Letters>) -> Option<&'a mut (dyn Letters + 'a)> {
    letters.as_mut().map(|letters| &mut **letters as _)
}

/// What a session brought, in short.
fn tally(verdicts: &[Option<Verdict>]) -> String {
    let count = |kind: fn(&Verdict) -> bool| verdicts.iter().flatten().filter(|verdict| kind(verdict)).count();
    let counts = [
        (count(|verdict| matches!(verdict, Verdict::Accepted(_))), "accepted"),
        (count(|verdict| matches!(verdict, Verdict::Deferred(_))), "deferred"),
        (count(|verdict| matches!(verdict, Verdict::Failed(_))), "failed"),
        (verdicts.iter().filter(|verdict| verdict.is_none()).count(), "without a turn"),
    ];
    let shown: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(n, word)| format!("{n} {word}")).collect();
    shown.join(", ")
}

/// Whether there is something left to do for a recipient: not once it is accepted, refused, or perhaps delivered, and
/// not when the server has judged the message itself. The refusal of a server to speak to us is none of the recipient
/// (RFC 5321 section 4.2.1).
fn may_try(outcome: Option<&Outcome>) -> bool {
    outcome.is_none_or(|outcome| leaves_hope(&outcome.verdict))
}

/// The same of a verdict.
fn leaves_hope(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Accepted(_) => false,
        Verdict::Failed(trouble) => is_about_host(trouble),
        Verdict::Deferred(trouble) => {
            trouble.stage != Stage::EndOfData
                && !matches!(
                    trouble.cause,
                    Cause::Unreadable(_) | Cause::Injected | Cause::NoPassword(_) | Cause::Stopped(_)
                )
        }
    }
}

/// Whether nothing was tried that has to do with a message: another one would fare no better.
pub fn is_before_message(verdict: &Verdict) -> bool {
    let (Verdict::Deferred(trouble) | Verdict::Failed(trouble)) = verdict else { return false };
    use Stage::{Auth, Connect, Greeting, Handshake, Hello, StartTls, Xclient};
    matches!(trouble.stage, Connect | Greeting | Hello(_) | StartTls | Handshake | Xclient | Auth)
}

fn is_about_host(trouble: &Trouble) -> bool {
    matches!(trouble.stage, Stage::Greeting | Stage::Hello(_) | Stage::Xclient)
        // What one server does not offer, another may.
        || matches!(
            trouble.cause,
            Cause::NotOffered(_)
                | Cause::TlsOnTheWay
                | Cause::TooSoon { .. }
                | Cause::HeldTooLong { .. }
                | Cause::Utf8Address
        )
}

fn is_loop(verdict: &Verdict) -> bool {
    let (Verdict::Deferred(trouble) | Verdict::Failed(trouble)) = verdict else { return false };
    matches!(&trouble.cause, Cause::NoRoute(why) if why.kind == NoRouteKind::Loop)
}

fn is_login_refused(verdict: &Verdict) -> bool {
    let (Verdict::Deferred(trouble) | Verdict::Failed(trouble)) = verdict else { return false };
    let refused = trouble.reply().is_some_and(|reply| reply.class() == Class::Permanent);
    trouble.stage == Stage::Auth && refused
}

/// Whether an earlier verdict is to be kept: where one server may still take the message, the refusal of another to
/// speak to us is not the end.
fn is_better(before: &Verdict, after: &Verdict) -> bool {
    matches!((before, after), (Verdict::Deferred(_), Verdict::Failed(trouble)) if is_about_host(trouble))
}
