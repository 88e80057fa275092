//! Known words of servers, their cause and their cure. A hint is given only where a cure is known.

use crate::smtp::capabilities::Extension;
use crate::smtp::outcome::{Cause, NoRouteKind, Trouble};
use crate::smtp::reply::{Malformed, Reply};
use crate::smtp::stage::Stage;

/// A hint for a trouble with a server (`host:port`), where one is known.
pub fn for_trouble(trouble: &Trouble, server: &str) -> Option<String> {
    let hint: String = match &trouble.cause {
        Cause::Replied(reply) => return for_reply(trouble.stage, reply).map(str::to_owned),
        Cause::Malformed(Malformed::Tls) => {
            "This port speaks TLS from the first octet: write the server as submissions:// (usually port 465).".into()
        }
        Cause::Malformed(Malformed::Http | Malformed::Ssh) => "This port is not one for mail: check host and port.".into(),
        Cause::Tls(reason) if reason.contains("does not speak TLS") => {
            "A server with STARTTLS is written as submission:// (usually port 587).".into()
        }
        Cause::Tls(reason) if reason.contains("unknown issuer") => {
            "If the server is yours, name its CA with tls-ca-file, or its key with tls-pin (posthaste check shows it)."
                .into()
        }
        Cause::Tls(reason) if reason.contains("has expired") => {
            "The server's administrator must renew it; if it is valid still, this machine's clock is wrong.".into()
        }
        Cause::Tls(reason) if reason.contains("tls-pin") => {
            "The server has a new key, or somebody stands in between: compare what posthaste check shows with what the \
             server's owner says."
                .into()
        }
        Cause::Tls(reason) if reason.contains("certificate cannot be used") => {
            "If the server is yours, name its key with tls-pin (posthaste check shows it), or give it another certificate."
                .into()
        }
        Cause::Tls(reason) if reason.contains("is not for") => {
            "Write the server under a name that its certificate has, or set tls-server-name.".into()
        }
        Cause::TlsNotOffered { masked: true } => {
            "A firewall overwrites what the server offers (Cisco \"inspect esmtp\" does): try submissions:// on port 465."
                .into()
        }
        Cause::TlsNotOffered { masked: false } => {
            "Try submissions:// (usually port 465). Only where the connection is trusted, tls = \"none\" allows clear text."
                .into()
        }
        Cause::LoginRefused(word) if word.contains("channel-binding") => {
            "Somebody between this machine and the server ends TLS: a proxy, or somebody who should not be there. Where it \
             is the server's own proxy, auth = [\"SCRAM-SHA-256\", \"PLAIN\"] logs in without the bond."
                .into()
        }
        Cause::TokenRefused { complaint, .. } if complaint.contains("insufficient_scope") => {
            "The token was made without a right that the server wants: ask for that scope when you log in to the provider."
                .into()
        }
        Cause::TokenRefused { .. } => {
            "The access token has expired, or is for another user or another purpose: password-command must print a fresh \
             one for this user."
                .into()
        }
        Cause::LoginRefused(_) => CHECK_THE_PASSWORD.into(),
        Cause::FalseServer => {
            "Do not send your password elsewhere before the server's owner has explained it; a server with broken SCRAM \
             takes auth = \"PLAIN\"."
                .into()
        }
        Cause::Unpreparable => "Try auth = \"PLAIN\", or change the password.".into(),
        Cause::NoMechanism(_) => "Check the key auth, and that this is the server's port for submission.".into(),
        Cause::ClearTextLogin => "Use submission:// or submissions://, with tls = \"required\".".into(),
        Cause::NoSuchHost(reason) | Cause::Unreachable(reason) if reason.starts_with("the proxy ") => {
            "Check the key proxy, and what the proxy allows.".into()
        }
        Cause::NoRoute(why) => match why.kind {
            NoRouteKind::NoDomain if why.words.contains("the key ip ") => {
                "Set ip = \"any\" if this machine can use the other version of IP, or use a smarthost.".into()
            }
            NoRouteKind::NoDomain => "Check how the domain is spelt behind the @.".into(),
            NoRouteKind::Loop => "To give the mail to the server on this machine, name it: server = \"smtp://localhost\".".into(),
            NoRouteKind::NullMx | NoRouteKind::Unknown | NoRouteKind::Untrusted => return None,
        },
        Cause::NoSuchHost(reason) if reason.contains("_tcp.") => {
            "Ask the provider for the name of its server, and write submissions://HOST.".into()
        }
        Cause::Unreachable(reason) if reason.contains("cannot be looked up") => {
            "The name server does not answer: check the network, and /etc/resolv.conf.".into()
        }
        Cause::NoSuchHost(_) => "Check how the host is spelt in the key server.".into(),
        Cause::Unreachable(reason) if reason.contains("connection refused") && !server.starts_with('/') => {
            "Nothing listens there, or a firewall says so: check host and port, and that the server runs.".into()
        }
        Cause::Unreachable(_) | Cause::TimedOut | Cause::Lost(_)
            if server.ends_with(":25") && matches!(trouble.stage, Stage::Connect | Stage::Greeting) =>
        {
            "Many providers block port 25: use a smarthost on port 587 (submission://) or 465 (submissions://).".into()
        }
        Cause::Unreachable(_) if server.starts_with('/') => {
            "Check that the server runs, and who may use its socket.".into()
        }
        Cause::Unreachable(_) | Cause::TimedOut if trouble.stage == Stage::Connect => {
            "Check that the server runs, its port, and the firewall between.".into()
        }
        // Whoever is to begin is what the two kinds of port differ in: both sides wait for the other.
        Cause::TimedOut if trouble.stage == Stage::Greeting => {
            "If the port speaks TLS from the first octet, it waits for the client: write the server as submissions:// \
             (usually port 465)."
                .into()
        }
        Cause::Lost(_) if trouble.stage == Stage::Greeting => {
            "The server, or a firewall before it, takes nothing from this machine, or has too much to do: check host and \
             port, and ask the server's owner whether this machine's address is blocked."
                .into()
        }
        Cause::NoPassword(reason) if reason.contains("permission denied") => {
            "Let the user who sends read it, for instance by a group.".into()
        }
        Cause::NoPassword(reason) if reason.starts_with("password-command") => {
            "Run it by hand as the user who sends: cron jobs and web servers have a short PATH, and neither terminal nor \
             keyring."
                .into()
        }
        Cause::EightBit => {
            "Set eight-bit = \"encode\" to have it re-encoded, or eight-bit = \"send\" to send it all the same.".into()
        }
        Cause::CannotReencode(_) => {
            "Have it written in ASCII (quoted-printable or base64) by whoever makes it, or set eight-bit = \"send\" to \
             send it all the same."
                .into()
        }
        Cause::Utf8Address => {
            "Only what stands before the @ matters: use an address whose name is ASCII, or a server with SMTPUTF8.".into()
        }
        Cause::NotOffered(Extension::FutureRelease) => {
            "Send it later, for instance with at(1); nothing was sent now.".into()
        }
        Cause::NotOffered(Extension::Xclient) | Cause::NoAttribute(_) => {
            "Postfix offers it to the hosts in smtpd_authorized_xclient_hosts.".into()
        }
        Cause::NotOffered(Extension::DeliverBy) => "With ,notify it is sent all the same.".into(),
        Cause::NotOffered(Extension::RequireTls) | Cause::TlsOnTheWay => {
            "Without --require-tls it is sent to this server as any other message.".into()
        }
        Cause::Injected => "Use submissions:// on port 465, where TLS begins before anything is said.".into(),
        _ => return None,
    };
    Some(hint)
}

