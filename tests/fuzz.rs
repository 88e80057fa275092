//! The bodies of the fuzz targets, on the kept corpora of `fuzz/seeds` and on variations of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "fuzz/bodies.rs"]
mod bodies;

use std::fs;
use std::path::Path;

use bodies::TARGETS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The kept corpus of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let read = |path: std::path::PathBuf| (path.display().to_string(), fs::read(&path).unwrap());
    let mut seeds: Vec<_> = files.map(|file| read(file.unwrap().path())).collect();
    seeds.sort();
    seeds
}

/// P-425
#[test]
fn kept_corpora() {
    for (target, body) in TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() >= 5, "{target} has {} files", seeds.len());
        for (name, octets) in seeds {
            println!("{name}");
            body(&octets);
        }
    }
}

#[test]
fn each_target_is_one_of_cargo_fuzz() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"\n")), "{target}");
        let program = fs::read_to_string(root.join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(program.contains(&format!("bodies::{target}(")), "{target}");
    }
}

/// A change of a seed: where, how many octets are taken out, and what comes in.
type Change = (Index, usize, Vec<u8>);

fn change() -> impl Strategy<Value = Change> {
    let octets = prop_oneof![
        vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "\r\n", "\n", "\r", "\0", "250 ", "250-", "334 ", ".\r\n", "\"", "<", "@", "=", "[", "\u{fc}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        (any::<u8>(), 1usize..2000).prop_map(|(octet, count)| vec![octet; count]),
    ];
    (any::<Index>(), 0usize..6, octets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn variations(seed in any::<Index>(), changes in vec(change(), 1..6)) {
        for (target, body) in TARGETS {
            let seeds = seeds(target);
            let mut octets = seeds[seed.index(seeds.len())].1.clone();
            for (at, out, inserted) in &changes {
                let at = at.index(octets.len() + 1);
                let end = (at + out).min(octets.len());
                octets.splice(at..end, inserted.iter().copied());
            }
            body(&octets);
        }
    }
}
