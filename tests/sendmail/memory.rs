//! What is left of a secret in the memory of the program when it was used.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::program::Program;
use crate::secrets::{PASSWORD, USER, secrets};

/// All that a process can write to, as far as its parent may read it.
fn memory_of(process: u32) -> Option<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    let mut file = File::open(format!("/proc/{process}/mem")).ok()?;
    let mut memory = Vec::new();
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        let (from, to) = range.split_once('-').unwrap();
        let address = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (from, to) = (address(from), address(to));
        if rights.starts_with("rw") && file.seek(SeekFrom::Start(from)).is_ok() {
            // What cannot be read, such as a guard page, ends this part.
            let _ = (&mut file).take(to - from).read_to_end(&mut memory);
        }
    }
    Some(memory)
}

/// P-198: a batch has logged in, its session is over, and it waits for the greeting of another one: nothing of the password
/// is left, neither as it stands in its file nor as it went out, and it never was an argument or a variable.
#[test]
fn a_password_is_gone_when_it_was_used() {
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("smtp://{}@{}", USER.replace('@', "%40"), listener.local_addr().unwrap());
        let program = Program::with(&format!(
            "server = \"{place}\"\ntls = \"none\"\nauth = \"{mechanism}\"\npassword-file = \"secret\"\n"
        ));
        let secret = program.file("secret", format!("{PASSWORD}\n"));
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
        let files = ["a", "b"].map(|name| program.file(name, format!("To: {name}@x.test\n\nx\n")));
        let mut child = program.posthaste(&["send", "--batch"]).args(&files).stderr(Stdio::null()).spawn().unwrap();
        take_one_message(listener.accept().unwrap().0, mechanism);
        let second = listener.accept().unwrap();
        // Another system has no such files, and this one may forbid it.
        if let Some(memory) = memory_of(child.id()) {
            assert!(contains(&memory, b"box.example.org"), "this is not all of its memory");
            for secret in secrets() {
                let shown = String::from_utf8_lossy(&secret).into_owned();
                assert!(!contains(&memory, &secret), "{mechanism}: {shown:?} is still there");
            }
        }
        drop(second);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A session with a login and one message, and no other.
fn take_one_message(stream: TcpStream, mechanism: &str) {
    let mut lines = BufReader::new(stream);
    let mut say = |answer: String| {
        lines.get_mut().write_all(answer.as_bytes()).unwrap();
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line
    };
    assert!(say("220 mx\r\n".to_owned()).starts_with("EHLO "));
    let list = format!("250-mx\r\n250-AUTH {mechanism}\r\n250 LIMITS MAILMAX=1\r\n");
    assert!(say(list).starts_with("AUTH "));
    let challenges: &[&str] = match mechanism {
        "LOGIN" => &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"],
        "CRAM-MD5" => &["PDEuMkBteD4="],
        _ => &[],
    };
    for challenge in challenges {
        say(format!("334 {challenge}\r\n"));
    }
    assert!(say("235 ok\r\n".to_owned()).starts_with("MAIL "));
    assert!(say("250 ok\r\n".to_owned()).starts_with("RCPT "));
    assert!(say("250 ok\r\n".to_owned()).starts_with("DATA"));
    let mut line = say("354 go\r\n".to_owned());
    while line != ".\r\n" {
        line = say(String::new());
    }
    assert!(say("250 ok\r\n".to_owned()).starts_with("QUIT"));
}

fn contains(memory: &[u8], wanted: &[u8]) -> bool {
    memory.iter().enumerate().any(|(at, octet)| *octet == wanted[0] && memory[at..].starts_with(wanted))
}
