//! `posthaste rewrite`: what would be sent, and which rule made it so.

use super::submit::{Record, assemble, print_message};
use super::{Done, print};
use crate::cli::Global;
use crate::cli::values::{Rewrite, RewriteOutput};
use crate::config::account::Log;
use crate::failure::Exit;
use crate::report::{self, Style};

/// Does all that `sendmail` does before it connects, and prints what came of it.
pub(super) fn rewrite(global: &Global, call: &Rewrite) -> Done {
    let record = match call.output {
        RewriteOutput::Message => Record::Rules,
        RewriteOutput::Changes => Record::All,
    };
    let mut assembled = assemble(global, &call.submission, Log::None, Style::Person, record)?;
    match call.output {
        RewriteOutput::Message => print_message(&mut assembled.message).map(|()| Exit::Success),
        RewriteOutput::Changes => print(&report::changes(&assembled.changes, assembled.message.head())),
    }
}
