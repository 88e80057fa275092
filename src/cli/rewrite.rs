//! `posthaste rewrite`: a call of sendmail that is looked at and not made.

use std::ffi::OsString;

use clap::Args;

use super::flags::exit_codes;
use super::letters::ModeKind;
use super::values::{Rewrite, RewriteOutput};
use super::{Global, Invocation, UsageError, sendmail};

const REWRITE_EXAMPLES: &str = "\
Examples:
  posthaste rewrite --explain < message.eml
  posthaste rewrite --explain -i -f root@nas1.lan bob@example.net < message.eml";

/// The flags of `posthaste rewrite`.
#[derive(Args, Debug)]
#[command(after_help = REWRITE_EXAMPLES, after_long_help = format!("{REWRITE_EXAMPLES}\n\n{}", exit_codes()))]
pub(super) struct RewriteFlags {
    /// Show as a diff what is changed, in envelope and header, and by which rule
    #[arg(long)]
    explain: bool,
    /// Options of sendmail and recipients, as in a call of sendmail; without recipients -t -i
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl RewriteFlags {
    /// The call, with the arguments read as sendmail does.
    pub(super) fn rewrite(self, global: Global) -> Result<(Global, Invocation), UsageError> {
        let output = if self.explain { RewriteOutput::Changes } else { RewriteOutput::Message };
        let with_header: Vec<OsString> =
            ["-t", "-i"].map(OsString::from).into_iter().chain(self.arguments.clone()).collect();
        // Whoever looks at a message need not say who gets it.
        let parsed = match self.arguments.is_empty() {
            true => sendmail::parse(&with_header, ModeKind::Submit, global)?,
            false => sendmail::parse(&self.arguments, ModeKind::Submit, global.clone())
                .or_else(|error| sendmail::parse(&with_header, ModeKind::Submit, global).map_err(|_| error))?,
        };
        match parsed {
            (global, Invocation::Sendmail(submission)) => {
                Ok((global, Invocation::Rewrite(Rewrite { submission, output })))
            }
            _ => Err(UsageError::new("these arguments of sendmail do not send a message")),
        }
    }
}
