//! The driver against servers that stall, drip, flood and close, on a paused clock.
//!
//! Both sides are in one thread, and what the one writes is there for the other at once: over a Unix socket. Over TCP it is
//! there when the kernel has found the time, and a busy machine lets minutes of a paused clock pass until then.

#![allow(clippy::unwrap_used)] // clippy does not take helpers beside tests for test code

#[path = "drive/chunks.rs"]
mod chunks;
#[path = "drive/memory.rs"]
mod memory;
#[path = "drive/series.rs"]
mod series;
#[path = "drive/text.rs"]
mod text;

use std::future::Future;
use std::time::Duration;

use posthaste::address::Address;
use posthaste::config::account::{Endpoint, Family, Reach, Secret, Timeouts, Via};
use posthaste::envelope::{Envelope, ReversePath};
use posthaste::message::Facts;
use posthaste::net::drive::{Detail, Means, drive};
use posthaste::net::{Notice, socket};
use posthaste::smtp::memory::Memory;
use posthaste::smtp::outcome::{Cause, Verdict};
use posthaste::smtp::session::{
    Caution, Chunking, EightBit, LoginMode, Namesake, Partial, Protocol, Purpose, Session, Settings, TlsMode,
};
use posthaste::smtp::stage::{Hello, Stage};
use text::Text;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

fn settings(chunking: Chunking) -> Settings {
    Settings {
        protocol: Protocol::Smtp,
        hello: "client.example".to_owned(),
        tls: TlsMode::None,
        login: LoginMode::None,
        max_recipients: 100,
        partial: Partial::Deliver,
        eight_bit: EightBit::Send,
        chunking,
        xclient: Vec::new(),
        namesake: Namesake::Fine,
        caution: Caution::None,
        memory: Memory::default(),
    }
}

struct Ended {
    verdict: Verdict,
    notices: Vec<Notice>,
    after: Duration,
}

/// Plays a session against a server that runs beside it on the same clock.
async fn play<F: Future<Output = ()> + 'static>(
    message: Text,
    timeouts: Timeouts,
    server: impl FnOnce(UnixStream) -> F + 'static,
) -> Ended {
    play_over(Path::AsItIs, 1, message, timeouts, server).await
}

/// What the system keeps of octets that the peer has not read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    AsItIs,
    /// So few that no block of a message fits in.
    Narrow,
}

async fn play_over<F: Future<Output = ()> + 'static>(
    path: Path,
    recipients: usize,
    message: Text,
    timeouts: Timeouts,
    server: impl FnOnce(UnixStream) -> F + 'static,
) -> Ended {
    play_by(Chunking::Needed, path, recipients, message, timeouts, server).await
}

async fn play_by<F: Future<Output = ()> + 'static>(
    chunking: Chunking,
    path: Path,
    recipients: usize,
    message: Text,
    timeouts: Timeouts,
    server: impl FnOnce(UnixStream) -> F + 'static,
) -> Ended {
    play_as(settings(chunking), path, recipients, message, timeouts, server).await
}

async fn play_as<F: Future<Output = ()> + 'static>(
    settings: Settings,
    path: Path,
    recipients: usize,
    message: Text,
    timeouts: Timeouts,
    server: impl FnOnce(UnixStream) -> F + 'static,
) -> Ended {
    let (listener, endpoint, _place) = listen();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async move {
            let server = tokio::task::spawn_local(async move {
                let (stream, _) = listener.accept().await.unwrap();
                server(stream).await;
            });
            let begun = Instant::now();
            let reach = Reach { via: Via::Directly, family: Family::Any, sources: Vec::new() };
            let connection = socket::connect(&endpoint, &reach, Duration::from_secs(30)).await.unwrap();
            if path == Path::Narrow {
                rustix::net::sockopt::set_socket_send_buffer_size(&connection.stream, 4096).unwrap();
            }
            let names = ["bob".to_owned()].into_iter().chain((1..).map(|number| format!("bob{number}")));
            let recipients = names.take(recipients).map(|name| Address::parse(&format!("{name}@example.net")).unwrap());
            let envelope = Envelope::new(ReversePath::Null, recipients.collect()).unwrap();
            let facts = Facts { size: message.claimed.unwrap_or(message.wire_size()), ..Facts::default() };
            let mut session = Session::new(settings, Purpose::Submit(envelope, facts));
            let mut message = message;
            let means = Means {
                connector: None,
                secret: Some(&Secret::Literal("secret".to_owned().into())),
                source: Some(&mut message),
                signer: None,
                more: None,
                size: facts.size,
                timeouts: &timeouts,
                detail: Detail::Brief,
                stop: None,
            };
            let mut notices = Vec::new();
            drive(connection.stream, &mut session, means, &mut |notice| notices.push(notice)).await;
            let after = begun.elapsed();
            // It may have something to tell, or wait for ever.
            let _ = tokio::time::timeout(Duration::from_secs(120), server).await;
            Ended { verdict: session.verdicts()[0].clone().unwrap(), notices, after }
        })
        .await
}

