//! Calls of sendmail that end before a server is asked. Who calls often tells nobody (cron's jobs, web servers), so that
//! the log has a line for these, too.

use super::{account, configuration};
use crate::cli::Global;
use crate::config::account::Log;
use crate::failure::Failure;
use crate::log;
use crate::report::Style;

/// Logs why nothing was sent, where the configuration has the log; syslog, where it cannot be read. A log that cannot be
/// written changes nothing, as elsewhere.
pub(super) fn record(global: &Global, failures: &[Failure]) {
    let to = configuration(global, Style::Quiet)
        .and_then(|config| account(&config, global, None, Log::Syslog, Style::Quiet))
        .map_or(Log::Syslog, |account| account.log);
    let Ok(mut log) = log::Log::open(&to, &log::Sockets::default()) else { return };
    for failure in failures {
        if log.unsent(failure).is_err() {
            return;
        }
    }
}
