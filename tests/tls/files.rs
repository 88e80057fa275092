//! Files that the account names for TLS: read without waiting, and blamed by the line that names them.

use std::process::Stdio;

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};

use super::*;

/// Runs `posthaste check` with a file of these settings; the server's port is of no use where nothing is sent.
fn check_with(directory: &Path, server: &str, settings: &str) -> Output {
    let file = directory.join("config.toml");
    std::fs::write(&file, format!("server = \"{server}\"\nhostname = \"client.example.org\"\n{settings}")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .arg("check")
        .arg("--config")
        .arg(file)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_file_that_would_be_waited_for_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = authority("issuer");
    std::fs::write(directory.path().join("good.pem"), issuer.pem()).unwrap();
    let made = Command::new("mkfifo").arg(directory.path().join("fifo")).status().unwrap();
    assert!(made.success());
    for (key, other) in [
        ("tls-ca-file", ""),
        ("tls-crl-file", ""),
        ("tls-cert", "tls-key = \"good.pem\"\n"),
        ("tls-key", "tls-cert = \"good.pem\"\n"),
    ] {
        let output = check_with(directory.path(), "submissions://localhost:1", &format!("{other}{key} = \"fifo\"\n"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        let line = if other.is_empty() { 3 } else { 4 };
        let place = format!("config.toml:{line}:{}: {key} ", key.len() + 4);
        assert!(said.contains(&place) && said.contains("it is not a regular file"), "{said}");
    }
}

#[test]
fn a_file_of_no_use_is_named_with_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = authority("issuer");
    std::fs::write(directory.path().join("good.pem"), issuer.pem()).unwrap();
    std::fs::write(directory.path().join("other.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    std::fs::write(directory.path().join("words"), "no certificate at all\n").unwrap();
    for (settings, words) in [
        ("tls-ca-file = \"absent\"\n", "absent: no such file or directory"),
        ("tls-ca-file = \"words\"\n", "words: no certificate in it"),
        ("tls-crl-file = \"words\"\n", "words: no list in it"),
        ("tls-key = \"words\"\ntls-cert = \"good.pem\"\n", "words: nothing of the kind in it"),
        ("tls-cert = \"good.pem\"\ntls-key = \"other.key\"\n", "good.pem: it cannot be used with tls-key"),
    ] {
        let output = check_with(directory.path(), "submissions://localhost:1", settings);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("config.toml:3:") && said.contains(words), "{said}");
    }
    let output = check(directory.path(), Mode::Implicit, "localhost", 1, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("POSTHASTE_TLS_CA_FILE: tls-ca-file "), "{said}");
}

/// P-172: what is wrong is said, here that the certificate is none of a server.
#[test]
fn the_certificate_of_an_authority_is_none_of_a_server() {
    let issuer = authority("issuer");
    let mut params = named(NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for mode in MODES {
        let said = shown(&issuer, &issuer, params.clone(), mode, NAME).err().unwrap();
        assert!(said.contains("it is that of an authority (CA) and not of a server"), "{said}");
        assert!(said.contains("tls-pin (posthaste check shows it)"), "{said}");
    }
}

/// A list by this authority with these certificates in it.
fn list(issuer: &Issuer, serials: &[u64], until: i32) -> rcgen::CertificateRevocationList {
    CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(until, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: serials
            .iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
    .signed_by(issuer)
    .unwrap()
}

/// An authority that may sign lists.
fn listing_authority(common_name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, common_name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// P-172
#[test]
fn a_revoked_certificate_is_refused() {
    let (issuer, other) = (listing_authority("issuer"), listing_authority("other"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
    let pem = |lists: &[rcgen::CertificateRevocationList]| {
        lists.iter().map(|list| list.pem().unwrap()).collect::<String>().into_bytes()
    };
    let unrelated = || list(&other, &[42], 2090);
    for (lists, refusal) in [
        (pem(&[unrelated(), list(&issuer, &[41, 43], 2090)]), None),
        (list(&issuer, &[], 2090).der().to_vec(), None),
        (pem(&[list(&issuer, &[41, 42], 2090)]), Some("has been revoked")),
        (list(&issuer, &[42], 2090).der().to_vec(), Some("has been revoked")),
        (pem(&[unrelated()]), Some("no list by the issuer")),
        (pem(&[list(&issuer, &[41], 2021)]), Some("is out of date")),
    ] {
        std::fs::write(directory.path().join("lists"), lists).unwrap();
        let mut params = named("localhost");
        params.serial_number = Some(SerialNumber::from(42));
        let (port, serving) = serve(Mode::StartTls, config(&issuer, params));
        let settings = "tls-ca-file = \"ca.pem\"\ntls-crl-file = \"lists\"\n";
        let output = check_with(directory.path(), &format!("submission://localhost:{port}"), settings);
        let said = String::from_utf8(output.stdout).unwrap();
        let commands = serving.join().unwrap().commands.len();
        match refusal {
            None => assert_eq!((output.status.code(), commands), (Some(0), 2), "{said}"),
            Some(words) => {
                assert_eq!((output.status.code(), commands), (Some(75), 0), "{said}");
                assert!(said.contains(words), "{words}: {said}");
            }
        }
    }
}
