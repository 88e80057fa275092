//! One connection, in clear text or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::binding;
use super::notice::TlsFacts;
use super::tls::Connector;
use super::transport::Transport;
use crate::smtp::sasl::ChannelBinding;

/// The two ends of the wire that octets can go over.
pub(super) enum Stream {
    /// Clear text.
    Plain(Transport),
    /// TLS.
    Tls(Box<TlsStream<Transport>>),
}

impl Stream {
    /// Does the handshake. The clear-text stream is used up, and with it whatever was read ahead: nothing that came
    /// before TLS can be taken for what came under it.
    pub(super) async fn start_tls(self, connector: &Connector) -> io::Result<Stream> {
        let Stream::Plain(socket) = self else { return Err(io::Error::other("TLS is on already")) };
        socket.quick_ack();
        let stream = TlsConnector::from(connector.config()).connect(connector.name(), socket).await?;
        stream.get_ref().0.quick_ack();
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// Whether octets wait in the system, or the end of the connection does.
    pub(super) fn has_arrivals(&self) -> bool {
        let socket = match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(rustix::net::recv(socket, &mut [0_u8; 1], flags), Err(rustix::io::Errno::AGAIN))
    }

    /// What TLS, if it is on, lies upon.
    pub(super) fn transport(&mut self) -> &mut Transport {
        match self {
            Stream::Plain(transport) => transport,
            Stream::Tls(stream) => stream.get_mut().0,
        }
    }

    /// What a login can be bound to; nothing under clear text.
    pub(super) fn channel_binding(&self) -> Option<ChannelBinding> {
        match self {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => binding::of(stream.get_ref().1),
        }
    }

    /// Closes the connection, and leaves nothing behind.
    pub(super) async fn finish(self) {
        match self {
            Stream::Plain(transport) => transport.finish().await,
            Stream::Tls(stream) => stream.into_inner().0.finish().await,
        }
    }

    /// What the TLS connection is like; nothing under clear text.
    pub(super) fn tls_facts(&self, connector: &Connector) -> Option<TlsFacts> {
        match self {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(connector.facts(stream.get_ref().1)),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_write(cx, octets),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
