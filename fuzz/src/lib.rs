//! The bodies of the targets, which `tests/fuzz.rs` runs too.

#[path = "../../tests/fuzz/bodies.rs"]
pub mod bodies;
