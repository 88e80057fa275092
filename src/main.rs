//! The command: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(posthaste::run::run(std::env::args_os().collect()))
}
