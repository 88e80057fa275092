//! The command: arguments in, exit code out.

use std::panic::PanicHookInfo;
use std::process::ExitCode;

use posthaste::run;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(on_panic));
    ExitCode::from(run::run(std::env::args_os().collect()))
}

/// A panic is a fault of ours. It is told in a line as any failure is, and ends the process here, because a panic that
/// aborts would end it by a signal.
#[expect(clippy::exit, reason = "nothing can be handed back to main")]
fn on_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    std::process::exit(run::panicked(place.as_deref()).into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set for the process that is to panic.
    const PANIC: &str = "POSTHASTE_TEST_PANIC";

    #[test]
    fn a_panic_is_one_line_and_exit_code_70() {
        if std::env::var_os(PANIC).is_some() {
            std::panic::set_hook(Box::new(on_panic));
            panic!("a secret\nof two lines");
        }
        let mut program = std::process::Command::new(std::env::current_exe().unwrap());
        let test = "tests::a_panic_is_one_line_and_exit_code_70";
        let output = program.args(["--exact", test, "--nocapture"]).env(PANIC, "yes").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(70), "{stderr}");
        assert!(stderr.starts_with("posthaste: ") && stderr.lines().count() == 1 && stderr.ends_with('\n'), "{stderr}");
        assert!(stderr.contains("src/main.rs:") && !stderr.contains("secret"), "{stderr}");
    }
}
