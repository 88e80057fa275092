//! The pure session and those who mean it harm.

use posthaste::server::options::{Faults, Options};
use posthaste::server::session::Security;
use proptest::prelude::*;

use super::peer::{End, MAIL, Peer, hear, say};

#[test]
fn look_alikes_of_the_end_of_data_yield_one_message() {
    for alike in
        ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\0\r\n", "\r\n\0.\r\n", "\n\n.\r\n"]
    {
        let smuggled = format!("a{alike}MAIL FROM:<x@y>\r\nRCPT TO:<z@z>\r\nDATA\r\nbad\r\n");
        let heard = say(&format!("{MAIL}{smuggled}.\r\nQUIT\r\n"));
        assert_eq!(heard.messages.len(), 1, "{alike:?}");
        assert_eq!(heard.messages[0].0.sender.as_str(), "a@b");
        assert!(heard.messages[0].1.ends_with(b"DATA\r\nbad\r\n"), "{alike:?}");
        assert!(heard.codes().ends_with("354 250 221"), "{alike:?}: {}", heard.codes());
    }
}

#[test]
fn a_client_of_lone_line_feeds_is_borne_when_it_never_said_crlf() {
    let script = MAIL.replace("\r\n", "\n");
    let heard = say(&format!("{script}..a\n.\nQUIT\n"));
    assert_eq!(heard.messages[0].1, b".a\n");
    assert_eq!(heard.end, End::Closed);
    // One CRLF, and only CRLF.CRLF ends data.
    let heard = say("HELO me\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\na\n.\nb\r\n.\r\n");
    assert_eq!(heard.messages[0].1, b"a\n.\nb\r\n");
}

#[test]
fn a_peer_that_only_errs_is_shown_out() {
    let heard = say(&"FOO\r\n".repeat(1000));
    assert_eq!(heard.end, End::Closed);
    assert!(heard.last().starts_with("421 4.7.0 "));
    assert_eq!(heard.replies.lines().count(), 102);
    // A recipient that is refused by a fault is no mistake of the client.
    let options = Options { faults: Faults::ByLocalPart, ..Options::default() };
    let script = format!("HELO me\r\nMAIL FROM:<>\r\n{}", "RCPT TO:<refuse-550@x>\r\n".repeat(300));
    assert_eq!(hear(&options, Security::Clear, script.as_bytes()).end, End::Waiting);
}

/// Pieces of which hostile scripts are made.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "EHLO x\r\n",
        "HELO x\n",
        "MAIL FROM:<a@b>\r\n",
        "MAIL FROM:<a@b> SIZE=9\r\n",
        "RCPT TO:<a@b>\r\n",
        "DATA\r\n",
        ".\r\n",
        "\r\n.\r\n",
        "\n.\n",
        "RSET\r\n",
        "AUTH PLAIN\r\n",
        "AUTH LOGIN\r\n",
        "AUTH CRAM-MD5\r\n",
        "dGVzdA==\r\n",
        "*\r\n",
        "\r",
        "\n",
        ".",
        "<",
        ">",
        "\"",
        "\\",
        "=",
        "RCPT TO:<drop@x>\r\n",
        "MAIL FROM:<data-defer-421@x>\r\n",
        "QUIT\r\n",
        "STARTTLS\r\n",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..50),
        1 => (any::<u8>(), 0usize..30_000).prop_map(|(octet, count)| vec![octet; count]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_end_in_bounded_memory(pieces in prop::collection::vec(piece(), 0..40), block in 1usize..5000) {
        let options = Options { faults: Faults::ByLocalPart, max_size: 20_000, ..Options::default() };
        let mut peer = Peer::new(options, Security::Clear);
        let script = pieces.concat();
        for octets in script.chunks(block) {
            peer.feed(octets);
            if peer.heard.end == End::Tls {
                peer.session.tls_started();
                peer.heard.end = End::Waiting;
            }
            prop_assert!(peer.session.held() <= 12_288 + 2, "{} octets are held", peer.session.held());
            if let Some((_, octets)) = &peer.message {
                prop_assert!(octets.len() <= 20_000);
            }
        }
        prop_assert!(peer.actions <= 4 * script.len() + 10);
        for line in peer.heard.replies.lines() {
            prop_assert!(line.len() <= 510 && line.is_char_boundary(3) && line[..3].bytes().all(|octet| octet.is_ascii_digit()));
        }
    }
}
