//! The password of an account, at the moment when a session needs it.

use std::io::{self, Read as _};
use std::process::{Child, Output};
use std::time::Duration;

use zeroize::{Zeroize as _, Zeroizing};

use super::socket::aside;
use crate::config::account::Secret;
use crate::config::secret;
use crate::system::words;

/// A password command may ask a person (a pinentry), but not for ever.
const PASSWORD: Duration = Duration::from_secs(120);

/// Octets that a password command may print: what a password file may have.
const MOST: u64 = 1 << 20;

/// The password, from where the account says it is.
pub(super) async fn password(secret: &Secret) -> Result<Zeroizing<String>, String> {
    let Secret::Command(line) = secret else { return secret::read(secret).map_err(|error| error.to_string()) };
    let cannot = |error: &io::Error| format!("password-command cannot be run: {}", words(error));
    // A thread waits for the child. tokio's own children would make every run without one pay for a signal handler.
    let child = secret::command(line).spawn().map_err(|error| cannot(&error))?;
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
fn output_of(mut child: Child) -> io::Result<Output> {
    let mut stdout = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        // The pipe closes behind this, so that a command that goes on is ended by it.
        pipe.take(MOST + 1).read_to_end(&mut stdout)?;
    }
    if stdout.len() as u64 > MOST {
        stdout.zeroize();
        child.kill()?;
        child.wait()?;
        return Err(io::Error::other("it prints more than 1 MiB"));
    }
    Ok(Output { status: child.wait()?, stdout, stderr: Vec::new() })
}

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

    #[test]
    fn command_that_prints_without_end_is_ended() {
        let print = |line: &str| output_of(secret::command(line).spawn().unwrap());
        assert!(print("yes").unwrap_err().to_string().contains("more than 1 MiB"));
        assert!(print("cat /dev/zero | cat").unwrap_err().to_string().contains("more than 1 MiB"));
        assert_eq!(print("yes | head -c 1048576").unwrap().stdout.len(), 1 << 20);
    }
}
