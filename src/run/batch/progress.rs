//! How far a batch is, for a person at a terminal.

use std::time::{Duration, Instant};

use crate::cli::Verbosity;
use crate::message::mailbox::{Mailboxes, Total};
use crate::report::{self, Share};

/// A line that counts the messages. It stands below what is told, and is gone in the end.
pub(super) struct Progress {
    /// Messages that were asked for.
    asked: u64,
    /// `None` where nobody sees it.
    shown: Option<Shown>,
}

struct Shown {
    total: Total,
    /// When it was drawn last.
    at: Instant,
}

/// A person reads no faster, and a terminal may be slow.
const REDRAWN: Duration = Duration::from_millis(100);

impl Progress {
    /// Looks at what there is, if somebody sees it.
    pub(super) fn new(verbosity: Verbosity, mailboxes: &Mailboxes) -> Self {
        let seen = verbosity == Verbosity::Errors && report::stderr_is_terminal();
        Progress { asked: 0, shown: seen.then(|| Shown { total: mailboxes.total(), at: Instant::now() }) }
    }

    /// Another message was asked for, or whether there is one: those before it are done or all but done, well or not.
    pub(super) fn next(&mut self, mailboxes: &Mailboxes) {
        let done = self.asked;
        self.asked += 1;
        let Some(shown) = &mut self.shown else { return };
        if done == 1 || (done > 1 && shown.at.elapsed() >= REDRAWN) {
            let share = match shown.total {
                Total::Messages(all) => Share::Of(all.max(done)),
                Total::Octets(all) => Share::Percent(mailboxes.read().saturating_mul(100) / all.max(1)),
                Total::Unknown => Share::Unknown,
            };
            report::progress(Some((done, share)));
            shown.at = Instant::now();
        }
    }

    /// Makes room for something that is told.
    pub(super) fn clear(&self) {
        if self.shown.is_some() {
            report::progress(None);
        }
    }
}
