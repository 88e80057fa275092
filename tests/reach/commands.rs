use std::fs;

use super::program::Program;
use super::{MESSAGE, TO};

/// A server of SMTP in shell, which writes what it hears to `heard` and its arguments to `called`.
const SERVER: &str = r#"
echo "$@" > "$HOME/called"
say() { printf '%s\r\n' "$1"; }
say '220 mx'
while IFS= read -r line; do
    printf '%s\n' "$line" >> "$HOME/heard"
    case $line in
    EHLO*) say '250 mx' ;;
    DATA*) say '354 go' ;;
    .*) say '250 2.0.0 taken'; data= ;;
    MAIL* | RCPT*) say '250 ok' ;;
    QUIT*) say '221 bye'; break ;;
    esac
done
echo gone >> "$HOME/heard"
"#;

fn program(command: &str) -> Program {
    Program::with(&format!("server = \"smtp://mail.invalid:2525\"\ntls = \"none\"\nproxy-command = '{command}'\n"))
}

fn content(program: &Program, name: &str) -> String {
    fs::read_to_string(program.path(name)).unwrap_or_default()
}

#[test]
fn command_is_the_connection() {
    let program = program("sh \"$HOME/server\" %h %p 100%%");
    program.file("server", SERVER);
    program.sendmail(TO, MESSAGE).assert_silent_success();
    assert_eq!(content(&program, "called"), "mail.invalid 2525 100%\n");
    let heard = content(&program, "heard");
    assert!(heard.contains("RCPT TO:<bob@example.net>\r\n") && heard.contains("Subject: hello\r\n"), "{heard}");
    // It had the time to end by itself.
    assert!(heard.ends_with("QUIT\r\ngone\n"), "{heard}");
}

#[test]
fn command_that_fails_is_told_with_what_it_said() {
    let ended = program("echo no way >&2; exit 3").sendmail(TO, MESSAGE);
    // `exec` has no shell to go on with.
    ended.assert_failure(75, &["the connection to mail.invalid:2525 broke"]);
    let failing = program("sh -c \"echo no way to relay >&2; exit 3\"").sendmail(TO, MESSAGE);
    failing.assert_failure(75, &["proxy-command ended with exit status 3: no way to relay"]);
    let missing = program("/nonexistent/ssh %h").sendmail(TO, MESSAGE);
    missing.assert_failure(75, &["proxy-command ended with exit status 127", "/nonexistent/ssh"]);
    let killed = program("sh -c \"kill -9 \\$\\$\"");
    let killed = fs::write(killed.config(), content(&killed, "config.toml").replace("\\$", "$")).map(|()| killed);
    killed.unwrap().sendmail(TO, MESSAGE).assert_failure(75, &["proxy-command was ended by signal 9"]);
}

#[test]
fn command_cannot_steer_a_terminal_nor_fill_memory() {
    let program = program("sh \"$HOME/noise\"");
    program.file("noise", "yes 0123456789 | head -c 300000 >&2; printf 'last\\033[2J words' >&2; exit 1");
    let ended = program.sendmail(TO, MESSAGE);
    ended.assert_failure(75, &["last\\x1b[2J words"]);
    assert!(ended.stderr.len() < 2000, "{}", ended.stderr.len());
}

/// It neither outlives the program nor becomes a child that nobody has waited for: it is told to end, and then made to.
#[test]
fn command_that_does_not_end_is_ended() {
    for (trap, told) in [("echo told > \"$HOME/told\"; exit", "told\n"), ("", "")] {
        let program = program("sh \"$HOME/stubborn\"");
        let script = "printf '554 no\\r\\n'\nwhile :; do sleep 0.05; done\n";
        program.file("stubborn", format!("trap '{trap}' TERM\necho $$ > \"$HOME/pid\"\n{script}"));
        program.sendmail(TO, MESSAGE).assert_failure(69, &["554 no"]);
        let pid = content(&program, "pid");
        assert!(!pid.is_empty() && !fs::exists(format!("/proc/{}", pid.trim())).unwrap());
        assert_eq!(content(&program, "told"), told);
    }
}

/// It has no other descriptors than the first three, and no password in its environment.
#[test]
fn command_inherits_nothing() {
    let program = program("sh \"$HOME/look\"");
    program.file("look", "ls -l /proc/self/fd > \"$HOME/fds\"\nenv > \"$HOME/env\"\n");
    let mut command = program.named("sendmail");
    command.args(TO).env("POSTHASTE_PASSWORD", "hunter2").env("POSTHASTE_USER", "al");
    command.env("POSTHASTE_TLS", "required");
    let ended = super::program::run(&mut command, MESSAGE.as_bytes());
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    let fds = content(&program, "fds");
    let numbers: Vec<&str> = fds
        .lines()
        .filter(|line| line.contains("->") && !line.contains("/fd") && !line.contains("/fds"))
        .filter_map(|line| line.split(" -> ").next()?.rsplit(' ').next())
        .collect();
    assert!(numbers.iter().all(|number| ["0", "1", "2"].contains(number)), "{fds}");
    assert!(!content(&program, "env").contains("hunter2"));
}
