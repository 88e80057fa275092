//! Posthaste's own subcommands, from arguments to values.

use std::ffi::OsString;
use std::path::PathBuf;

use posthaste::cli::values::{Body, Format, Send, SendAction, Shell, Text};
use posthaste::cli::{Global, Invocation, UsageError, Verbosity, parse};

fn call(arguments: &[&str]) -> Result<(Global, Invocation), UsageError> {
    parse(["posthaste"].iter().chain(arguments).map(OsString::from).collect())
}

#[track_caller]
fn send(arguments: &[&str]) -> Send {
    match call(&[&["send", "--to", "bob@x.test"], arguments].concat()) {
        Ok((_, Invocation::Send(send))) => *send,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[track_caller]
fn refused(arguments: &[&str]) -> UsageError {
    match call(arguments) {
        Err(error) => error,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn the_text_comes_from_stdin_unless_something_else_is_said() {
    assert_eq!(send(&[]).body, Body::Given(Text::Stdin));
    assert_eq!(send(&["--body", "x"]).body, Body::Given(Text::Literal("x".into())));
    assert_eq!(send(&["--body", "-"]).body, Body::Given(Text::Literal("-".into())));
    assert_eq!(send(&["--body-file", "x"]).body, Body::Given(Text::File("x".into())));
    assert_eq!(send(&["--body-file", "-"]).body, Body::Given(Text::Stdin));
    assert_eq!(send(&["--attach", "x"]).body, Body::Given(Text::Stdin));
    assert_eq!(send(&["--html", "<p>"]).body, Body::Absent);
    assert_eq!(send(&["--html-file", "-", "--body", "x"]).html, Some(Text::Stdin));
    refused(&["send", "--to", "b@x.test", "--html-file", "-", "--body-file", "-"]);
    refused(&["send", "--to", "b@x.test", "--body", "x", "--body-file", "y"]);
    refused(&["send", "--to", "b@x.test", "--html", "x", "--html-file", "y"]);
}

#[test]
fn any_kind_of_recipient_suffices_and_none_does_not() {
    assert!(call(&["send", "--bcc", "b@x.test"]).is_ok());
    assert!(call(&["send", "--cc", "b@x.test"]).is_ok());
    assert_eq!(refused(&["send", "--subject", "x"]).message, "no recipients");
}

#[test]
fn everything_that_send_takes_arrives_in_order() {
    let send = send(&[
        "--to=c@x.test",
        "--cc",
        "d@x.test",
        "--from",
        "a@o.test",
        "--reply-to",
        "r@o.test",
        "--envelope-from",
        "",
        "-s",
        "S",
        "-b",
        "B",
        "--attach",
        "N=p/q",
        "--attach",
        "p/r",
        "--inline",
        "logo=l.png",
        "--header",
        "X-A: 1",
        "--header",
        "X-B: 2",
        "--dry-run",
        "--json",
    ]);
    assert_eq!(send.to, ["bob@x.test", "c@x.test"]);
    assert_eq!((send.cc, send.reply_to), (vec!["d@x.test".to_owned()], vec!["r@o.test".to_owned()]));
    assert_eq!((send.from.as_deref(), send.envelope_from.as_deref()), (Some("a@o.test"), Some("")));
    assert_eq!(send.subject.as_deref(), Some("S"));
    let names: Vec<_> = send.attachments.iter().map(|file| (file.name.as_str(), file.path.to_str())).collect();
    assert_eq!(names, [("N", Some("p/q")), ("r", Some("p/r"))]);
    assert_eq!(send.inline[0].name, "logo");
    let fields: Vec<_> = send.headers.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
    assert_eq!(fields, [("X-A", "1"), ("X-B", "2")]);
    assert_eq!((send.action, send.format), (SendAction::Print, Format::Json));
}

#[test]
fn globals_stand_before_or_behind_the_subcommand() {
    for line in ["-v -a work check", "check -v -a work", "check work -v", "-v -awork check work"] {
        let (global, _) = call(&line.split(' ').collect::<Vec<_>>()).expect(line);
        assert_eq!((global.account.as_deref(), global.verbosity), (Some("work"), Verbosity::Dialogue), "{line}");
    }
    assert!(refused(&["-a", "work", "check", "home"]).message.contains("`home`"));
}

#[test]
fn clap_errors_are_one_line_with_a_hint() {
    let error = refused(&["send", "--subjet", "x", "--to", "b@x.test"]);
    assert_eq!(error.message, "unexpected argument '--subjet' found");
    assert_eq!(error.hint.as_deref(), Some("Did you mean `--subject`?"));
    assert_eq!(refused(&["chekc"]).hint.as_deref(), Some("Did you mean `check`?"));
    for arguments in [&["send"][..], &[], &["send", "--to"], &["completions", "csh"], &["nonsense"]] {
        let error = refused(arguments);
        assert!(!error.message.contains('\n') && !error.message.contains("Usage"), "{error:?}");
        assert!(!error.message.is_empty() && !error.message.starts_with("error"), "{error:?}");
        assert!(error.hint.is_some());
    }
    for (arguments, hint) in [
        (&["send", "--to"][..], "`posthaste send --help` lists its options."),
        (&["send", "b@x.test"], "Recipients are named with --to."),
        (&["send", "--to", "b@x.test", "-b", "-x"], "--subject='-5 degrees'"),
        (&["-v", "check", "--nonsense"], "`posthaste check --help` lists its options."),
        (&["--nonsense"], "`posthaste --help` lists subcommands and options."),
    ] {
        let error = refused(arguments);
        assert!(error.hint.as_ref().is_some_and(|given| given.contains(hint)), "{error:?}");
    }
    let error = refused(&["send", "--to", "b@x.test", "--header", "To: c@x.test"]);
    assert!(error.message.contains("use --to"), "{error:?}");
}

#[test]
fn completions_know_their_shells() {
    for (name, shell) in [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)] {
        assert_eq!(call(&["completions", name]).map(|call| call.1), Ok(Invocation::Completions(shell)));
    }
}

#[cfg(feature = "sink")]
#[test]
fn the_sink_is_on_loopback_unless_told_otherwise() {
    use posthaste::cli::values::{SinkFaults, SinkLogin, SinkTls};
    let sink = |line: &str| match call(&line.split(' ').collect::<Vec<_>>()) {
        Ok((_, Invocation::Sink(sink))) => sink,
        other => panic!("{line}: {other:?}"),
    };
    let plain = sink("sink");
    assert_eq!(plain.listen, "127.0.0.1:2525".parse().expect("an address"));
    assert_eq!(plain.faults, SinkFaults::Off);
    assert_eq!((plain.tls_listen, plain.maildir, plain.login, plain.tls), (None, None, None, SinkTls::Offered));
    let full = sink(
        "sink --listen 0 --tls-listen [::1]:2465 --maildir d --json --user u --password-file p --require-tls \
         --max-size 1K --faults --count 2",
    );
    assert_eq!(full.listen, "127.0.0.1:0".parse().expect("an address"));
    assert_eq!(full.tls_listen, Some("[::1]:2465".parse().expect("an address")));
    assert_eq!(full.maildir, Some(PathBuf::from("d")));
    assert_eq!(full.login, Some(SinkLogin { user: "u".into(), password_file: "p".into() }));
    assert_eq!((full.tls, full.max_size, full.format), (SinkTls::Required, Some(1024), Format::Json));
    assert_eq!(full.faults, SinkFaults::ByLocalPart);
    assert_eq!(full.count.map(|count| count.get()), Some(2));
    refused(&["sink", "--user", "u"]);
    refused(&["sink", "--count", "0"]);
    assert_eq!(call(&["demo"]).map(|call| call.1), Ok(Invocation::Demo));
}
