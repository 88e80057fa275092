//! Which file is read, and which account is chosen.

use std::path::Path;

use posthaste::config::account::{Host, Log, Relay};
use posthaste::config::{Choice, ConfigError, Environment, Kind, load};
use posthaste::system::Identity;

use super::place::{ANY, Place, named, sent_by};

fn server_of(environment: &Environment, explicit: Option<&Path>) -> Result<String, ConfigError> {
    match load(environment, explicit)?.account(ANY)?.servers.remove(0) {
        Relay::Server(server) => match server.host() {
            Some(Host::Name(name)) => Ok(name.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn first_file_that_is_there_is_read_and_no_other() {
    let place = Place::new();
    let file = |name: &str, host: &str| place.write(name, &format!("server = \"smtp://{host}\"\n"), 0o644);
    let explicit = file("explicit.toml", "explicit.example");
    let variable = file("variable.toml", "variable.example");
    let xdg = file("xdg/posthaste/config.toml", "xdg.example");
    let home = file("home/.config/posthaste/config.toml", "home.example");
    let system = file("system.toml", "system.example");
    let (variable_text, xdg_text, home_text) = (variable.to_str().unwrap(), place.path("xdg"), place.path("home"));
    let all = [
        ("POSTHASTE_CONFIG", variable_text),
        ("XDG_CONFIG_HOME", xdg_text.to_str().unwrap()),
        ("HOME", home_text.to_str().unwrap()),
    ];
    assert_eq!(server_of(&place.environment(&all), Some(&explicit)).unwrap(), "explicit.example");
    assert_eq!(server_of(&place.environment(&all), None).unwrap(), "variable.example");
    assert_eq!(server_of(&place.environment(&all[1..]), None).unwrap(), "xdg.example");
    assert_eq!(server_of(&place.environment(&all[2..]), None).unwrap(), "home.example");
    assert_eq!(server_of(&place.environment(&[]), None).unwrap(), "system.example");
    // XDG_CONFIG_HOME alone says where the personal file is; without one there, the system's is next.
    std::fs::remove_file(xdg).unwrap();
    assert_eq!(server_of(&place.environment(&all[1..]), None).unwrap(), "system.example");
    std::fs::remove_file(home).unwrap();
    assert_eq!(server_of(&place.environment(&all[2..]), None).unwrap(), "system.example");
    std::fs::remove_file(system).unwrap();
    assert_eq!(server_of(&place.environment(&all[2..]), None).unwrap_err().kind(), Kind::Missing);
    // A file that somebody names must be there.
    std::fs::remove_file(explicit.as_path()).unwrap();
    assert_eq!(server_of(&place.environment(&all), Some(&explicit)).unwrap_err().kind(), Kind::Missing);
    std::fs::remove_file(variable.as_path()).unwrap();
    assert_eq!(server_of(&place.environment(&all), None).unwrap_err().kind(), Kind::Missing);
}

/// Where TLS begins at once, a greeting in clear text never comes; nobody shall wait five minutes to hear so.
#[test]
fn greeting_in_clear_text_is_not_awaited_for_long_at_the_port_of_implicit_tls() {
    let place = Place::new();
    for (server, timeout, greeting) in [
        ("submission://h.example:465", "", Some(20)),
        ("smtp://h.example:465", "", Some(20)),
        ("smtp://h.example:465", "3s", Some(3)),
        ("submissions://h.example:465", "", None),
        ("submission://h.example:587", "", None),
        ("smtp:///run/465", "", None),
    ] {
        let environment = place.environment(&[("POSTHASTE_SERVER", server), ("POSTHASTE_TIMEOUT", timeout)]);
        let account = load(&environment, None).unwrap().account(ANY).unwrap();
        let Relay::Server(server) = &account.servers[0] else { panic!("{server}") };
        let timeouts = account.timeouts_with(server);
        assert_eq!(timeouts.greeting, greeting.map(std::time::Duration::from_secs), "{server}");
        assert_eq!(timeouts.command, account.timeouts.command, "{server}");
    }
}

#[test]
fn environment_alone_suffices() {
    let place = Place::new();
    let environment = place.environment(&[
        ("POSTHASTE_SERVER", "submissions://alice@smtp.example.org"),
        ("POSTHASTE_PASSWORD_FILE", "/run/secrets/smtp"),
    ]);
    let config = load(&environment, None).unwrap();
    let account = config.account(ANY).unwrap();
    assert_eq!(
        (config.path(), account.name.as_str(), account.login.unwrap().user.as_str()),
        (None, "default", "alice")
    );
}

#[test]
fn variables_that_are_empty_or_not_ours_are_passed_over() {
    let place = Place::new();
    let variables = [("POSTHASTE_SERVER", ""), ("POSTHASTE_PORT", "tcp://10.0.0.1:25"), ("SERVER", "smtp://b.example")];
    let account = place.account("server = \"smtp://a.example\"\n", &variables).unwrap();
    assert_eq!(account.servers[0].to_string(), "a.example:25");
}

#[test]
fn changed_identity_believes_no_variable() {
    let place = Place::new();
    place.write("system.toml", "server = \"smtp://system.example\"\n", 0o644);
    let personal = place.write("home/.config/posthaste/config.toml", "server = \"smtp://home.example\"\n", 0o644);
    let home = place.path("home");
    let variables = [
        ("POSTHASTE_SERVER", "smtp://variable.example"),
        ("POSTHASTE_CONFIG", personal.to_str().unwrap()),
        ("HOME", home.to_str().unwrap()),
    ];
    let environment = place.environment_of(&variables, Identity::Changed);
    assert_eq!(server_of(&environment, None).unwrap(), "system.example");
}

const TWO: &str = "\
[account.home]
server = \"smtp://home.example\"
from = [\"alice@example.net\", \"*@example.com\"]

[account.work]
server = \"smtp://work.example\"
from = [\"*@example.net\", \"bob@example.com\"]
";

#[test]
fn name_then_sender_then_default_chooses_an_account() {
    let place = Place::new();
    let chosen = |text: &str, variables: &[(&str, &str)], choice: Choice<'_>| {
        place.load(text, variables).unwrap().account(choice).map(|account| account.name)
    };
    assert_eq!(chosen(TWO, &[], named("work")).unwrap(), "work");
    let both = Choice { name: Some("home"), sender: Some("carol@example.net"), log: Log::None };
    assert_eq!(chosen(TWO, &[], both).unwrap(), "home");
    assert_eq!(chosen(TWO, &[("POSTHASTE_ACCOUNT", "home")], sent_by("carol@example.net")).unwrap(), "home");
    assert_eq!(chosen(TWO, &[("POSTHASTE_ACCOUNT", "home")], named("work")).unwrap(), "work");
    // The whole address beats a pattern, wherever they stand.
    for (sender, name) in [
        ("alice@example.net", "home"),
        ("carol@example.net", "work"),
        ("bob@example.com", "work"),
        ("carol@EXAMPLE.com", "home"),
    ] {
        assert_eq!(chosen(TWO, &[], sent_by(sender)).unwrap(), name, "{sender}");
    }
    let with_default = format!("default = \"work\"\n{TWO}");
    assert_eq!(chosen(&with_default, &[], ANY).unwrap(), "work");
    assert_eq!(chosen(&with_default, &[], sent_by("x@elsewhere.example")).unwrap(), "work");
    assert_eq!(chosen(&with_default, &[], named("default")).unwrap(), "work");
    let with_top = format!("server = \"smtp://top.example\"\n{TWO}");
    assert_eq!(chosen(&with_top, &[], ANY).unwrap(), "default");
    let called_default = format!("{TWO}[account.default]\nserver = \"smtp://d.example\"\n");
    assert_eq!(chosen(&called_default, &[], ANY).unwrap(), "default");
    assert_eq!(chosen("[account.only]\nserver = \"smtp://a.example\"\n", &[], ANY).unwrap(), "only");
    let error = chosen(TWO, &[], ANY).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (Kind::NoAccount, "none of the accounts is the default: `home`, `work`")
    );
}

#[test]
fn account_that_nobody_has_is_told_which_there_are() {
    let place = Place::new();
    let config = place.load(TWO, &[]).unwrap();
    for (name, hint) in [("wrok", "Did you mean `work`?"), ("private", "There are `home`, `work`.")] {
        let error = config.account(named(name)).unwrap_err();
        assert_eq!((error.kind(), error.hint()), (Kind::NoAccount, Some(hint)));
        assert_eq!(error.message(), format!("there is no account `{name}`"));
    }
    let config = place.load("[account.work]\nserver = \"smtp://a.example\"\n", &[]).unwrap();
    assert_eq!(config.account(named("private")).unwrap_err().hint(), Some("There is only `work`."));
}

#[test]
fn mistake_in_one_account_does_not_stop_another() {
    let place = Place::new();
    let text = format!("{TWO}[account.broken]\nuser = \"x\"\n");
    let config = place.load(&text, &[]).unwrap();
    assert!(config.account(named("home")).is_ok());
    let error = config.account(named("broken")).unwrap_err();
    assert_eq!((error.message(), error.position()), ("the account `broken` has no server", Some((8, 10))));
}

#[test]
fn log_of_the_face_holds_until_a_setting_says_otherwise() {
    let place = Place::new();
    let choice = || Choice { log: Log::Syslog, ..ANY };
    let log = |text: &str| place.load(text, &[]).unwrap().account(choice()).unwrap().log;
    assert_eq!(log("server = \"smtp://a.example\"\n"), Log::Syslog);
    assert_eq!(log("server = \"smtp://a.example\"\nlog = \"none\"\n"), Log::None);
}
