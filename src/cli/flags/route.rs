//! The flags of `posthaste route`.

use clap::{Args, ValueHint};

use super::{exit_codes, format};
use crate::cli::values::{Route, Servers};

#[derive(Args, Debug)]
#[command(after_long_help = exit_codes())]
pub(in crate::cli) struct RouteFlags {
    /// Recipients; each may be a list
    #[arg(value_name = "ADDRESS", required = true, value_hint = ValueHint::EmailAddress)]
    recipients: Vec<String>,
    /// By way of the mail exchangers of the recipients' domains, and not of the account's server
    #[arg(long)]
    direct: bool,
    /// Report in JSON, one object a line for each route
    #[arg(long)]
    json: bool,
}

impl RouteFlags {
    pub(in crate::cli) fn route(self) -> Route {
        Route {
            recipients: self.recipients,
            servers: if self.direct { Servers::Exchangers } else { Servers::OfAccount },
            format: format(self.json),
        }
    }
}