/// The same for a trouble with a mail exchanger, which is nobody's to configure who sends to it.
pub fn for_exchanger(trouble: &Trouble, server: &str) -> Option<String> {
    match trouble.cause {
        Cause::Tls(_) | Cause::TlsNotOffered { .. } => Some(
            "Its owners must mend it: posthaste route shows who asks for this TLS. Where that is their domain (DANE, MTA-STS), \
             a message with the header field TLS-Required: No goes all the same."
                .into(),
        ),
        _ => for_trouble(trouble, server),
    }
}

const CHECK_THE_PASSWORD: &str = "Check the user name and the password; some providers want an app password. If both are right, the server may know \
     them for another mechanism only: the key auth names one, and posthaste check shows what it offers.";

/// What stands in a reply: a part of its text in lower case, and the hint.
const TEXTS: &[(&str, &str)] = &[
    ("application-specific password", "Gmail wants an app password here: see myaccount.google.com/apppasswords."),
    ("username and password not accepted", "Gmail wants an app password here: see myaccount.google.com/apppasswords."),
    (
        "smtpclientauthentication is disabled",
        "An administrator must enable authenticated SMTP for this mailbox in Microsoft 365.",
    ),
    ("basic authentication is", "Microsoft 365 takes no passwords here any more; a login by OAuth is needed."),
    ("5.7.139", "An administrator must enable authenticated SMTP for this mailbox in Microsoft 365."),
    ("must issue a starttls", "The server wants TLS: set tls = \"required\" and use submission:// or submissions://."),
    ("starttls", "The server wants TLS: set tls = \"required\" and use submission:// or submissions://."),
    // What the address lacks comes before whose it is: servers begin all of these in the same way.
    ("sender address rejected: domain not found", SENDERS_DOMAIN),
    ("sender verify failed", SENDERS_DOMAIN),
    ("sender address rejected: need fully", NO_DOMAIN),
    ("recipient address rejected: need fully", NO_DOMAIN),
    (
        "sender address rejected: not logged in",
        "The server wants a login first: set user and password-command in the account.",
    ),
    ("sendasdenied", NOT_YOURS),
    ("not owned by user", NOT_YOURS),
    ("sender address rejected", NOT_YOURS),
    ("send as this sender", NOT_YOURS),
    ("not allowed to send", NOT_YOURS),
    ("does not belong to", NOT_YOURS),
    ("verified sender", "The provider sends only from addresses that were verified there: name such a one (from)."),
    ("is not verified", "The provider sends only from addresses that were verified there: name such a one (from)."),
    ("ptr record", NO_PTR),
    ("reverse dns", NO_PTR),
    ("spamhaus", LISTED),
    ("blocked using", LISTED),
    ("blacklist", LISTED),
    ("blocklist", LISTED),
    ("rate limit", TOO_FAST),
    ("ratelimit", TOO_FAST),
    ("sending limit", TOO_FAST),
    ("too many messages", TOO_FAST),
    ("too many emails", TOO_FAST),
    ("too many mails", TOO_FAST),
    ("too many connections", TOO_FAST),
    ("too quickly", TOO_FAST),
    ("throttl", TOO_FAST),
    ("greylist", "The server wants the message again in a few minutes."),
    ("graylist", "The server wants the message again in a few minutes."),
    ("fully-qualified", "Set hostname to a full name that DNS knows."),
    ("fully qualified", "Set hostname to a full name that DNS knows."),
    ("helo", "Set hostname to a full name that DNS knows."),
    ("relay", "The server passes on mail for its own users only: a login (user, password-command) may be missing."),
];