/// A listener, where it is, and the directory that goes when it is dropped.
fn listen() -> (UnixListener, Endpoint, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    (UnixListener::bind(&path).unwrap(), Endpoint::Unix(path), place)
}

fn text(size: usize) -> Text {
    Text { size, given: 0, breaks_at: None, claimed: None }
}

fn timeouts() -> Timeouts {
    Timeouts { connect: Duration::from_secs(30), command: None, greeting: None, min_rate: 1024 }
}

fn deferred(ended: &Ended) -> (Stage, Cause) {
    match &ended.verdict {
        Verdict::Deferred(trouble) => (trouble.stage, trouble.cause.clone()),
        other => panic!("{other:?}"),
    }
}

/// Answers each line that comes until DATA, then waits for the end of the message.
async fn greet(stream: &mut UnixStream, capabilities: &str) {
    stream.write_all(b"220 hello\r\n").await.unwrap();
    expect(stream, b"EHLO client.example\r\n").await;
    stream.write_all(format!("250-mx\r\n{capabilities}250 HELP\r\n").as_bytes()).await.unwrap();
}

async fn expect(stream: &mut UnixStream, line: &[u8]) {
    let mut octets = vec![0; line.len()];
    stream.read_exact(&mut octets).await.unwrap();
    assert_eq!(octets.escape_ascii().to_string(), line.escape_ascii().to_string());
}

const COMMANDS: &[u8] = b"MAIL FROM:<>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n";

/// P-008
#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_after_five_minutes() {
    let ended = play(text(10), timeouts(), |stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    assert_eq!(deferred(&ended), (Stage::Greeting, Cause::TimedOut));
    assert_eq!(ended.after.as_secs(), 300);
    assert!(matches!(ended.notices.last(), Some(Notice::Closed)));
}

