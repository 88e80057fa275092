//! What `tests/run` tells at its end, of tests that count.

use std::fs::File;
use std::io::Write as _;

/// Puts a line, and those of the failures, into the file that `TESTS_TALLY` names, and on standard output.
#[allow(clippy::print_stdout, reason = "it is what the test tells")]
pub fn tally(line: &str, failed: &[String]) {
    let text: String = std::iter::once(line.to_owned())
        .chain(failed.iter().map(|it| format!("  FAILED: {it}")))
        .collect::<Vec<_>>()
        .join("\n")
        + "\n";
    print!("{text}");
    if let Some(path) = std::env::var_os("TESTS_TALLY") {
        File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }
}
