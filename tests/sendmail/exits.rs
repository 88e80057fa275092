//! Exit codes and the one line that goes with each. The numbers are those of the list of conformance cases.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::ports::Closed;
use super::program::{BINARY, Program, WAYS, Way, run};
use super::relay::{Relay, guarded, plain};

const S: &[u8] = b"Subject: s\n\nb\n";

/// More than is kept in memory.
fn large() -> Vec<u8> {
    [S, &b"a line of the body\n".repeat(100_000)].concat()
}

/// Cases 58 and 59, by recipients with trouble on demand.
///
/// P-065 P-066 P-104 P-421
#[test]
fn refusals_are_told_by_recipient() {
    // Recipients, exit code, who gets the message, lines, and words in them.
    type Row = (&'static [&'static str], i32, &'static [&'static str], usize, &'static [&'static str]);
    let table: &[Row] = &[
        (&["a@x.test", "refuse-550@x.test"], 67, &["a@x.test"], 1, &["refuse-550@x.test", "550 5.1.1 refused"]),
        (&["refuse-550@x.test", "refuse-553@x.test"], 67, &[], 2, &["refuse-550@x.test", "refuse-553@x.test"]),
        (&["refuse-550@x.test", "refuse-554@x.test"], 69, &[], 2, &["refuse-550@x.test", "refuse-554@x.test"]),
        (&["a@x.test", "refuse-550@x.test", "refuse-554@x.test"], 69, &["a@x.test"], 2, &["550 5.1.1", "554 5.0.0"]),
        (&["a@x.test", "refuse-550@x.test", "defer-451@x.test"], 75, &["a@x.test"], 2, &["defer-451@x.test", "451 "]),
        (&["defer-451@x.test"], 75, &[], 1, &["defer-451@x.test", "deferred", "451 4.0.0 not now"]),
        (&["defer-421@x.test"], 75, &[], 1, &["421 "]),
        (&["drop@x.test"], 75, &[], 1, &["drop@x.test"]),
        (&["data-refuse-554@x.test"], 69, &[], 1, &["data-refuse-554@x.test", "refused", "554 5.0.0 refused"]),
        (&["data-defer-451@x.test"], 75, &[], 1, &["451 4.0.0"]),
        (&["data-drop@x.test"], 75, &[], 1, &["may have been delivered"]),
    ];
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for (recipients, code, reached, lines, words) in table {
        for way in WAYS {
            println!("{recipients:?} by {way:?}");
            let ended = program.run(way, recipients, S);
            match way {
                Way::Pipe | Way::File => ended.assert_failures(*code, *lines, words),
                Way::Bare => assert_eq!(ended.code(), *code),
            }
            let mails = relay.take().mails;
            let got: Vec<String> = mails.into_iter().flat_map(|mail| mail.recipients).collect();
            assert_eq!(got, *reached);
        }
    }
}

/// Case 59 (c).
#[test]
fn a_server_that_is_not_there_is_a_temporary_failure() {
    let closed = Closed::tcp();
    let ended = Program::to(closed.address).sendmail(&["a@x.test"], S);
    ended.assert_failure(75, &["a@x.test", &closed.address.to_string(), "refused", "hint:"]);
}

/// Case 59 (d).
///
/// P-188
#[test]
fn a_wrong_password_is_a_matter_of_permission() {
    let relay = Relay::start(guarded("alice", "right"));
    let program = Program::with(&relay.login("alice", "wrong"));
    program.file("ca.pem", &relay.pem);
    let ended = program.sendmail(&["a@x.test"], S);
    ended.assert_failure(77, &["a@x.test", "535 ", "hint:", "password"]);
    relay.take().assert_nothing();
}

#[test]
fn no_account_and_a_broken_one_are_matters_of_configuration() {
    for (settings, words) in [("", "server"), ("server = 7\n", ":5:10: "), ("serve = \"x\"\n", "server")] {
        Program::with(settings).sendmail(&["a@x.test"], S).assert_failure(78, &["config.toml", words]);
    }
}

/// A body that does not fit into memory needs a place; a small one does not.
#[test]
fn a_temporary_directory_that_cannot_be_written_is_needed_for_large_messages_only() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for directory in ["/proc", "/nowhere/at/all"] {
        let mut command = program.named("sendmail");
        command.env("TMPDIR", directory).args(["bob@x.test"]);
        run(&mut command, S).assert_silent_success();
        relay.take().mail();
        run(&mut command, &large()).assert_failure(73, &["temporary file"]);
        assert_eq!(relay.take().wire.connections, 0);
    }
}

/// The system sends SIGXFSZ, which would end the program without a word.
#[test]
fn a_limit_on_the_size_of_files_is_told() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let mut command = program.in_shell(r#"ulimit -f 0; exec "$@""#, &["bob@x.test"]);
    run(&mut command, S).assert_silent_success();
    relay.take().mail();
    run(&mut command, &large()).assert_failure(73, &["temporary file", "file too large"]);
    assert_eq!(relay.take().wire.connections, 0);
}

/// As in a container: the user has a number, and no name.
#[test]
fn a_user_without_a_record_is_called_by_number() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can become somebody else");
        return;
    }
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let binary = program.path("binary");
    // What we write ourselves is open in whatever another test is just starting, and what is open cannot be executed.
    assert!(Command::new("cp").arg(BINARY).arg(&binary).status().unwrap().success());
    for (path, mode) in [(program.home(), 0o755), (&binary, 0o755), (&program.config(), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=4242", "--regid=4242", "--clear-groups"]).arg(binary).arg("--config");
    command.arg(program.config()).args(["sendmail", "bob@x.test"]).env_clear().env("PATH", "/usr/bin:/bin");
    run(&mut command, S).assert_silent_success();
    let mail = relay.take().mail();
    let address = "uid4242@example.org".to_owned();
    assert_eq!((&mail.sender, mail.author()), (&address, (None, address.clone())));
}

/// A directory that is gone, and a home that never was.
#[test]
fn the_place_does_not_matter() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let script = r#"mkdir "$0.gone" && cd "$0.gone" && rmdir "$0.gone" && exec "$@""#;
    let gone = program.path("sh");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).arg(gone).arg(BINARY).arg("--config").arg(program.config());
    command.args(["sendmail", "bob@x.test"]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nowhere");
    run(&mut command, S).assert_silent_success();
    relay.take().mail();
}

/// However little memory there is, too little for a thread among it: the message arrives, or the system is at fault.
#[test]
fn little_memory_is_no_fault_of_the_program() {
    let relay = Relay::start(plain());
    let address = relay.wire.address;
    let login = "user = \"u\"\npassword-command = \"echo x\"\n";
    let by_name = format!("server = \"smtp://nobody.invalid:{}\"\ntls = \"none\"\n", address.port());
    let by_address = format!("server = \"smtp://{address}\"\ntls = \"none\"\n{login}");
    for settings in [by_name, by_address] {
        let program = Program::with(&settings);
        for kibibytes in (12_000..24_000).step_by(400) {
            let script = format!("ulimit -v {kibibytes} && exec \"$@\"");
            let output = program.in_shell(&script, &["bob@x.test"]).stdin(Stdio::null()).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_ne!(output.status.code(), Some(70), "{kibibytes} KiB: {stderr}");
            assert!(!stderr.contains("a fault of"), "{kibibytes} KiB: {stderr}");
        }
    }
}
