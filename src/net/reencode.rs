//! Re-encoding while the connection stands: block by block, so that nothing else has to wait for it.

use tokio::task::yield_now;
use tokio::time::Instant;

use super::dkim::Signing;
use super::drive::Driver;
use super::notice::Notice;
use crate::message::dkim::{Signer, Unsigned};
use crate::message::downgrade::{DowngradeError, Goal, Reencoded, Reencoder};
use crate::message::{Message, More, Source};

impl Driver<'_, '_> {
    /// Makes a message of ASCII, or one with a header of it. The server waits as for a sender that thinks; our own time
    /// for the session does not run.
    pub(super) async fn reencode(&mut self, goal: Goal) {
        let begun = Instant::now();
        let signer = self.means.signer;
        let done = match (&mut self.means.more, &mut self.means.source) {
            (Some(more), _) => run(more.source(), goal, signer).await,
            (None, Some(source)) => run(&mut **source, goal, signer).await,
            (None, None) => return self.session.reencoding_failed("there is no message".to_owned()),
        };
        self.end += begun.elapsed();
        match done {
            Ok(Reencoded { message, dkim }) => {
                let facts = *message.facts();
                (self.tell)(Notice::Reencoded(goal, facts.size, dkim));
                self.means.size = facts.size;
                self.reencoded = Some(message);
                self.session.reencoded(facts);
            }
            Err(DowngradeError::Refused(refusal)) => self.session.cannot_reencode(refusal.to_string()),
            Err(error @ DowngradeError::Io(_)) => self.session.reencoding_failed(error.to_string()),
        }
    }
}

async fn run(source: &mut dyn Source, goal: Goal, signer: Option<&Signer>) -> Result<Reencoded, DowngradeError> {
    let mut reencoder = Reencoder::new(source, goal)?;
    loop {
        if let Some(mut done) = reencoder.step()? {
            if let Some(signer) = signer {
                sign(&mut done.message, signer).await?;
            }
            return Ok(done);
        }
        yield_now().await;
    }
}

/// The signatures that the message had do not fit what was made of it. One that had none because nobody signs for its
/// author stays without.
async fn sign(message: &mut Message, signer: &Signer) -> Result<(), DowngradeError> {
    let mut signing = Signing::new(message)?;
    while signing.step()? == More::Yes {
        yield_now().await;
    }
    match signing.finish(signer) {
        Ok(_) | Err(Unsigned::NoAuthor | Unsigned::Foreign(..)) => Ok(()),
        Err(error @ Unsigned::Failed(_)) => Err(std::io::Error::other(error.to_string()).into()),
    }
}
