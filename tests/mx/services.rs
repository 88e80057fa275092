use std::sync::Arc;

use rcgen::CertificateParams;

use super::certificates::{certificates, server};
use super::host::{Host, Manner, Tls};
use super::ports::free_port;
use super::program::{Ended, Program};
use super::send;
use super::stub::Stub;

fn under(name: &str) -> Arc<rustls::ServerConfig> {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    Arc::new(server(&certificates().authority, params))
}

fn implicit(name: &str) -> Manner {
    Manner { tls: Tls::Implicit(under(name)), ..Manner::default() }
}

fn through(url: &str, dns: &Stub, settings: &str) -> Ended {
    let login = format!("server = \"{url}\"\npassword = \"secret\"\ntls-ca-file = \"ca.pem\"\n");
    let program = Program::with(&format!("{login}dns = \"{}\"\n{settings}", dns.address));
    program.file("ca.pem", &certificates().authority_pem);
    send(&program, &["-v"], &["bob@a.test"])
}

/// P-337 P-338: both services are found by their names, the lowest priority first, the next host when it does not answer.
#[test]
fn servers_of_a_domain_are_found() {
    let port = free_port();
    let first = Host::start(2, port, implicit("example.test"));
    let second = Host::start(3, port, Manner { tls: Tls::Upgraded(under("example.test")), ..Manner::default() });
    let dns = Stub::start(&format!(
        "_submissions._tcp.example.test SRV 20 1 {port} mail.example.test\n\
         _submissions._tcp.example.test SRV 10 1 {port} dead.example.test\n\
         _submission._tcp.example.test SRV 0 1 {port} mail2.example.test\n\
         mail.example.test A 127.0.0.2\nmail2.example.test A 127.0.0.3\ndead.example.test A 127.0.0.9\n\
         _submissions._tcp.none.test SRV 0 0 0 ."
    ));
    let ended = through("submissions://alice@example.test?srv", &dns, "");
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(first.take().mails, [(vec!["bob@a.test".to_owned()], true)]);
    let order =
        ["connecting to dead.example.test", "connecting to mail.example.test"].map(|s| ended.stderr.find(s).unwrap());
    assert!(order[0] < order[1]);
    let told = "-- _submissions._tcp.example.test: priority 20, weight 1: mail.example.test:";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let ended = through("submission://alice@example.test?srv", &dns, "");
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(second.take().mails, [(vec!["bob@a.test".to_owned()], true)]);
    let ended = through("submissions://alice@none.test?srv", &dns, "");
    assert_eq!(ended.code(), 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("none.test does not offer this service"), "{}", ended.stderr);
    let ended = through("submissions://alice@nothing.test?srv", &dns, "");
    assert_eq!(ended.code(), 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing.test names no servers for submission"), "{}", ended.stderr);
}

/// P-170: whoever forges the record gets nothing without a certificate for the domain; the host of the record counts where
/// the user has consented to it, or DNSSEC vouches for it.
#[test]
fn a_record_is_not_trusted_by_itself() {
    let port = free_port();
    let own = Host::start(2, port, implicit("mail.example.test"));
    let far = Host::start(3, port, implicit("smtp.provider.test"));
    let table = format!(
        "_submissions._tcp.example.test SRV 0 1 {port} mail.example.test\nmail.example.test A 127.0.0.2\n\
         _submissions._tcp.hosted.test SRV 0 1 {port} smtp.provider.test\nsmtp.provider.test A 127.0.0.3"
    );
    let dns = Stub::start(&table);
    let ended = through("submissions://alice@example.test?srv", &dns, "");
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(ended.stderr.contains("certificate is not for example.test but for mail.example.test"), "{}", ended.stderr);
    let ended = through("submissions://alice@hosted.test?srv", &dns, "");
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    let words = "smtp.provider.test is not in hosted.test, and nothing vouches for the record; to trust it, write hosted.test?srv=smtp.provider.test";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert_eq!((own.take().mails.len(), far.take().connections), (0, 0));
    for url in
        ["submissions://alice@hosted.test?srv=provider.test", "submissions://alice@hosted.test?srv=smtp.provider.test"]
    {
        assert_eq!(through(url, &dns, "").code(), 0, "{url}");
        assert_eq!(far.take().mails.len(), 1);
    }
    assert_eq!(through("submissions://alice@hosted.test?srv=rovider.test", &dns, "").code(), 75);
    // DNSSEC vouches for it, by a resolver on this machine; and not where its word does not count.
    let signed = Stub::start(&format!("{table}\n_submissions._tcp.hosted.test !ad"));
    assert_eq!(through("submissions://alice@hosted.test?srv", &signed, "").code(), 0);
    assert_eq!(through("submissions://alice@hosted.test?srv", &signed, "dns-trust = \"never\"\n").code(), 75);
}

/// P-340
#[test]
fn a_service_without_tls_is_none() {
    let port = free_port();
    let clear = Host::start(2, port, Manner::default());
    let dns = Stub::start(&format!(
        "_submission._tcp.example.test SRV 0 1 {port} mail.example.test\nmail.example.test A 127.0.0.2"
    ));
    let ended = through("submission://alice@example.test?srv", &dns, "");
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(ended.stderr.contains("does not offer STARTTLS"), "{}", ended.stderr);
    let seen = clear.take();
    assert_eq!((seen.connections, seen.mails.len()), (1, 0));
    let ended = through("submission://alice@example.test?srv", &dns, "tls = \"none\"\n");
    assert_eq!(ended.code(), 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("must have TLS"), "{}", ended.stderr);
}

#[test]
fn trouble_with_the_look_up_passes() {
    let dns = Stub::start("_submissions._tcp.example.test !servfail");
    let ended = through("submissions://alice@example.test?srv", &dns, "");
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the SRV records of _submissions._tcp.example.test cannot be looked up"),
        "{}",
        ended.stderr
    );
}
