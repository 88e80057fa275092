//! Whom the client trusts: certificates of every kind, shown to the program on implicit TLS and STARTTLS.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

#[path = "tls/binding.rs"]
mod binding;
#[path = "tls/files.rs"]
mod files;
#[path = "tls/handshake.rs"]
mod handshake;
#[path = "tls/identity.rs"]
mod identity;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{Accepted, Acceptor};
use rustls::{AlertDescription, HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

type Issuer = CertifiedIssuer<'static, KeyPair>;

const NAME: &str = "mail.example.org";

fn authority(common_name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, common_name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn config(issuer: &Issuer, params: CertificateParams) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, issuer).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone()];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap()
}

#[derive(Clone, Copy)]
enum Mode {
    Implicit,
    StartTls,
}

/// What one connection has shown of the client.
struct Seen {
    server_name: Option<String>,
    alpn: bool,
    /// Commands under TLS.
    commands: Vec<String>,
    /// Whether the handshake was a whole one.
    kind: Option<HandshakeKind>,
    /// How many certificates the client has shown.
    certificates: usize,
    /// What the client said instead of going on.
    alert: Option<AlertDescription>,
}

/// Serves one connection: EHLO and QUIT, before TLS and under it.
fn serve(mode: Mode, config: ServerConfig) -> (u16, thread::JoinHandle<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if let Mode::StartTls = mode {
            stream.write_all(b"220 mx\r\n").unwrap();
            let mut lines = BufReader::with_capacity(1, stream.try_clone().unwrap());
            for reply in ["250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"] {
                lines.read_line(&mut String::new()).unwrap();
                stream.write_all(reply.as_bytes()).unwrap();
            }
        }
        under_tls(stream, config, mode)
    });
    (port, serving)
}

fn under_tls(mut stream: TcpStream, config: ServerConfig, mode: Mode) -> Seen {
    let accepted = hello(&mut stream);
    let hello = accepted.client_hello();
    let mut seen = Seen {
        server_name: hello.server_name().map(str::to_owned),
        alpn: hello.alpn().is_some(),
        commands: Vec::new(),
        kind: None,
        certificates: 0,
        alert: None,
    };
    let connection: ServerConnection = match accepted.into_connection(Arc::new(config)) {
        Ok(connection) => connection,
        Err((error, _)) => panic!("{error}"),
    };
    let mut stream = StreamOwned::new(connection, stream);
    if let Mode::Implicit = mode
        && let Err(error) = stream.write_all(b"220 mx\r\n")
    {
        seen.alert = alert(&error);
        return seen;
    }
    let mut line = Vec::new();
    let mut octet = [0];
    loop {
        match stream.read(&mut octet) {
            Ok(1) => line.push(octet[0]),
            Ok(_) => break,
            Err(error) => {
                seen.alert = alert(&error);
                break;
            }
        }
        if octet == *b"\n" {
            seen.commands.push(String::from_utf8(std::mem::take(&mut line)).unwrap().trim_end().to_owned());
            if stream.write_all(b"250 ok\r\n").is_err() {
                break;
            }
        }
    }
    seen.kind = stream.conn.handshake_kind();
    seen.certificates = stream.conn.peer_certificates().map_or(0, <[_]>::len);
    seen
}

fn alert(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

fn hello(stream: &mut TcpStream) -> Accepted {
    let mut acceptor = Acceptor::default();
    loop {
        assert!(acceptor.read_tls(stream).unwrap() > 0, "the client is gone before its hello was there");
        match acceptor.accept() {
            Ok(Some(accepted)) => return accepted,
            Ok(None) => {}
            Err((error, _)) => panic!("{error}"),
        }
    }
}

/// Runs `posthaste check` against `host`, with these variables.
fn check(directory: &Path, mode: Mode, host: &str, port: u16, variables: &[(&str, &str)]) -> Output {
    let scheme = match mode {
        Mode::Implicit => "submissions",
        Mode::StartTls => "submission",
    };
    Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .arg("check")
        .env_clear()
        .env("HOME", directory)
        .env("POSTHASTE_SERVER", format!("{scheme}://{host}:{port}"))
        .env("POSTHASTE_HOSTNAME", "client.example.org")
        .env("POSTHASTE_TLS_CA_FILE", directory.join("ca.pem"))
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// Shows a certificate to the client, which reaches it as `localhost` and expects `name`. `Err` has what it said.
fn shown(issuer: &Issuer, trusted: &Issuer, params: CertificateParams, mode: Mode, name: &str) -> Result<Seen, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), trusted.pem()).unwrap();
    let (port, serving) = serve(mode, config(issuer, params));
    let output = check(directory.path(), mode, "localhost", port, &[("POSTHASTE_TLS_SERVER_NAME", name)]);
    let said = String::from_utf8(output.stdout).unwrap();
    let seen = serving.join().unwrap();
    match output.status.code() {
        Some(0) => Ok(seen),
        Some(75) => {
            assert!(seen.commands.is_empty(), "{:?} after {said}", seen.commands);
            Err(said)
        }
        other => panic!("{other:?}: {said}"),
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    params
}

