//! `posthaste tlsrpt`: the reports of a day, and what becomes of them in a pipeline.

use std::fs;

use mail_parser::{MessageParser, MimeHeaders as _};
use posthaste::tlsrpt::Day;
use serde_json::Value;

use super::direct;
use super::host::{Host, Manner};
use super::ports::free_port;
use super::program::{Ended, Program, run};
use super::send;
use super::stub::Stub;

/// A line of this day.
fn event(day: Day, domain: &str) -> String {
    let time = day.begin() + 7;
    format!(
        "{{\"time\":{time},\"domain\":\"{domain}\",\"policy-type\":\"no-policy-found\",\"policy-domain\":\"{domain}\",\
         \"failure\":{{\"result-type\":\"starttls-not-supported\",\"reason\":\"STARTTLS is not offered\"}},\
         \"session\":{{\"receiving-mx-hostname\":\"mx.{domain}\"}}}}\n"
    )
}

/// A program with a smarthost, and with sessions of yesterday with these domains.
fn with_sessions(dns: &Stub, smarthost: &Host, domains: &[&str]) -> Program {
    let program = Program::with(&format!(
        "server = \"smtp://{}\"\ntls = \"none\"\ndns = \"{}\"\ntlsrpt = \"record\"\n\
         from = \"alice@example.org\"\n",
        smarthost.address, dns.address
    ));
    let place = program.path(".local/state/posthaste");
    fs::create_dir_all(&place).unwrap();
    // Today may be yesterday when the program looks.
    let today = Day::today();
    for day in [today.before(1), today] {
        let lines: String = domains.iter().map(|domain| event(day, domain)).collect();
        fs::write(place.join(format!("tlsrpt-{day}")), format!("noise\n{lines}{{\n")).unwrap();
    }
    program
}

fn tlsrpt(program: &Program, flags: &[&str]) -> Ended {
    run(&mut program.posthaste(&[&["tlsrpt"], flags].concat()), b"")
}

/// P-334: what sessions of today brought is in the report of today, a line for each domain.
#[test]
fn sessions_come_to_be_a_report() {
    let port = free_port();
    let _clear = Host::start(2, port, Manner::default());
    let dns = Stub::start("a.test MX 10 mx.test\nb.test MX 10 mx.test\nmx.test A 127.0.0.2");
    let program = direct(&dns, port, "tlsrpt = \"record\"\n");
    let before = Day::today();
    for to in [&["bob@a.test", "bob@b.test"][..], &["bob@a.test"]] {
        send(&program, &[], to).assert_silent_success();
    }
    if Day::today() != before {
        return; // It is midnight: there are two days.
    }
    let today = before.to_string();
    let ended = tlsrpt(&program, &["--day", &today]);
    let reports: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ended.code(), reports.len()), (0, 2), "{}", ended.stderr);
    assert_eq!(reports[0]["report-id"], format!("{today}_a.test@example.org"));
    assert_eq!(reports[0]["organization-name"], "example.org");
    assert_eq!(reports[0]["contact-info"], "postmaster@example.org");
    assert_eq!(reports[0]["date-range"]["end-datetime"], format!("{today}T23:59:59Z"));
    let [policy] = &reports[0]["policies"].as_array().unwrap()[..] else { panic!("{}", ended.stdout) };
    assert_eq!(policy["summary"]["total-failure-session-count"], 2);
    assert_eq!(policy["failure-details"][0]["failed-session-count"], 2);
    assert_eq!(policy["failure-details"][0]["receiving-mx-hostname"], "mx.test");
    let one = tlsrpt(&program, &["--day", &today, "--domain", "B.test"]);
    assert_eq!(one.stdout.lines().collect::<Vec<_>>(), [ended.stdout.lines().nth(1).unwrap()]);
    assert_eq!(tlsrpt(&program, &[]).stdout, "", "yesterday there was nothing");
    let early = tlsrpt(&program, &["--day", &today, "--domain", "a.test", "--message"]);
    assert_eq!((early.code(), early.stdout.as_str()), (64, ""));
    assert!(early.stderr.contains(&format!("{today} is not over yet")), "{}", early.stderr);
}

