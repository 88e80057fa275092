//! Passwords: who may read the files that hold one, and that no error shows it.

use posthaste::config::account::Secret;
use posthaste::config::{Kind, load, secret};

use super::place::{ANY, Place, give_to_root, is_root};

const WITH_PASSWORD: &str = "server = \"submissions://alice@smtp.example.org\"\npassword = \"hunter2\"\n";
const WITH_PROXY: &str = "server = \"smtp://smtp.example.org\"\nproxy = \"socks5://alice:hunter2@proxy.example.org\"\n";
const WITHOUT: &str = "server = \"smtp://smtp.example.org\"\n";

#[test]
fn file_with_a_password_is_for_its_owner_alone() {
    let place = Place::new();
    let table = [
        (WITH_PASSWORD, 0o600, None),
        (WITH_PASSWORD, 0o400, None),
        (WITH_PASSWORD, 0o640, Some(("it holds a password, and its group can read it", "chmod 600"))),
        (WITH_PASSWORD, 0o644, Some(("it holds a password, and everybody can read it", "chmod 600"))),
        (WITH_PASSWORD, 0o604, Some(("it holds a password, and everybody can read it", "chmod 600"))),
        (WITH_PROXY, 0o640, Some(("it holds a password, and its group can read it", "chmod 600"))),
        (WITHOUT, 0o644, None),
        (WITHOUT, 0o664, None),
        (WITHOUT, 0o666, Some(("everybody can write it", "chmod o-w"))),
    ];
    for (text, mode, expected) in table {
        let path = place.write("config.toml", text, mode);
        let error = load(&place.environment(&[]), Some(&path)).err();
        let found = error.as_ref().map(|error| (error.kind(), error.message().to_owned(), error.hint().unwrap()));
        let expected = expected.map(|(reason, command)| {
            (Kind::Exposed, format!("this file is not used: {reason}"), format!("Run: {command} {}", path.display()))
        });
        assert_eq!(found, expected.as_ref().map(|(k, m, h)| (*k, m.clone(), h.as_str())), "{mode:o} {text}");
    }
}

#[test]
fn no_child_sees_a_password_in_its_environment() {
    let command = secret::command("true");
    let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    for name in ["POSTHASTE_PASSWORD", "POSTHASTE_PROXY"] {
        assert!(removed.iter().any(|removed| *removed == name), "{name}");
    }
}

/// A URL with a mistake in it may hold a password all the same.
#[test]
fn no_error_shows_the_password_of_a_proxy() {
    let place = Place::new();
    for value in
        ["socks5://al:hunter2@", "sock5://al:hunter2@a.example", "al:hunter2@a.example:1080", "http://al:hunter2@a"]
    {
        let text = format!("{WITHOUT}proxy = \"{value}\"\n");
        let error = place.account(&text, &[]).unwrap_err();
        assert!(!error.report().contains("unter2"), "{}", error.report());
        let error = place.account(WITHOUT, &[("POSTHASTE_PROXY", value)]).unwrap_err();
        assert!(!error.report().contains("unter2"), "{}", error.report());
    }
}

#[test]
fn password_in_any_account_counts() {
    let place = Place::new();
    let text =
        "[account.a]\nserver = \"smtp://a.example\"\n[account.b]\nserver = \"smtp://b@b.example\"\npassword = \"x\"\n";
    let path = place.write("config.toml", text, 0o644);
    assert_eq!(load(&place.environment(&[]), Some(&path)).unwrap_err().kind(), Kind::Exposed);
}

#[test]
fn file_of_somebody_else_is_not_believed() {
    let place = Place::new();
    let path = place.write("config.toml", WITHOUT, 0o644);
    let environment = place.environment(&[]).with_user(place.user + 1);
    let error = load(&environment, Some(&path)).unwrap_err();
    assert_eq!(error.kind(), Kind::Exposed);
    assert!(error.message().contains(", who is neither root nor the user of this process"), "{error}");
    assert!(error.hint().unwrap().starts_with("Run: chown "), "{:?}", error.hint());
}

/// Root alone can make such a file; the rule itself is tested in `config/file.rs` for everybody.
#[test]
fn file_of_root_may_be_read_by_its_group() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    for (mode, expected) in [(0o640, None), (0o644, Some("640")), (0o604, Some("600"))] {
        let path = place.write("config.toml", WITH_PASSWORD, mode);
        give_to_root(&path);
        let error = load(&place.environment(&[]), Some(&path)).err();
        let hint = expected.map(|mode| format!("Run: chmod {mode} {}", path.display()));
        assert_eq!(error.as_ref().and_then(|error| error.hint()), hint.as_deref(), "{mode:o}");
    }
}

#[test]
fn password_file_that_others_can_read_is_refused() {
    let place = Place::new();
    let path = place.write("password", "hunter2\n", 0o600);
    if is_root() {
        give_to_root(&path);
    }
    assert_eq!(secret::read(&Secret::File(path.clone())).unwrap().as_str(), "hunter2");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o604)).unwrap();
    let error = secret::read(&Secret::File(path.clone())).unwrap_err().to_string();
    let name = path.display();
    let expected = format!(
        "password-file {name} is not safe: it holds a password, and everybody can read it (Run: chmod 600 {name})"
    );
    assert_eq!(error, expected);
}

