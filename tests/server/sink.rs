//! The sink over real sockets on loopback.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use posthaste::server::options::{Credential, Login, Options};
use posthaste::server::sink::{Reach, Sink, SinkError, SinkOptions};
use posthaste::server::store::{Content, Store};
use posthaste::smtp::sasl::Mechanism;
use tokio::io::AsyncWriteExt as _;

use super::client::{Client, with_sink};

fn storing(store: Store) -> SinkOptions {
    SinkOptions { store, ..SinkOptions::default() }
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_blocking_client_delivers_octet_for_octet() {
    let (count, ()) = with_sink(SinkOptions::default(), async |mut place| {
        let address = place.smtp;
        let client = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let script = b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n\xff\n\0\r\n.\r\nQUIT\r\n";
            stream.write_all(script).unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).unwrap();
            heard
        });
        let (received, output) = place.message().await;
        assert_eq!(received.content, Content::Memory(b"Subject: x\r\n\r\n.\r\n\xff\n\0\r\n".to_vec()));
        assert_eq!((received.size, received.hello.as_str(), received.tls, output.as_str()), (22, "me", None, ""));
        let heard = tokio::task::spawn_blocking(|| client.join().unwrap()).await.unwrap();
        assert!(heard.starts_with("220 ") && heard.contains("\r\n250 2.0.0 22 octets taken\r\n221 2.0.0 "), "{heard}");
    })
    .await;
    assert_eq!(count, 1);
}

#[tokio::test]
async fn starttls_and_a_login_are_reported() {
    let mechanisms = vec![Mechanism::Plain];
    let credential = Credential::Only { user: "test".to_owned(), password: "1234".into() };
    let session = Options { login: Login::Required { mechanisms, credential }, ..Options::default() };
    with_sink(SinkOptions { session, ..SinkOptions::default() }, async |mut place| {
        let mut client = Client::connect(place.smtp).await;
        assert!(client.reply().await.starts_with("220 "));
        assert!(client.say("EHLO me").await.contains("250-STARTTLS\r\n"));
        assert!(client.say("STARTTLS").await.starts_with("220 "));
        let mut client = client.start_tls(&place, "localhost").await.unwrap();
        assert!(!client.say("EHLO again").await.contains("STARTTLS"));
        assert!(client.say("MAIL FROM:<a@b>").await.starts_with("530 "));
        assert!(client.say("AUTH PLAIN AHRlc3QAMTIzNA==").await.starts_with("235 "));
        client.open_another().await;
        assert!(client.say("hello\r\n.").await.starts_with("250 "));
        let (received, _) = place.message().await;
        assert_eq!((received.hello.as_str(), received.user.as_deref()), ("again", Some("test")));
        let tls = received.tls.unwrap();
        assert_eq!(tls.version, "TLSv1.3");
        assert!(tls.cipher.starts_with("TLS_"), "{}", tls.cipher);
        assert!(client.say("QUIT").await.starts_with("221 "));
        assert_eq!(client.rest().await, "");
    })
    .await;
}

#[tokio::test]
async fn implicit_tls_under_each_name_of_the_certificate() {
    let (count, ()) = with_sink(SinkOptions::default(), async |mut place| {
        for name in ["localhost", "127.0.0.1", "::1"] {
            let client = Client::connect(place.submissions.unwrap()).await;
            let mut client = client.start_tls(&place, name).await.unwrap();
            client.open().await;
            assert!(client.say(".").await.starts_with("250 "));
            assert!(place.message().await.0.tls.is_some());
        }
        let client = Client::connect(place.submissions.unwrap()).await;
        assert!(client.start_tls(&place, "other.example").await.is_err());
        assert!(place.trouble().await.starts_with("the TLS handshake failed: "));
    })
    .await;
    assert_eq!(count, 3);
}

