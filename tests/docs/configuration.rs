//! The keys of the configuration: schema, manual page, README, and examples that can be read.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use posthaste::config::account::Log;
use posthaste::config::{Choice, Config, Environment, Form, SCHEMA, load};
use posthaste::system::Identity;

use super::file;
use super::page::{Item, Page, arguments, items};

const SECTIONS: &str = "KEYS";

/// The items of the keys, in their order.
fn keys() -> Vec<Item> {
    let page = Page::read("posthaste.toml.5");
    let titles = page.subsections(SECTIONS);
    titles.iter().flat_map(|title| items(&page.section(title))).collect()
}

#[test]
fn manual_has_the_keys_that_there_are_with_their_variables() {
    let said: Vec<String> = keys().into_iter().map(|item| item.head).collect();
    let expected: Vec<String> = SCHEMA.iter().map(|key| format!("Ic {} , Ev {}", key.name, key.variable())).collect();
    assert_eq!(said, expected);
}

#[test]
fn manual_has_their_forms_and_defaults() {
    for (item, key) in keys().iter().zip(SCHEMA) {
        let form = match key.form {
            Form::Word(_) => "one of the words above".to_owned(),
            ref form => form.to_string(),
        };
        assert!(item.body.contains(&format!("Value: {form}.")), "{}: {form}", key.name);
        assert!(item.body.contains(&format!("Default: {}.", key.default)), "{}: {}", key.name, key.default);
    }
}

#[test]
fn manual_has_their_words() {
    for (item, key) in keys().iter().zip(SCHEMA) {
        let Form::Word(words) = key.form else { continue };
        let heads = item.body.iter().filter(|line| line.starts_with(".It "));
        let said: Vec<String> = heads.flat_map(|line| arguments(line, "Cm")).collect();
        assert_eq!(said, words, "{}", key.name);
    }
}

#[test]
fn keys_and_variables_that_pages_speak_of_exist() {
    let keys: BTreeSet<String> = SCHEMA.iter().map(|key| key.name.to_owned()).chain(["default".to_owned()]).collect();
    let variables: BTreeSet<String> = SCHEMA.iter().map(|key| key.variable()).collect();
    for name in ["posthaste.1", "posthaste-sendmail.8", "posthaste.toml.5"] {
        let page = Page::read(name);
        for line in page.lines() {
            for key in arguments(line, ".Ic").into_iter().chain(arguments(line, "Ic")) {
                assert!(keys.contains(&key), "{name}: there is no key {key}");
            }
            for word in line.split(|c: char| !c.is_ascii_uppercase() && c != '_') {
                let known = variables.contains(word) || ["POSTHASTE_CONFIG", "POSTHASTE_ACCOUNT"].contains(&word);
                assert!(!word.starts_with("POSTHASTE_") || word == "POSTHASTE_" || known, "{name}: {word}");
            }
        }
    }
}

/// Reads a text as the configuration of somebody without any variables.
fn read(text: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let environment = Environment::new([("HOME", "/nonexistent")], Identity::Plain);
    load(&environment, Some(&path)).unwrap_or_else(|error| panic!("{}", error.report()))
}

/// Reads a text, and resolves each account in it.
fn resolve(text: &str) {
    let config = read(text);
    for name in config.names() {
        let choice = Choice { name: Some(name), sender: None, log: Log::None };
        config.account(choice).unwrap_or_else(|error| panic!("{}", error.report()));
    }
}

#[test]
fn examples_of_the_manuals_are_whole_configurations() {
    let mut count = 0;
    for name in ["posthaste.toml.5", "posthaste.1"] {
        let page = Page::read(name);
        for block in Page::literals(&page.lines()) {
            if block.lines().any(|line| line.starts_with("server = ")) {
                resolve(&block);
                count += 1;
            } else {
                assert!(!block.contains(" = "), "{name}: {block}");
            }
        }
    }
    assert!(count >= 6, "only {count} examples were found");
}

#[test]
fn examples_of_the_schema_can_be_read() {
    for key in SCHEMA {
        read(&format!("{} = {}\n", key.name, key.example));
    }
}

#[test]
fn examples_in_markdown_are_whole_configurations() {
    for (name, least) in [("README.md", 2), ("docs/coming-from.md", 4)] {
        let text = file(name);
        let blocks: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(blocks.len() >= least, "{name}: {blocks:?}");
        for block in blocks {
            resolve(block);
        }
    }
}

/// The right column of its tables says what a setting of another sendmail is called here.
#[test]
fn keys_that_settings_of_others_are_translated_to_exist() {
    let keys: BTreeSet<&str> = SCHEMA.iter().map(|key| key.name).chain(["default"]).collect();
    let text = file("docs/coming-from.md");
    let mut count = 0;
    for right in text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.rsplit(" | ").next()) {
        for code in right.split('`').skip(1).step_by(2) {
            let key = code.split(" = ").next().unwrap();
            if key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-') {
                assert!(keys.contains(key), "there is no key {key}: {right}");
                count += 1;
            }
        }
    }
    assert!(count >= 60, "only {count} keys were found");
}

/// The four lines are the same wherever a newcomer meets them.
#[test]
fn four_lines_are_the_same_everywhere() {
    let readme = file("README.md");
    let lines = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(lines.lines().count(), 4);
    for name in ["posthaste.1", "posthaste.toml.5"] {
        assert!(Page::literals(&Page::read(name).lines()).iter().any(|block| block == lines), "{name}");
    }
    let indented: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    assert!(super::printed(&["posthaste", "--help"]).contains(&indented));
    let environment = Environment::new([("HOME", "/nonexistent")], Identity::Plain).with_system_file("/nonexistent/x");
    let missing = load(&environment, None).unwrap_err();
    assert!(missing.hint().unwrap().contains(lines.trim_end()));
}
