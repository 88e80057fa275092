//! What a session with a mail exchanger tells of TLS, for those who want to know (RFC 8460).

use super::Job;
use super::side::Voice;
use crate::address::Address;
use crate::config::account::{TlsPolicy, TlsReports};
use crate::dns::{Answer, Found};
use crate::net::Notice;
use crate::route::Hop;
use crate::route::policy::{Applied, Barred};
use crate::smtp::outcome::Verdict;
use crate::smtp::session::Caution;
use crate::system;
use crate::tlsrpt::{Event, Record, Seen, collector, files};

/// What is to be told of one session; nothing where nobody wants to know, or where it says nothing of a domain.
pub(super) struct Watch<'a> {
    job: &'a Job<'a>,
    applied: &'a [Applied],
    seen: Option<Seen>,
}

impl<'a> Watch<'a> {
    pub(super) fn of(job: &'a Job<'a>, hop: &'a Hop<'_>, caution: Caution) -> Self {
        let is_of_use = job.account.tls_reports != TlsReports::Off
            && !hop.applied.is_empty()
            && hop.tls.policy_for(&hop.server) != TlsPolicy::None
            // Why this one goes without TLS, the one before it has told.
            && caution != Caution::ClearText;
        Watch { job, applied: &hop.applied, seen: is_of_use.then(|| Seen::of(&hop.server)) }
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        if let Some(seen) = &mut self.seen {
            seen.notice(notice);
        }
    }

    /// The session is over, with these verdicts for recipients of these domains.
    pub(super) async fn finish(self, recipients: &[Address], verdicts: &[Option<Verdict>], voice: Voice<'_, '_>) {
        let Some(seen) = self.seen else { return };
        let is_served =
            |domain: &str| recipients.iter().filter_map(Address::domain).any(|own| own.eq_ignore_ascii_case(domain));
        for applied in self.applied.iter().filter(|applied| is_served(&applied.recipients)) {
            if let Some(event) = seen.event(applied, verdicts) {
                keep(self.job, &event, voice).await;
            }
        }
    }
}

/// Nobody connects to these hosts, for what a policy says.
pub(super) async fn barred(job: &Job<'_>, hosts: &[Barred], voice: Voice<'_, '_>) {
    if job.account.tls_reports != TlsReports::Off {
        for host in hosts {
            keep(job, &Event::of_barred(host), voice).await;
        }
    }
}

/// A message is on its way whether this goes well or not, so that only the transcript has why it did not.
async fn keep(job: &Job<'_>, event: &Event, voice: Voice<'_, '_>) {
    let kept = match &job.account.tls_reports {
        TlsReports::Off => Ok(()),
        TlsReports::Files(directory) => files::append(directory, event),
        TlsReports::Collector(path) => match record(job, &event.domain).await {
            Ok(None) => Ok(()),
            Ok(Some(record)) => collector::send(path, &collector::datagram(event, &record))
                .map_err(|error| format!("{}: {}", path.display(), system::words(&error))),
            Err(words) => Err(words),
        },
    };
    if let Err(why) = kept {
        voice.notice(Notice::Note(format!("what became of TLS is not recorded: {why}")));
    }
}

/// The record of a domain that wants reports. Collectors take events of no others.
async fn record(job: &Job<'_>, domain: &str) -> Result<Option<Record>, String> {
    match job.guide.resolver().txt(&Record::name_of(domain)).await {
        Ok(Answer::Found(Found { records, .. })) => Ok(Record::among(&records)),
        Ok(Answer::NoName | Answer::NoData(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
