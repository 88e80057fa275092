use std::sync::Arc;

use rcgen::CertificateParams;

use super::certificates::{certificates, server};
use super::host::{Host, Manner, Tls};
use super::ports::free_port;
use super::stub::Stub;
use super::{direct, send};

fn config(name: &str) -> Arc<rustls::ServerConfig> {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    Arc::new(server(&certificates().authority, params))
}

/// P-174: any certificate is better than clear text where nothing asks for more, and the transcript says what it is worth.
#[test]
fn tls_is_taken_where_it_is_offered() {
    let port = free_port();
    let secure =
        Host::start(2, port, Manner { tls: Tls::Upgraded(certificates().strange.clone()), ..Manner::default() });
    let clear = Host::start(3, port, Manner::default());
    let dns = Stub::start("a.test MX 10 mx1.test\nb.test MX 10 mx2.test\nmx1.test A 127.0.0.2\nmx2.test A 127.0.0.3");
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test", "bob@b.test"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(secure.take().mails, [(vec!["bob@a.test".to_owned()], true)]);
    assert_eq!(clear.take().mails, [(vec!["bob@b.test".to_owned()], false)]);
    assert!(ended.stderr.contains(", not verified\n"), "{}", ended.stderr);
}

/// With tls = "required" the certificate must be that of the exchanger, and clear text is refused: the next host is tried.
#[test]
fn the_account_may_ask_for_checked_certificates() {
    let port = free_port();
    let good = Host::start(2, port, Manner { tls: Tls::Upgraded(config("mx1.test")), ..Manner::default() });
    let wrong = Host::start(3, port, Manner { tls: Tls::Upgraded(config("other.test")), ..Manner::default() });
    let clear = Host::start(4, port, Manner::default());
    let dns = Stub::start(
        "a.test MX 10 mx2.test\na.test MX 20 mx3.test\na.test MX 30 mx1.test\nb.test MX 10 mx2.test\nb.test MX 20 mx3.test\n\
         mx1.test A 127.0.0.2\nmx2.test A 127.0.0.3\nmx3.test A 127.0.0.4",
    );
    let program = direct(&dns, port, "tls = \"required\"\ntls-ca-file = \"ca.pem\"\n");
    program.file("ca.pem", &certificates().authority_pem);
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!(good.take().mails, [(vec!["bob@a.test".to_owned()], true)]);
    let ended = send(&program, &[], &["bob@b.test"]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(wrong.take().mails.is_empty() && clear.take().mails.is_empty());
}