/// P-331, P-335: the message goes to those whom the domain names, and `sendmail -t` sends it; it is never sent by itself.
#[test]
fn a_report_can_be_sent() {
    let smarthost = Host::start(2, free_port(), Manner::default());
    let dns = Stub::start(
        "_smtp._tls.a.test TXT v=TLSRPTv1; rua=mailto:tls@reports.test,https://a.test/tls,mailto:bob@a.test\n\
         _smtp._tls.c.test TXT v=TLSRPTv1; rua=https://c.test/tls\n_smtp._tls.d.test !servfail",
    );
    let program = with_sessions(&dns, &smarthost, &["a.test", "b.test", "c.test", "d.test", "a.test"]);
    let ended = tlsrpt(&program, &["--domain", "a.test", "--message"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("a.test wants its report at https://a.test/tls, and posthaste posts none"));
    assert_eq!(smarthost.take().connections, 0);
    let parsed = MessageParser::default().parse(ended.stdout.as_bytes()).unwrap();
    assert_eq!(parsed.header_raw("TLS-Report-Domain").map(str::trim), Some("a.test"));
    assert_eq!(parsed.header_raw("TLS-Report-Submitter").map(str::trim), Some("example.org"));
    assert_eq!(parsed.header_raw("TLS-Required").map(str::trim), Some("No"));
    assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("alice@example.org"));
    let json: Value = serde_json::from_slice(parsed.attachment(0).unwrap().contents()).unwrap();
    assert_eq!(json["policies"][0]["summary"]["total-failure-session-count"], 2);
    assert!(parsed.attachment(0).unwrap().attachment_name().unwrap().starts_with("example.org!a.test!"));
    let sent = run(&mut program.posthaste(&["sendmail", "-t"]), ended.stdout.as_bytes());
    assert_eq!(sent.code(), 0, "{}", sent.stderr);
    assert_eq!(smarthost.mails(), [["tls@reports.test", "bob@a.test"]]);
    for (domain, code, words) in [
        ("b.test", 69, "b.test asks for no reports: there is no record for that at _smtp._tls.b.test"),
        ("c.test", 69, "c.test wants no report by mail"),
        ("d.test", 75, "server failure (SERVFAIL)"),
        ("x.test", 69, "no session with such a domain is recorded of "),
        ("..", 64, ".. is no domain"),
    ] {
        let ended = tlsrpt(&program, &["--domain", domain, "--message"]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (code, ""), "{domain}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{domain}: {}", ended.stderr);
    }
    let several = tlsrpt(&program, &["--message"]);
    assert_eq!(several.code(), 64);
    assert!(several.stderr.contains("several domains: a.test, b.test, c.test, d.test"), "{}", several.stderr);
    assert_eq!(smarthost.take().connections, 0);
}

/// P-335: the reports of all domains that want one are an mbox, which `send --batch` sends; a domain that cannot be looked
/// up keeps nobody else from theirs.
#[test]
fn all_reports_can_be_sent() {
    let smarthost = Host::start(2, free_port(), Manner::default());
    let dns = Stub::start(
        "_smtp._tls.a.test TXT v=TLSRPTv1; rua=mailto:tls@a.test\n_smtp._tls.c.test TXT v=TLSRPTv1; rua=mailto:tls@c.test\n\
         _smtp._tls.d.test !servfail",
    );
    let program = with_sessions(&dns, &smarthost, &["a.test", "b.test", "c.test", "d.test"]);
    let ended = tlsrpt(&program, &["--mbox"]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    let mbox = program.file("reports", &ended.stdout);
    let sent = run(&mut program.posthaste(&["send", "--batch", mbox.to_str().unwrap()]), b"");
    assert_eq!(sent.code(), 0, "{}", sent.stderr);
    assert_eq!(smarthost.mails(), [["tls@a.test"], ["tls@c.test"]]);
}

/// Whoever records nothing has no reports, and is told how to have them.
#[test]
fn without_records_there_is_no_report() {
    let dns = Stub::start("x.test A 192.0.2.1");
    for settings in ["", "tlsrpt = \"off\"\n", "tlsrpt = \"socket:/run/collector\"\n"] {
        let ended = tlsrpt(&direct(&dns, 25, settings), &[]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (78, ""));
        assert!(ended.stderr.contains("hint: Set tlsrpt = \"record\""), "{}", ended.stderr);
    }
    for bad in [&["--day", "yesterday"][..], &["--day", "2026-02-30"], &["--message", "--mbox"], &["a.test"]] {
        assert_eq!(tlsrpt(&direct(&dns, 25, "tlsrpt = \"record\"\n"), bad).code(), 64, "{bad:?}");
    }
}