#[tokio::test]
async fn connections_do_not_wait_for_each_other() {
    with_sink(SinkOptions::default(), async |mut place| {
        let mut slow = Client::connect(place.smtp).await;
        slow.open().await;
        slow.write(b"slow\r\n").await;
        let mut quick = Client::connect(place.smtp).await;
        quick.open().await;
        assert!(quick.say("quick\r\n.").await.starts_with("250 "));
        assert!(!place.events.is_empty(), "a message is reported before its 250");
        assert_eq!(place.message().await.0.content, Content::Memory(b"quick\r\n".to_vec()));
        assert!(slow.say(".").await.starts_with("250 "));
        assert_eq!(place.message().await.0.content, Content::Memory(b"slow\r\n".to_vec()));
    })
    .await;
}

#[tokio::test]
async fn a_maildir_gets_the_message_byte_by_byte() {
    let home = tempfile::tempdir().unwrap();
    let maildir = home.path().join("mail");
    with_sink(storing(Store::Maildir(maildir.clone())), async |mut place| {
        let mut client = Client::connect(place.smtp).await;
        client.reply().await;
        client.say("EHLO me").await;
        client.say("MAIL FROM:<>").await;
        client.say("RCPT TO:<a@b>").await;
        client.say("RCPT TO:<c@d>").await;
        client.say("DATA").await;
        // The CR and its LF come apart, and a CR and an LF come alone.
        for octets in [&b"Subject: x\r"[..], b"\n\r\n..a\r", b"b\nc\r\r\n", b"d\r\n.\r", b"\n"] {
            client.write(octets).await;
        }
        assert!(client.reply().await.starts_with("250 "));
        let (received, output) = place.message().await;
        let [file] = files(&maildir.join("new")).try_into().unwrap();
        assert_eq!(received.content, Content::File(file.clone()));
        assert!(output.contains(file.to_str().unwrap()) && output.ends_with('\n'), "{output}");
        let expected =
            b"X-Envelope-From: <>\nX-Envelope-To: <a@b>\nX-Envelope-To: <c@d>\nSubject: x\n\n.a\rb\nc\r\nd\n";
        assert_eq!(fs::read(file).unwrap().escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert!(files(&maildir.join("tmp")).is_empty());
        client.open_another().await;
        assert!(client.say("2\r\n.").await.starts_with("250 "));
        place.message().await;
        assert_eq!(files(&maildir.join("new")).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_cut_off_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (count, ()) = with_sink(storing(Store::Maildir(home.path().to_owned())), async |mut place| {
        let mut client = Client::connect(place.smtp).await;
        client.open().await;
        client.write(b"half a mess").await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(client.rest().await, "");
        assert!(place.trouble().await.contains("inside a message"));
    })
    .await;
    assert_eq!(count, 0);
    assert!(files(&home.path().join("new")).is_empty() && files(&home.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn a_store_that_fails_defers_the_message() {
    let home = tempfile::tempdir().unwrap();
    let maildir = home.path().join("mail");
    with_sink(storing(Store::Maildir(maildir.clone())), async |mut place| {
        fs::remove_dir_all(&maildir).unwrap();
        let mut client = Client::connect(place.smtp).await;
        client.open().await;
        client.write(b"x\r\n.\r\n").await;
        assert!(place.trouble().await.starts_with("the message could not be stored: "));
        assert!(client.reply().await.starts_with("451 4.3.0 "));
    })
    .await;
}

#[tokio::test]
async fn json_is_one_line_that_tells_all() {
    with_sink(storing(Store::Json), async |mut place| {
        let mut client = Client::connect(place.smtp).await;
        client.reply().await;
        client.say("EHLO me").await;
        client.say("MAIL FROM:<a@b> BODY=8BITMIME RET=HDRS SIZE=7").await;
        client.say("RCPT TO:<c@d> NOTIFY=NEVER").await;
        client.say("DATA").await;
        client.say("\u{e9}\"\u{7f}\r\n.").await;
        let (received, output) = place.message().await;
        assert_eq!(output.lines().count(), 1);
        assert!(output.ends_with("}\n") && !output.contains('\u{7f}'));
        let value: serde_json::Value = serde_json::from_str(&output).unwrap();
        let expected = serde_json::json!({
            "peer": received.peer.to_string(), "hello": "me", "user": null, "tls": null, "sender": "a@b",
            "recipients": [{"address": "c@d", "notify": "NEVER", "orcpt": null}], "declared_size": 7,
            "body": "8BITMIME", "smtputf8": false, "ret": "HDRS", "envid": null, "auth": null, "size": 6,
            "message": "\u{e9}\"\u{7f}\r\n",
        });
        assert_eq!(value, expected);
        client.open_another().await;
        client.write(b"\xff\r\n.\r\n").await;
        let value: serde_json::Value = serde_json::from_str(&place.message().await.1).unwrap();
        assert_eq!(value["message-base64"], "/w0K");
        assert!(value.get("message").is_none());
    })
    .await;
}

#[tokio::test]
async fn what_is_shown_cannot_steer_a_terminal() {
    with_sink(storing(Store::Print), async |mut place| {
        let mut client = Client::connect(place.smtp).await;
        client.open().await;
        client.write(b"\x1b]0;x\x07\tok \xc3\xa9 \xff \xc2\x9b\r\nlone\nend\r\n.\r\n").await;
        let (received, output) = place.message().await;
        let peer = received.peer;
        assert_eq!(
            output,
            format!(
                "-- 29 octets from {peer} (me.example, no TLS): <a@b> to <c@d>\n\
                 \\u{{1b}}]0;x\\u{{7}}\tok \u{e9} \\xff \\u{{9b}}\nlone\\n\nend\n-- end of message\n"
            )
        );
    })
    .await;
}

#[tokio::test]
async fn the_last_message_ends_the_sink() {
    let sink =
        Sink::bind(SinkOptions { count: Some(2), store: Store::Discard, ..SinkOptions::default() }).await.unwrap();
    let address = sink.smtp_addr();
    let (count, ()) = tokio::join!(sink.run(|_| (), std::future::pending()), async {
        let mut client = Client::connect(address).await;
        client.open().await;
        assert!(client.say(".").await.starts_with("250 "));
        client.open_another().await;
        assert!(client.say(".").await.starts_with("250 "));
        client.open_another().await;
        assert!(client.say(".").await.starts_with("451 "), "a third one is not taken");
        assert!(client.say("QUIT").await.starts_with("221 "));
    });
    assert_eq!(count, 2);
}

#[tokio::test]
async fn other_machines_are_kept_out_unless_asked_in() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let address = address.parse().unwrap();
        for options in [
            SinkOptions { smtp: address, ..SinkOptions::default() },
            SinkOptions { submissions: Some(address), ..SinkOptions::default() },
        ] {
            let error = Sink::bind(options).await.unwrap_err();
            assert!(matches!(error, SinkError::NotLoopback(refused) if refused == address), "{error}");
            assert_eq!(error.to_string(), format!("{address} is not a loopback address"));
        }
    }
    let anywhere = SinkOptions { smtp: "0.0.0.0:0".parse().unwrap(), reach: Reach::Anywhere, ..SinkOptions::default() };
    assert!(Sink::bind(anywhere).await.is_ok());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    with_sink(SinkOptions { connections: 1, ..SinkOptions::default() }, async |place| {
        let mut first = Client::connect(place.smtp).await;
        assert!(first.reply().await.starts_with("220 "));
        let mut second = Client::connect(place.smtp).await;
        assert!(second.reply().await.starts_with("421 4.3.2 "));
        assert_eq!(second.rest().await, "");
        assert!(first.say("NOOP").await.starts_with("250 "));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn silence_and_dripping_end_after_five_minutes() {
    with_sink(SinkOptions::default(), async |place| {
        let mut silent = Client::connect(place.smtp).await;
        assert!(silent.rest().await.contains("\r\n421 4.4.2 "));
        let mut dripping = Client::connect(place.smtp).await;
        assert!(dripping.reply().await.starts_with("220 "));
        let begun = tokio::time::Instant::now();
        dripping.write(b"N").await;
        tokio::time::sleep(Duration::from_secs(4 * 60)).await;
        dripping.write(b"O").await;
        assert!(dripping.rest().await.starts_with("421 4.4.2 "));
        assert!(begun.elapsed() < Duration::from_secs(6 * 60), "an octet wins no time");
    })
    .await;
}
