//! Reports on TLS (RFC 8460): what is made of the events of a day.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use mail_parser::{MessageParser, MimeHeaders as _};
use posthaste::address::Address;
use posthaste::tlsrpt::{Day, Event, Report, Reporter, files, mail};
use serde_json::Value;

/// A day's events, one a line, as they are kept.
const EVENTS: &str = include_str!("tlsrpt/events");
/// What is made of them for a.test, but for the blanks.
const GOLDEN: &str = include_str!("tlsrpt/report.json");
/// The message with it.
const MESSAGE: &str = include_str!("tlsrpt/message.eml");

fn report(domain: &str) -> Report {
    let events: Vec<Event> = EVENTS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reporter = Reporter { domain: "sender.test".to_owned(), contact: "alice@sender.test".to_owned() };
    Report::of("2026-11-28".parse().unwrap(), domain, &events, &reporter)
}

/// P-334: policies one by one, with the sessions that were a success and those that were none, like ones counted
/// together, of a whole day of UTC; on one line.
#[test]
fn the_events_of_a_day_are_summed_up() {
    let report = report("a.test");
    let json: Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(
        json,
        serde_json::from_str::<Value>(GOLDEN).unwrap(),
        "{}",
        serde_json::to_string_pretty(&json).unwrap()
    );
    assert!(!report.json().contains('\n'));
    assert_eq!(report.counts(), (2, 6));
    let range = [report.day().begin(), report.day().end()];
    assert_eq!(range.map(|time| Day::of(time).to_string()), ["2026-11-28", "2026-11-28"]);
    let other: Value = serde_json::from_str(&self::report("b.test").json()).unwrap();
    assert_eq!(other["policies"].as_array().unwrap().len(), 1);
    assert_eq!(other["report-id"], "2026-11-28_b.test@sender.test");
}

/// An event is read as it was written, and what is not there takes no room.
#[test]
fn events_are_read_as_they_are_written() {
    for line in EVENTS.lines() {
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
    }
}

/// P-335: a report for people and the one for machines in one message, with the fields by which it is known.
#[test]
fn a_report_goes_by_mail() {
    let to: Vec<Address> = ["tls@a.test", "reports@b.test"].map(|text| Address::parse(text).unwrap()).into();
    let text = mail::message(&report("a.test"), &to.iter().collect::<Vec<_>>(), "Sun, 29 Nov 2026 01:02:03 +0000");
    assert_eq!(text, MESSAGE, "{text}");
    // As others read it.
    let parsed = MessageParser::default().parse(text.as_bytes()).unwrap();
    assert_eq!(
        parsed.subject(),
        Some("Report Domain: a.test Submitter: sender.test Report-ID: <2026-11-28_a.test@sender.test>")
    );
    let kind = parsed.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
    assert_eq!(kind.attribute("report-type"), Some("tlsrpt"));
    let attachment = parsed.attachment(0).unwrap();
    assert_eq!(attachment.attachment_name(), Some("sender.test!a.test!1795824000!1795910399.json"));
    assert_eq!(attachment.contents(), report("a.test").json().as_bytes());
    assert!(text.lines().all(|line| line.len() <= 78 && line.is_ascii() && !line.starts_with("From ")));
    assert!(!text.contains('\r'));
}

/// A day's file as it may be found: too large by the lines of processes that found room for theirs at the same time, and with
/// half a line where the disk was full, in the middle of a letter, with the next line behind it. Each whole event counts.
#[test]
fn what_a_full_disk_has_left_takes_no_other_event_with_it() {
    let place = tempfile::tempdir().unwrap();
    let day: Day = "2026-11-28".parse().unwrap();
    let line = EVENTS.lines().next().unwrap();
    let event: Event = serde_json::from_str(line).unwrap();
    let half = [&line.as_bytes()[..line.len() / 2], b"\xc3"].concat();
    let text = [line.as_bytes(), b"\n", &half, line.as_bytes(), b"\n", line.as_bytes(), b"\n", &half].concat();
    let write = |octets: &[u8]| std::fs::write(place.path().join("tlsrpt-2026-11-28"), octets).unwrap();
    write(&text);
    assert_eq!(files::read(place.path(), day), [event.clone(), event.clone(), event.clone()]);
    let line = format!("{line}\n");
    let lines = (1 << 20) / line.len() + 1;
    write(line.repeat(lines).as_bytes());
    assert_eq!(files::read(place.path(), day).len(), lines);
    // Nobody writes as much as this.
    write(&vec![b'\n'; 3 << 20]);
    assert_eq!(files::read(place.path(), day), []);
    write(&vec![b'{'; 1 << 20]);
    assert_eq!(files::read(place.path(), day), []);
}
