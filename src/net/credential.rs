//! The password of an account, at the moment when a session needs it.

use std::io::{self, Read as _};
use std::process::{Child, ChildStdout, Output};
use std::time::Duration;

use zeroize::Zeroizing;

use super::socket::aside;
use super::stop::spawn;
use crate::config::account::Secret;
use crate::config::secret;
use crate::system::words;

/// A password command may ask a person (a pinentry), but not for ever.
const PASSWORD: Duration = Duration::from_secs(120);

/// Octets that a password command may print: what a password file may have.
const MOST: usize = 1 << 20;

/// The password, from where the account says it is.
pub(super) async fn password(secret: &Secret) -> Result<Zeroizing<String>, String> {
    let Secret::Command(line) = secret else { return secret::read(secret).map_err(|error| error.to_string()) };
    let cannot = |error: &io::Error| format!("password-command cannot be run: {}", words(error));
    // A thread waits for the child. tokio's own children would make every run without one pay for a signal handler.
    let child = spawn(&mut secret::command(line)).map_err(|error| cannot(&error))?;
    let id = rustix::process::Pid::from_child(&child);
    let output = aside(move || output_of(child));
    match tokio::time::timeout(PASSWORD, output).await {
        Ok(Ok(Ok(output))) => secret::from_output(output).map_err(|error| error.to_string()),
        Ok(Ok(Err(error))) => Err(format!("password-command failed: {}", words(&error))),
        Ok(Err(error)) => Err(format!("password-command cannot be waited for: {}", words(&error))),
        Err(_) => {
            // It has not been waited for, so the number is still its own.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            Err(format!("password-command did not end within {} seconds", PASSWORD.as_secs()))
        }
    }
}

/// What a command prints, and how it ends. One that prints without end must not fill our memory.
///
/// What it has printed when it ends counts. Something that it leaves behind in the background, such as a daemon, may hold
/// the pipe for as long as it lives.
fn output_of(mut child: Child) -> io::Result<Output> {
    let mut stdout = Zeroizing::new(Vec::with_capacity(BLOCK));
    // The pipe closes behind this, so that a command that goes on is ended by it.
    if let Some(mut pipe) = child.stdout.take() {
        let mut block = Zeroizing::new([0; BLOCK]);
        while stdout.len() <= MOST {
            let has_ended = child.try_wait()?.is_some();
            if is_readable(&pipe, if has_ended { Duration::ZERO } else { PAUSE })? {
                match pipe.read(&mut block[..])? {
                    0 => break,
                    count => stdout.extend_from_slice(&block[..count]),
                }
            } else if has_ended {
                break;
            }
        }
    }
    if stdout.len() > MOST {
        child.kill()?;
        child.wait()?;
        return Err(io::Error::other("it prints more than 1 MiB"));
    }
    Ok(Output { status: child.wait()?, stdout: std::mem::take(&mut *stdout), stderr: Vec::new() })
}

/// Whether there is something to read, or the end, after so long a wait.
fn is_readable(pipe: &ChildStdout, wait: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    loop {
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&wait)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Octets that are read at once.
const BLOCK: usize = 4096;

/// How long the end of a command may stay unnoticed where something else holds its pipe.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn command_that_hangs_is_given_up_after_two_minutes() {
        let begun = tokio::time::Instant::now();
        let reason = password(&Secret::Command("exec sleep 600".to_owned())).await.unwrap_err();
        assert_eq!(reason, "password-command did not end within 120 seconds");
        assert_eq!(begun.elapsed().as_secs(), 120);
    }

    /// A daemon that was started in the background has the pipe, and lives on.
    #[test]
    fn what_a_command_leaves_behind_is_not_waited_for() {
        let begun = std::time::Instant::now();
        let output = output_of(secret::command("sleep 30 & echo hunter2; echo more").spawn().unwrap()).unwrap();
        assert_eq!((output.status.success(), &output.stdout[..]), (true, &b"hunter2\nmore\n"[..]));
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn command_that_prints_without_end_is_ended() {
        let print = |line: &str| output_of(secret::command(line).spawn().unwrap());
        assert!(print("yes").unwrap_err().to_string().contains("more than 1 MiB"));
        assert!(print("cat /dev/zero | cat").unwrap_err().to_string().contains("more than 1 MiB"));
        assert_eq!(print("yes | head -c 1048576").unwrap().stdout.len(), 1 << 20);
    }
}
