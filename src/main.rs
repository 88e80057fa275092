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

    #[test]
    #[ignore = "it ends the process; the other test runs it in one of its own"]
    fn panics() {
        std::panic::set_hook(Box::new(on_panic));
        panic!("a secret\nof two lines");
    }

    #[test]
    fn a_panic_is_one_line_and_exit_code_70() {
        let mut program = std::process::Command::new(std::env::current_exe().unwrap());
        let output = program.args(["--ignored", "--exact", "tests::panics", "--nocapture"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(70), "{stderr}");
        assert!(stderr.starts_with("posthaste: ") && stderr.lines().count() == 1 && stderr.ends_with('\n'), "{stderr}");
        assert!(stderr.contains("src/main.rs:") && !stderr.contains("secret"), "{stderr}");
    }
}
