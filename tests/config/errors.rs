//! What a person reads about a mistake, word for word.

use posthaste::config::Kind;

use super::place::Place;

/// What stands in the file, and the report.
const REPORTS: [(&str, &str); 18] = [
    (
        "server = \"smtp://a.example\"\nmax-recipents = 50\n",
        "\
unknown key `max-recipents`
 --> config.toml:2:1
  |
2 | max-recipents = 50
  | ^^^^^^^^^^^^^
  |
  = hint: Did you mean `max-recipients`?",
    ),
    (
        "server = \"smtp://a.example\"\npaswrod = \"hunter2\"\n",
        "\
unknown key `paswrod`
 --> config.toml:2:1
  |
2 | paswrod = [hidden]
  | ^^^^^^^
  |
  = hint: Did you mean `password`?",
    ),
    (
        "host = \"smtp.example.org\"\n",
        "\
unknown key `host`
 --> config.toml:1:1
  |
1 | host = \"smtp.example.org\"
  | ^^^^
  |
  = hint: Write the host into the URL: server = \"submissions://USER@HOST\"",
    ),
    (
        "# mail\nserver = \"submissions://smtp.example.org\"\ntls = \"requird\"\n",
        "\
`tls`: `requird` is none of `required`, `opportunistic`, `none`
 --> config.toml:3:7
  |
3 | tls = \"requird\"
  |       ^^^^^^^^^
  |
  = hint: Did you mean `required`?",
    ),
    (
        "[account.work]\nserver = \"smtp://a.example\"\nmax-recipients = \"many\"\n",
        "\
`max-recipients` must be a whole number without quotes, not a text
 --> config.toml:3:18
  |
3 | max-recipients = \"many\"
  |                  ^^^^^^
  |
  = hint: For example: max-recipients = 50",
    ),
    (
        "server = [\"smtp://a.example\", 3]\n",
        "\
`server` must be a text in quotes, or a list of such, not a number
 --> config.toml:1:31
  |
1 | server = [\"smtp://a.example\", 3]
  |                               ^
  |
  = hint: For example: server = \"submissions://alice@smtp.example.org\"",
    ),
    (
        "timeout = \"30\"\n",
        "\
`timeout`: `30` has no unit
 --> config.toml:1:11
  |
1 | timeout = \"30\"
  |           ^^^^
  |
  = hint: Write \"30s\" for seconds or \"30m\" for minutes.",
    ),
    (
        "server = \"smtp://a.example\"\nserver = \"smtp://b.example\"\n",
        "\
duplicate key
 --> config.toml:2:1
  |
2 | server = \"smtp://b.example\"
  | ^^^^^^",
    ),
    (
        "server = \"smtp.example.org:587\"\n",
        "\
`server`: a server URL begins with a scheme
 --> config.toml:1:10
  |
1 | server = \"smtp.example.org:587\"
  |          ^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: Did you mean \"submission://smtp.example.org\"?",
    ),
    (
        "server = \"submissions://alice:hunter2@smtp.example.org\"\n",
        "\
`server`: a server URL must not hold a password
 --> config.toml:1:10
  |
1 | server = \"submissions://alice [hidden]
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: Leave the user alone in the URL, and set `password-command` or `password-file`; a colon in the name itself \
is written %3A.",
    ),
    (
        "server = \"submissions://alice@smtp.example.org\"\n",
        "\
there is no password for the user `alice`
 --> config.toml:1:10
  |
1 | server = \"submissions://alice@smtp.example.org\"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: Set `password-command`, `password-file` or `password`; or auth = \"none\" to send without a login.",
    ),
    (
        "server = \"smtp://a.example\"\nuser = \"a\"\npassword = \"hunter2\"\npassword-file = \"secret\"\n",
        "\
both `password` and `password-file` are set
 --> config.toml:4:17
  |
4 | password-file = \"secret\"
  |                 ^^^^^^^^
  |
  = hint: Keep one of them.",
    ),
    (
        "[account.home]\nserver = \"smtp://a.example\"\n[account.work]\nserver = \"smtp://b.example\"\n",
        "\
none of the accounts is the default: `home`, `work`
--> config.toml
 = hint: Choose one with -a NAME, or write default = \"home\" at the top of the file.",
    ),
    (
        "server = \"smtp://a.example\"\nenvelope-from = \"%x@example.org\"\n",
        "\
`envelope-from`: `%x@example.org` has a % that means nothing
 --> config.toml:2:17
  |
2 | envelope-from = \"%x@example.org\"
  |                 ^^^^^^^^^^^^^^^^
  |
  = hint: %u is the login name, %h the host name, %H the full one, %d the mail-domain, and %% a percent sign.",
    ),
    (
        "server = \"smtp://a.example\"\nsender-map = [\"root: a@x.test\", \"www-data a@@x.test\"]\n",
        "\
`sender-map`: makes no address: 'a@@x.test': more than one @
 --> config.toml:2:33
  |
2 | sender-map = [\"root: a@x.test\", \"www-data a@@x.test\"]
  |                                 ^^^^^^^^^^^^^^^^^^^^
  |
  = hint: %u is the login name, %h the host name, %H the full one, %d the mail-domain, and %% a percent sign.",
    ),
    (
        "server = \"smtp://a.example\"\nrewrite-from = \"name\"\n",
        "\
`rewrite-from` is set, and `from` has no whole address to write
 --> config.toml:2:16
  |
2 | rewrite-from = \"name\"
  |                ^^^^^^
  |
  = hint: Add the address of the login: from = \"alice@example.org\"",
    ),
    (
        "server = \"smtp://a.example\"\nmasquerade = \"192.0.2.1\"\n",
        "\
`masquerade`: `192.0.2.1` is an address and not a domain
 --> config.toml:2:14
  |
2 | masquerade = \"192.0.2.1\"
  |              ^^^^^^^^^^^
  |
  = hint: For example: masquerade = [\"nas1.lan\", \"*.home.example.org\"]",
    ),
    (
        "server = \"smtp://a.example\"\ncharset = \"utf-8\"\n",
        "\
`charset`: `utf-8` is found out; this is for text that is something else
 --> config.toml:2:11
  |
2 | charset = \"utf-8\"
  |           ^^^^^^^
  |
  = hint: For example: charset = \"iso-8859-15\"",
    ),
];

/// Mistakes in a login without a password, and their cures.
#[test]
fn login_by_token_or_certificate_must_make_sense() {
    let place = Place::new();
    for (text, message, hint) in [
        ("auth = \"external\"", "`auth` is `EXTERNAL`, and there is no certificate to log in with", "tls-cert"),
        (
            "auth = [\"xoauth2\", \"plain\"]\nuser = \"a\"\npassword = \"b\"",
            "`auth` names XOAUTH2, which takes an access token, and PLAIN, which takes a password",
            "one kind",
        ),
        ("auth = \"xoauth2\"\nuser = \"a\"", "there is no password for the user `a`", "password-command"),
    ] {
        let error = place.account(&format!("server = \"smtp://a.example\"\n{text}\n"), &[]).unwrap_err();
        assert_eq!(error.message(), message);
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
    let certificate = "server = \"smtp://a.example\"\nauth = \"external\"\ntls-cert = \"c\"\ntls-key = \"k\"\n";
    let login = place.account(certificate, &[]).unwrap().login.unwrap();
    assert!(login.user.is_empty() && login.secret.is_none());
    let named = place.account(&format!("user = \"a\"\n{certificate}"), &[]).unwrap().login.unwrap();
    assert!(named.user == "a" && named.secret.is_none());
}

#[test]
fn report_shows_the_place_the_line_and_the_cure() {
    let place = Place::new();
    for (text, expected) in REPORTS {
        let error = place.account(text, &[]).unwrap_err();
        assert_eq!(place.report(&error), expected, "{text}");
    }
}

#[test]
fn one_line_names_file_line_and_column() {
    let place = Place::new();
    let error = place.account("server = \"smtp://a.example\"\n\n  tls = \"no\"\n", &[]).unwrap_err();
    let path = place.path("config.toml");
    let expected = format!("{}:3:9: `tls`: `no` is none of `required`, `opportunistic`, `none`", path.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!((error.kind(), error.position(), error.file()), (Kind::Invalid, Some((3, 9)), Some(path.as_path())));
}

#[test]
fn mistake_in_the_environment_names_the_variable() {
    let place = Place::new();
    let text = "server = \"smtp://a.example\"\n";
    let table = [
        (
            "POSTHASTE_SEVER",
            "smtp://a.example",
            "POSTHASTE_SEVER in the environment is no setting",
            "POSTHASTE_SERVER?",
        ),
        (
            "POSTHASTE_MAX_RECIPIENTS",
            "many",
            "POSTHASTE_MAX_RECIPIENTS: `many` is not a whole number such as 100",
            "max-recipients = 50",
        ),
        ("POSTHASTE_TLS", "yes", "POSTHASTE_TLS: `yes` is none of `required`, `opportunistic`, `none`", "tls = "),
        (
            "POSTHASTE_AUTH",
            "auto,PLAIN",
            "POSTHASTE_AUTH: has `auto` or `none` among other words",
            "For example: auth = \"PLAIN\"",
        ),
    ];
    for (variable, value, message, hint) in table {
        let error = place.account(text, &[(variable, value)]).unwrap_err();
        assert_eq!((error.kind(), error.message(), error.position()), (Kind::Invalid, message, None));
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
}

#[test]
fn value_of_each_wrong_type_is_refused_with_an_example() {
    use posthaste::config::{Form, SCHEMA};
    let place = Place::new();
    let values = [
        ("7", "a number"),
        ("1.5", "a number with a point"),
        ("true", "a truth value"),
        ("0x10", "a number in another notation"),
        ("1979-05-27", "a date"),
        ("{ a = 1 }", "a table"),
        ("[[\"x\"]]", "a list"),
    ];
    for key in SCHEMA {
        for (value, name) in values {
            if value == "7" && matches!(key.form, Form::Number | Form::Size) {
                continue;
            }
            let error = place.load(&format!("{} = {value}\n", key.name), &[]).unwrap_err();
            let message = format!("`{}` must be {}, not {name}", key.name, key.form);
            assert_eq!((error.message(), error.position().unwrap().0), (message.as_str(), 1), "{} = {value}", key.name);
            assert_eq!(error.hint(), Some(format!("For example: {} = {}", key.name, key.example).as_str()));
        }
    }
}

#[test]
fn file_that_is_none_is_refused_without_waiting() {
    let place = Place::new();
    std::fs::create_dir(place.path("directory")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("fifo"), mode).unwrap();
    place.write("large", &" ".repeat((128 << 10) + 1), 0o600);
    let table = [
        ("directory", "it is not a regular file"),
        ("fifo", "it is not a regular file"),
        ("large", "it is larger than 128 KiB"),
        ("absent", "no such file or directory"),
    ];
    for (name, reason) in table {
        let error = posthaste::config::load(&place.environment(&[]), Some(&place.path(name))).unwrap_err();
        assert_eq!(error.message(), format!("this file cannot be used: {reason}"), "{name}");
    }
}

#[test]
fn line_that_is_not_utf8_is_named() {
    let place = Place::new();
    let path = place.path("config.toml");
    std::fs::write(&path, b"server = \"smtp://a.example\"\n# caf\xe9\n").unwrap();
    let error = posthaste::config::load(&place.environment(&[]), Some(&path)).unwrap_err();
    assert_eq!((error.message(), error.position()), ("this line is not UTF-8", Some((2, 6))));
}

#[test]
fn mistake_in_the_form_of_a_file_needs_no_knowledge_of_toml() {
    let place = Place::new();
    for (text, message, hint) in [
        ("server = smtp://a.example\n", "a text must be in quotes", "alice@example.org"),
        ("server = \u{201c}smtp://a.example\u{201d}\n", "these quotes are typographic ones", "straight"),
        ("server: \"smtp://a.example\"\n", "there is no = behind the key", "A setting is"),
        ("server = \"smtp://a.example\nfrom = \"x\"\n", "the closing quote is missing", ""),
    ] {
        let error = place.account(text, &[]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Invalid, message), "{text}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{:?}", error.hint());
    }
}