#[test]
fn credential_of_systemd_is_found_by_its_name() {
    let place = Place::new();
    place.write("credentials/smtp", "hunter2\n", 0o400);
    let directory = place.path("credentials");
    let text = "server = \"submissions://alice@smtp.example.org\"\npassword-file = \"smtp\"\n";
    let variables = [("CREDENTIALS_DIRECTORY", directory.to_str().unwrap())];
    let login = place.account(text, &variables).unwrap().login.unwrap();
    assert!(matches!(&login.secret, Some(Secret::File(path)) if *path == directory.join("smtp")), "{login:?}");
}

/// Every place of a file with a password gets every kind of damage; whatever the error then is, it does not show it.
#[test]
fn no_error_shows_a_password_whatever_is_wrong_with_the_file() {
    let place = Place::new();
    let text = "server = \"submissions://alice@smtp.example.org\"\npassword = \"hunter2=hunter\"\ntls = \"required\"\n\
                [account.work]\npassword = 'hunter2=hunter'\n";
    let path = place.path("config.toml");
    let environment = place.environment(&[]);
    let mut errors = 0;
    for at in 0..=text.len() {
        let (before, after) = text.split_at(at);
        let mut damaged: Vec<String> = ["\"", "'", "\"\"\"", "=", "\n", "[", "]", "#", ":", "\\", "\u{1}", "x", ","]
            .iter()
            .map(|inserted| format!("{before}{inserted}{after}"))
            .collect();
        damaged.push(format!("{before}{}", after.get(1..).unwrap_or_default()));
        damaged.push(before.to_owned());
        for text in damaged {
            place.write("config.toml", &text, 0o600);
            let Some(error) = load(&environment, Some(&path)).and_then(|config| config.account(ANY)).err() else {
                continue;
            };
            errors += 1;
            let shown = format!("{}\n{error}\n{error:?}\n{:?}", error.report(), error.hint());
            assert!(!shown.contains("hunter"), "{text}\n{shown}");
        }
    }
    assert!(errors > 1000, "{errors}");
}

#[test]
fn no_error_shows_the_password_of_the_environment() {
    let place = Place::new();
    for value in ["hunter2\0", "hunter2"] {
        let error = place.account(WITHOUT, &[("POSTHASTE_PASSWORD", value)]).unwrap_err();
        let shown = format!("{}\n{error}\n{error:?}", error.report());
        assert!(!shown.contains("hunter"), "{shown}");
    }
    let server = ("POSTHASTE_SERVER", "submissions://alice:hunter2@smtp.example.org");
    let error = place.account(WITHOUT, &[server]).unwrap_err();
    assert!(!error.report().contains("hunter"), "{}", error.report());
    let shown = format!("{:?}", place.account(WITH_PASSWORD, &[]).unwrap());
    assert!(!shown.contains("hunter"), "{shown}");
}

/// Whoever shows another key would be given the message in clear text, which a pin is there to prevent.
#[test]
fn a_pin_and_a_way_around_it_do_not_go_together() {
    let place = Place::new();
    let pin = "0123456789abcdef".repeat(4);
    let text = format!("{WITHOUT}tls-pin = \"{pin}\"\n");
    assert!(place.account(&text, &[]).is_ok());
    let error = place.account(&text, &[("POSTHASTE_TLS", "opportunistic")]).unwrap_err();
    assert!(error.kind() == Kind::Invalid && error.message().contains("clear text"), "{error}");
}

/// P-173: there is no key for it, whatever it is called elsewhere. What there is instead is named.
#[test]
fn the_check_of_certificates_cannot_be_turned_off() {
    let place = Place::new();
    for (key, value) in [("tls-verify", "false"), ("tls_certcheck", "\"off\""), ("insecure", "true")] {
        let error = place.account(&format!("{WITHOUT}{key} = {value}\n"), &[]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Invalid, format!("unknown key `{key}`").as_str()));
        assert!(error.hint().unwrap().contains("tls-ca-file"), "{error}");
    }
}

/// P-173: nor is a password given to a server whose certificate nobody checks, unless it is this machine.
#[test]
fn a_password_goes_over_clear_text_to_this_machine_only() {
    let place = Place::new();
    for tls in ["none", "opportunistic"] {
        for (host, allowed) in [
            ("smtp.example.org", false),
            ("localhost.example.org", false),
            ("192.0.2.1", false),
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
        ] {
            let text = format!("server = \"submission://alice@{host}\"\npassword = \"hunter2\"\ntls = \"{tls}\"\n");
            let found = place.account(&text, &[]);
            match found {
                Ok(_) => assert!(allowed, "{text}"),
                Err(error) => assert!(!allowed && error.message().contains("others could read"), "{text}{error}"),
            }
        }
    }
    let two = "server = [\"smtp://alice@localhost\", \"smtp://alice@smtp.example.org\"]\npassword = \"hunter2\"\n";
    assert!(place.account(two, &[("POSTHASTE_TLS", "none")]).is_err());
}
