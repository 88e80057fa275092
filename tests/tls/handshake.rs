//! What the two sides show each other in the handshake, and what is said when it comes to nothing.

use std::process::{Child, Stdio};

use rustls::server::WebPkiClientVerifier;

use super::*;

/// A server for `localhost` that asks for a certificate of the client, and takes none for an answer.
fn asking(issuer: &Issuer) -> ServerConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = KeyPair::generate().unwrap();
    let leaf = named("localhost").signed_by(&key, issuer).unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap()
}

/// P-142: a certificate of the client is shown to a server that asks, and by an account that has one.
#[test]
fn a_client_certificate_is_shown_on_demand_and_by_configuration_only() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = named("client.example.org");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let (cert, private) = (directory.path().join("client.pem"), directory.path().join("client.key"));
    std::fs::write(&cert, certificate.pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let files = [("POSTHASTE_TLS_CERT", cert.to_str().unwrap()), ("POSTHASTE_TLS_KEY", private.to_str().unwrap())];
    for mode in MODES {
        for (config, variables, count) in [
            (asking(&issuer), &files[..], 1),
            (asking(&issuer), &[], 0),
            (config(&issuer, named("localhost")), &files, 0),
        ] {
            let (port, serving) = serve(mode, config);
            let output = check(directory.path(), mode, "localhost", port, variables);
            let seen = serving.join().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
            assert_eq!((seen.certificates, seen.commands.len()), (count, 2));
        }
    }
}

/// P-148: no session is offered to another port of the host, although the server would take it up.
#[test]
fn no_session_is_taken_from_one_port_to_another() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
    let config = config(&issuer, named("localhost"));
    let (one, first) = serve(Mode::Implicit, config.clone());
    let (two, second) = serve(Mode::Implicit, config);
    let file = directory.path().join("config.toml");
    let servers = format!("server = [\"submissions://localhost:{one}\", \"submissions://localhost:{two}\"]\n");
    std::fs::write(&file, servers + "tls-ca-file = \"ca.pem\"\n").unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_posthaste")).arg("check").arg("--config").arg(file).env_clear().output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    for seen in [first.join().unwrap(), second.join().unwrap()] {
        assert_ne!(seen.kind, Some(HandshakeKind::Resumed));
        assert!(seen.kind.is_some() && !seen.commands.is_empty());
    }
}

/// A certificate that will not do ends the handshake, in the words of TLS.
#[test]
fn a_refused_certificate_is_an_alert() {
    let (issuer, other) = (authority("issuer"), authority("other"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), other.pem()).unwrap();
    for mode in MODES {
        let (port, serving) = serve(mode, config(&issuer, named("localhost")));
        let output = check(directory.path(), mode, "localhost", port, &[]);
        let seen = serving.join().unwrap();
        assert_eq!(output.status.code(), Some(75));
        assert_eq!((seen.alert, seen.commands.len()), (Some(AlertDescription::UnknownCA), 0));
    }
}

/// A tool of the system that not every machine has; `tests/run` installs them.
fn unless_missing(spawned: std::io::Result<Child>) -> Option<Child> {
    match spawned {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        other => Some(other.unwrap()),
    }
}

/// P-139: nobody is asked whether a certificate that will not do shall do, not even a person at a terminal.
#[test]
fn there_is_no_way_around_a_refused_certificate() {
    let (issuer, other) = (authority("issuer"), authority("other"));
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, other.pem()).unwrap();
    let (port, serving) = serve(Mode::Implicit, config(&issuer, named("localhost")));
    let command = format!("'{}' send --to bob@example.net --body b", env!("CARGO_BIN_EXE_posthaste"));
    // It gives the program a terminal.
    let spawned = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", directory.path())
        .env("POSTHASTE_SERVER", format!("submissions://localhost:{port}"))
        .env("POSTHASTE_TLS_CA_FILE", ca)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Some(mut child) = unless_missing(spawned) else { return };
    // Whoever asked would go on. The program may have ended already, since it does not ask.
    let _ = child.stdin.take().unwrap().write_all(b"y\nyes\ncontinue\n");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("nobody that this machine trusts"), "{said}");
    assert!(serving.join().unwrap().commands.is_empty());
}

