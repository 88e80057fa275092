//! Options of the sendmail face: manual page, help, table and parser.

use std::collections::BTreeSet;
use std::ffi::OsString;

use posthaste::cli::letters::{Effect, LETTERS, LONG_OPTIONS, MODES, ModeKind, SHORT_OPTIONS};
use posthaste::cli::parse;

use super::page::{Page, flags, items};
use super::printed;

const SECTIONS: [&str; 4] = ["With an effect", "Accepted for later", "Ignored", "Refused"];

fn documented(sections: &[&str]) -> BTreeSet<String> {
    let page = Page::read("posthaste-sendmail.8");
    sections.iter().flat_map(|title| flags(&items(&page.section(title)))).collect()
}

fn set(prefix: &str, letters: impl Iterator<Item = char>) -> BTreeSet<String> {
    letters.map(|letter| format!("{prefix}{letter}")).collect()
}

/// The options at the beginnings of the lines below a heading of the help.
fn helped(heading: &str) -> BTreeSet<String> {
    let text = printed(&["posthaste", "sendmail", "--help"]);
    let below = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    below
        .take_while(|line| !line.is_empty())
        .map(|line| line.trim().split([' ', '[']).next().unwrap().to_owned())
        .collect()
}

/// Whether the parser knows the letter; a `m`, which has no effect, is what may be its value.
fn is_known(letter: char) -> bool {
    let call = ["sendmail".to_owned(), format!("-{letter}m"), "--".to_owned(), "bob@example.net".to_owned()];
    match parse(call.iter().map(OsString::from).collect()) {
        Ok(_) => true,
        Err(error) => error.message != format!("unknown option `-{letter}`"),
    }
}

#[test]
fn letters_of_parser_manual_and_help_are_the_same() {
    let known = set("-", ('!'..='~').filter(|letter| *letter != '-' && is_known(*letter)));
    assert_eq!(known, set("-", LETTERS.iter().map(|entry| entry.letter)));
    let long = ["--help".to_owned(), "--version".to_owned()];
    let all: BTreeSet<String> = known.into_iter().chain(long).collect();
    assert_eq!(documented(&SECTIONS), all);
    assert_eq!(helped("Options:"), all);
}

#[test]
fn letters_that_are_ignored_or_refused_are_called_so() {
    let with = |wanted: &dyn Fn(Effect) -> bool| {
        set("-", LETTERS.iter().filter(|entry| wanted(entry.effect)).map(|entry| entry.letter))
    };
    let ignored = |effect| matches!(effect, Effect::Ignore | Effect::IgnoreAloud | Effect::IgnoreAttached);
    assert_eq!(documented(&["Ignored"]), with(&ignored));
    assert_eq!(documented(&["Refused"]), with(&|effect| effect == Effect::Refuse));
}

#[test]
fn modes_are_the_same() {
    let modes = set("-b", MODES.iter().map(|mode| mode.letter));
    assert_eq!(documented(&["Modes"]), modes);
    assert_eq!(helped("Modes:"), modes);
    let page = Page::read("posthaste-sendmail.8");
    for mode in MODES {
        let items = items(&page.section("Modes"));
        let name = format!("b{}", mode.letter);
        let item = items.iter().find(|item| item.head.split(' ').any(|word| word == name)).unwrap();
        let refused = item.body.join(" ").starts_with("Refused");
        assert_eq!(refused, mode.kind == ModeKind::Refuse, "-{name}");
    }
}

#[test]
fn option_letters_are_the_same() {
    let letters: Vec<char> = SHORT_OPTIONS.iter().map(|option| option.letter).collect();
    // The value is attached, so only the first two characters are the option.
    let two = |names: BTreeSet<String>| names.into_iter().map(|name| name[..3].to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(two(documented(&["Option letters"])), set("-o", letters.iter().copied()));
    assert_eq!(two(helped("Option letters")), set("-o", letters.into_iter()));
    let text = Page::read("posthaste-sendmail.8").section("With an effect").join(" ");
    for (name, _) in LONG_OPTIONS {
        assert!(text.split(' ').any(|word| word == *name), "{name}");
    }
}
