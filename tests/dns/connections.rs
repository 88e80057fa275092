//! The connections to a DNS server: how many there are, and what becomes of them between two questions.

use std::time::Duration;

use posthaste::dns::{Answer, Resolver};

use super::stub::Stub;
use super::{dns, found, host, with};

/// Names whose answers all come over TCP.
fn cut(count: usize, fault: &str) -> String {
    (0..count).map(|n| format!("n{n}.test MX !truncate\nn{n}.test MX {n} mx.test\nn{n}.test MX {fault}\n")).collect()
}

async fn all(resolver: &Resolver<'_>, names: std::ops::Range<usize>) -> Vec<Result<u16, String>> {
    let one = async |n: usize| match resolver.mx(&format!("n{n}.test")).await {
        Ok(Answer::Found(found)) => Ok(found.records[0].preference),
        other => Err(format!("{other:?}")),
    };
    futures_util::future::join_all(names.map(one)).await
}

/// A connection is shared, by as many questions as there are, and by those that come later.
#[test]
fn many_questions_share_a_connection() {
    let stub = Stub::start(&cut(200, "!ad"));
    with(&dns(&[stub.address]), async |resolver| {
        for names in [0..100, 100..200] {
            let answers = all(resolver, names.clone()).await;
            assert_eq!(answers, names.map(|n| Ok(n as u16)).collect::<Vec<_>>());
        }
    });
    assert_eq!(stub.connections(), 1);
}

/// A server closes what is idle, and that is nothing to the next question (RFC 7766 section 6.2.3).
#[test]
fn a_connection_that_was_closed_is_opened_again() {
    let stub = Stub::start(&cut(3, "!close"));
    let mut dns = dns(&[stub.address]);
    dns.timeout = Duration::from_secs(4);
    with(&dns, async |resolver| {
        for n in 0..3 {
            let records = found(resolver.mx(&format!("n{n}.test")).await).records;
            assert_eq!(records[0].exchange, host("mx.test"));
            // Until we have seen the end of the connection, or have not.
            for _ in 0..n * 1000 {
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(stub.connections(), 3);
}

/// A server that takes one question for each connection is asked all of them.
#[test]
fn a_server_may_close_after_each_answer() {
    let stub = Stub::start(&cut(30, "!close"));
    with(&dns(&[stub.address]), async |resolver| {
        assert_eq!(all(resolver, 0..30).await, (0..30).map(Ok).collect::<Vec<_>>());
    });
}

/// A connection that leads nowhere, as behind a router that has forgotten it, is given up.
#[test]
fn a_silent_connection_is_not_kept() {
    let stub = Stub::start(&(cut(3, "!ad") + "n0.test MX !stuck\n"));
    let mut dns = dns(&[stub.address]);
    // Half of it for each attempt.
    dns.timeout = Duration::from_secs(4);
    with(&dns, async |resolver| {
        assert_eq!(all(resolver, 0..1).await, [Ok(0)]);
        for n in 1..3 {
            assert_eq!(all(resolver, n..n + 1).await, [Ok(n as u16)]);
        }
    });
    assert_eq!(stub.connections(), 2);
}

/// A server that has never answered is asked last, so that a dead one in the first place costs its time once. One that has
/// answered keeps its place: who is silent on one name may be the one whose word on DNSSEC counts.
#[test]
fn a_dead_server_is_waited_for_once() {
    let names = "a.test MX 1 mx.test\nb.test MX 1 mx.test\nc.test MX 1 mx.test\n";
    let good = Stub::start(names);
    for (table, asked) in [
        ("a.test !silent\nb.test !silent\nc.test !silent", vec!["a.test MX"]),
        ("a.test MX 1 mx.test\nb.test !silent\nc.test MX 1 mx.test", vec!["a.test MX", "b.test MX", "c.test MX"]),
        ("a.test !servfail\nb.test !silent\nc.test MX 1 mx.test", vec!["a.test MX", "b.test MX", "c.test MX"]),
    ] {
        let first = Stub::start(table);
        let mut dns = dns(&[first.address, good.address]);
        // A quarter of it for each attempt.
        dns.timeout = Duration::from_secs(4);
        with(&dns, async |resolver| {
            for name in ["a.test", "b.test", "c.test"] {
                assert_eq!(found(resolver.mx(name).await).records.len(), 1, "{name}");
            }
        });
        assert_eq!(first.asked(), asked, "{table}");
    }
}

/// RFC 6891 sections 6.2.2 and 7: the small forwarders of home routers may not know EDNS, which they say or do not.
#[test]
fn a_server_without_edns_is_asked_without_it() {
    let stub = Stub::start("a.test MX 1 mx.test\na.test !formerr\nb.test MX 1 mx.test\nb.test !deaf");
    let mut dns = dns(&[stub.address]);
    // Half of it for each attempt.
    dns.timeout = Duration::from_secs(4);
    for name in ["a.test", "b.test"] {
        assert_eq!(found(super::mx(&dns, name)).records.len(), 1, "{name}");
    }
}
