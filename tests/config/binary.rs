//! The configuration as the command meets it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::place::{Place, is_root};

fn posthaste(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A sink of our own that demands a login and ends after one message, or when it is dropped.
struct Sink {
    child: Child,
    address: String,
}

impl Sink {
    fn start(password_file: &Path) -> Self {
        let file = password_file.to_str().unwrap();
        let arguments =
            ["sink", "--listen=127.0.0.1:0", "--user=alice", "--password-file", file, "--json", "--count=1"];
        let mut child = posthaste(&arguments, &[]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("posthaste: sink on ").unwrap().to_owned();
        Sink { child, address }
    }

    fn received(mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LETTER: [&str; 5] = ["send", "--to=bob@example.net", "--from=alice@example.org", "-b", "hello"];
const DRY: [&str; 6] = ["send", "--to=bob@example.net", "--from=alice@example.org", "-b", "hello", "--dry-run"];

#[test]
fn no_configuration_at_all_is_78_and_says_what_to_write() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/posthaste/config.toml");
    let output = posthaste(&DRY, &[("HOME", home.path().to_str().unwrap())]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0));
    let told = told(&output);
    assert!(told.starts_with("posthaste: no account is configured: there is neither "), "{told}");
    assert!(
        told.contains(&format!(
            "Write these lines to {}, or for all users to /etc/posthaste/config.toml, with your own names:",
            file.display()
        )),
        "{told}"
    );
    // What it says is true: those lines are a configuration.
    let (_, lines) = told.split_once("names:\n").unwrap();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, lines).unwrap();
    let output = posthaste(&DRY, &[("HOME", home.path().to_str().unwrap())]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn password_file_of_the_environment_logs_in() {
    let place = Place::new();
    let password = place.path("password");
    fs::write(&password, "correct horse\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let sink = Sink::start(&password);
    let server = format!("smtp://alice@{}", sink.address);
    let variables = [
        ("HOME", "/nonexistent"),
        ("POSTHASTE_SERVER", server.as_str()),
        ("POSTHASTE_TLS", "none"),
        ("POSTHASTE_PASSWORD_FILE", password.to_str().unwrap()),
    ];
    // First it may be read by all, then only by its owner.
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
    let output = posthaste(&LETTER, &variables).output().unwrap();
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    let said = told(&output);
    assert!(said.contains("chmod 6") && !said.contains("horse"), "{said}");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let output = posthaste(&LETTER, &variables).output().unwrap();
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), ""));
    let received = sink.received();
    assert!(received.contains("\"alice\"") && received.contains("bob@example.net"), "{received}");
}

#[test]
fn option_and_variable_choose_file_and_account() {
    let place = Place::new();
    let path = place.path("two.toml");
    let text = "[account.a]\nserver = \"smtp://a.example\"\nmail-domain = \"a.example\"\n\
                [account.b]\nserver = \"smtp://b.example\"\nmail-domain = \"b.example\"\n";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let dry = ["send", "--to=bob", "--from=alice@example.org", "-b", "hello", "--dry-run"];
    let chosen = |options: &[&str], variables: &[(&str, &str)]| {
        let arguments = [options, &dry].concat();
        let output = posthaste(&arguments, variables).env("HOME", "/nonexistent").output().unwrap();
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        let recipient = said.lines().find_map(|line| line.strip_prefix("RCPT TO:")).map(str::to_owned);
        recipient.ok_or((output.status.code().unwrap(), told(&output)))
    };
    assert_eq!(chosen(&["--config", path, "-a", "b"], &[]).as_deref(), Ok("<bob@b.example>"));
    let variables = [("POSTHASTE_CONFIG", path), ("POSTHASTE_ACCOUNT", "a")];
    assert_eq!(chosen(&[], &variables).as_deref(), Ok("<bob@a.example>"));
    assert_eq!(chosen(&["--account=b"], &variables).as_deref(), Ok("<bob@b.example>"));
    let (code, said) = chosen(&["--config", path, "-a", "c"], &[]).unwrap_err();
    assert!(code == 78 && said.contains("there is no account `c`"), "{said}");
    let (code, said) = chosen(&["--config", path], &[]).unwrap_err();
    assert!(code == 78 && said.contains("none of the accounts is the default"), "{said}");
}

#[test]
fn mistake_is_78_with_the_line_for_a_person_and_one_line_for_a_caller_of_sendmail() {
    let place = Place::new();
    let path = place.path("config.toml");
    fs::write(&path, "server = \"smtp://a.example\"\nmax-recipents = 50\n").unwrap();
    let name = path.to_str().unwrap();
    let variables = [("HOME", "/nonexistent"), ("POSTHASTE_CONFIG", name)];
    let output = posthaste(&DRY, &variables).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let expected = format!(
        "posthaste: unknown key `max-recipents`\n --> {name}:2:1\n  |\n2 | max-recipents = 50\n  | \
         ^^^^^^^^^^^^^\n  |\n  = hint: Did you mean `max-recipients`?\n"
    );
    assert_eq!(told(&output), expected);
    let output = posthaste(&["sendmail", "bob@example.net"], &variables).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let expected =
        format!("posthaste: {name}:2:1: unknown key `max-recipents` (hint: Did you mean `max-recipients`?)\n");
    assert_eq!(told(&output), expected);
}

#[test]
fn file_that_this_user_may_not_read_is_77_and_says_who_may() {
    let place = Place::new();
    let path = place.path("config.toml");
    fs::write(&path, "server = \"smtp://a.example\"\n").unwrap();
    let arguments = [&["--config", path.to_str().unwrap()], &DRY[..]].concat();
    // Root may read all, so somebody else has to try; the binary may lie where only root gets.
    let mut command = match is_root() {
        false => posthaste(&arguments, &[("HOME", "/nonexistent")]),
        true => {
            let copy = place.path("posthaste");
            // By another process: a file that this one has open for writing, or a child of another thread has, cannot be run.
            let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_posthaste")).arg(&copy).status().unwrap();
            assert!(copied.success());
            let directory = path.parent().unwrap();
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(copy).args(&arguments);
            command
        }
    };
    let mut cures = vec![(0o000, None, "may read it.")];
    if is_root() {
        let group = Some(12); // Of the base system of every Linux; its name does not matter.
        cures = vec![
            (0o600, None, "Only root may read it. Let a group"),
            (0o640, None, "Only root may read it. Let a group"),
        ];
        cures.push((0o640, group, "may read it. To make "));
    }
    for (mode, group, cure) in cures {
        std::os::unix::fs::chown(&path, None, group).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(77), "{output:?}");
        let said = told(&output);
        assert!(said.contains("this file cannot be read: permission denied"), "{said}");
        assert!(said.contains("= hint: Only ") && said.contains(cure), "{said}");
    }
}

