//! A sink on loopback, and a client that speaks to it line by line.

use std::net::SocketAddr;
use std::sync::Arc;

use posthaste::server::sink::{Sink, SinkEvent, SinkOptions};
use posthaste::server::store::Received;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a client knows of the sink.
pub struct Place {
    pub smtp: SocketAddr,
    pub submissions: Option<SocketAddr>,
    pub pem: String,
    pub events: mpsc::UnboundedReceiver<SinkEvent>,
}

impl Place {
    pub async fn message(&mut self) -> (Received, String) {
        match self.events.recv().await.unwrap() {
            SinkEvent::Message { received, output } => (*received, output),
            SinkEvent::Trouble { text, .. } => panic!("{text}"),
        }
    }

    pub async fn trouble(&mut self) -> String {
        match self.events.recv().await.unwrap() {
            SinkEvent::Trouble { text, .. } => text,
            SinkEvent::Message { output, .. } => panic!("{output}"),
        }
    }
}

/// Runs a sink until the client is done; gives the number of messages and what the client gives.
pub async fn with_sink<T>(options: SinkOptions, client: impl AsyncFnOnce(Place) -> T) -> (u64, T) {
    let sink = Sink::bind(options).await.unwrap();
    let (tell, events) = mpsc::unbounded_channel();
    let place = Place {
        smtp: sink.smtp_addr(),
        submissions: sink.submissions_addr(),
        pem: sink.certificate_pem().to_owned(),
        events,
    };
    let (done, stop) = oneshot::channel::<()>();
    let running = sink.run(|event| _ = tell.send(event), async { _ = stop.await });
    tokio::join!(running, async {
        let given = client(place).await;
        let _ = done.send(());
        given
    })
}

pub struct Client<S> {
    pub stream: S,
}

impl Client<TcpStream> {
    pub async fn connect(address: SocketAddr) -> Self {
        Client { stream: TcpStream::connect(address).await.unwrap() }
    }

    pub async fn start_tls(self, place: &Place, name: &str) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        Ok(Client { stream: connector(&place.pem).connect(server_name(name), self.stream).await? })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Octet by octet, so that nothing is read too far.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap()
    }

    /// One reply of one or more lines.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await;
            reply.push_str(&line);
            if line.as_bytes()[3] == b' ' {
                return reply;
            }
        }
    }

    pub async fn say(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Greeting to DATA.
    pub async fn open(&mut self) {
        assert!(self.reply().await.starts_with("220 "));
        self.say("EHLO me.example").await;
        self.open_another().await;
    }

    pub async fn open_another(&mut self) {
        self.say("MAIL FROM:<a@b>").await;
        self.say("RCPT TO:<c@d>").await;
        assert!(self.say("DATA").await.starts_with("354 "));
    }

    pub async fn rest(&mut self) -> String {
        let mut rest = String::new();
        // A connection that is reset has an end, too.
        let _ = self.stream.read_to_string(&mut rest).await;
        rest
    }
}

pub fn server_name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

pub fn connector(pem: &str) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    #[cfg(feature = "aws-lc-rs")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