/// P-090: the deadline is one for the reply, not for each read.
#[tokio::test(start_paused = true)]
async fn a_server_that_drips_octets_cannot_hold_us() {
    let ended = play(text(10), timeouts(), |mut stream| async move {
        loop {
            for octet in b"220-still here\r\n" {
                if stream.write_all(&[*octet]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    })
    .await;
    assert_eq!(deferred(&ended), (Stage::Greeting, Cause::TimedOut));
    assert_eq!(ended.after.as_secs(), 300);
}

/// P-244 P-396 P-398: each reply of a group has its time from the reply before it, and the last one has ten minutes.
#[tokio::test(start_paused = true)]
async fn slow_replies_to_a_group_each_have_their_time() {
    let ended = play(text(10), timeouts(), |mut stream| async move {
        greet(&mut stream, "250-PIPELINING\r\n").await;
        expect(&mut stream, COMMANDS).await;
        for reply in ["250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
            tokio::time::sleep(Duration::from_secs(119)).await;
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        expect(&mut stream, b"Subject: sixteen\r\n.\r\nQUIT\r\n").await;
        tokio::time::sleep(Duration::from_secs(599)).await;
        stream.write_all(b"250 taken\r\n").await.unwrap();
        std::future::pending().await
    })
    .await;
    assert!(matches!(ended.verdict, Verdict::Accepted(_)), "{:?}", ended.verdict);
}

/// P-088 P-089 P-422: nobody knows what became of it, and a short time-out of the account makes no such case.
#[tokio::test(start_paused = true)]
async fn no_answer_to_the_end_of_data_is_unknown_after_ten_minutes() {
    let short = Timeouts { command: Some(Duration::from_secs(1)), ..timeouts() };
    let ended = play(text(10), short, |mut stream| async move {
        greet(&mut stream, "250-PIPELINING\r\n").await;
        expect(&mut stream, COMMANDS).await;
        stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
        expect(&mut stream, b"Subject: sixteen\r\n.\r\nQUIT\r\n").await;
        std::future::pending().await
    })
    .await;
    assert_eq!(deferred(&ended), (Stage::EndOfData, Cause::TimedOut));
    assert!(matches!(&ended.verdict, Verdict::Deferred(trouble) if trouble.may_be_delivered()));
    assert_eq!(ended.after.as_secs(), 600);
}

/// P-089 P-422: a part of a yes is none, and nobody knows what the rest would have been.
#[tokio::test(start_paused = true)]
async fn a_reply_that_breaks_off_is_no_answer() {
    for part in ["250-taken\r\n", "250 taken", "250 taken\r", "250-taken\r\n250", "2"] {
        let ended = play(text(10), timeouts(), move |mut stream| async move {
            greet(&mut stream, "250-PIPELINING\r\n").await;
            expect(&mut stream, COMMANDS).await;
            stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
            expect(&mut stream, b"Subject: sixteen\r\n.\r\nQUIT\r\n").await;
            stream.write_all(part.as_bytes()).await.unwrap();
        })
        .await;
        assert!(matches!(deferred(&ended), (Stage::EndOfData, Cause::Lost(_))), "{part:?}: {:?}", ended.verdict);
        assert!(matches!(&ended.verdict, Verdict::Deferred(trouble) if trouble.may_be_delivered()));
    }
}

/// P-086: a refusal in the middle of the message is heard, and is the reason.
#[tokio::test(start_paused = true)]
async fn an_early_refusal_is_the_reason_and_not_the_broken_pipe() {
    let ended = play(text(50_000_000), timeouts(), |mut stream| async move {
        greet(&mut stream, "250-PIPELINING\r\n").await;
        expect(&mut stream, COMMANDS).await;
        stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
        let mut some = vec![0; 65536];
        stream.read_exact(&mut some).await.unwrap();
        stream.write_all(b"552 5.3.4 too big\r\n").await.unwrap();
        drop(stream);
    })
    .await;
    match ended.verdict {
        Verdict::Failed(trouble) => assert_eq!(trouble.reply().unwrap().to_string(), "552 5.3.4 too big"),
        other => panic!("{other:?}"),
    }
}

/// P-087 P-397: a server that stops reading is noticed when a block does not leave. An account may give it more time.
#[tokio::test(start_paused = true)]
async fn a_server_that_stops_reading_is_given_up() {
    for (configured, least, most) in [(Some(7), 180, 300), (Some(400), 400, 600)] {
        let timeouts = Timeouts { command: configured.map(Duration::from_secs), ..timeouts() };
        let ended = play(text(50_000_000), timeouts, |mut stream| async move {
            greet(&mut stream, "250-PIPELINING\r\n").await;
            expect(&mut stream, COMMANDS).await;
            stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
            let _open = stream;
            std::future::pending().await
        })
        .await;
        assert_eq!(deferred(&ended), (Stage::Body, Cause::TimedOut));
        assert!((least..most).contains(&ended.after.as_secs()), "{configured:?}: {:?}", ended.after);
    }
}

/// P-085 P-084: a message that cannot be read to its end is no message; no dot is sent.
#[tokio::test(start_paused = true)]
async fn a_message_that_breaks_is_not_ended() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let broken = Text { size: 1_000_000, given: 0, breaks_at: Some(500_000), claimed: None };
    let ended = play(broken, timeouts(), |mut stream| async move {
        greet(&mut stream, "250-PIPELINING\r\n").await;
        expect(&mut stream, COMMANDS).await;
        stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        let _ = tell.send(all);
    });
    let (ended, all) = tokio::join!(ended, async { told.await.ok() });
    assert_eq!(deferred(&ended), (Stage::Body, Cause::Unreadable("the disk is on fire".to_owned())));
    if let Some(all) = all {
        assert!(!all.windows(5).any(|octets| octets == b"\r\n.\r\n"));
    }
}

/// P-020 P-239: a flood ends in a protocol error, and not in memory.
#[tokio::test(start_paused = true)]
async fn a_server_that_floods_is_cut_off() {
    let ended = play(text(10), timeouts(), |mut stream| async move {
        while stream.write_all(&b"220-more and more\r\n".repeat(100)).await.is_ok() {}
    })
    .await;
    assert!(matches!(deferred(&ended), (Stage::Greeting, Cause::Malformed(_))), "{:?}", ended.verdict);
}

/// P-020 P-239: nor does a flood while nothing of the message leaves.
#[tokio::test(start_paused = true)]
async fn a_server_that_floods_and_reads_nothing_is_cut_off() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let ended = play_over(Path::Narrow, 1, text(1_000_000), timeouts(), |mut stream| async move {
        greet(&mut stream, "250-PIPELINING\r\n").await;
        expect(&mut stream, COMMANDS).await;
        stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        let block = b"250-more and more\r\n".repeat(1000);
        let mut flood = 0;
        while flood < 64 << 20 && stream.write_all(&block).await.is_ok() {
            flood += block.len();
        }
        let _ = tell.send(flood);
    });
    let (ended, flood) = tokio::join!(ended, async { told.await.ok() });
    assert!(matches!(deferred(&ended), (Stage::Body, Cause::Malformed(_))), "{:?}", ended.verdict);
    // Much of it was only ever in the system's buffers.
    assert!(flood.is_none_or(|octets| octets < 32 << 20), "{flood:?}");
}

/// P-070 P-071: the flight with the end of the message cannot leave, and the yes is there already. The server goes away,
/// or takes the rest all the same.
#[tokio::test(start_paused = true)]
async fn a_yes_before_the_end_of_data_has_left_counts_for_nothing() {
    for rest in [0, 200_000] {
        let ended = play_over(Path::Narrow, 1, text(50_000), timeouts(), move |mut stream| async move {
            greet(&mut stream, "250-PIPELINING\r\n").await;
            expect(&mut stream, COMMANDS).await;
            stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            stream.write_all(b"250 taken\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut all = Vec::new();
            let _ = stream.take(rest).read_to_end(&mut all).await;
            assert!(!all.windows(5).any(|octets| octets == b"\r\n.\r\n"), "the message was ended");
        })
        .await;
        assert!(matches!(deferred(&ended), (Stage::Body, Cause::TooEarly(_))), "{:?}", ended.verdict);
        // The transcript has what was said, and nothing else.
        let said: Vec<String> = ended.notices.iter().filter_map(said).collect();
        assert_eq!(said[said.len() - 2..], ["DATA", "[message]"], "{said:?}");
    }
}

fn said(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Client(line) => Some(line.clone()),
        Notice::Message(_) => Some("[message]".to_owned()),
        _ => None,
    }
}

/// The other half of the test above: a narrow path is none of the reasons.
#[tokio::test(start_paused = true)]
async fn a_message_that_leaves_in_small_pieces_is_accepted() {
    let ended = play_over(Path::Narrow, 1, text(50_000), timeouts(), |mut stream| async move {
        greet(&mut stream, "250-PIPELINING\r\n").await;
        expect(&mut stream, COMMANDS).await;
        stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n.\r\nQUIT\r\n") {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0);
        }
        stream.write_all(b"250 taken\r\n").await.unwrap();
        std::future::pending().await
    })
    .await;
    assert!(matches!(ended.verdict, Verdict::Accepted(_)), "{:?}", ended.verdict);
    let said: Vec<String> = ended.notices.iter().filter_map(said).collect();
    assert_eq!(said[said.len() - 4..], ["DATA", "[message]", ".", "QUIT"], "{said:?}");
}

/// P-090: each reply comes just in time, and there are many.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_a_hundred_times_cannot_hold_us_for_hours() {
    let ended = play_over(Path::AsItIs, 100, text(10), timeouts(), |mut stream| async move {
        greet(&mut stream, "").await;
        let mut octets = [0; 1024];
        while stream.read(&mut octets).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_secs(299)).await;
            if stream.write_all(b"250 ok\r\n").await.is_err() {
                return;
            }
        }
    })
    .await;
    assert_eq!(deferred(&ended), (Stage::Rcpt, Cause::TimedOut));
    assert_eq!(ended.after.as_secs(), 3600 + 100 * 10);
}

