//! The dialogues of `tests/dialogues`, played with the engine: whole, octet by octet, and cut in two everywhere.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/dialogue.rs"]
mod dialogue;
#[path = "session/play.rs"]
mod play;
#[path = "support/setup.rs"]
mod setup;
#[path = "session/words.rs"]
mod words;

use dialogue::{Dialogue, Wrong, all};
use play::{Cut, longest_turn, play, size};
use setup::Pieces;

/// So many places to cut at, times octets, are played for each dialogue. Only the few giants have more; the places in
/// them are much the same.
const MUCH_WORK: usize = 1_000_000;

/// Plays all dialogues and shows everything that went wrong in them.
fn play_all(cuts: impl Fn(&Dialogue) -> Vec<Cut>) {
    let (mut wrong, mut played) = (Vec::new(), 0);
    for (_, dialogue) in all() {
        let result = dialogue.and_then(|dialogue| {
            cuts(&dialogue).into_iter().try_for_each(|cut| {
                played += 1;
                play(&dialogue, cut)
            })
        });
        wrong.extend(result.err());
    }
    let text: Vec<String> = wrong.iter().map(Wrong::to_string).collect();
    assert!(wrong.is_empty(), "{} dialogues went wrong:\n{}", wrong.len(), text.join("\n"));
    assert!(played > 0);
}

#[test]
fn dialogues_whole() {
    play_all(|_| vec![Cut::Whole]);
}

/// P-024
#[test]
fn dialogues_octet_by_octet() {
    play_all(|dialogue| if dialogue.setup.pieces == Pieces::Any { vec![Cut::Octets] } else { Vec::new() });
}

/// P-024
#[test]
fn dialogues_cut_in_two_at_every_place() {
    play_all(|dialogue| match dialogue.setup.pieces {
        Pieces::Any => {
            let longest = longest_turn(dialogue);
            let work = longest * size(dialogue);
            (1..longest).step_by(1 + work / MUCH_WORK).map(Cut::At).collect()
        }
        Pieces::One => Vec::new(),
    });
}

#[test]
fn there_are_dialogues_enough() {
    let count = all().len();
    assert!(count >= 100, "only {count}");
    for (name, dialogue) in all() {
        let dialogue = dialogue.unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(name.contains('/'), "{name} stands in no area");
        for duty in &dialogue.duties {
            let number = duty.strip_prefix("P-").and_then(|digits| digits.parse::<u32>().ok());
            assert!(number.is_some_and(|number| (1..=425).contains(&number)), "{name}: {duty} is no duty");
        }
    }
}

const RIGHT: &str = "\
# A dialogue that is right
# P-001

S: 220 hello
C: EHLO client.example
S: 250 hello
C: MAIL FROM:<alice@example.org>
S: 250 ok
C: RCPT TO:<bob@example.net>
S: 250 ok
C: DATA
S: 354 go
C: [message, 200 octets]
C: .
S: 250 2.0.0 queued as 1
C: QUIT
-- closed

= bob@example.net accepted queued as 1
= flights 7
= exit 0
";

/// The player would be worth nothing if it took everything.
#[test]
fn a_wrong_dialogue_fails() {
    play(&Dialogue::parse("right", RIGHT).unwrap(), Cut::Octets).unwrap();
    for (from, to, line, complaint) in [
        ("C: EHLO client.example", "C: EHLO other.example", 5, "the client's flight is another"),
        ("C: EHLO client.example\n", "", 6, "the client's flight is another"),
        ("C: DATA\nS: 354 go\n", "C: DATA\n", 11, "the client's flight is another"),
        ("<bob@example.net>\nS: 250 ok\nC: DATA", "<bob@example.net>\nC: DATA", 9, "the client's flight is another"),
        ("C: QUIT\n", "", 16, "the client's flight is another"),
        ("C: QUIT\n", "C: QUIT\nS: 221 bye\nC: QUIT\n", 17, "closed the connection before S: 221 bye"),
        ("-- closed", "-- cut off", 17, "closes the connection, but Politely"),
        ("S: 354 go", "S: 250 go", 13, "the client's flight is another"),
        ("S: 354 go", "-- tls", 12, "waits for a reply, not for -- Tls"),
        ("200 octets", "201 octets", 13, "the client's flight is another"),
        ("C: .\n", "C: .\nC> ..\n", 13, "other octets go over the wire"),
        ("accepted queued as 1", "accepted queued as 2", 19, "bob@example.net is accepted: 250 2.0.0 queued as 1"),
        ("accepted queued", "deferred queued", 19, "bob@example.net is accepted"),
        ("= bob@", "= carol@", 1, "no verdict is expected for bob@example.net"),
        ("= flights 7", "= carol@example.net failed", 20, "carol@example.net is no recipient"),
        ("flights 7", "flights 6", 1, "7 flights, not 6"),
        ("exit 0", "exit 75", 1, "the exit code is 0"),
        ("exit 0", "retry serial", 1, "caution none, not serial"),
        ("exit 0", "hint read the manual", 1, "the hints are []"),
        ("exit 0", "trouble refused", 1, "the trouble is None"),
    ] {
        assert!(RIGHT.contains(from), "{from}");
        let dialogue = Dialogue::parse("wrong", &RIGHT.replacen(from, to, 1)).unwrap();
        let wrong = play(&dialogue, Cut::Whole).expect_err(to);
        assert!(wrong.what.contains(complaint), "{to:?}: {wrong}");
        assert_eq!(wrong.line, line, "{to:?}: {wrong}");
    }
}

#[test]
fn a_dialogue_that_cannot_be_read_says_where() {
    for (from, to, message) in [
        ("# A dialogue that is right\n", "", "1: the first line must be `# what it shows`"),
        ("# P-001\n", "", "2: no line `# P-…`"),
        ("S: 220", "X: 220", "4: `X:` begins no line of a dialogue"),
        ("S: 220 hello", "S: 220 \\q", "4: `\\q` is no escape"),
        ("S: 220 hello", "C> EHLO", "4: `C>` stands behind the line"),
        ("S: 220 hello", "S> 220 hello", "4: `S>` stands behind the line"),
        ("S: 220 hello", "! tls perhaps", "4: `perhaps` for tls"),
        ("S: 220 hello", "! colour red", "4: there is no setting `colour red`"),
        ("S: 220 hello", "S*x: 220 hello", "4: `x` is no number of repetitions"),
        ("C: DATA", "! tls none", "11: a setting stands before the dialogue"),
        ("-- closed", "-- exploded", "17: `-- exploded` is no event"),
        ("accepted queued", "swallowed queued", "19: `swallowed` is no verdict"),
    ] {
        assert!(RIGHT.contains(from), "{from}");
        let wrong = Dialogue::parse("area/file.smtp", &RIGHT.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(wrong.starts_with(&format!("tests/dialogues/area/file.smtp:{message}")), "{wrong}");
    }
}
