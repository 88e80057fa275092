//! The flags of `posthaste tlsrpt`.

use clap::Args;

use super::exit_codes;
use crate::cli::values::{TlsReport, TlsReportForm};
use crate::tlsrpt::Day;

const EXAMPLES: &str = "\
Examples:
  posthaste tlsrpt --day 2026-11-28
  posthaste tlsrpt --domain example.net --message | posthaste sendmail -t
  posthaste tlsrpt --mbox > reports && test -s reports && posthaste send --batch reports";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit_codes()))]
pub(super) struct TlsReportFlags {
    /// The day in UTC, as 2026-11-28; without it, yesterday
    #[arg(long, value_name = "DAY")]
    day: Option<Day>,
    /// For the owner of this domain alone
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Print the message with the report, for those whom the domain names in DNS
    #[arg(long, conflicts_with = "mbox")]
    message: bool,
    /// Print the messages for all domains that want one, as an mbox
    #[arg(long)]
    mbox: bool,
}

impl TlsReportFlags {
    pub(super) fn report(self) -> TlsReport {
        let form = match (self.message, self.mbox) {
            (false, false) => TlsReportForm::Json,
            (true, _) => TlsReportForm::Message,
            (false, true) => TlsReportForm::Mbox,
        };
        TlsReport { day: self.day, domain: self.domain, form }
    }
}