/// P-093 P-419: nobody waits for the 221.
#[tokio::test(start_paused = true)]
async fn the_reply_to_quit_is_not_awaited() {
    let ended = play(text(10), timeouts(), |mut stream| async move {
        greet(&mut stream, "").await;
        for (line, reply) in [
            (&b"MAIL FROM:<>\r\n"[..], "250 ok\r\n"),
            (b"RCPT TO:<bob@example.net>\r\n", "250 ok\r\n"),
            (b"DATA\r\n", "354 go\r\n"),
            (b"Subject: sixteen\r\n.\r\n", "250 taken\r\n"),
            (b"QUIT\r\n", ""),
        ] {
            expect(&mut stream, line).await;
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        std::future::pending().await
    })
    .await;
    assert!(matches!(ended.verdict, Verdict::Accepted(_)));
    assert_eq!(ended.after.as_secs(), 0);
}

/// The stages of a session with a server that has no PIPELINING: what the client says, and the reply.
const STEPS: [(Stage, &[u8], &str); 6] = [
    (Stage::Greeting, b"", "220 hello\r\n"),
    (Stage::Hello(Hello::Ehlo), b"EHLO client.example\r\n", "250 mx\r\n"),
    (Stage::Mail, b"MAIL FROM:<>\r\n", "250 ok\r\n"),
    (Stage::Rcpt, b"RCPT TO:<bob@example.net>\r\n", "250 ok\r\n"),
    (Stage::Data, b"DATA\r\n", "354 go\r\n"),
    (Stage::EndOfData, b"Subject: sixteen\r\n.\r\n", "250 taken\r\n"),
];

/// P-087: each command has its own time, and an account may set it; the answer to the message has ten minutes at least.
#[tokio::test(start_paused = true)]
async fn silence_at_each_stage_has_its_own_limit() {
    let cases = STEPS.iter().enumerate().map(|(at, (stage, ..))| (at, *stage));
    for (at, stage) in cases {
        // The last one longer than it would be, the one before also as it is.
        let limits: &[(Option<u64>, u64)] = match stage {
            Stage::EndOfData => &[(Some(601), 601)],
            Stage::Data => &[(Some(7), 7), (None, 120)],
            _ => &[(Some(7), 7)],
        };
        for (configured, limit) in limits {
            let timeouts = Timeouts { command: configured.map(Duration::from_secs), ..timeouts() };
            let ended = play(text(10), timeouts, move |mut stream| async move {
                for (number, (_, line, reply)) in STEPS.iter().enumerate() {
                    expect(&mut stream, line).await;
                    if number == at {
                        return std::future::pending().await;
                    }
                    stream.write_all(reply.as_bytes()).await.unwrap();
                }
            })
            .await;
            assert_eq!((deferred(&ended), ended.after.as_secs()), ((stage, Cause::TimedOut), *limit));
        }
    }
}

/// The greeting of a port where none may come has a time of its own.
#[tokio::test(start_paused = true)]
async fn silence_instead_of_a_greeting_can_have_another_limit() {
    let timeouts = Timeouts { greeting: Some(Duration::from_secs(20)), ..timeouts() };
    let ended = play(text(10), timeouts, |stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    assert_eq!((deferred(&ended), ended.after.as_secs()), ((Stage::Greeting, Cause::TimedOut), 20));
}

/// P-398: a server that takes its time for each reply gets the message.
#[tokio::test(start_paused = true)]
async fn a_server_that_delays_every_reply_is_waited_for() {
    let ended = play(text(10), timeouts(), |mut stream| async move {
        for (_, line, reply) in STEPS {
            expect(&mut stream, line).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        std::future::pending().await
    })
    .await;
    assert!(matches!(ended.verdict, Verdict::Accepted(_)), "{:?}", ended.verdict);
}
