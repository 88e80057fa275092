//! A command as the connection, as with ssh's ProxyCommand: what it reads goes to the server, and what it prints comes
//! from there.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::Shutdown;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep};

use super::stop::spawn;
use crate::config::account::{Host, command_for};
use crate::config::secret;
use crate::smtp::reply::printable;

/// A command that runs, and the socket that is its standard input and output.
#[derive(Debug)]
pub struct Piped {
    pub(super) stream: UnixStream,
    child: Child,
    /// The end of what it has said on standard error.
    said: Arc<Mutex<Vec<u8>>>,
}

/// So many octets of standard error are kept.
const KEPT: usize = 512;
/// How long a command has to end after the connection is closed, and again after it was told to end.
const FAREWELL: Duration = Duration::from_secs(2);

impl Piped {
    /// Starts the command for a server.
    pub(super) fn start(line: &str, host: &Host, port: u16) -> io::Result<Piped> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        // No shell stays between us and the command, which can be told to end then.
        let mut command = secret::command(&format!("exec {}", command_for(line, host, port)));
        command.stdin(OwnedFd::from(theirs.try_clone()?)).stdout(OwnedFd::from(theirs)).stderr(Stdio::piped());
        let mut child = spawn(&mut command)?;
        // It holds the other end of the socket.
        drop(command);
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let stderr = pipe::Receiver::from_owned_fd(stderr.into())?;
            tokio::spawn(listen(stderr, said.clone()));
        }
        Ok(Piped { stream: UnixStream::from_std(ours)?, child, said })
    }

    /// Why the connection is gone: how the command has ended, if it has, and what it has said.
    pub(super) async fn explain(&mut self, reason: String) -> String {
        let ended = self.wait().await;
        // What it said last may not have been read yet.
        tokio::task::yield_now().await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = printable(said.trim_ascii());
        let reason = match ended {
            Some(status) => format!("proxy-command {}", in_words(status)),
            None => reason,
        };
        if said.is_empty() { reason } else { format!("{reason}: {said}") }
    }

    /// Closes the connection as far as the command reads it, so that its last words do not end it; and waits for the command to end. One that does not is told to, and then made to.
    pub(super) async fn finish(mut self) {
        let _ = rustix::net::shutdown(&self.stream, Shutdown::Write);
        if self.wait().await.is_none() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            self.wait().await;
        }
    }

    async fn wait(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + FAREWELL;
        let mut pause = Duration::from_millis(1);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => sleep(pause).await,
                _ => return None,
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Drop for Piped {
    /// Nothing is left behind: neither a command that runs on nor one that nobody has waited for.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

async fn listen(mut stderr: pipe::Receiver, said: Arc<Mutex<Vec<u8>>>) {
    let mut octets = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut octets).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&octets[..count]);
        let surplus = said.len().saturating_sub(KEPT);
        said.drain(..surplus);
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "has ended".to_owned(),
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
