//! What octets go over below TLS: TCP, a Unix socket of this machine, or a command.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::command::Piped;

/// An open connection.
#[derive(Debug)]
pub enum Transport {
    /// Over the network.
    Tcp(TcpStream),
    /// Within this machine.
    Unix(UnixStream),
    /// Into a command and out of it.
    Command(Box<Piped>),
}

impl Transport {
    /// Postfix waits for the acknowledgement of its TLS 1.3 tickets before it answers EHLO (its own Nagle): ours must
    /// not be delayed.
    pub(super) fn quick_ack(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Transport::Tcp(socket) = self {
            let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
        }
    }

    /// Why the connection was lost, in better words where there are some.
    pub(super) async fn explain(&mut self, reason: String) -> String {
        match self {
            Transport::Command(piped) => piped.explain(reason).await,
            Transport::Tcp(_) | Transport::Unix(_) => reason,
        }
    }

    /// Closes the connection, and leaves nothing behind.
    pub(super) async fn finish(self) {
        if let Transport::Command(piped) = self {
            piped.finish().await;
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Transport::Tcp(socket) => socket.as_fd(),
            Transport::Unix(socket) => socket.as_fd(),
            Transport::Command(piped) => piped.stream.as_fd(),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Transport::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
            Transport::Command(piped) => Pin::new(&mut piped.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(socket) => Pin::new(socket).poll_write(cx, octets),
            Transport::Unix(socket) => Pin::new(socket).poll_write(cx, octets),
            Transport::Command(piped) => Pin::new(&mut piped.stream).poll_write(cx, octets),
        }
    }

    // What TLS has to say goes out in one system call only if these are handed down.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Transport::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Transport::Command(piped) => Pin::new(&mut piped.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Transport::Unix(socket) => Pin::new(socket).poll_flush(cx),
            Transport::Command(piped) => Pin::new(&mut piped.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Transport::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            Transport::Command(piped) => Pin::new(&mut piped.stream).poll_shutdown(cx),
        }
    }
}