const MODES: [Mode; 2] = [Mode::Implicit, Mode::StartTls];

/// P-138 P-143 P-166 P-167 P-196: nothing is said to a server whose certificate is not the one for the configured name.
#[test]
fn names_are_compared_as_the_standards_say() {
    let issuer = authority("issuer");
    let taken = [
        ("mail.example.org", NAME),
        ("MAIL.Example.ORG", NAME),
        ("mail.example.org", "MAIL.example.org."),
        ("*.example.org", NAME),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ];
    let refused = [
        ("example.org", NAME),
        ("www.mail.example.org", NAME),
        ("mail.example.org.evil.test", NAME),
        ("mail.example.orga", NAME),
        ("xmail.example.org", NAME),
        ("mail-example.org", NAME),
        ("*.example.org", "a.mail.example.org"),
        ("*.example.org", "example.org"),
        ("*.org", "mail.example.org"),
        ("*", NAME),
        ("m*.example.org", NAME),
        ("*.*.org", NAME),
        ("*il.example.org", NAME),
        ("mail.*.org", NAME),
        ("mail.example.org\0.evil.test", NAME),
        ("localhost", NAME),
        ("127.0.0.1", NAME),
    ];
    for mode in MODES {
        for (certificate, name) in taken {
            let seen = shown(&issuer, &issuer, named(certificate), mode, name);
            assert!(seen.is_ok(), "{certificate} for {name}: {}", seen.err().unwrap());
        }
        for (certificate, name) in refused {
            let seen = shown(&issuer, &issuer, named(certificate), mode, name);
            assert!(seen.is_err(), "{certificate:?} was taken for {name}");
        }
    }
}

/// P-138 P-168: a common name is no name of a host (RFC 9525 section 6.3), and the words say so.
#[test]
fn a_common_name_does_not_count() {
    let issuer = authority("issuer");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, NAME);
    for mode in MODES {
        let said = shown(&issuer, &issuer, params.clone(), mode, NAME).err().unwrap();
        assert!(said.contains("a common name does not count"), "{said}");
    }
}

