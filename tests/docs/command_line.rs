//! Flags of posthaste itself: manual page, help and completions.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Arg, Command};
use posthaste::cli::values::Shell;
use posthaste::cli::{flags as clap_flags, generate};

use super::page::{Page, flags, items};
use super::{file, printed};

const EVERYWHERE: &str = "Options for every subcommand";

fn description() -> Command {
    let mut command = clap_flags::command();
    command.build();
    command
}

fn names(argument: &Arg) -> impl Iterator<Item = String> + '_ {
    let short = argument.get_short().map(|short| format!("-{short}"));
    short.into_iter().chain(argument.get_long().map(|long| format!("--{long}")))
}

/// Flags that are a subcommand's own.
fn own(command: &Command) -> impl Iterator<Item = &Arg> {
    let everywhere =
        |argument: &Arg| argument.is_global_set() || ["help", "version"].contains(&argument.get_id().as_str());
    command.get_arguments().filter(move |argument| !argument.is_positional() && !everywhere(argument))
}

#[test]
fn manual_has_the_flags_that_there_are_and_no_others() {
    let page = Page::read("posthaste.1");
    let command = description();
    let documented = |title: &str| flags(&items(&page.section(title)));
    let general: BTreeSet<String> = command.get_arguments().flat_map(names).collect();
    assert_eq!(documented(EVERYWHERE), general);
    for subcommand in command.get_subcommands() {
        let expected: BTreeSet<String> = own(subcommand).flat_map(names).collect();
        assert_eq!(documented(subcommand.get_name()), expected, "{}", subcommand.get_name());
    }
}

#[test]
fn manual_has_the_subcommands_that_there_are_and_no_others() {
    let page = Page::read("posthaste.1");
    let command = description();
    let expected: Vec<&str> =
        std::iter::once(EVERYWHERE).chain(command.get_subcommands().map(Command::get_name)).collect();
    assert_eq!(page.subsections("OPTIONS"), expected);
    let synopsis = page.section("SYNOPSIS").join(" ");
    for name in command.get_subcommands().map(Command::get_name) {
        assert!(synopsis.split(' ').any(|word| word == name), "SYNOPSIS lacks {name}");
    }
}

#[test]
fn flags_with_a_value_have_one_in_the_manual() {
    let page = Page::read("posthaste.1");
    let command = description();
    for subcommand in command.get_subcommands() {
        let items = items(&page.section(subcommand.get_name()));
        for argument in own(subcommand) {
            let name = format!("-{}", argument.get_long().unwrap());
            let item = items.iter().find(|item| item.head.split(' ').any(|word| word == name)).expect(&name);
            let shown = item.head.contains("Ar ");
            assert_eq!(shown, argument.get_action().takes_values(), "{} -{name}", subcommand.get_name());
        }
    }
}

#[test]
fn defaults_and_choices_are_in_the_manual() {
    let page = Page::read("posthaste.1");
    for subcommand in description().get_subcommands() {
        let text = page.section(subcommand.get_name()).join(" ");
        for argument in subcommand.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
            let choices = argument.get_possible_values().into_iter().map(|value| value.get_name().to_owned());
            for value in defaults.chain(choices) {
                assert!(text.contains(&value), "{} {}: {value}", subcommand.get_name(), argument.get_id());
            }
        }
    }
}

#[test]
fn every_flag_and_subcommand_is_described() {
    fn check(command: &Command) {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
            check(subcommand);
        }
    }
    check(&description());
}

#[test]
fn help_fits_80_columns() {
    let command = description();
    let mut calls: Vec<Vec<&str>> = vec![vec!["posthaste", "-h"], vec!["posthaste", "--help"]];
    for name in command.get_subcommands().map(Command::get_name).filter(|name| *name != "help") {
        calls.push(vec!["posthaste", name, "--help"]);
        calls.push(vec!["posthaste", "help", name]);
        // To sendmail, -h is an option of its own.
        if !["sendmail", "mailq", "newaliases"].contains(&name) {
            calls.push(vec!["posthaste", name, "-h"]);
        }
    }
    for call in calls {
        for line in printed(&call).lines() {
            assert!(line.chars().count() <= 80, "{call:?}: {line}");
        }
    }
}

#[test]
fn examples_of_the_help_are_calls_that_parse() {
    for call in [&["posthaste", "--help"][..], &["posthaste", "send", "--help"], &["posthaste", "sink", "--help"]] {
        let text = printed(call).replace("\\\n", "");
        let examples = text.split("Examples:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        for line in examples.lines() {
            let command = line.split(" | ").last().unwrap().split([';', '<', '>']).next().unwrap();
            let command = if line.contains("'<p>") { line } else { command };
            let words = words(command.trim());
            assert_eq!(words[0], "posthaste", "{line}");
            let parsed = posthaste::cli::parse(words.iter().map(OsString::from).collect());
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}

/// Splits a line at blanks as a shell does that knows single quotes only.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (at, piece) in line.split('\'').enumerate() {
        match at % 2 {
            1 => match words.last_mut() {
                Some(last) => *last = format!("{last}{piece}"),
                None => words.push(piece.to_owned()),
            },
            _ => words
                .extend(piece.split(' ').filter(|word| !word.is_empty() || piece.ends_with(' ')).map(str::to_owned)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn completions_are_those_that_the_program_prints() {
    for (name, shell) in [("posthaste.bash", Shell::Bash), ("_posthaste", Shell::Zsh), ("posthaste.fish", Shell::Fish)]
    {
        let generated = generate::script(shell);
        assert!(file(&format!("completions/{name}")) == generated, "run: posthaste completions … > completions/{name}");
    }
}
