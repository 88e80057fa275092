//! Where a message would go: `posthaste route`.

use super::send::{list, whose};
use super::{Done, account, block_on, configuration, fail, print};
use crate::check;
use crate::cli::Global;
use crate::cli::values::{Format, Route};
use crate::config::account::Log;
use crate::envelope::{Envelope, ReversePath};
use crate::failure::{Exit, exit_of_all};
use crate::report::{self, Style};

/// Finds the ways, and prints them.
pub(super) fn route(global: &Global, call: &Route) -> Done {
    let config = configuration(global, Style::Person)?;
    let account = whose(call.servers, account(&config, global, None, Log::None, Style::Person)?);
    let recipients = list(&call.recipients, &account.mail_domain)?;
    let recipients = recipients.into_iter().map(|mailbox| mailbox.address).collect();
    let envelope =
        Envelope::new(ReversePath::Null, recipients).map_err(|error| fail(Exit::Usage, error.to_string()))?;
    let reports = block_on(check::routes(&account, &envelope))?;
    let text = match call.format {
        Format::Text => report::route_text(&reports),
        Format::Json => reports
            .iter()
            .map(|report| serde_json::to_string(report).map(|line| line + "\n"))
            .collect::<Result<String, _>>()
            .map_err(|error| fail(Exit::Software, error.to_string()))?,
    };
    print(&text)?;
    Ok(exit_of_all(&reports.iter().map(|report| report.exit).collect::<Vec<_>>()))
}