/// P-138: what the certificate is for, and since when and until when.
#[test]
fn dates_purpose_and_issuer_count() {
    let issuer = authority("issuer");
    let (other, namesake) = (authority("other"), authority("issuer"));
    let mut expired = named(NAME);
    (expired.not_before, expired.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    let mut early = named(NAME);
    (early.not_before, early.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let mut client = named(NAME);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for mode in MODES {
        for (trusted, params, words) in [
            (&issuer, expired.clone(), "has expired"),
            (&issuer, early.clone(), "is not valid yet"),
            (&issuer, client.clone(), "is not meant for servers"),
            (&other, named(NAME), "unknown issuer"),
            (&namesake, named(NAME), "a signature that its issuer did not make"),
        ] {
            let said = shown(&issuer, trusted, params, mode, NAME).err().unwrap();
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}

/// P-145 P-169: an address is compared with addresses alone, and goes without a name in the ClientHello.
#[test]
fn an_address_is_no_name() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
    let with_address = |address: IpAddr| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::IpAddress(address)];
        params
    };
    let cases = [
        (with_address([127, 0, 0, 1].into()), Some(0)),
        (with_address([127, 0, 0, 2].into()), Some(75)),
        (named("127.0.0.1"), Some(75)),
        (named("*.0.0.1"), Some(75)),
    ];
    for mode in MODES {
        for (params, code) in &cases {
            let (port, serving) = serve(mode, config(&issuer, params.clone()));
            let output = check(directory.path(), mode, "127.0.0.1", port, &[]);
            let seen = serving.join().unwrap();
            assert_eq!(output.status.code(), *code, "{}", String::from_utf8_lossy(&output.stdout));
            assert_eq!(seen.server_name, None);
        }
    }
}

/// P-140: a pin is the whole check. A wrong one is a failure although the certificate is a good one.
#[test]
fn a_pin_replaces_the_check_of_the_certificate() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    for mode in MODES {
        let mut params = named("other.example.net");
        params.not_after = date_time_ymd(2020, 1, 1);
        let configured = config(&issuer, params);
        let (port, serving) = serve(mode, configured.clone());
        let refused = check(directory.path(), mode, "localhost", port, &[("POSTHASTE_TLS_CA_FILE", "")]);
        serving.join().unwrap();
        let said = String::from_utf8(refused.stdout).unwrap();
        let pin = said.split("tls-pin = \"").nth(1).unwrap().split('"').next().unwrap();

        let (port, serving) = serve(mode, configured);
        // One of several will do: that of the key to come is set beforehand.
        let pins = format!("{} {pin}", "ab".repeat(32));
        let variables = [("POSTHASTE_TLS_CA_FILE", ""), ("POSTHASTE_TLS_PIN", pins.as_str())];
        let pinned = check(directory.path(), mode, "localhost", port, &variables);
        serving.join().unwrap();
        assert_eq!(pinned.status.code(), Some(0), "{}", String::from_utf8_lossy(&pinned.stdout));

        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        let (port, serving) = serve(mode, config(&issuer, named("localhost")));
        let mistaken = check(directory.path(), mode, "localhost", port, &[("POSTHASTE_TLS_PIN", pin)]);
        assert!(serving.join().unwrap().commands.is_empty());
        assert_eq!(mistaken.status.code(), Some(75));
        assert!(String::from_utf8_lossy(&mistaken.stdout).contains("none of those in tls-pin"));
    }
}

/// P-141: versions that are too weak are not spoken; TLS 1.2 is, and not where 1.3 is demanded.
#[test]
fn versions_are_those_of_today() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
    let old = || {
        let key = KeyPair::generate().unwrap();
        let leaf = named("localhost").signed_by(&key, &issuer).unwrap();
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap()
    };
    for mode in MODES {
        let (port, serving) = serve(mode, old());
        let output = check(directory.path(), mode, "localhost", port, &[]);
        serving.join().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("TLS 1.2, TLS_ECDHE_"));
    }
    // The handshake ends before the server has a connection, so this one only sees the ClientHello.
    for version in [0x0301_u16, 0x0302] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut octets = [0; 16384];
            let length = stream.read(&mut octets).unwrap();
            let [high, low] = version.to_be_bytes();
            // A ServerHello that chooses the old version, as a server that knows no other does.
            let mut answer = vec![22, high, low, 0, 74, 2, 0, 0, 70, high, low];
            answer.extend([7; 32]);
            answer.push(32);
            answer.extend([9; 32]);
            answer.extend([0, 0x2f, 0]);
            stream.write_all(&answer).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            octets[..length].to_vec()
        });
        let output = check(directory.path(), Mode::Implicit, "localhost", port, &[]);
        let hello = serving.join().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(75), "{said}");
        assert!(said.contains("too old"), "{said}");
        // supported_versions (43) lists TLS 1.3 and 1.2 and nothing else (RFC 8446 section 4.2.1).
        let list = [0, 43, 0, 5, 4, 3, 4, 3, 3];
        assert!(hello.windows(list.len()).any(|octets| octets == list));
    }
}

/// P-145 P-146 P-147 P-155: the name that is sent, no protocol of another layer, no data before the handshake is done, and
/// nothing under TLS that was written before.
#[test]
fn the_hello_names_the_host_and_nothing_else() {
    let issuer = authority("issuer");
    for mode in MODES {
        let seen = shown(&issuer, &issuer, named(NAME), mode, NAME).ok().unwrap();
        assert_eq!((seen.server_name.as_deref(), seen.alpn), (Some(NAME), false));
        assert_eq!(seen.commands, ["EHLO client.example.org", "QUIT"]);
        let seen = shown(&issuer, &issuer, named(NAME), mode, "mail.example.org.").ok().unwrap();
        assert_eq!(seen.server_name.as_deref(), Some(NAME));
    }
}
