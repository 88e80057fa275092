use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::ports::Closed;
use super::program::Program;
use super::relay::{Relay, guarded, plain};
use super::wire::Wire;
use super::{MESSAGE, TO};

/// What a SOCKS client asks for, after the choice of a login.
fn socks_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut rest = vec![0; 2];
    match head[3] {
        1 => rest.resize(4 + 2, 0),
        4 => rest.resize(16 + 2, 0),
        _ => {
            let mut size = [0];
            stream.read_exact(&mut size)?;
            rest.resize(usize::from(size[0]) + 2, 0);
            stream.read_exact(&mut rest)?;
            return Ok([&head[..], &size, &rest].concat());
        }
    }
    stream.read_exact(&mut rest)?;
    Ok([&head[..], &rest].concat())
}

fn program(server: &str, proxy: &str) -> Program {
    Program::with(&format!("server = \"{server}\"\ntls = \"none\"\nproxy = \"{proxy}\"\n"))
}

/// A proxy that asks for a login or not, and puts everybody through to the relay. The relay's greeting follows at once.
fn socks(target: SocketAddr, method: u8) -> Wire {
    Wire::open(move |peer| {
        let mut hello = [0; 2];
        peer.stream.read_exact(&mut hello)?;
        let mut methods = vec![0; usize::from(hello[1])];
        peer.stream.read_exact(&mut methods)?;
        peer.record(&methods);
        peer.say([5, method])?;
        if method == 2 {
            let mut login = [0; "\x01\x02al\x02pw".len()];
            peer.stream.read_exact(&mut login)?;
            peer.record(&login);
            peer.say([1, u8::from(&login != b"\x01\x02al\x02pw")])?;
        }
        let request = socks_request(&mut peer.stream)?;
        peer.record(&request);
        peer.say([&[5, 0, 0, 3, 4][..], b"here\0\x50"].concat())?;
        peer.forward(TcpStream::connect(target)?)
    })
}

#[test]
fn socks_proxy_looks_the_name_up() {
    let relay = Relay::start(plain());
    let proxy = socks(relay.behind, 0);
    let program = program("smtp://mail.invalid:2525", &format!("socks5://{}", proxy.address));
    program.sendmail(TO, MESSAGE).assert_silent_success();
    assert_eq!(relay.take().mails.len(), 1);
    let seen = proxy.take();
    assert!(seen.octets.starts_with(b"\x00\x05\x01\x00\x03\x0cmail.invalid\x09\xddEHLO"), "{:?}", seen.octets);
}

