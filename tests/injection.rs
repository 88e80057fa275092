//! Whatever a caller passes on from a stranger, the server gets the commands and the header that were meant, or nothing.
//!
//! `TESTS_INJECTION` is the number of inputs; ten thousand without it.

#![cfg(feature = "sink")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "injection/binary.rs"]
mod binary;
#[path = "injection/flow.rs"]
mod flow;
#[path = "injection/oracle.rs"]
mod oracle;
#[path = "injection/places.rs"]
mod places;
#[allow(dead_code)]
#[path = "sendmail/program.rs"]
mod program;
#[path = "support/tally.rs"]
mod tally;
#[allow(dead_code)]
#[path = "sendmail/wire.rs"]
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use flow::{NEW_SERVER, OLD_SERVER};
use places::PLACES;

/// Octets as strangers think of them: pieces that mean something to SMTP, to a header, to a shell, and any other.
pub fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => select(vec![
            "\r\nRCPT TO:<evil@x.test>\r\n", "\nBcc: evil@x.test\n", "\r\nX-Injected: 1\r\n", "\rX-Injected: 1\r", "\r\n.\r\n",
            "\n.\n", "\r\n\r\n", "\n\n", "> NOTIFY=NEVER", "> SIZE=1", ">\r\nDATA\r\n", "QUIT\r\n", "\r\nMAIL FROM:<evil@x.test>",
        ]),
        6 => select(vec![
            "\r\n", "\n", "\r", "\0", "\t", " ", "<", ">", "@", "\"", "\\", ",", ";", ":", "(", ")", "[", "]", ".", "=", "+", "|",
            "%0d%0a", "-", "$", "`", "\u{2028}", "\u{85}", "\u{202e}", "é", "ß", "日", "=?utf-8?q?=0D=0AX-Injected:_1?=", "xn--",
            "=?utf-8?b?DQpYLUluamVjdGVkOiAx?=", "\u{7f}", "\u{1b}",
        ]),
        6 => select(vec![
            "a", "b@y.test", "Joe <joe@y.test>", "root", "x.test", "success", "never", "hdrs", "8BITMIME", "G: ", "@r.test:",
            "\"q q\"", "(c)", "[127.0.0.1]", "bücher.test", ", ",
        ]),
    ];
    let octets = prop_oneof![
        12 => piece.prop_map(|text| text.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 1..4),
        1 => (any::<u8>(), select(vec![70usize, 300, 998, 3000])).prop_map(|(octet, count)| vec![octet; count]),
    ];
    vec(octets, 0..7).prop_map(|pieces| pieces.concat())
}

/// P-055 P-058
#[test]
fn any_octets_in_any_place() {
    let cases = std::env::var("TESTS_INJECTION").map_or(10_000, |count| count.parse().unwrap());
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::default() };
    let sent: RefCell<BTreeMap<&str, (u32, u32)>> = RefCell::default();
    let failing = Cell::new("");
    // The usual run makes the same texts each time, so that no fault comes and goes.
    let mut runner = match std::env::var_os("TESTS_INJECTION") {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(_) => TestRunner::new(config),
    };
    let outcome = runner.run(&(select(PLACES), any::<bool>(), hostile()), |(place, is_new, text)| {
        failing.set(place.name);
        let server = if is_new { NEW_SERVER } else { OLD_SERVER };
        let seen = place.play(&text, server);
        let mut sent = sent.borrow_mut();
        let (runs, messages) = sent.entry(place.name).or_default();
        *runs += 1;
        for wire in seen {
            *messages += 1;
            place
                .check(&wire, &text, "alice@example.org")
                .map_err(|fault| TestCaseError::fail(format!("{}: {fault}", place.name)))?;
        }
        Ok(())
    });
    let verdict = if outcome.is_ok() { "all give the expected lines or a refusal" } else { "FAILED" };
    let failed: Vec<String> = outcome.is_err().then(|| failing.get().to_owned()).into_iter().collect();
    tally::tally(&format!("{cases} injections in {} places: {verdict}", PLACES.len()), &failed);
    for (place, (runs, messages)) in sent.borrow().iter() {
        println!("  {place}: {messages} messages of {runs}");
    }
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => panic!("{reason}\n{:?}: {}", input.0.name, input.2.escape_ascii()),
        Err(abort) => panic!("{abort}"),
    }
    // Where nothing was ever sent, nothing was tested; where all was, no text was hostile.
    if cases >= 10_000 {
        for place in PLACES {
            let (runs, messages) = sent.borrow().get(place.name).copied().unwrap_or_default();
            assert!(messages > 0 && runs > 50, "{}: {messages} messages of {runs}", place.name);
        }
    }
}
