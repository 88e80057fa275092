//! What a login is bound to, compared at both ends of the connection.

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::SignatureAlgorithm;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::*;

/// What the server has seen of the login, and what it knows itself.
struct Bound {
    /// The gs2 header.
    header: String,
    /// What stands behind the header in the client's last message.
    data: Vec<u8>,
    exporter: Vec<u8>,
    certificate: Vec<u8>,
}

type Tls = StreamOwned<ServerConnection, TcpStream>;

fn line(stream: &mut Tls) -> String {
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\r\n") && matches!(stream.read(&mut octet), Ok(1)) {
        line.push(octet[0]);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64.decode(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Serves a login by SCRAM-SHA-256 up to its proof, under this version and with a certificate by an issuer of this kind.
fn bound(version: &'static SupportedProtocolVersion, signed_with: &'static SignatureAlgorithm) -> Bound {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate_for(signed_with).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = named("localhost").signed_by(&key, &issuer).unwrap().der().clone();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
        stream.write_all(b"220 mx\r\n").unwrap();
        assert!(line(&mut stream).starts_with("EHLO "));
        stream.write_all(b"250-mx\r\n250 AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n").unwrap();
        let command = line(&mut stream);
        let first = String::from_utf8(decoded(command.rsplit(' ').next().unwrap())).unwrap();
        let (header, bare) = first.split_once(",,").unwrap();
        assert_eq!(command.starts_with("AUTH SCRAM-SHA-256-PLUS "), header.starts_with("p="), "{command}");
        let nonce = bare.strip_prefix("n=alice,r=").unwrap();
        let offer = format!("334 {}\r\n", BASE64.encode(format!("r={nonce}abc,s=AAAA,i=4096")));
        stream.write_all(offer.as_bytes()).unwrap();
        let last = String::from_utf8(decoded(&line(&mut stream))).unwrap();
        let input = decoded(last.split(',').next().unwrap().strip_prefix("c=").unwrap());
        let header = format!("{header},,");
        let data = input.strip_prefix(header.as_bytes()).unwrap().to_vec();
        let label = b"EXPORTER-Channel-Binding";
        let exporter = stream.conn.export_keying_material(vec![0; 32], label, Some(&[])).unwrap();
        stream.write_all(b"535 5.7.8 no\r\n").unwrap();
        assert_eq!(line(&mut stream), "QUIT");
        Bound { header, data, exporter, certificate: certificate.to_vec() }
    });
    let output =
        check(directory.path(), Mode::Implicit, "alice@localhost", port, &[("POSTHASTE_PASSWORD", "correct horse")]);
    assert_eq!(output.status.code(), Some(77), "{}", String::from_utf8_lossy(&output.stdout));
    serving.join().unwrap()
}

/// P-212 P-213 P-214: under TLS 1.3 the keying material of both ends is the same.
#[test]
fn a_login_is_bound_to_the_keys_of_the_connection() {
    let bound = bound(&TLS13, &rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!((bound.header.as_str(), bound.exporter.len()), ("p=tls-exporter,,", 32));
    assert_eq!(bound.data, bound.exporter);
}

/// P-212 P-214: under TLS 1.2 it is the hash of the certificate, by the hash function of its signature; where that has
/// none, the login is bound to nothing.
#[test]
fn a_login_is_bound_to_the_certificate_under_tls_1_2() {
    for (signed_with, hash) in [(&rcgen::PKCS_ECDSA_P256_SHA256, &SHA256), (&rcgen::PKCS_ECDSA_P384_SHA384, &SHA384)] {
        let bound = bound(&TLS12, signed_with);
        assert_eq!(bound.header, "p=tls-server-end-point,,");
        assert_eq!(bound.data, digest(hash, &bound.certificate).as_ref());
    }
    let bound = bound(&TLS12, &rcgen::PKCS_ED25519);
    assert_eq!((bound.header.as_str(), bound.data.len()), ("n,,", 0));
}