/// Nobody gets the rights of another by this program; and who has them already chooses no file. Only root can try that.
#[test]
fn rights_of_others_are_refused() {
    use std::os::unix::process::CommandExt as _;
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("posthaste");
    // By another process, as above.
    let copied = |from: &str, to: &Path| Command::new("cp").arg(from).arg(to).status().unwrap().success();
    assert!(copied(env!("CARGO_BIN_EXE_posthaste"), &copy));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(place.path(), 0o755);
    let run = |file: &Path, arguments: &[&str]| {
        let mut command = Command::new(file);
        command.args(arguments).env_clear().env("POSTHASTE_SERVER", "smtp://127.0.0.1:1").uid(65534).gid(65534);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for bits in [0o4755, 0o2755] {
        mode(&copy, bits);
        let (code, words) = run(&copy, &["--version"]);
        assert_eq!(code, Some(77), "{words}");
        assert!(words.contains("is setuid or setgid") && words.contains("chmod ug-s"), "{words}");
    }
    // A caller that has such rights is no fault of ours.
    mode(&copy, 0o755);
    let caller = place.path().join("env");
    assert!(copied("/usr/bin/env", &caller));
    mode(&caller, 0o2755);
    let program = copy.to_str().unwrap();
    assert_eq!(run(&caller, &[program, "--version"]), (Some(0), String::new()));
    let (code, words) = run(&caller, &[program, "--config", "/etc/hostname", "sendmail", "-bC"]);
    assert!(code == Some(77) && words.contains("--config is not for"), "{code:?} {words}");
    let (code, words) = run(&caller, &[program, "sendmail", "-bC"]);
    let is_absent = code == Some(78) && words.contains("no account is configured");
    assert!(is_absent || Path::new("/etc/posthaste/config.toml").exists(), "{code:?} {words}");
}
