//! Questions to the server: `posthaste vrfy`, `expn`, `etrn` and `server-help`.

use super::{Done, Transcript, account, block_on, configuration, fail, print, tls_failure};
use crate::check;
use crate::cli::Global;
use crate::cli::values::Ask;
use crate::config::account::Log;
use crate::failure::{Exit, exit_of_answer, of_answer};
use crate::report::{self, Style};
use crate::smtp::question::Question;

/// Asks the first server that listens, and prints its answers.
pub(super) fn ask(global: &Global, call: &Ask) -> Done {
    let config = configuration(global, Style::Person)?;
    let account = account(&config, global, None, Log::None, Style::Person)?;
    let questions = call.about.iter().map(|about| Question::new(call.verb, about)).collect::<Result<Vec<_>, _>>();
    let questions = questions.map_err(|error| fail(Exit::Usage, error.to_string()))?;
    let mut transcript = Transcript::of(global);
    let asked = block_on(check::ask(&account, &questions, &mut transcript))?.map_err(tls_failure)?;
    let mut exit = Exit::Success;
    for (question, reply) in questions.iter().zip(&asked.answers) {
        match exit_of_answer(question.verb(), reply) {
            Exit::Success => _ = print(&reply.lines().iter().map(|line| format!("{line}\n")).collect::<String>())?,
            failed => {
                report::failures(&[of_answer(question.verb(), reply, &asked.server)], Style::Person);
                exit = if exit == Exit::Success { failed } else { exit };
            }
        }
    }
    match asked.failure {
        Some(failure) => Err(vec![failure]),
        None => Ok(exit),
    }
}
