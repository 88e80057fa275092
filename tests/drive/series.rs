//! Messages that follow each other on one connection.

use std::io;
use std::time::Duration;

use posthaste::address::Address;
use posthaste::config::account::{Family, Reach, Via};
use posthaste::envelope::{Envelope, ReversePath};
use posthaste::message::{Facts, More, Source};
use posthaste::net::drive::{Detail, Means, Messages, drive};
use posthaste::net::socket;
use posthaste::smtp::outcome::Verdict;
use posthaste::smtp::session::{EightBit, Purpose, Session, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Chunking, Text, greet, listen, settings, text, timeouts};

/// So many messages, each of a size of its own.
struct Several {
    count: usize,
    given: usize,
    text: Text,
}

impl Several {
    fn new(count: usize) -> Self {
        Several { count, given: 1, text: text(17) }
    }
}

fn envelope(number: usize) -> Envelope {
    let recipient = Address::parse(&format!("r{number}@example.net")).unwrap();
    Envelope::new(ReversePath::Null, vec![recipient]).unwrap()
}

fn facts(text: &Text) -> Facts {
    Facts { size: text.wire_size(), ..Facts::default() }
}

impl Messages for Several {
    fn next(&mut self, verdicts: &[Option<Verdict>]) -> Option<Purpose> {
        // All but the one whose end waits for the next.
        assert!(verdicts[..self.given - 1].iter().all(Option::is_some));
        if self.given == self.count {
            return None;
        }
        self.given += 1;
        self.text = text(17 * self.given);
        Some(Purpose::Submit(envelope(self.given), facts(&self.text)))
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut self.text
    }
}

/// A message with 8-bit content, and one without behind it.
struct Mixed {
    given: usize,
    message: Octets,
}

impl Messages for Mixed {
    fn next(&mut self, _: &[Option<Verdict>]) -> Option<Purpose> {
        self.given += 1;
        self.message = Octets { text: "Subject: two\n\nplain\n", more: More::Yes };
        (self.given == 2).then(|| Purpose::Submit(envelope(2), Facts { size: 23, ..Facts::default() }))
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut self.message
    }
}

/// A message in one block.
struct Octets {
    text: &'static str,
    more: More,
}

impl Source for Octets {
    fn rewind(&mut self) -> io::Result<()> {
        self.more = More::Yes;
        Ok(())
    }

    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More> {
        if std::mem::replace(&mut self.more, More::No) == More::Yes {
            out.extend_from_slice(self.text.as_bytes());
        }
        Ok(More::No)
    }
}

/// The same for messages of one size after the other.
async fn play(count: usize, capabilities: &'static str, leaves_after: usize) -> (Vec<String>, Vec<Option<Verdict>>) {
    let messages = Several::new(count);
    let facts = facts(&messages.text);
    play_messages(messages, facts, settings(Chunking::Needed), capabilities, leaves_after).await
}

/// What the server heard, flight by flight, and the verdicts.
async fn play_messages(
    mut messages: impl Messages,
    facts: Facts,
    settings: Settings,
    capabilities: &'static str,
    leaves_after: usize,
) -> (Vec<String>, Vec<Option<Verdict>>) {
    let (listener, endpoint, _place) = listen();
    let server = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        greet(&mut stream, capabilities).await;
        serve(stream, leaves_after).await
    };
    let client = async move {
        let reach = Reach { via: Via::Directly, family: Family::Any, sources: Vec::new() };
        let connection = socket::connect(&endpoint, &reach, Duration::from_secs(30)).await.unwrap();
        let mut session = Session::new(settings, Purpose::Submit(envelope(1), facts));
        session.expect_more();
        let timeouts = timeouts();
        let means = Means {
            connector: None,
            secret: None,
            source: None,
            signer: None,
            more: Some(&mut messages),
            size: facts.size,
            timeouts: &timeouts,
            detail: Detail::Brief,
            stop: None,
        };
        drive(connection.stream, &mut session, means, &mut |_| {}).await;
        session.verdicts().to_vec()
    };
    tokio::join!(server, client)
}