/// P-164: a server that begins another handshake in the middle of a session is told no, and gets no message.
#[test]
fn a_session_is_not_negotiated_anew() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = named("localhost").signed_by(&key, &issuer).unwrap();
    std::fs::write(directory.path().join("server.pem"), leaf.pem() + &key.serialize_pem()).unwrap();
    // rustls has no renegotiation, so that OpenSSL is the server. `R` at the beginning of a line is its command for one.
    let spawned = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-tls1_2", "-crlf", "-msg"])
        .arg("-cert")
        .arg(directory.path().join("server.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Some(mut server) = unless_missing(spawned) else { return };
    let mut orders = server.stdin.take().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let place = lines.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned)).unwrap();
    let port = place.rsplit(':').next().unwrap().to_owned();
    let client = Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["-v", "send", "--to", "bob@example.net", "--body", "b"])
        .env_clear()
        .env("HOME", directory.path())
        .env("POSTHASTE_SERVER", format!("submissions://localhost:{port}"))
        .env("POSTHASTE_TLS_CA_FILE", &ca)
        .env("POSTHASTE_HOSTNAME", "client.example.org")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    orders.write_all(b"220 mx\n").unwrap();
    assert!(lines.any(|line| line == "EHLO client.example.org"));
    orders.write_all(b"R\n").unwrap();
    assert!(lines.any(|line| line.contains("HelloRequest")));
    // It finds the answer to that when it has something to say.
    orders.write_all(b"250 mx\n").unwrap();
    let output = client.wait_with_output().unwrap();
    let rest: Vec<String> = lines.collect();
    drop(orders);
    server.wait().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("-- TLS 1.2") && !said.contains("354"), "{said}");
    assert!(rest.iter().any(|line| line.ends_with("warning no_renegotiation")), "{rest:?}");
}

/// P-148: where a server is connected to twice by one process, the second handshake takes up the session of the first.
#[test]
fn the_second_connection_takes_the_session_up() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let key = KeyPair::generate().unwrap();
        let leaf = named("localhost").signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = thread::spawn(move || {
            let config = Arc::new(config);
            // It loses the group of commands, so that the program comes again.
            [&["220 mx", "250-mx\r\n250 PIPELINING"][..], &["220 mx", "250 mx", "554 no"]].map(|replies| {
                let (stream, _) = listener.accept().unwrap();
                let mut lines =
                    BufReader::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream));
                for (at, reply) in replies.iter().enumerate() {
                    if at > 0 {
                        lines.read_line(&mut String::new()).unwrap();
                    }
                    lines.get_mut().write_all(format!("{reply}\r\n").as_bytes()).unwrap();
                }
                lines.read_line(&mut String::new()).unwrap();
                lines.get_ref().conn.handshake_kind().unwrap()
            })
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_posthaste"))
            .args(["sendmail", "-f", "alice@example.org", "bob@example.net"])
            .env_clear()
            .env("HOME", directory.path())
            .env("POSTHASTE_SERVER", format!("submissions://localhost:{port}"))
            .env("POSTHASTE_TLS_CA_FILE", directory.path().join("ca.pem"))
            .env("POSTHASTE_LOG", "none")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"Subject: x\n\nx\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
        let [first, second] = serving.join().unwrap();
        assert!(first != HandshakeKind::Resumed && second == HandshakeKind::Resumed, "{first:?} {second:?}");
    }
}

/// P-148: the sessions of a batch share what TLS remembers, and the files of the account are read once.
#[test]
fn the_sessions_of_a_batch_resume_the_first() {
    let issuer = authority("issuer");
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem()).unwrap();
    let config = Arc::new(config(&issuer, named("localhost")));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let authority_file = ca.clone();
    let serving = thread::spawn(move || {
        [(); 3].map(|()| {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream));
            let mut answer = "220 mx";
            loop {
                lines.get_mut().write_all(format!("{answer}\r\n").as_bytes()).unwrap();
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                answer = match line.split_ascii_whitespace().next() {
                    // One message in a session, so that there are three of them.
                    Some("EHLO") => "250-mx\r\n250 LIMITS MAILMAX=1",
                    Some("MAIL" | "RCPT") => "250 ok",
                    Some("DATA") => "354 go",
                    Some("QUIT") | None => break,
                    Some(_) => {
                        while line != ".\r\n" {
                            line.clear();
                            assert!(lines.read_line(&mut line).unwrap() > 0);
                        }
                        let _ = std::fs::remove_file(&authority_file);
                        "250 ok"
                    }
                };
            }
            lines.get_ref().conn.handshake_kind().unwrap()
        })
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    command.args(["send", "--batch"]);
    for name in ["a", "b", "c"] {
        std::fs::write(directory.path().join(name), format!("To: {name}@example.net\n\nx\n")).unwrap();
        command.arg(directory.path().join(name));
    }
    let output = command
        .env_clear()
        .env("HOME", directory.path())
        .env("POSTHASTE_SERVER", format!("submissions://localhost:{port}"))
        .env("POSTHASTE_FROM", "alice@example.org")
        .env("POSTHASTE_TLS_CA_FILE", &ca)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let kinds = serving.join().unwrap();
    assert_eq!(kinds.map(|kind| kind == HandshakeKind::Resumed), [false, true, true], "{kinds:?}");
}
