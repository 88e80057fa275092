//! Completion scripts, made from the same description that the parser uses.

use super::flags;
use super::values::Shell;

/// Writes the completion script for a shell.
pub fn script(shell: Shell) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut flags::command(), "posthaste", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
