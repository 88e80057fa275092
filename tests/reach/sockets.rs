use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{self, JoinHandle};

use posthaste::server::options::{Options, Protocol};

use super::program::Program;
use super::relay::{Relay, plain};
use super::{MESSAGE, TO};

/// Serves one connection with these replies, one for each command, and two to the message in LMTP. Gives what it heard.
fn serve(listener: UnixListener, lmtp: bool) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        say(&stream, "220 mx");
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return heard;
            }
            match line.get(..4).unwrap_or(&line) {
                "DATA" => say(&stream, "354 go"),
                ".\r\n" if lmtp => {
                    say(&stream, "250 2.0.0 saved");
                    say(&stream, "452 4.2.2 over quota");
                }
                "EHLO" | "LHLO" | "MAIL" | "RCPT" | "QUIT" | ".\r\n" => say(&stream, "250 ok"),
                _ => {}
            }
            heard.push(line.trim_end().to_owned());
        }
    })
}

fn say(mut stream: &UnixStream, text: &str) {
    let _ = stream.write_all(format!("{text}\r\n").as_bytes());
}

/// P-307 P-308: no TLS is asked for, and none is needed.
#[test]
fn lmtp_over_a_socket() {
    let program = Program::with("server = \"lmtp:///PATH/a%20b@c\"\n");
    let path = program.path("a b@c");
    let serving = serve(UnixListener::bind(&path).unwrap(), true);
    let config = std::fs::read_to_string(program.config()).unwrap();
    std::fs::write(program.config(), config.replace("//PATH", &format!("/{}", program.home().display()))).unwrap();
    let ended = program.sendmail(&["-v", "bob@example.net", "carol@example.net"], MESSAGE);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    let path = path.display();
    for line in [
        &format!("-- connected to {path}\n"),
        "C: LHLO box.example.org\n",
        "= bob@example.net accepted 250 2.0.0 saved\n",
        &format!("= carol@example.net deferred deferred by {path}: 452 4.2.2 over quota"),
    ] {
        assert!(ended.stderr.contains(line), "{line}: {}", ended.stderr);
    }
    assert!(serving.join().unwrap().iter().any(|line| line == "Subject: hello"));
}

#[test]
fn smtp_over_a_socket_and_a_socket_that_is_not_there() {
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("s");
    let program = Program::with(&format!("server = \"smtp://{}\"\n", path.display()));
    program.sendmail(TO, MESSAGE).assert_failure(
        75,
        &[&format!("{} cannot be reached: no such file or directory", path.display()), "its socket"],
    );
    let serving = serve(UnixListener::bind(&path).unwrap(), false);
    program.sendmail(TO, MESSAGE).assert_silent_success();
    assert_eq!(serving.join().unwrap()[0], "EHLO box.example.org");
}

/// P-308 P-307: each recipient has what the server says of it; and the server takes no EHLO, which would show.
#[test]
fn lmtp_with_a_verdict_for_each() {
    let relay = Relay::start(Options { protocol: Protocol::Lmtp, ..plain() });
    let server = format!("server = \"lmtp://{}\"\ntls = \"none\"\n", relay.wire.address);
    let to =
        ["-v", "bob@example.net", "data-refuse-550@example.net", "refuse-553@example.net", "data-defer-452@x.test"];
    let ended = Program::with(&server).sendmail(&to, MESSAGE);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    for verdict in [
        "= bob@example.net accepted 250 2.",
        "= data-refuse-550@example.net failed refused by ",
        "= refuse-553@example.net failed refused by ",
        "= data-defer-452@x.test deferred deferred by ",
    ] {
        assert!(ended.stderr.contains(verdict), "{verdict}: {}", ended.stderr);
    }
    assert_eq!(relay.take().mails.len(), 1);
    let cut_off =
        Program::with(&server).sendmail(&["-v", "bob@example.net", "data-drop@x.test", "eve@x.test"], MESSAGE);
    for verdict in [
        "= bob@example.net accepted 250 2.",
        "= data-drop@x.test deferred the message may have been delivered",
        "= eve@x.test deferred the message may have been delivered",
    ] {
        assert!(cut_off.stderr.contains(verdict), "{verdict}: {}", cut_off.stderr);
    }
}

/// Where TLS is asked for on a socket, it needs a name to compare with.
#[test]
fn tls_on_a_socket_needs_a_name() {
    let required = Program::with("server = \"lmtp:///run/x\"\ntls = \"required\"\n");
    let ended = required.sendmail(TO, MESSAGE);
    assert_eq!(ended.code(), 78);
    assert!(ended.stderr.contains("a socket has no name that a certificate could bear"), "{}", ended.stderr);
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("s");
    let serving = serve(UnixListener::bind(&path).unwrap(), true);
    let named = "tls = \"required\"\ntls-server-name = \"mail.example.org\"\n";
    let program = Program::with(&format!("server = \"lmtp://{}\"\n{named}", path.display()));
    program.sendmail(TO, MESSAGE).assert_failure(75, &["does not offer STARTTLS, and TLS is required"]);
    assert_eq!(serving.join().unwrap(), ["LHLO box.example.org", "QUIT"]);
}

#[test]
fn connection_comes_from_the_source_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = format!("server = \"smtp://{}\"\ntls = \"none\"\n", listener.local_addr().unwrap());
    let serving = thread::spawn(move || listener.accept().map(|(_, peer)| peer.ip()).unwrap());
    let program = Program::with(&format!("{server}source-address = [\"127.0.0.9\", \"::1\"]\n"));
    assert_eq!(program.sendmail(TO, MESSAGE).code(), 75);
    assert_eq!(serving.join().unwrap(), Ipv4Addr::new(127, 0, 0, 9));
    let elsewhere = Program::with(&format!("{server}source-address = \"192.0.2.1\"\n"));
    elsewhere.sendmail(TO, MESSAGE).assert_failure(75, &["source-address 192.0.2.1: cannot assign requested address"]);
    let other = Program::with(&format!("{server}source-address = \"::1\"\n"));
    other.sendmail(TO, MESSAGE).assert_failure(75, &["no address that the keys ip and source-address allow"]);
    let twice = Program::with(&format!("{server}source-address = [\"127.0.0.1\", \"127.0.0.2\"]\n"));
    assert!(twice.sendmail(TO, MESSAGE).stderr.contains("two addresses of one family"));
}

#[test]
fn ip_chooses_the_family() {
    let relay = Relay::start(plain());
    let server = format!("server = \"smtp://localhost:{}\"\ntls = \"none\"\n", relay.wire.address.port());
    Program::with(&format!("{server}ip = \"4\"\n")).sendmail(TO, MESSAGE).assert_silent_success();
    assert_eq!(relay.take().mails.len(), 1);
    let six = Program::with(&format!("{server}ip = \"6\"\n")).sendmail(TO, MESSAGE);
    assert_eq!(six.code(), 75);
    assert!(six.stderr.contains("[::1]:") && !six.stderr.contains("127.0.0.1"), "{}", six.stderr);
    relay.take().assert_nothing();
}
