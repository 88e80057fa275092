//! Facts against what framing really makes.

use super::{coarse, framed};
use posthaste::message::tally::Tally;
use posthaste::message::{Facts, HeaderText};
use posthaste::smtp::framing::CR_RUN;
use proptest::prelude::*;

fn tally(input: &[u8], block: usize) -> Facts {
    let mut tally = Tally::default();
    input.chunks(block.max(1)).for_each(|block| _ = tally.push(block));
    coarse(&tally.finish())
}

fn expected(input: &[u8]) -> Facts {
    coarse(&Facts { header: HeaderText::Ascii, ..framed(input).1 })
}

#[test]
fn lines_at_the_limit_are_told_apart() {
    for length in [997, 998, 999, 1000, 1996, 1997, 5000] {
        for end in ["", "\n", "\r\n", "\r\r\n", "\r", "\nab\n", "\r\nab"] {
            let input = ["a\n", &"x".repeat(length), end].concat();
            for block in [1, 2, 7, 500, 998, 999, 1001, 10_000] {
                let found = tally(input.as_bytes(), block);
                assert_eq!(found, expected(input.as_bytes()), "{length} {end:?} in blocks of {block}");
            }
        }
    }
}

#[test]
fn a_run_of_carriage_returns_counts_as_it_is_framed() {
    for count in [1, CR_RUN - 1, CR_RUN, CR_RUN + 1, 3 * CR_RUN] {
        let input = [&b"a"[..], &vec![b'\r'; count as usize], b"\nb"].concat();
        assert_eq!(tally(&input, 100), expected(&input), "{count}");
    }
}

proptest! {
    /// P-227
    #[test]
    fn facts_are_what_framing_makes(input in prop::collection::vec(prop_oneof![
        8 => prop::sample::select(vec!["\r", "\n", "\r\n", ".", "a", "\0", "é", "line\nline\nline\n", "l\r\nl\r\nl\r\n"]).prop_map(str::to_owned),
        1 => (990usize..1005).prop_map(|length| "x".repeat(length)),
    ], 0..40), block in 1usize..3000) {
        let input = input.concat();
        prop_assert_eq!(tally(input.as_bytes(), block), expected(input.as_bytes()));
    }
}