#[test]
fn socks_proxy_gets_addresses_as_addresses() {
    for (host, asked) in
        [("192.0.2.1", &b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x19"[..]), ("[::9]", b"\x05\x01\x00\x04")]
    {
        let relay = Relay::start(plain());
        let proxy = socks(relay.behind, 0);
        program(&format!("smtp://{host}"), &format!("socks5://{}", proxy.address))
            .sendmail(TO, MESSAGE)
            .assert_silent_success();
        assert!(proxy.take().octets[1..].starts_with(asked));
    }
}

#[test]
fn socks_proxy_gets_its_login_and_no_error_shows_it() {
    let relay = Relay::start(plain());
    let proxy = socks(relay.behind, 2);
    let url = |login: &str| format!("socks5://{login}@{}", proxy.address);
    program("smtp://mail.invalid", &url("al:pw")).sendmail(TO, MESSAGE).assert_silent_success();
    assert_eq!(relay.take().mails.len(), 1);
    assert!(proxy.take().octets.starts_with(b"\x00\x02\x01\x02al\x02pw\x05\x01\x00\x03"));
    let ended = program("smtp://mail.invalid", &url("al:pX")).sendmail(&["-v", "bob@example.net"], MESSAGE);
    assert_eq!(ended.code(), 75);
    assert!(ended.stderr.contains("it refused the user and the password"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("pX"), "{}", ended.stderr);
    relay.take().assert_nothing();
}

/// Answers with these octets to whatever is said first, and then waits for the client to go.
fn answering(answers: &'static [&'static [u8]]) -> Wire {
    Wire::open(move |peer| {
        let mut block = [0; 1024];
        for answer in answers {
            let count = peer.stream.read(&mut block)?;
            peer.record(&block[..count]);
            peer.say(answer)?;
        }
        Ok(())
    })
}

#[test]
fn socks_proxy_that_refuses_is_told_in_words() {
    let reply = |answers, words: &str| {
        let proxy = answering(answers);
        let ended = program("smtp://mail.invalid", &format!("socks5://{}", proxy.address)).sendmail(TO, MESSAGE);
        let named = format!("mail.invalid:25 cannot be reached: the proxy socks5://{}: ", proxy.address);
        ended.assert_failure(75, &[&named, words]);
    };
    reply(&[b"\x05\xff"], "it wants a login");
    reply(&[b"\x05\x02"], "it wants a login that was not offered");
    reply(&[b"\x04\x5a"], "it does not speak SOCKS 5");
    reply(&[b"220 mx.example.net ESMTP\r\n"], "it does not speak SOCKS 5");
    reply(&[b"\x05"], "it closed the connection");
    reply(&[b"\x05\x00", b"\x05\x01\x00\x01"], "it failed without a reason (SOCKS reply 1)");
    reply(&[b"\x05\x00", b"\x05\x02\x00\x01"], "it does not allow this connection");
    reply(&[b"\x05\x00", b"\x05\x03\x00\x01"], "from there the network cannot be reached");
    reply(&[b"\x05\x00", b"\x05\x04\x00\x01"], "from there the host cannot be reached");
    reply(&[b"\x05\x00", b"\x05\x05\x00\x01"], "the server refused its connection");
    reply(&[b"\x05\x00", b"\x05\x06\x00\x01"], "its connection to the server timed out");
    reply(&[b"\x05\x00", b"\x05\x07\x00\x01"], "it makes no connections for others");
    reply(&[b"\x05\x00", b"\x05\x08\x00\x01"], "it does not take this kind of address");
    reply(&[b"\x05\x00", b"\x05\xee\x00\x01"], "(SOCKS reply 238)");
    reply(&[b"\x05\x00", b"\x05\x00\x00\x09"], "it does not speak SOCKS 5");
    reply(&[b"\x05\x00", b"\x05\x00\x00\x03\xff12"], "it closed the connection");
}

/// The proxy and the server say what they have to say in one write: not an octet of the greeting may be lost.
#[test]
fn http_proxy_connects() {
    let relay = Relay::start(plain());
    let target = relay.behind;
    let proxy = Wire::open(move |peer| {
        while !peer.line()?.is_empty() {}
        let mut upstream = TcpStream::connect(target)?;
        let mut greeting = [0; 4];
        upstream.read_exact(&mut greeting)?;
        peer.say([&b"HTTP/1.0 200 Connection established\r\nVia: 1.1 x\r\n\r\n"[..], &greeting].concat())?;
        peer.forward(upstream)
    });
    let plain = program("smtp://mail.invalid:2525", &format!("http://{}", proxy.address));
    plain.sendmail(TO, MESSAGE).assert_silent_success();
    assert_eq!(relay.take().mails.len(), 1);
    let request = "CONNECT mail.invalid:2525 HTTP/1.1\r\nHost: mail.invalid:2525\r\n";
    assert!(proxy.take().octets.starts_with(format!("{request}\r\nEHLO ").as_bytes()));
    let login = program("smtp://[2001:db8::1]", &format!("http://al:p%3Aw@{}", proxy.address));
    login.sendmail(TO, MESSAGE).assert_silent_success();
    let request =
        "CONNECT [2001:db8::1]:25 HTTP/1.1\r\nHost: [2001:db8::1]:25\r\nProxy-Authorization: Basic YWw6cDp3\r\n";
    assert!(proxy.take().octets.starts_with(format!("{request}\r\nEHLO ").as_bytes()));
}

#[test]
fn http_proxy_that_refuses_is_told_in_words() {
    let reply = |answers, login: &str, words: &str| {
        let proxy = answering(answers);
        let ended = program("smtp://mail.invalid", &format!("http://{login}{}", proxy.address)).sendmail(TO, MESSAGE);
        let named = format!("mail.invalid:25 cannot be reached: the proxy http://{}: ", proxy.address);
        ended.assert_failure(75, &[&named, words]);
        assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains("aHVudGVyMg"), "{}", ended.stderr);
    };
    const UNAUTHORIZED: &[&[u8]] =
        &[b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"];
    reply(UNAUTHORIZED, "", "it wants a user and a password");
    reply(UNAUTHORIZED, "al:hunter2@", "it refused the user and the password");
    reply(&[b"HTTP/1.1 403 For\x1b[2Jbidden\r\n\r\n"], "", "it said 403 For\\x1b[2Jbidden");
    reply(&[b"HTTP/1.1 302 Found\nLocation: x\n\n"], "", "it said 302 Found");
    reply(&[b"220 mx.example.net ESMTP\r\n\r\n"], "", "it does not speak HTTP");
    reply(&[b"HTTP/1.1 200 OK\r\nVia: x\r\n"], "", "it closed the connection");
    reply(&[b"HTTP/1.\r\n\r\n"], "", "it does not speak HTTP");
    reply(&[b""], "", "it closed the connection");
}

#[test]
fn proxy_that_does_not_end_is_given_up() {
    let flood = Wire::open(|peer| {
        loop {
            peer.say(b"X-Header: this goes on and on and on and on\r\n")?;
        }
    });
    let ended = program("smtp://mail.invalid", &format!("http://{}", flood.address)).sendmail(TO, MESSAGE);
    ended.assert_failure(75, &["its answer does not end"]);
    // Nobody accepts, nobody answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for scheme in ["http", "socks5"] {
        let settings =
            format!("proxy = \"{scheme}://{}\"\nconnect-timeout = \"100ms\"\n", silent.local_addr().unwrap());
        let program = Program::with(&format!("server = \"smtp://mail.invalid\"\ntls = \"none\"\n{settings}"));
        program.sendmail(TO, MESSAGE).assert_failure(75, &["no answer in time"]);
    }
}

#[test]
fn proxy_that_cannot_be_reached_is_named() {
    let port = Closed::tcp();
    let closed = port.address;
    let ended = program("smtp://mail.invalid", &format!("socks5://al:hunter2@{closed}")).sendmail(TO, MESSAGE);
    ended.assert_failure(75, &[&format!("the proxy socks5://{closed}: {closed}: connection refused"), "key proxy"]);
    assert!(!ended.stderr.contains("hunter2"));
    let ended = program("smtp://mail.example.org", "socks5://proxy.invalid").sendmail(TO, MESSAGE);
    assert!(ended.stderr.contains("the proxy socks5://proxy.invalid:1080: the name proxy.invalid"), "{}", ended.stderr);
}

/// P-165: TLS is with the server that is configured, whatever stands between: a proxy cannot show its own certificate.
#[test]
fn tls_is_with_the_server_behind_the_proxy() {
    let relay = Relay::start(guarded("alice", "secret"));
    let proxy = socks(relay.behind, 0);
    let settings = |host: &str| {
        let server = format!("server = \"submission://alice@{host}:2525\"\npassword = \"secret\"\n");
        format!("{server}tls-ca-file = \"ca.pem\"\nproxy = \"socks5://{}\"\n", proxy.address)
    };
    let good = Program::with(&settings("localhost"));
    good.file("ca.pem", &relay.pem);
    good.sendmail(TO, MESSAGE).assert_silent_success();
    assert_eq!(relay.take().mail().user.as_deref(), Some("alice"));
    let other = Program::with(&settings("mail.invalid"));
    other.file("ca.pem", &relay.pem);
    other.sendmail(TO, MESSAGE).assert_failure(75, &["the server's certificate is not for mail.invalid"]);
    assert!(relay.take().mails.is_empty());
}

/// What is loopback for the proxy is not this machine: no password goes there in clear text.
#[test]
fn loopback_behind_a_proxy_is_not_this_machine() {
    let login = "server = \"smtp://alice@localhost\"\ntls = \"none\"\npassword = \"secret\"\n";
    for way in ["proxy = \"socks5://127.0.0.1\"\n", "proxy-command = \"cat\"\n"] {
        let ended = Program::with(&format!("{login}{way}")).sendmail(TO, MESSAGE);
        assert_eq!(ended.code(), 78, "{}", ended.stderr);
        assert!(ended.stderr.contains("which others could read on the way"), "{}", ended.stderr);
    }
}

/// A proxy that the client floods for is not read further than its answer.
#[test]
fn nothing_is_sent_before_the_proxy_has_answered() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut said = vec![0; 1024];
        let count = stream.read(&mut said).unwrap();
        stream.write_all(b"HTTP/1.1 503 busy\r\n\r\n250 ok\r\n250 ok\r\n").unwrap();
        said.truncate(count);
        // What the client has not read makes a reset of its end.
        let _ = stream.read_to_end(&mut said);
        said
    });
    program("smtp://mail.invalid", &format!("http://{address}"))
        .sendmail(TO, MESSAGE)
        .assert_failure(75, &["it said 503 busy"]);
    let said = String::from_utf8(proxy.join().unwrap()).unwrap();
    assert!(said.ends_with("\r\n\r\n") && said.starts_with("CONNECT "), "{said}");
}
