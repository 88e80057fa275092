//! Signals that ask this process to end (SIGHUP, SIGINT, SIGTERM). They end it at once and without a word, as always, but
//! while a message is with a server: somebody must be told then what became of it.
//!
//! Nothing is installed: the signals are blocked, and read from a descriptor (signalfd), which only Linux has. Elsewhere
//! nothing happens here.

use std::cell::Cell;
use std::future::Future;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::future::pending;
use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::process::{Child, Command};
use std::sync::OnceLock;

use futures_util::future::{Either, select};
use nix::sys::signal::{SigSet, Signal, raise};
#[cfg(any(target_os = "linux", target_os = "android"))]
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
#[cfg(any(target_os = "linux", target_os = "android"))]
use tokio::net::unix::pipe::Receiver;

/// A signal has come that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped(Signal);

impl Stopped {
    /// The name of the signal, as `SIGTERM`.
    pub fn name(self) -> &'static str {
        self.0.as_str()
    }
}

/// The signals are waited for, and end nothing by themselves, while this lives.
#[derive(Debug)]
pub struct Stop {
    arrivals: Option<Arrivals>,
    came: Cell<Option<Stopped>>,
}

/// What the work gives, unless a signal comes before that is waited for. The work is pinned by the caller: in here it would
/// have room twice.
///
/// # Errors
/// [`Stopped`]; the work stays where it was, or was not begun.
pub async fn unless<T>(stop: Option<&Stop>, work: Pin<&mut impl Future<Output = T>>) -> Result<T, Stopped> {
    let Some(Stop { arrivals: Some(arrivals), came }) = stop else { return Ok(work.await) };
    if let Some(stopped) = came.get() {
        return Err(stopped);
    }
    match select(work, pin!(stopped(arrivals, came))).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right((stopped, _)) => Err(stopped),
    }
}

async fn stopped(arrivals: &Arrivals, came: &Cell<Option<Stopped>>) -> Stopped {
    loop {
        let signal = arrivals.next(|| came.get().is_some()).await;
        let stopped = came.get().or_else(|| signal.filter(|signal| !is_ignored(*signal)).map(Stopped));
        if let Some(stopped) = stopped {
            came.set(Some(stopped));
            let _ = CAME.set(stopped.0);
            return stopped;
        }
    }
}

impl Stop {
    /// Waits for the signals from now on, inside a runtime. Where that cannot be, they end the process as ever.
    pub fn by_signals() -> Stop {
        let arrivals = Arrivals::open(&signals()).filter(|_| signals().thread_block().is_ok());
        Stop { arrivals, came: Cell::new(None) }
    }
}

impl Drop for Stop {
    /// One that came too late for the work ends the process now. After one that came in time, more of them must not end it
    /// before it has told what became of the work.
    fn drop(&mut self) {
        if self.arrivals.is_some() && self.came.get().is_none() {
            let _ = signals().thread_unblock();
        }
    }
}

/// The signal that has stopped some work of this process.
static CAME: OnceLock<Signal> = OnceLock::new();

/// Whether a signal has stopped some work of this process.
pub fn is_stopped() -> bool {
    CAME.get().is_some()
}

/// Ends the process by the signal that has stopped its work, so that whoever waits for it (a shell with a script, an init)
/// knows. Comes back where none has.
pub fn end_by_signal() {
    if let Some(signal) = CAME.get() {
        let _ = SigSet::from(*signal).thread_unblock();
        let _ = raise(*signal);
    }
}

/// Starts a command, in which signals are not blocked as they may be here: children inherit that, and few programs undo it.
///
/// # Errors
/// As [`Command::spawn`].
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut ours = signals();
    ours.add(Signal::SIGXFSZ);
    let blocked = SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty());
    let _ = ours.thread_unblock();
    let child = command.spawn();
    let _ = blocked.thread_block();
    child
}

/// Where blocked signals are read.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Debug)]
struct Arrivals(Receiver);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Arrivals {
    fn open(signals: &SigSet) -> Option<Arrivals> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = OwnedFd::from(SignalFd::with_flags(signals, flags).ok()?);
        // It is read as a pipe is, but for what it gives.
        Some(Arrivals(Receiver::from_owned_fd_unchecked(descriptor).ok()?))
    }

    /// Waits for a signal. Of several who wait, one gets it; the others are asked whether they are done.
    async fn next(&self, is_done: impl Fn() -> bool) -> Option<Signal> {
        let mut info = [0; size_of::<siginfo>()];
        loop {
            if self.0.readable().await.is_err() {
                return pending().await;
            }
            if is_done() {
                return None;
            }
            match self.0.try_read(&mut info) {
                // The number of the signal stands first (signalfd(2)).
                Ok(4..) => {
                    return i32::from_ne_bytes([info[0], info[1], info[2], info[3]]).try_into().ok();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return pending().await,
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug)]
enum Arrivals {}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Arrivals {
    fn open(_: &SigSet) -> Option<Arrivals> {
        None
    }

    async fn next(&self, _: impl Fn() -> bool) -> Option<Signal> {
        match *self {}
    }
}

fn signals() -> SigSet {
    SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM])
}

/// Whether whoever started this process has a signal ignored, as nohup does. One that is blocked comes here all the same.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default();
    ignored >> (signal as u32 - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bash as /bin/sh hands on what it got; dash does not.
    #[test]
    fn children_have_no_signal_blocked_for_our_sake() {
        let mut all = signals();
        all.add(Signal::SIGXFSZ);
        all.thread_block().unwrap();
        let mut command = Command::new("grep");
        command.args(["SigBlk", "/proc/self/status"]).stdout(std::process::Stdio::piped());
        let output = spawn(&mut command).unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), format!("SigBlk:\t{:016x}", 0));
        assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGXFSZ));
    }
}
