//! Arguments to invocation, with the argument lists that real callers use.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use posthaste::cli::submission::{
    Aliases, BodyType, Delivery, Dsn, Errors, Filter, FilterField, FilterSense, Flush, HeaderFixes, LoneDot,
    RecipientsFrom, Said, Submission,
};
use posthaste::cli::{Global, Invocation, UsageError, Verbosity, parse};
use posthaste::envelope::{Notify, Occasion, Returned};

fn call(arguments: &[&str]) -> Result<(Global, Invocation), UsageError> {
    parse(arguments.iter().map(OsString::from).collect())
}

fn sendmail(arguments: &[&str]) -> Result<(Global, Invocation), UsageError> {
    call(&[&["/usr/sbin/sendmail"], arguments].concat())
}

#[track_caller]
fn submission(arguments: &[&str]) -> Submission {
    match sendmail(arguments) {
        Ok((_, Invocation::Sendmail(submission))) => submission,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[track_caller]
fn refused(arguments: &[&str]) -> UsageError {
    match sendmail(arguments) {
        Err(error) => error,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[track_caller]
fn invocation(arguments: &[&str]) -> Invocation {
    match call(arguments) {
        Ok((_, invocation)) => invocation,
        Err(error) => panic!("{arguments:?}: {error:?}"),
    }
}

const BOB: &str = "bob@x.test";

#[test]
fn nothing_but_a_recipient_asks_for_nothing_else() {
    let plain = submission(&[BOB]);
    assert_eq!(plain.recipients, [BOB]);
    assert_eq!(plain.recipients_from, RecipientsFrom::Arguments);
    assert_eq!(plain.lone_dot, LoneDot::Ends);
    assert_eq!((plain.sender, plain.full_name, plain.body_type), (None, None, None));
    assert_eq!((plain.errors, plain.delivery), (Errors::Print, Delivery::Now));
    assert_eq!((plain.header, plain.aliases), (HeaderFixes::All, Aliases::Expand));
    assert!(plain.warnings.is_empty());
}

/// case 7, case 8
#[test]
fn flags_cluster_in_any_order() {
    for arguments in [&["-ti"][..], &["-it"], &["-t", "-i"], &["-tv", "-oi"], &["-imt"]] {
        let submission = submission(arguments);
        assert_eq!(submission.recipients_from, RecipientsFrom::ArgumentsAndHeader, "{arguments:?}");
        assert_eq!(submission.lone_dot, LoneDot::IsText, "{arguments:?}");
    }
}

/// case 9
#[test]
fn oit_is_the_option_i_with_a_value_and_not_t() {
    let submission = submission(&["-oit", BOB]);
    assert_eq!(submission.recipients_from, RecipientsFrom::Arguments);
    assert_eq!(submission.lone_dot, LoneDot::IsText);
}

#[test]
fn a_false_value_switches_ignore_dots_off_again() {
    for off in ["-oi0", "-oif", "-oiFalse", "-oino"] {
        assert_eq!(submission(&["-i", off, BOB]).lone_dot, LoneDot::Ends, "{off}");
    }
    for on in ["-oi1", "-oitrue", "-oi", "-OIgnoreDots", "-oignoredots=yes"] {
        assert_eq!(submission(&[on, BOB]).lone_dot, LoneDot::IsText, "{on}");
    }
}

/// case 6
#[test]
fn letters_of_o_come_attached_or_apart() {
    for arguments in [&["-oi", "-oem", "-odb", BOB][..], &["-o", "i", "-o", "em", "-o", "db", BOB]] {
        let submission = submission(arguments);
        assert_eq!(submission.lone_dot, LoneDot::IsText);
        assert_eq!(submission.errors, Errors::Print);
        assert_eq!(submission.delivery, Delivery::Background);
        assert_eq!(submission.recipients, [BOB]);
    }
    assert_eq!(submission(&["-oeq", BOB]).errors, Errors::Quiet);
    assert_eq!(submission(&["-eq", BOB]).errors, Errors::Quiet);
    assert_eq!(submission(&["-e", "q", BOB]).errors, Errors::Quiet);
    assert_eq!(submission(&["-eq", "-oee", BOB]).errors, Errors::Print);
    assert_eq!(submission(&["-odqs", BOB]).delivery, Delivery::Queue);
    assert_eq!(submission(&["-bq", BOB]).delivery, Delivery::Queue);
    assert_eq!(submission(&["-odq", "-odf", BOB]).delivery, Delivery::Now);
    assert_eq!(submission(&["-ODeliveryMode=b", "-O", "ErrorMode=q", BOB]).errors, Errors::Quiet);
}

/// case 31, case 32, case 33
#[test]
fn the_sender_is_kept_as_it_was_written() {
    for (arguments, sender) in [
        (&["-f", "", BOB][..], ""),
        (&["-f<>", BOB], "<>"),
        (&["-f", "Joe Q <me@o.test>", BOB], "Joe Q <me@o.test>"),
        (&["-fme@o.test", BOB], "me@o.test"),
        (&["-f", "-x@o.test", BOB], "-x@o.test"),
        (&["-r", "fail2ban", "root"], "fail2ban"),
        (&["-ir", "a@o.test", BOB], "a@o.test"),
    ] {
        assert_eq!(submission(arguments).sender.as_deref(), Some(sender), "{arguments:?}");
    }
}

/// case 36
#[test]
fn the_last_of_two_senders_counts() {
    assert_eq!(submission(&["-f", "a@o.test", "-fb@o.test", BOB]).sender.as_deref(), Some("b@o.test"));
}

/// case 21, case 22
#[test]
fn lists_of_recipients_are_not_taken_apart_here() {
    assert_eq!(submission(&["a@x.test, b@x.test"]).recipients, ["a@x.test, b@x.test"]);
    assert_eq!(submission(&["a@x.test,", "b@x.test"]).recipients, ["a@x.test,", "b@x.test"]);
}

/// case 27
#[test]
fn behind_two_dashes_an_address_may_begin_with_a_dash() {
    assert_eq!(submission(&["--", "-a@x.test"]).recipients, ["-a@x.test"]);
    assert_eq!(submission(&["-i", "--", "--", "-t"]).recipients, ["--", "-t"]);
}

/// case 28
#[test]
fn an_option_behind_an_address_is_refused_with_a_hint() {
    for arguments in [&[BOB, "-i"][..], &[BOB, "-C/tmp/evil", "c@x.test"], &[BOB, "--", "-a@x.test"]] {
        let error = refused(arguments);
        assert!(error.hint.is_some_and(|hint| hint.contains("`--`")), "{arguments:?}");
    }
}

/// case 16
#[test]
fn no_recipient_and_no_t_is_refused_before_stdin_is_read() {
    assert_eq!(refused(&[]).message, "no recipients");
    assert_eq!(refused(&["-i", "-f", "a@o.test"]).message, "no recipients");
    assert_eq!(refused(&["--"]).message, "no recipients");
}

#[test]
fn empty_recipients_are_refused() {
    for arguments in [&[""][..], &["<>"], &[BOB, " "], &["-t", ""], &["-"], &["-i", "-", BOB]] {
        refused(arguments);
    }
}

/// case 53
#[test]
fn what_is_unknown_or_incomplete_is_refused() {
    for arguments in [
        &["-Z", BOB][..],
        &["-iZ", BOB],
        &["-bd", BOB],
        &["-bD"],
        &["-bd", "-q15m"],
        &["-bz", BOB],
        &["-bms", BOB],
        &["-b", "", BOB],
        &["-f"],
        &["-t", "-F"],
        &["-o"],
        &["-ba", BOB],
        &["-bt"],
        &["-bS"],
        &["-S", BOB],
        &["-z", BOB],
        &["-Q", BOB],
        &["-W", BOB],
        &["-D", "x", BOB],
        &["-M", "x", BOB],
        &["-é", BOB],
        &["--to", BOB],
        &["--help=x"],
    ] {
        refused(arguments);
    }
    assert!(refused(&["-é", BOB]).message.contains("`-é`"));
    assert!(refused(&["-bd"]).message.contains("daemon"));
}

/// case 52
#[test]
fn the_flags_of_old_callers_are_swallowed_with_their_values() {
    let flags = "-Am -m -n -U -x -c -s -h5 -h 5 -pUUCP:h -p x -Ltag -om -oo -o7 -o8 -oT5d -oQ/tmp -oX5 -oM -oZ -oeq -odf \
                 -O Foo=1 -OTimeout.queuereturn=5d -X /dev/null -C /etc/x -T3 -Ex -J -MxY -d -d8 -or0s -o - -oA/etc/aliases";
    let arguments: Vec<&str> = flags.split_whitespace().chain([BOB]).collect();
    let submission = submission(&arguments);
    assert_eq!(submission.recipients, [BOB]);
    assert_eq!(submission.aliases, Aliases::Skip);
    assert_eq!(submission.log_tag.as_deref(), Some("tag"));
    assert_eq!(submission.warnings, ["-X `/dev/null` is ignored", "-C `/etc/x` is ignored"]);
}

#[test]
fn attached_only_values_never_eat_a_recipient() {
    for flag in ["-d", "-T", "-E", "-J"] {
        assert_eq!(submission(&[flag, BOB]).recipients, [BOB], "{flag}");
    }
    assert!(refused(&["-q", BOB]).message.contains(BOB));
}

/// case 42
#[test]
fn mutt_asks_for_notifications() {
    let arguments = "-oem -oi -B8BITMIME -f me@o.test -N failure,delay -R hdrs -V id1 -- a@x.test";
    let submission = submission(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(submission.dsn.notify, Said::This(Notify::On(vec![Occasion::Failure, Occasion::Delay])));
    assert_eq!(submission.dsn.returned, Said::This(Returned::Headers));
    assert_eq!(submission.dsn.envelope_id, "id1".parse().ok());
    assert_eq!(submission.body_type, Some(BodyType::EightBitMime));
    assert_eq!(submission.recipients, ["a@x.test"]);
}

#[test]
fn wishes_that_make_no_sense_are_ignored_with_a_warning() {
    let submission = submission(&["-Nnever,success", "-Rhalf", "-V", "\u{e9}", "-B", "9BIT", "-odx", "-oex", BOB]);
    assert_eq!(submission.dsn, Dsn::default());
    assert_eq!(submission.body_type, None);
    assert_eq!(submission.warnings.len(), 6);
}

#[test]
fn notification_words_are_read_in_any_case() {
    let notify = |words: &str| submission(&["-N", words, BOB]).dsn.notify;
    assert_eq!(notify("NEVER"), Said::This(Notify::Never));
    assert_eq!(notify("Success, success"), Said::This(Notify::On(vec![Occasion::Success])));
    assert_eq!(notify("off"), Said::Off);
    assert_eq!(submission(&["-R", "FULL", BOB]).dsn.returned, Said::This(Returned::Full));
    assert_eq!(submission(&["-B", "8bitmime", BOB]).body_type, Some(BodyType::EightBitMime));
}

/// case 40, case 41
#[test]
fn cron_is_understood() {
    let debian = submission(&["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"]);
    assert_eq!(debian.full_name.as_deref(), Some("CronDaemon"));
    assert_eq!((debian.recipients, debian.lone_dot), (vec!["root".to_owned()], LoneDot::IsText));
    let cronie = submission(&["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "alice"]);
    assert_eq!(cronie.sender.as_deref(), Some("alice"));
    assert_eq!(cronie.recipients_from, RecipientsFrom::ArgumentsAndHeader);
    submission(&["-FCronDaemon", "-odi", "-oem", "-or0s", "root"]);
}

#[test]
fn the_argument_lists_of_known_callers_are_understood() {
    for line in [
        "-i -m -v -F Name -f me@o.test -- a@x.test b@x.test",
        "-oi -t -f <>",
        "-t -f me@o.test -it",
        "-odq -oem -oi -f me@o.test -t a@x.test",
        "-oi -f me@o.test -oA/etc/aliases -oep -odi a@x.test",
        "-oi -ODeliveryMode=b -OErrorMode=m -t",
        "-i -B 8BITMIME root",
        "-t -i -fweb@o.test",
    ] {
        let submission = submission(&line.split(' ').collect::<Vec<_>>());
        assert!(submission.warnings.is_empty(), "{line}");
    }
    assert_eq!(invocation(&["/usr/sbin/sendmail", "-bs", "-odb", "-oem"]), Invocation::SmtpOnStdio);
}

#[test]
fn modes_are_told_apart_and_none_falls_back_to_sending() {
    let mode = |line: &str| invocation(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(mode("sendmail -bp"), Invocation::QueueListing);
    assert_eq!(mode("sendmail -b p -v"), Invocation::QueueListing);
    assert_eq!(mode("sendmail -bP"), Invocation::QueueCount);
    assert_eq!(mode("sendmail -bC"), Invocation::CheckConfig);
    assert_eq!(mode("sendmail -bh"), Invocation::Text(String::new()));
    assert_eq!(mode("sendmail -I"), Invocation::Aliases { file: None });
    let file = Some(PathBuf::from("/etc/aliases"));
    assert_eq!(mode("sendmail -bi -oA/etc/aliases"), Invocation::Aliases { file });
    let recipients = vec!["a@x.test".to_owned()];
    let recipients_from = RecipientsFrom::Arguments;
    assert_eq!(mode("sendmail -bv a@x.test"), Invocation::Verify { recipients, recipients_from });
    for arguments in [&["-bs", BOB][..], &["-bs", "-t"], &["-bp", BOB], &["-bi", BOB], &["-bv"]] {
        refused(arguments);
    }
    assert!(matches!(mode("sendmail -bs -bm a@x.test"), Invocation::Sendmail(_)));
}

#[test]
fn q_flushes_or_does_nothing() {
    let queue = |flag: &str| invocation(&["sendmail", flag]);
    assert_eq!(queue("-q"), Invocation::Flush(Flush::All));
    assert_eq!(queue("-qf"), Invocation::Flush(Flush::All));
    assert_eq!(queue("-q15m"), Invocation::Text(String::new()));
    assert_eq!(invocation(&["sendmail", "-q", "15m"]), Invocation::Text(String::new()));
    let filter = |field, sense| Filter { field, text: "x.test".to_owned(), sense };
    let expected = filter(FilterField::Recipient, FilterSense::Holds);
    assert_eq!(queue("-qRx.test"), Invocation::Flush(Flush::Matching(expected)));
    let expected = filter(FilterField::Sender, FilterSense::Lacks);
    assert_eq!(queue("-q!Sx.test"), Invocation::Flush(Flush::Matching(expected)));
    for flag in ["-qG", "-qGname", "-qL", "-qp5m", "-qI", "-q!", "-q!f", "-qfoo", "-q5x"] {
        refused(&[flag]);
    }
}

/// case 56, case 57
#[test]
fn the_name_of_the_command_chooses_the_face() {
    assert_eq!(invocation(&["mailq"]), Invocation::QueueListing);
    assert_eq!(invocation(&["/usr/bin/mailq", "-v", "-Ac", "-C", "/etc/postfix"]), Invocation::QueueListing);
    assert_eq!(invocation(&["newaliases"]), Invocation::Aliases { file: None });
    assert_eq!(invocation(&["newaliases", "-bp"]), Invocation::QueueListing);
    assert!(matches!(invocation(&["/usr/lib/sendmail", BOB]), Invocation::Sendmail(_)));
    assert!(matches!(invocation(&["send-mail", BOB]), Invocation::Sendmail(_)));
    assert!(call(&["mailq", BOB]).is_err());
    assert!(call(&[]).is_err());
    assert!(call(&["posthaste"]).is_err());
}

#[test]
fn globals_in_front_of_sendmail_reach_it_and_nothing_else_is_touched() {
    let behind = ["-t", "-i", "-V", "id", "-h", "5", "-a@x.test"];
    for globals in [
        &["-a", "work", "--config", "c.toml", "-v"][..],
        &["-vawork", "--config=c.toml"],
        &["--verbose", "--account=work", "--config", "c.toml"],
        &["-va=work", "--config=c.toml"],
    ] {
        let arguments = [&["posthaste"], globals, &["sendmail"], &behind[..6], &["--"], &behind[6..]].concat();
        let (global, invocation) = call(&arguments).expect("arguments");
        assert_eq!(global.account.as_deref(), Some("work"));
        assert_eq!(global.config, Some(PathBuf::from("c.toml")));
        assert_eq!(global.verbosity, Verbosity::Dialogue);
        let Invocation::Sendmail(submission) = invocation else { panic!("{invocation:?}") };
        assert_eq!(submission.recipients, ["-a@x.test"]);
        assert_eq!(submission.dsn.envelope_id, "id".parse().ok());
    }
    assert_eq!(invocation(&["posthaste", "-awork", "mailq"]), Invocation::QueueListing);
    assert!(call(&["posthaste", "-a", "x", "-a", "y", "sendmail", BOB]).is_err());
    assert!(call(&["posthaste", "-x", "sendmail", BOB]).is_err());
}

#[test]
fn help_and_version_are_texts() {
    let text = |line: &str| match invocation(&line.split(' ').collect::<Vec<_>>()) {
        Invocation::Text(text) => text,
        other => panic!("{line}: {other:?}"),
    };
    for line in ["sendmail --version", "posthaste --version", "posthaste -V", "mailq --version", "sendmail -d0.1"] {
        assert_eq!(text(line), format!("posthaste {}\n", env!("CARGO_PKG_VERSION")), "{line}");
    }
    assert!(text("sendmail --help").contains("-t "));
    assert!(text("posthaste sendmail --help").contains("-t "));
    assert!(text("posthaste send --help").contains("--attach"));
    assert!(text("posthaste help check").contains("--json"));
}

#[test]
fn arguments_in_any_encoding_do_not_panic() {
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    for option in
        ["-", "-f", "-F", "-o", "-O", "-b", "-q", "-e", "-N", "-R", "-V", "-B", "-L", "-C", "-M", "-d", "--", ""]
    {
        let attached = bytes(&[option.as_bytes(), b"\xff\xfe"].concat());
        let _ = parse(vec!["sendmail".into(), attached.clone(), BOB.into()]);
        let _ = parse(vec!["sendmail".into(), option.into(), bytes(b"\xff\xfe"), BOB.into()]);
        let _ = parse(vec!["posthaste".into(), attached, "sendmail".into()]);
    }
    for subcommand in ["send", "check", "--account", "--config", "-a"] {
        let _ = parse(vec!["posthaste".into(), subcommand.into(), bytes(b"\xff"), "sendmail".into()]);
    }
    assert!(parse(vec!["sendmail".into(), bytes(b"b\xf6b@x.test")]).is_err());
    assert!(parse(vec!["sendmail".into(), "-f".into(), bytes(b"b\xf6b@x.test"), BOB.into()]).is_err());
    let (_, invocation) =
        parse(vec!["sendmail".into(), "-F".into(), bytes(b"J\xf6s"), BOB.into()]).expect("a full name");
    let Invocation::Sendmail(submission) = invocation else { panic!("{invocation:?}") };
    assert_eq!(submission.full_name.as_deref(), Some("Jös"));
}

#[test]
fn ten_thousand_recipients_are_taken() {
    let many: Vec<String> = (0..10_000).map(|number| format!("r{number}@x.test")).collect();
    let arguments: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(submission(&arguments).recipients, many);
}
