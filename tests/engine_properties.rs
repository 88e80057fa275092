//! What holds for the engine whatever a server does: an end, a verdict for each recipient, no password in the clear,
//! and no "accepted" without a yes to the end of data.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "engine_properties/world.rs"]
mod world;

use posthaste::smtp::memory::{Bdat, EarlyMail, Grouping, Habits, Memory, Offer, StartTls};
use posthaste::smtp::sasl::{BY_STRENGTH, Mechanism};
use posthaste::smtp::session::{
    Caution, Chunking, ClearText, EightBit, LoginMode, Namesake, Partial, Protocol, Settings, TlsMode,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use world::servers::{Answer, Octets, Reacting};
use world::{Content, Ending, Fate, play};

/// What is known of a server: of one that makes an offer of those that the servers here make.
fn memory() -> impl Strategy<Value = Memory> {
    let offers = [
        &["8BITMIME", "SMTPUTF8", "PIPELINING", "AUTH PLAIN LOGIN CRAM-MD5"][..],
        &["8BITMIME", "PIPELINING", "STARTTLS", "CHUNKING", "AUTH PLAIN LOGIN CRAM-MD5"],
        &["PIPELINING", "CHUNKING", "STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5"],
    ];
    (
        select(vec![None, Some(0), Some(1), Some(2)]),
        select(vec![Grouping::Unknown, Grouping::Likely, Grouping::Proven, Grouping::Proven, Grouping::Never]),
        select(vec![EarlyMail::Unknown, EarlyMail::Refused, EarlyMail::Refused, EarlyMail::Taken]),
        select(vec![Bdat::Unknown, Bdat::Taken, Bdat::Taken, Bdat::AfterRecipients]),
        select(vec![None, None, Some(1), Some(2)]),
    )
        .prop_map(move |(offer, login, early_mail, bdat, most_recipients)| {
            let habits = |offer| Habits { offer, login, early_mail, bdat, most_recipients };
            let offer = offer.map(|number: usize| Offer::of(offers[number].iter().copied()));
            Memory { starttls: StartTls::Unseen, habits: offer.map(habits) }
        })
}

/// What a session is told.
fn settings() -> impl Strategy<Value = Settings> {
    (
        select(vec![Protocol::Smtp, Protocol::Lmtp]),
        select(vec![TlsMode::Implicit, TlsMode::Required, TlsMode::Opportunistic, TlsMode::None]),
        select(vec![vec![], BY_STRENGTH.to_vec(), vec![Mechanism::Plain], vec![Mechanism::Plain]]),
        1usize..4,
        select(vec![Partial::Deliver, Partial::AllOrNone]),
        select(vec![Caution::None, Caution::None, Caution::Helo, Caution::ClearText, Caution::Data, Caution::Serial]),
        select(vec![EightBit::Refuse, EightBit::Send, EightBit::Encode, EightBit::Encode]),
        select(vec![Chunking::Needed, Chunking::Never, Chunking::AfterRecipients, Chunking::SameFlight]),
        memory(),
    )
        .prop_map(|(protocol, tls, mechanisms, max_recipients, partial, caution, eight_bit, chunking, memory)| {
            Settings {
                protocol,
                hello: "client.example".to_owned(),
                tls,
                login: match mechanisms.is_empty() {
                    true => LoginMode::None,
                    false => LoginMode::As {
                        user: world::USER.to_owned(),
                        mechanisms,
                        clear_text: ClearText::Never,
                        nonce: None,
                        server: None,
                    },
                },
                max_recipients,
                partial,
                eight_bit,
                chunking,
                xclient: Vec::new(),
                namesake: Namesake::Fine,
                caution,
                memory,
            }
        })
}

fn fate() -> impl Strategy<Value = Fate> {
    (
        select(vec![true, true, true, true, true, false]),
        select(vec![true, true, true, true, true, false]),
        select(vec![Ending::Lost, Ending::TimedOut]),
        1usize..6,
        select(vec![
            Content::Ascii,
            Content::Ascii,
            Content::Encodable,
            Content::Encodable,
            Content::Fixed,
            Content::Lost,
        ]),
        select(vec![20, 21, 23, 600_000]),
        0usize..4,
    )
        .prop_map(|(tls_works, password_known, ending, recipients, content, size, following)| Fate {
            content,
            size,
            following,
            tls_works,
            password_known,
            ending,
            recipients,
        })
}

/// Octets that look like replies often enough to get somewhere.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        6 => (select(vec!["220", "250", "354", "235", "334", "221", "421", "451", "550", "452", "150", "999"]),
              select(vec![" ", "-", "", "\t", "_"]),
              select(vec!["ok", "", "PIPELINING", "STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5", "SIZE 5", "PDE4PmFAYj4=", "5.1.1 no"]),
              select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r", ""]))
            .prop_map(|(code, separator, text, end)| format!("{code}{separator}{text}{end}").into_bytes()),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(line, 0..30).prop_map(|lines| lines.concat())
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        80 => Just(Answer::Proper),
        6 => (200u16..600).prop_map(Answer::Code),
        1 => vec(any::<u8>(), 0..12).prop_map(Answer::Octets),
        1 => Just(Answer::Nothing),
        1 => Just(Answer::Twice),
        4 => Just(Answer::Early),
        1 => Just(Answer::Hangup),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// P-024 P-138 P-143 P-425: any octets, in any pieces.
    #[test]
    fn any_octets_end_in_verdicts(
        settings in settings(), fate in fate(), octets in octets(), pieces in vec(1usize..40, 1..20),
    ) {
        play(settings, fate, &mut Octets { octets, pieces, turn: 0 })?;
    }

    /// P-045 P-089 P-138 P-143 P-154 P-243 P-250 P-253: a server that mostly does what it should.
    #[test]
    fn a_faulty_server_never_makes_a_yes(
        settings in settings(), fate in fate(), answers in vec(answer(), 1..30), rotation in vec(select(vec![0, 0, 0, 0, 0, 1, 2, 3]), 1..6),
        pieces in vec(1usize..60, 1..8),
    ) {
        play(settings, fate, &mut Reacting::new(answers, rotation, pieces))?;
    }
}

/// The properties would be worth nothing if no session ever came to its end.
#[test]
fn a_server_without_faults_accepts() {
    let settings = |protocol| Settings {
        protocol,
        hello: "client.example".to_owned(),
        tls: TlsMode::Required,
        login: LoginMode::As {
            user: world::USER.to_owned(),
            mechanisms: BY_STRENGTH.to_vec(),
            clear_text: ClearText::Never,
            nonce: None,
            server: None,
        },
        max_recipients: 2,
        partial: Partial::Deliver,
        eight_bit: EightBit::Encode,
        chunking: Chunking::Needed,
        xclient: Vec::new(),
        namesake: Namesake::Fine,
        caution: Caution::None,
        memory: Memory::default(),
    };
    let fate = Fate {
        tls_works: true,
        password_known: true,
        ending: Ending::Lost,
        recipients: 5,
        content: Content::Encodable,
        size: 600_000,
        following: 2,
    };
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        for chunking in [Chunking::Never, Chunking::AfterRecipients, Chunking::SameFlight] {
            for size in [20, 600_000] {
                let settings = Settings { chunking, ..settings(protocol) };
                let mut server = Reacting::new(vec![Answer::Proper], vec![0], vec![7]);
                let accepted = play(settings, Fate { size, ..fate }, &mut server).unwrap();
                assert_eq!(accepted, 15, "{protocol:?}, {chunking:?}, {size} octets");
            }
        }
    }
}
