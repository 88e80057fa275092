//! Reports on TLS for the owners of domains: `posthaste tlsrpt`.

use super::{Done, account, block_on, configuration, fail, print};
use crate::address::{Address, to_ascii};
use crate::cli::Global;
use crate::cli::values::{TlsReport, TlsReportForm};
use crate::config::account::{Account, Log, TlsReports};
use crate::dns::{Answer, Found, Resolver};
use crate::failure::{Exit, Failure};
use crate::message::prepare::local_time;
use crate::report::{self, Style};
use crate::tlsrpt::{Day, Destination, Event, Record, Report, Reporter, files, mail};

/// Sums up what was recorded of a day, and prints it. Nothing is sent.
pub(super) fn tlsrpt(global: &Global, call: &TlsReport) -> Done {
    let config = configuration(global, Style::Person)?;
    let account = account(&config, global, None, Log::None, Style::Person)?;
    let TlsReports::Files(directory) = &account.tls_reports else {
        let message = format!("the account {} keeps no record of how TLS went", account.name);
        return Err(vec![Failure::new(Exit::Config, message).hint("Set tlsrpt = \"record\"; see posthaste.toml(5).")]);
    };
    let day = call.day.unwrap_or_else(|| Day::today().before(1));
    if call.form != TlsReportForm::Json && day >= Day::today() {
        return Err(fail(Exit::Usage, format!("{day} is not over yet in UTC, and a report goes out for a whole day")));
    }
    let events = files::read(directory, day);
    let reporter = reporter(&account);
    let domains = match &call.domain {
        None => domains(&events),
        Some(name) => match to_ascii(name.as_bytes()) {
            None => return Err(fail(Exit::Usage, format!("{name} is no domain"))),
            Some(domain) => domains(&events).into_iter().filter(|known| *known == domain).collect(),
        },
    };
    let reports: Vec<Report> = domains.into_iter().map(|domain| Report::of(day, domain, &events, &reporter)).collect();
    match call.form {
        TlsReportForm::Json => print(&reports.iter().map(|report| report.json() + "\n").collect::<String>()),
        TlsReportForm::Message => message(&account, &reports, day),
        TlsReportForm::Mbox => mbox(&account, &reports),
    }
}

/// The domains of events, each once, in the order in which they come.
fn domains(events: &[Event]) -> Vec<&str> {
    let mut domains: Vec<&str> = Vec::new();
    for event in events {
        if !domains.contains(&event.domain.as_str()) {
            domains.push(&event.domain);
        }
    }
    domains
}

/// Who reports: the account's domain, and its address.
fn reporter(account: &Account) -> Reporter {
    let domain = account.mail_domain.clone();
    let own = account.default_sender().and_then(|sender| Address::parse(sender).ok());
    let contact = match own.filter(|address| address.is_ascii() && address.domain().is_some()) {
        Some(address) => address.to_string(),
        None => format!("postmaster@{domain}"),
    };
    Reporter { domain, contact }
}

fn message(account: &Account, reports: &[Report], day: Day) -> Done {
    let report = match reports {
        [report] => report,
        [] => return Err(fail(Exit::Unavailable, format!("no session with such a domain is recorded of {day}"))),
        [_, _, ..] => {
            let names: Vec<&str> = reports.iter().map(Report::domain).collect();
            let message = format!("there are reports for several domains: {}", names.join(", "));
            return Err(vec![Failure::new(Exit::Usage, message).hint("Choose one with --domain, or print --mbox.")]);
        }
    };
    let domain = report.domain();
    let resolver = Resolver::new(&account.dns, &account.tls);
    match block_on(addressed(&resolver, report))?? {
        Addressed::Mail(text) => print(&text),
        Addressed::Unwanted => {
            let name = Record::name_of(domain);
            Err(fail(Exit::Unavailable, format!("{domain} asks for no reports: there is no record for that at {name}")))
        }
        Addressed::Elsewhere => Err(fail(Exit::Unavailable, format!("{domain} wants no report by mail"))),
    }
}

/// All that can be had is printed, whatever becomes of the rest.
fn mbox(account: &Account, reports: &[Report]) -> Done {
    let resolver = Resolver::new(&account.dns, &account.tls);
    let mut text = String::new();
    let mut exit = Exit::Success;
    for report in reports {
        match block_on(addressed(&resolver, report))? {
            Ok(Addressed::Mail(message)) => {
                // RFC 4155. No line of the message begins so.
                let time = local_time().format("%a %b %e %H:%M:%S %Y");
                text.push_str(&format!("From {} {time}\n{message}\n", report.contact()));
            }
            Ok(Addressed::Unwanted | Addressed::Elsewhere) => {}
            Err(failures) => {
                exit = failures.first().map_or(exit, |failure| failure.exit);
                report::failures(&failures, Style::Person);
            }
        }
    }
    print(&text).map(|_| exit)
}

/// What becomes of a report by the word of the domain.
enum Addressed {
    /// A message.
    Mail(String),
    /// Nothing.
    Unwanted,
    /// It goes by other ways than mail, of which a person was told.
    Elsewhere,
}

async fn addressed(resolver: &Resolver<'_>, report: &Report) -> Result<Addressed, Vec<Failure>> {
    let domain = report.domain();
    let record = match resolver.txt(&Record::name_of(domain)).await {
        Ok(Answer::Found(Found { records, .. })) => Record::among(&records),
        Ok(Answer::NoName | Answer::NoData(_)) => None,
        Err(error) => return Err(fail(Exit::TemporaryFailure, error.to_string())),
    };
    let Some(record) = record else { return Ok(Addressed::Unwanted) };
    let mut to = Vec::new();
    for destination in &record.destinations {
        match destination {
            Destination::Mail(address) => to.push(address),
            Destination::Https(url) => report::note(&format!(
                "{domain} wants its report at {url}, and posthaste posts none\n  hint: posthaste tlsrpt --day {} \
                 --domain {domain} | curl -H 'Content-Type: application/tlsrpt+json' --data-binary @- URL",
                report.day()
            )),
        }
    }
    match to.is_empty() {
        true => Ok(Addressed::Elsewhere),
        false => Ok(Addressed::Mail(mail::message(report, &to, &local_time().to_rfc2822()))),
    }
}
