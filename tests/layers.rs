//! The layers and rules of ARCHITECTURE.md, checked from the source: which module names which, what the engine stays
//! clear of, who prints, who exits, and how long a file is.

#![allow(clippy::unwrap_used)] // clippy does not take helpers beside tests for test code

#[path = "layers/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::Source;

/// Most lines of a file: the house says 500, and nobody shall have to squeeze the last comment out.
const LONGEST: usize = 520;

/// Modules of the library, and those that each may name.
type Layers = BTreeMap<String, BTreeSet<String>>;

#[test]
fn source_keeps_to_the_layers_and_rules() {
    let layers = layers_of(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let mut breaches = Vec::new();
    let files = files(&root().join("src"));
    assert!(files.len() > 70, "{}", files.len());
    for (file, text) in &files {
        breaches.extend(check(file, text, &layers));
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn architecture_names_each_module_and_no_other() {
    let layers = layers_of(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let modules: BTreeSet<String> = files(&root().join("src")).iter().map(|(file, _)| module_of(file)).collect();
    let named: BTreeSet<String> = layers.keys().cloned().collect();
    assert_eq!(named, &modules - &BTreeSet::from(["lib".to_owned()]));
    assert!(layers.values().flatten().all(|module| modules.contains(module)), "{layers:?}");
}

/// The top module to which a file belongs.
fn module_of(file: &str) -> String {
    file.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
}

/// Reads the lines `a, b → c, d` below the heading "Layers"; `everything` is every module named on the left.
fn layers_of(architecture: &str) -> Layers {
    let (_, section) = architecture.split_once("## Layers\n").unwrap();
    let block = section.split("```").nth(1).unwrap();
    let names =
        |text: &str| text.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<String>>();
    let lines: Vec<(Vec<String>, BTreeSet<String>)> = block
        .lines()
        .filter_map(|line| line.split_once('→'))
        .map(|(from, to)| (names(from), names(to).into_iter().collect()))
        .collect();
    let all: BTreeSet<String> = lines.iter().flat_map(|(from, _)| from.iter().cloned()).collect();
    let mut layers = Layers::new();
    for (from, to) in lines {
        for module in from {
            let to = match to.first().map(String::as_str) {
                Some("everything") => all.clone(),
                Some("nobody") => BTreeSet::new(),
                _ => to.clone(),
            };
            assert!(layers.insert(module, to).is_none(), "a module has two lines");
        }
    }
    layers
}

/// What is wrong with one file; `file` is its path below `src`.
fn check(file: &str, text: &str, layers: &Layers) -> Vec<String> {
    let source = Source::new(file, text);
    let module = module_of(file);
    let mut breaches = BTreeSet::new();
    let mut breach = |what: String| _ = breaches.insert(format!("src/{file}: {what}"));
    for path in source.paths() {
        let segments: Vec<&str> = path.split("::").collect();
        if let ["crate", to, ..] = segments[..]
            && module != "lib"
            && module != to
            // A crate-wide macro or constant is no module.
            && (to == "*" || layers.contains_key(to))
            && !layers.get(&module).is_some_and(|allowed| allowed.contains(to))
        {
            breach(format!("{module} may not use {to} ({path})"));
        }
        if module == "smtp" && is_impure(&segments) {
            breach(format!("the engine is pure ({path})"));
        }
        if module == "net"
            && segments.starts_with(&["crate", "config"])
            && !matches!(segments.get(2), Some(&("account" | "secret")))
        {
            breach(format!("of the configuration, net knows only the values ({path})"));
        }
        if module == "server"
            && segments.starts_with(&["crate", "smtp"])
            && !matches!(segments.get(2), Some(&("reply" | "sasl")))
        {
            breach(format!("of the engine, server knows only reply and sasl ({path})"));
        }
        if module == "server" && segments.starts_with(&["crate", "net"]) && segments.get(2) != Some(&"tls") {
            breach(format!("of the network, server knows only tls ({path})"));
        }
        let ends = |end: &[&str]| segments.ends_with(end);
        if !matches!(file, "report.rs" | "main.rs")
            && (ends(&["io", "stdout"]) || ends(&["io", "stderr"]) || segments.starts_with(&["rustix", "stdio"]))
        {
            breach(format!("only report.rs and main.rs print ({path})"));
        }
        if file != "main.rs"
            && (segments.contains(&"ExitCode") || ends(&["process", "exit"]) || ends(&["process", "abort"]))
        {
            breach(format!("only main.rs exits ({path})"));
        }
    }
    for word in source.words() {
        let only = match word {
            "rustls" | "tokio_rustls" | "webpki" | "webpki_roots" | "rustls_native_certs" => "net server",
            "rcgen" => "server",
            "clap" | "clap_complete" => "cli",
            "tokio" => "net server dns route deliver check run",
            "hickory_resolver" => "dns",
            _ if word.starts_with("EX_") => "failure",
            _ => continue,
        };
        if !only.split(' ').any(|allowed| allowed == module) {
            breach(format!("{word} belongs to {only}"));
        }
    }
    for call in source.calls() {
        let prints = ["print!", "println!", "eprint!", "eprintln!", "dbg!", "stdout", "stderr"];
        if !matches!(file, "report.rs" | "main.rs") && prints.contains(&call.as_str()) {
            breach(format!("only report.rs and main.rs print ({call})"));
        }
        if file != "main.rs" && ["exit", ".exit", "abort", "exit_group"].contains(&call.as_str()) {
            breach(format!("only main.rs exits ({call})"));
        }
    }
    if file != "failure.rs" {
        source.codes().iter().filter(|code| (64..=78).contains(*code)).for_each(|code| {
            breach(format!("only failure.rs names an exit code ({code})"));
        });
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        breach(format!("{lines} lines, and {LONGEST} are enough"));
    }
    breaches.into_iter().collect()
}

fn is_impure(segments: &[&str]) -> bool {
    let std = matches!(
        segments,
        ["std", "net" | "io" | "fs" | "thread" | "env" | "process" | "os" | "sync", rest @ ..]
            if segments[1] != "sync" || rest.first() != Some(&"Arc")
    );
    // Behind `use std::time` anything may hide.
    let clock = segments.iter().any(|s| ["Instant", "SystemTime"].contains(s)) || segments == ["std", "time"];
    let others = ["tokio", "rustix", "nix", "chrono", "getrandom"].contains(&segments[0]);
    let glob = segments == ["std", "*"] || segments == ["std", "time", "*"];
    std || clock || others || glob
}

/// A line that the linker cannot read would only show in the memory that a submission takes: the list is left out then.
#[test]
fn list_for_the_linker_can_be_read() {
    let text = fs::read_to_string(root().join("link/first.txt")).unwrap();
    let names: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!((names.len() > 1000, unique.len()), (true, names.len()));
    for name in names {
        let readable = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_.$*".contains(&octet));
        assert!(readable && !name.starts_with('*') && name.len() > 3, "{name}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Each Rust file, by its path below the directory.
fn files(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

const SMALL: &str = "\
## Layers

```text
main → run
run → everything
net → smtp, config, message
server → smtp, net
smtp → message
config, message, report, cli, failure, deliver → nobody
```
";

#[test]
fn planted_breach_is_found() {
    let layers = layers_of(SMALL);
    let table = [
        ("smtp/a.rs", "use crate::net::socket;", "smtp may not use net (crate::net::socket)"),
        ("smtp/a.rs", "use super::super::config::account;", "smtp may not use config (crate::config::account)"),
        ("smtp/sasl/mod.rs", "fn f() { super::super::net::f() }", "smtp may not use net (crate::net::f)"),
        ("smtp/a.rs", "use crate::{message::{self, Facts as F}, config};", "smtp may not use config (crate::config)"),
        ("smtp/a.rs", "use crate::*;", "smtp may not use * (crate::*)"),
        ("smtp/a.rs", "fn f(_: crate::config::Account) {}", "smtp may not use config (crate::config::Account)"),
        ("message/a.rs", "pub(crate) use crate::smtp as s;", "message may not use smtp (crate::smtp)"),
        ("main.rs", "fn main() { posthaste::net::f() }", "main may not use net (crate::net::f)"),
        (
            "net/a.rs",
            "use crate::config::{account::Host, load};",
            "of the configuration, net knows only the values (crate::config::load)",
        ),
        ("server/a.rs", "use crate::net::drive;", "of the network, server knows only tls (crate::net::drive)"),
        ("server/a.rs", "use crate::smtp;", "of the engine, server knows only reply and sasl (crate::smtp)"),
        (
            "server/a.rs",
            "use crate::smtp::session::Session;",
            "of the engine, server knows only reply and sasl (crate::smtp::session::Session)",
        ),
        ("smtp/a.rs", "use std::{fmt, io::Read};", "the engine is pure (std::io::Read)"),
        ("smtp/a.rs", "use std::net::IpAddr;", "the engine is pure (std::net::IpAddr)"),
        ("smtp/a.rs", "fn f() { std::fs::read(\"x\"); }", "the engine is pure (std::fs::read)"),
        ("smtp/a.rs", "use std::time::{Duration, Instant};", "the engine is pure (std::time::Instant)"),
        ("smtp/a.rs", "use std::time;", "the engine is pure (std::time)"),
        ("smtp/a.rs", "use std::thread as t;", "the engine is pure (std::thread)"),
        ("smtp/a.rs", "use std::sync::{Arc, Mutex};", "the engine is pure (std::sync::Mutex)"),
        ("smtp/a.rs", "use chrono::Local;", "the engine is pure (chrono::Local)"),
        ("message/a.rs", "use rustls::x;", "rustls belongs to net server"),
        ("net/a.rs", "use rcgen;", "rcgen belongs to server"),
        ("run/a.rs", "use clap::Parser;", "clap belongs to cli"),
        ("config/a.rs", "#[derive(clap::Args)] struct S;", "clap belongs to cli"),
        (
            "report.rs",
            "async fn f() { tokio::time::sleep(d).await }",
            "tokio belongs to net server dns route deliver check run",
        ),
        ("deliver.rs", "use hickory_resolver::Resolver;", "hickory_resolver belongs to dns"),
        ("run/a.rs", "fn f() { println!(\"x\") }", "only report.rs and main.rs print (println!)"),
        ("run/a.rs", "fn f() { dbg![x]; }", "only report.rs and main.rs print (dbg!)"),
        ("run/a.rs", "fn f() { std::io::stderr().write_all(b\"x\"); }", "only report.rs and main.rs print (stderr)"),
        ("run/a.rs", "use std::io::stdout as out;", "only report.rs and main.rs print (std::io::stdout)"),
        ("run.rs", "fn f() { std::process::exit(0) }", "only main.rs exits (exit)"),
        ("run.rs", "use std::process::exit as leave;", "only main.rs exits (std::process::exit)"),
        ("cli/a.rs", "fn f(e: clap::Error) { e.exit() }", "only main.rs exits (.exit)"),
        ("run.rs", "use std::process::ExitCode;", "only main.rs exits (std::process::ExitCode)"),
        ("run.rs", "const A: u8 = libc::EX_USAGE;", "EX_USAGE belongs to failure"),
        ("deliver.rs", "enum E { Usage = 64, Other = 1 }", "only failure.rs names an exit code (64)"),
        ("main.rs", "fn f() { ExitCode::from(70u8) }", "only failure.rs names an exit code (70)"),
    ];
    for (file, text, breach) in table {
        let found = check(file, text, &layers);
        assert!(found.contains(&format!("src/{file}: {breach}")), "{text}: {found:?}");
    }
    let found = check("net/a.rs", &"\n".repeat(LONGEST + 1), &layers);
    assert_eq!(found, ["src/net/a.rs: 521 lines, and 520 are enough"]);
}

#[test]
fn what_is_allowed_is_no_breach() {
    let layers = layers_of(SMALL);
    let table = [
        ("smtp/a.rs", "use super::reply::Reply; use crate::smtp::x; use crate::message::Facts; use std::fmt;"),
        ("smtp/a.rs", "use std::time::Duration; use std::sync::Arc; use std::collections::HashMap;"),
        ("smtp/a.rs", "// use crate::net;\n/* std::io /* std::fs */ rustls */ const A: &str = \"use crate::net::x;\";"),
        ("smtp/a.rs", "const A: &str = r#\"\" println!() \"#; const B: u8 = b'\"'; fn f<'a>(_: &'a str) {}"),
        ("smtp/a.rs", "#[cfg(test)]\nmod tests { use std::io; fn f() { println!(); } }\nfn g() {}"),
        ("smtp/a.rs", "#[cfg(test)]\nuse std::io;\nfn g() {}"),
        ("net/a.rs", "use crate::config::account::Host; use rustls::X; use tokio::net::TcpStream; use std::io;"),
        ("server/a.rs", "use crate::smtp::{reply::Reply, sasl}; use crate::net::tls::provider;"),
        (
            "run/a.rs",
            "use super::Done; use crate::config::load; fn f() { command.stderr(Stdio::null()); x.exit.code(); }",
        ),
        ("report.rs", "fn f() { std::io::stdout().lock(); println!(); }"),
        ("failure.rs", "enum Exit { Usage = 64 }"),
        ("config/a.rs", "const A: usize = 64; enum E { A = 1 }"),
        ("main.rs", "use std::process::ExitCode; fn main() -> ExitCode { ExitCode::from(posthaste::run::run(a)) }"),
    ];
    for (file, text) in table {
        assert_eq!(check(file, text, &layers), [""; 0], "{text}");
    }
}

#[test]
fn code_behind_tests_and_texts_is_looked_at_again() {
    let layers = layers_of(SMALL);
    for before in [
        "#[cfg(test)] mod tests { fn f() { let _ = ['{', '}', '\\'']; } }",
        "#[cfg(test)] use a::{b, c};",
        "const A: &str = \"\\\"\";",
        "const A: &str = r##\"\"#\"##;",
        "/* /* */ */",
        "fn f<'a>() {}",
        "const A: char = '\"';",
    ] {
        let found = check("smtp/a.rs", &format!("{before} use crate::net::x;"), &layers);
        assert_eq!(found, ["src/smtp/a.rs: smtp may not use net (crate::net::x)"], "{before}");
    }
}