/// Answers flight by flight, as far as they can be told apart: each ends with a command that waits.
async fn serve(mut stream: UnixStream, leaves_after: usize) -> Vec<String> {
    let mut flights = Vec::new();
    let mut in_message = false;
    let mut taken = 0;
    loop {
        let mut flight = Vec::new();
        while !["DATA\r\n", "QUIT\r\n", ".\r\n"].iter().any(|end| flight.ends_with(end.as_bytes())) {
            if stream.read_buf(&mut flight).await.unwrap() == 0 {
                return flights;
            }
        }
        let mut replies = String::new();
        for line in std::str::from_utf8(&flight).unwrap().lines() {
            match line {
                "." => {
                    in_message = false;
                    taken += 1;
                    replies.push_str(&format!("250 taken as {taken}\r\n"));
                }
                _ if in_message => {}
                "DATA" => {
                    in_message = true;
                    replies.push_str("354 go\r\n");
                }
                _ => replies.push_str("250 ok\r\n"),
            }
        }
        flights.push(String::from_utf8(flight).unwrap());
        if taken > leaves_after {
            return flights;
        }
        stream.write_all(replies.as_bytes()).await.unwrap();
    }
}

/// P-418 P-419: SYN, greeting and EHLO, then a flight for each message and one more; the end of the last one with QUIT.
#[tokio::test]
async fn twenty_messages_take_twenty_five_flights_at_most() {
    let (flights, verdicts) = play(20, "250-PIPELINING\r\n", 99).await;
    assert!(3 + flights.len() <= 25, "{} flights", 3 + flights.len());
    assert_eq!(verdicts.len(), 20);
    for (at, verdict) in verdicts.iter().enumerate() {
        let taken = format!("taken as {}", at + 1);
        assert!(matches!(verdict, Some(Verdict::Accepted(reply)) if reply.to_string().contains(&taken)), "{verdict:?}");
    }
    for (at, flight) in flights.iter().enumerate().skip(1) {
        assert_eq!(flight.matches("Subject: sixteen\r\n").count(), at, "message {at}: {flight}");
    }
}

/// P-089 P-091 P-412: only the message whose end was sent may have been delivered.
#[tokio::test]
async fn a_connection_that_breaks_leaves_one_message_in_doubt() {
    let (_, verdicts) = play(20, "250-PIPELINING\r\n", 3).await;
    assert_eq!(verdicts.len(), 5);
    assert!(verdicts[..3].iter().all(|verdict| matches!(verdict, Some(Verdict::Accepted(_)))));
    let in_doubt: Vec<bool> = verdicts[3..]
        .iter()
        .map(|verdict| matches!(verdict, Some(Verdict::Deferred(trouble)) if trouble.may_be_delivered()))
        .collect();
    assert_eq!(in_doubt, [true, false]);
}

/// P-250: what was made of one message is not sent in place of another.
#[tokio::test]
async fn a_message_is_re_encoded_alone() {
    let settings = Settings { eight_bit: EightBit::Encode, ..settings(Chunking::Needed) };
    let messages = Mixed { given: 1, message: Octets { text: "Subject: one\n\nGrüße\n", more: More::Yes } };
    let facts = Facts { size: 26, eight_bit: true, ..Facts::default() };
    let (flights, verdicts) = play_messages(messages, facts, settings, "250-PIPELINING\r\n", 99).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Some(Verdict::Accepted(_)))), "{verdicts:?}");
    let [_, first, second] = &flights[..] else { panic!("{flights:?}") };
    assert!(first.contains("Subject: one\r\n") && first.contains("Gr=C3=BC=C3=9Fe\r\n"), "{first}");
    assert!(second.starts_with("Subject: two\r\n\r\nplain\r\n.\r\n"), "{second}");
}
