//! Which words of a certificate count, and what is told where they do not.

use rcgen::{GeneralSubtree, NameConstraints};

use super::*;

/// P-165: the greeting, the reply to EHLO and the address on the other end name a host, and it is not the one that was
/// configured.
#[test]
fn the_configured_name_is_the_only_one() {
    let issuer = authority("issuer");
    // The server calls itself `mx`, and is reached as localhost.
    for other in ["mx", "localhost"] {
        for mode in MODES {
            let said = shown(&issuer, &issuer, named(other), mode, NAME).err().unwrap();
            assert!(said.contains(&format!("not for {NAME} but for {other}")), "{said}");
        }
    }
}

/// P-171: a URI with the name of the host is no name of the host, and neither is a mailbox.
#[test]
fn names_of_other_kinds_do_not_count() {
    let issuer = authority("issuer");
    let uri = SanType::URI(format!("smtp://{NAME}").try_into().unwrap());
    let bare = SanType::URI(NAME.try_into().unwrap());
    let mailbox = SanType::Rfc822Name(NAME.try_into().unwrap());
    for name in [uri, bare, mailbox] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![name];
        for mode in MODES {
            let seen = shown(&issuer, &issuer, params.clone(), mode, NAME);
            assert!(seen.err().unwrap().contains(&format!("not for {NAME}")));
        }
    }
}

fn signed(params: CertificateParams, issuer: &Issuer) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

fn serving(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// What the client says of a server with this configuration, and that nothing was said to it.
fn refusal(trusted: &Issuer, config: ServerConfig) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), trusted.pem()).unwrap();
    let (port, serving) = serve(Mode::Implicit, config);
    let name = [("POSTHASTE_TLS_SERVER_NAME", NAME)];
    let output = check(directory.path(), Mode::Implicit, "localhost", port, &name);
    assert!(serving.join().unwrap().commands.is_empty());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    said.lines().find_map(|line| line.trim().strip_prefix("FAILED: ")).unwrap().to_owned()
}

/// P-172: each thing that can be wrong with a path has words of its own.
#[test]
fn every_fault_of_a_path_is_told_apart() {
    let issuer = authority("issuer");
    let leaf = |params| {
        let (certificate, key) = signed(params, &issuer);
        serving(vec![certificate], key)
    };
    let mut expired = named(NAME);
    (expired.not_before, expired.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    let mut client = named(NAME);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];

    let key = KeyPair::generate().unwrap();
    let alone = named(NAME).self_signed(&key).unwrap();
    let alone = serving(vec![alone.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()));

    // Somebody with an honest certificate signs another one with it.
    let upstart_key = KeyPair::generate().unwrap();
    let upstart = named("upstart.example").signed_by(&upstart_key, &issuer).unwrap();
    let upstart_der = upstart.der().clone();
    let upstart = rcgen::Issuer::new(named("upstart.example"), upstart_key);
    let key = KeyPair::generate().unwrap();
    let forged = named(NAME).signed_by(&key, &upstart).unwrap();
    let forged = serving(vec![forged.der().clone(), upstart_der], PrivateKeyDer::Pkcs8(key.serialize_der().into()));

    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "bounded");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.net".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let bounded = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let (certificate, key) = signed(named(NAME), &bounded);
    let outside = serving(vec![certificate], key);

    let told = [
        (refusal(&issuer, leaf(expired)), "has expired"),
        (refusal(&authority("other"), leaf(named(NAME))), "issuer has signed it, and nobody that this machine trusts"),
        (refusal(&issuer, alone), "nobody but itself has signed it"),
        (refusal(&issuer, leaf(named("mail.example.net"))), "not for mail.example.org but for mail.example.net"),
        (refusal(&issuer, leaf(client)), "not meant for servers"),
        (refusal(&issuer, forged), "end entity used as ca"),
        (refusal(&bounded, outside), "name constraint violation"),
    ];
    for (said, words) in &told {
        assert!(said.contains(words), "{words}: {said}");
        assert_eq!(told.iter().filter(|(other, _)| other == said).count(), 1, "{said}");
    }
}

/// P-406: a virus scanner that stands between shows a certificate of its own, and its name is the clue.
#[test]
fn the_issuer_of_a_stranger_is_named() {
    let (issuer, scanner) = (authority("issuer"), authority("Virus Scanner \u{1b}[7mRoot"));
    for mode in MODES {
        let said = shown(&scanner, &issuer, named(NAME), mode, NAME).err().unwrap();
        let failed = said.lines().find(|line| line.contains("FAILED: ")).unwrap();
        assert!(failed.contains("Virus Scanner \\x1b[7mRoot has signed it"), "{failed}");
    }
}
