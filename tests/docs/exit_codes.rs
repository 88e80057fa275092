//! Exit codes: the one table in `src/failure.rs`, and everybody who repeats it.

use posthaste::failure::Exit;

use super::page::{Page, items};
use super::{file, printed};

fn codes() -> Vec<u8> {
    Exit::ALL.iter().map(|exit| exit.code()).collect()
}

fn meaning(code: u8) -> &'static str {
    Exit::ALL.into_iter().find(|exit| exit.code() == code).unwrap_or_else(|| panic!("no exit code {code}")).meaning()
}

#[test]
fn the_table_has_all_codes_of_the_type() {
    let source = file("src/failure.rs");
    let declared = source.split("pub enum Exit {").nth(1).unwrap().split("\n}").next().unwrap();
    let numbers = declared.lines().filter_map(|line| line.split(" = ").nth(1)?.trim_end_matches(',').parse().ok());
    assert_eq!(numbers.collect::<Vec<u8>>(), codes());
}

#[test]
fn manual_has_all_codes_with_their_meaning() {
    let page = Page::read("posthaste.1");
    let items = items(&page.section("EXIT STATUS"));
    assert_eq!(items.iter().map(|item| item.head.parse().unwrap()).collect::<Vec<u8>>(), codes());
    for (item, exit) in items.iter().zip(Exit::ALL) {
        let said = item.body[0].strip_suffix('.').unwrap();
        assert_eq!(said.to_lowercase(), exit.meaning().to_lowercase());
    }
}

#[test]
fn manual_of_sendmail_has_no_other_codes() {
    for item in items(&Page::read("posthaste-sendmail.8").section("EXIT STATUS")) {
        for code in item.head.split(" , ") {
            meaning(code.parse().unwrap());
        }
    }
}

#[test]
fn help_has_all_codes_with_their_meaning() {
    for subcommand in [&[][..], &["send"], &["check"]] {
        let text = printed(&[&["posthaste"], subcommand, &["--help"]].concat());
        let lines = text.split("Exit codes:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
        let said: Vec<(u8, &str)> = lines
            .map(|line| line.trim().split_once("  ").unwrap())
            .map(|(code, meaning)| (code.parse().unwrap(), meaning))
            .collect();
        let expected: Vec<(u8, &str)> = Exit::ALL.iter().map(|exit| (exit.code(), exit.meaning())).collect();
        assert_eq!(said, expected);
    }
}

/// The README may leave codes out; what it says is said in the same words.
#[test]
fn readme_agrees() {
    let readme = file("README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with("| code ")).skip(2);
    let mut seen = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let codes: Vec<u8> = cells[0].split(", ").map(|code| code.parse().unwrap()).collect();
        let meanings: Vec<&str> = codes.iter().map(|code| meaning(*code)).collect();
        assert_eq!(cells[1], meanings.join("; "));
        assert_eq!(cells[2] == "yes", codes.contains(&Exit::TemporaryFailure.code()), "{row}");
        seen += codes.len();
    }
    assert!(seen > 5, "the table is gone");
}
