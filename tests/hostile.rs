//! Servers that mean harm or are broken, and callers' files of the same kind: each a case against the built program,
//! which must end soon, in few words, in bounded memory, with the right exit code, and with no secret in any place.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hostile/capabilities.rs"]
mod capabilities;
#[path = "hostile/case.rs"]
mod case;
#[path = "support/certificates.rs"]
mod certificates;
#[path = "hostile/files.rs"]
mod files;
#[path = "hostile/foe.rs"]
mod foe;
#[path = "hostile/greeting.rs"]
mod greeting;
#[path = "hostile/login.rs"]
mod login;
#[path = "hostile/message.rs"]
mod message;
#[allow(dead_code)] // The tests of `sendmail` use the rest of it.
#[path = "sendmail/program.rs"]
mod program;
#[path = "hostile/replies.rs"]
mod replies;
#[path = "support/secrets.rs"]
mod secrets;
#[path = "hostile/tls.rs"]
mod tls;
#[allow(dead_code)] // Likewise.
#[path = "sendmail/wire.rs"]
mod wire;

#[test]
fn cases_are_many_and_each_has_a_name_of_its_own() {
    let cases =
        [greeting::cases(), replies::cases(), tls::cases(), login::cases(), capabilities::cases(), message::cases()];
    let mut names: Vec<String> = cases.into_iter().flatten().map(|case| case.name).collect();
    println!("{} hostile servers and files", names.len());
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 300, "only {count}");
}