const NOT_YOURS: &str = "This account may not send as that address: name one that it owns (from, --from, sendmail -f), or \
     have it written in all mail (rewrite-from).";
const SENDERS_DOMAIN: &str =
    "DNS does not know the domain of the sender, or no mail can go back there: set mail-domain, or from.";
const NO_DOMAIN: &str = "The address has no full domain: set mail-domain, or from.";
const LISTED: &str = "This machine's address is on a list of those that send spam: use a smarthost with a login.";
const NO_PTR: &str = "This machine's address has no name in DNS that leads back to it (PTR): whoever gives out the address can \
     enter one. Where that is the IPv6 address alone, ip = \"4\" sends from the other.";
const TOO_FAST: &str =
    "The server wants fewer messages in this time: send the rest later, or ask its owner for a higher limit.";

fn for_reply(stage: Stage, reply: &Reply) -> Option<&'static str> {
    let text = reply.to_string().to_lowercase();
    if let Some((_, hint)) = TEXTS.iter().find(|(words, _)| text.contains(words)) {
        return Some(hint);
    }
    let about = reply.enhanced().map(|code| (code.subject, code.detail));
    match (stage, reply.code()) {
        (Stage::Auth, 535) => {
            return Some(CHECK_THE_PASSWORD);
        }
        (Stage::Auth, 534) => return Some("The server wants another mechanism or a stronger one: check the key auth."),
        (Stage::Auth, 538) => return Some("The server wants TLS before the login."),
        (Stage::Auth, 454 | 432) => return Some("The password is not at fault; the server asks to try again later."),
        (Stage::Hello(_), 500 | 502) => {
            return Some("Servers of SMTP are written as smtp:// (or submission://), servers of LMTP as lmtp://.");
        }
        (_, 530) => return Some("The server wants a login first: set user and password-command in the account."),
        _ => {}
    }
    let class = reply.code() / 100;
    let meaning = match (class, about?) {
        (_, (1, 1)) => "There is no such mailbox.",
        (_, (1, 2)) => "The domain of the recipient does not exist or takes no mail.",
        (_, (1, 3)) => "The server cannot read this address.",
        (_, (1, 8 | 7)) => "The server does not like the sender's address or its domain.",
        (_, (1, 10)) => "The domain says that it takes no mail (null MX).",
        (4, (2, 1)) => "The mailbox takes nothing at the moment.",
        (4, (7, 28)) | (5, (4, 5)) => TOO_FAST,
        (_, (2, 1)) => "The mailbox is switched off.",
        (_, (2, 2)) => "The mailbox is full.",
        (_, (2, 3) | (3, 4)) => "The message is too large for this server.",
        (4, (3, 1)) => "The server's disk is full.",
        (4, (3, 2)) => "The server takes no mail at the moment.",
        (_, (4, 6)) => "The mail runs in a circle.",
        (_, (5, 3)) => "Too many recipients at once: lower max-recipients.",
        (_, (6, 7)) => "The server does not take this address, which is not ASCII.",
        (_, (6, 8)) => "The server's answer would need UTF-8.",
        (_, (6, 9)) => "The header has UTF-8, which the server cannot pass on: write it in ASCII (RFC 2047).",
        (_, (6, 10)) => "The message needs UTF-8 somewhere, which the server cannot pass on.",
        (_, (7, 20..=22)) => "The server wants a valid DKIM signature.",
        (_, (7, 23 | 24)) => "SPF does not allow this machine to send for the sender's domain.",
        (_, (7, 25)) => NO_PTR,
        (_, (7, 26)) => "SPF, DKIM and DMARC together did not satisfy the server.",
        (_, (7, 27)) => "The sender's domain takes no mail, so the server takes none from it.",
        _ => return None,
    };
    Some(meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply::Reader;
    use crate::smtp::stage::Hello;

    fn hint(stage: Stage, text: &str) -> Option<String> {
        let mut reader = Reader::default();
        reader.push(format!("{text}\r\n").as_bytes());
        let reply = reader.next_reply().unwrap().unwrap();
        for_trouble(&Trouble { stage, cause: Cause::Replied(reply) }, "mail.example.org:587")
    }

    /// P-390 P-392
    #[test]
    fn the_words_of_large_providers_are_known() {
        for (text, word) in [
            (
                "534-5.7.9 Application-specific password required. For more information, go to\r\n534 5.7.9 x",
                "app password",
            ),
            ("535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 gsmtp", "app password"),
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
                "administrator",
            ),
            ("550 5.7.30 Basic authentication is not supported for Client Submission.", "OAuth"),
            ("535 5.7.3 Authentication unsuccessful", "password"),
        ] {
            assert!(hint(Stage::Auth, text).unwrap().contains(word), "{text}");
        }
    }

    /// P-281 P-282
    #[test]
    fn enhanced_status_codes_are_explained() {
        assert_eq!(hint(Stage::Rcpt, "550 5.1.1 x").as_deref(), Some("There is no such mailbox."));
        assert_eq!(hint(Stage::Rcpt, "452 4.2.2 x").as_deref(), Some("The mailbox is full."));
        assert_eq!(hint(Stage::Rcpt, "550 5.99.99 x"), None);
        assert_eq!(hint(Stage::Rcpt, "550 x"), None);
    }

    /// Gmail says so of IPv6, at the end of the message; others by the code alone.
    #[test]
    fn who_has_no_ptr_record_hears_of_ipv4() {
        for text in [
            "550-5.7.1 [2001:db8::1] Our system has detected that this message does not meet IPv6\r\n550 5.7.1 sending \
             guidelines regarding PTR records and authentication.",
            "554 5.7.1 Client host rejected: no reverse DNS",
            "550 5.7.25 x",
        ] {
            assert!(hint(Stage::EndOfData, text).unwrap().contains("ip = \"4\""), "{text}");
        }
    }

    /// P-290
    #[test]
    fn codes_about_utf8_are_told_apart() {
        for (stage, text, word) in [
            (Stage::Rcpt, "550 5.6.7 x", "address"),
            (Stage::Mail, "553 5.6.7 x", "address"),
            (Stage::Rcpt, "553 5.6.8 x", "answer"),
            (Stage::EndOfData, "554 5.6.9 x", "header"),
            (Stage::EndOfData, "550 5.6.9 x", "header"),
        ] {
            assert!(hint(stage, text).unwrap().contains(word), "{text}");
        }
    }

    /// P-130 P-162
    #[test]
    fn login_and_tls_are_told_apart() {
        assert!(hint(Stage::Mail, "530 5.7.0 Authentication required").unwrap().contains("login"));
        assert!(hint(Stage::Mail, "530 5.7.0 Must issue a STARTTLS command first").unwrap().contains("TLS"));
    }

    /// P-009 P-405
    #[test]
    fn likely_mistakes_of_the_port_are_named() {
        let hint = |stage, cause, server| for_trouble(&Trouble { stage, cause }, server).unwrap();
        assert!(hint(Stage::Greeting, Cause::Malformed(Malformed::Tls), "h:465").contains("submissions://"));
        assert!(hint(Stage::Greeting, Cause::TimedOut, "h:465").contains("submissions://"));
        assert!(
            hint(Stage::Hello(Hello::Ehlo), Cause::TlsNotOffered { masked: false }, "h:587").contains("submissions://")
        );
        assert!(hint(Stage::Connect, Cause::NoSuchHost(String::new()), "h:587").contains("spelt"));
        assert!(hint(Stage::Connect, Cause::TimedOut, "h:25").contains("block port 25"));
        assert!(hint(Stage::Hello(Hello::Ehlo), Cause::TlsNotOffered { masked: true }, "h:587").contains("firewall"));
    }

    #[test]
    fn trouble_on_the_way_is_told_apart() {
        let hint = |stage, cause, server: &str| for_trouble(&Trouble { stage, cause }, server).unwrap();
        let unreachable = |reason: &str| Cause::Unreachable(reason.to_owned());
        let no_dns = unreachable("the name h cannot be looked up: Temporary failure in name resolution");
        assert!(hint(Stage::Connect, no_dns, "h:25").contains("name server"));
        assert!(hint(Stage::Connect, unreachable("127.0.0.1:25: connection refused"), "h:25").contains("listens"));
        assert!(hint(Stage::Connect, unreachable("no route to host"), "h:25").contains("block port 25"));
        assert!(hint(Stage::Connect, unreachable("connection refused"), "/run/s").contains("socket"));
        assert!(hint(Stage::Greeting, Cause::Lost("reset".to_owned()), "h:25").contains("block port 25"));
        assert!(hint(Stage::Greeting, Cause::Lost("reset".to_owned()), "h:587").contains("blocked"));
    }

    #[test]
    fn passwords_that_cannot_be_had_have_a_cure() {
        for (reason, word) in [
            ("password-file /x cannot be read: permission denied", "group"),
            ("password-command was not found (exit status 127)", "PATH"),
            ("password-command failed with exit status 2", "keyring"),
        ] {
            let trouble = Trouble { stage: Stage::Auth, cause: Cause::NoPassword(reason.to_owned()) };
            assert!(for_trouble(&trouble, "h:587").unwrap().contains(word), "{reason}");
        }
    }

    /// What Postfix, Exim, Exchange and providers say of a sender, a machine, and too many messages.
    #[test]
    fn refusals_of_a_sender_are_told_apart() {
        for (stage, text, word) in [
            (Stage::Mail, "450 4.1.8 <root@laptop.lan>: Sender address rejected: Domain not found", "DNS"),
            (Stage::Rcpt, "550 Sender verify failed", "DNS"),
            (Stage::Mail, "504 5.5.2 <root@pi>: Sender address rejected: need fully-qualified address", "mail-domain"),
            (Stage::Rcpt, "504 5.5.2 <root>: Recipient address rejected: need fully-qualified address", "mail-domain"),
            (Stage::Mail, "504 5.5.2 <pi>: Helo command rejected: need fully-qualified hostname", "hostname"),
            (Stage::Mail, "553 5.7.1 <a@b>: Sender address rejected: not logged in", "login"),
            (Stage::Mail, "553 5.7.1 <a@b>: Sender address rejected: not owned by user alice", "may not send as"),
            (
                Stage::EndOfData,
                "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
                "may not send",
            ),
            (Stage::EndOfData, "554 Message rejected: Email address is not verified.", "verified"),
            (
                Stage::Rcpt,
                "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
                "list",
            ),
            (Stage::Mail, "450 4.7.1 Error: too many messages from 192.0.2.1", "fewer"),
            (Stage::EndOfData, "550 5.4.5 Daily user sending quota exceeded.", "fewer"),
            (Stage::EndOfData, "421 4.7.28 Gmail has detected an unusual rate of mail.", "fewer"),
            (Stage::Rcpt, "450 4.2.1 try again", "at the moment"),
            (Stage::Rcpt, "550 5.2.1 disabled", "switched off"),
        ] {
            assert!(hint(stage, text).unwrap().contains(word), "{text}: {:?}", hint(stage, text));
        }
    }

    #[test]
    fn certificates_that_are_refused_have_a_cure() {
        for (reason, word) in [
            ("the server's certificate has expired", "renew"),
            ("the server's certificate cannot be used: it is that of an authority", "tls-pin"),
            ("the server's public key is none of those in tls-pin", "new key"),
        ] {
            let trouble = Trouble { stage: Stage::Handshake, cause: Cause::Tls(reason.to_owned()) };
            assert!(for_trouble(&trouble, "h:587").unwrap().contains(word), "{reason}");
        }
    }
}
