//! The options of the sendmail face, as tables. Parser, `sendmail --help` and the test of
//! posthaste-sendmail(8) all read them, so that a letter cannot be known to one and not to the others.

/// One option letter.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    /// The letter, in ASCII.
    pub letter: char,
    /// Whether a value follows.
    pub value: Value,
    /// What the parser does.
    pub effect: Effect,
    /// What it means, in a line of help.
    pub meaning: &'static str,
}

/// Whether a letter takes a value. The text names the value in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// None: the next character of the token is another letter.
    None,
    /// The rest of the token, or the next token where there is no rest.
    Needed(&'static str),
    /// The rest of the token, which may be empty. The next token is never eaten: peers that do so lose recipients.
    Attached(&'static str),
}

/// What a letter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `-b`: looked up in [`MODES`].
    Mode,
    /// `-I`: the same as `-bi`.
    Aliases,
    /// `-o`: looked up in [`SHORT_OPTIONS`].
    ShortOption,
    /// `-O`: a long name.
    LongOption,
    /// `-q`: the queue.
    Queue,
    /// `-d`: debugging, of which only the version is left.
    Debug,
    /// `-t`.
    RecipientsFromHeader,
    /// `-i`.
    LoneDotIsText,
    /// `-f` and `-r`.
    Sender,
    /// `-F`.
    FullName,
    /// `-e`.
    Errors,
    /// `-v`.
    Verbose,
    /// `-N`.
    Notify,
    /// `-R`.
    Return,
    /// `-V`.
    EnvelopeId,
    /// `-B`.
    BodyType,
    /// `-G`.
    Relay,
    /// `-n`.
    NoAliases,
    /// `-L`.
    LogTag,
    /// Accepted without any effect.
    Ignore,
    /// Accepted without any effect, and said so in a warning, because the caller may count on it.
    IgnoreAloud,
    /// Accepted without effect where a value is attached, else refused: peers disagree on what follows.
    IgnoreAttached,
    /// Known to some sendmail, and refused here.
    Refuse,
}

/// One `-b` mode.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// The letter after `-b`.
    pub letter: char,
    /// What the call is.
    pub kind: ModeKind,
    /// What it means, in a line of help.
    pub meaning: &'static str,
}

/// What a `-b` mode asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeKind {
    /// Submit the message on stdin.
    Submit,
    /// Submit, but only into the queue.
    SubmitToQueue,
    /// SMTP on stdin and stdout.
    Smtp,
    /// Verify addresses.
    Verify,
    /// List the queue.
    ListQueue,
    /// Print the number of queued messages.
    CountQueue,
    /// Check the alias file.
    Aliases,
    /// Check the configuration.
    CheckConfig,
    /// Print nothing, do nothing, succeed.
    Nothing,
    /// Refuse the call.
    Refuse,
}

/// One `-o` letter that has an effect, or that callers are known to pass.
#[derive(Clone, Copy, Debug)]
pub struct ShortOption {
    /// The letter after `-o`.
    pub letter: char,
    /// What the parser does.
    pub effect: OptionEffect,
    /// The value in the help, after the letter.
    pub value: &'static str,
    /// What it means, in a line of help.
    pub meaning: &'static str,
}

/// What an option of `-o` or `-O` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionEffect {
    /// Alias file for `-bi`.
    AliasFile,
    /// When to deliver.
    Delivery,
    /// How errors are told.
    Errors,
    /// Whether a lone dot ends the message.
    IgnoreDots,
    /// The dialogue on stderr.
    Verbose,
    /// Nothing.
    Ignore,
}

const fn letter(letter: char, value: Value, effect: Effect, meaning: &'static str) -> Letter {
    Letter { letter, value, effect, meaning }
}

const fn mode(letter: char, kind: ModeKind, meaning: &'static str) -> Mode {
    Mode { letter, kind, meaning }
}

const fn option(letter: char, effect: OptionEffect, value: &'static str, meaning: &'static str) -> ShortOption {
    ShortOption { letter, effect, value, meaning }
}

/// Every letter that is known, in the order of the help: first what has an effect.
pub const LETTERS: &[Letter] = &[
    letter('t', Value::None, Effect::RecipientsFromHeader, "take recipients from To, Cc and Bcc as well"),
    letter('i', Value::None, Effect::LoneDotIsText, "a line with only a dot does not end the message"),
    letter('f', Value::Needed("ADDRESS"), Effect::Sender, "envelope sender; '' or '<>' is the null sender"),
    letter('r', Value::Needed("ADDRESS"), Effect::Sender, "the same as -f"),
    letter('F', Value::Needed("NAME"), Effect::FullName, "full name for a From line that is added"),
    letter('v', Value::None, Effect::Verbose, "show the SMTP dialogue on stderr"),
    letter('b', Value::Needed("MODE"), Effect::Mode, "what to do, see below"),
    letter('o', Value::Needed("OPTION"), Effect::ShortOption, "set an option by its letter, see below"),
    letter('O', Value::Needed("NAME=VALUE"), Effect::LongOption, "set an option by its long name"),
    letter('e', Value::Needed("MODE"), Effect::Errors, "the same as -oe"),
    letter('q', Value::Attached("WHAT"), Effect::Queue, "deliver what is queued (there is no queue yet)"),
    letter('I', Value::None, Effect::Aliases, "the same as -bi"),
    letter('B', Value::Needed("TYPE"), Effect::BodyType, "body type: 7BIT, 8BITMIME or BINARYMIME"),
    letter('N', Value::Needed("DSN"), Effect::Notify, "when to notify: never, or success,failure,delay"),
    letter('R', Value::Needed("PART"), Effect::Return, "what a bounce returns: full or hdrs"),
    letter('V', Value::Needed("ENVID"), Effect::EnvelopeId, "envelope identifier for notifications"),
    letter('G', Value::None, Effect::Relay, "relayed mail: the header is left alone but for Bcc"),
    letter('n', Value::None, Effect::NoAliases, "do not look names up in the alias file"),
    letter('L', Value::Needed("TAG"), Effect::LogTag, "tag of the log lines"),
    letter('d', Value::Attached("SPEC"), Effect::Debug, "alone with 0.1: print the version; else ignored"),
    letter('C', Value::Needed("FILE"), Effect::IgnoreAloud, "ignored: see posthaste --config"),
    letter('X', Value::Needed("FILE"), Effect::IgnoreAloud, "ignored: see -v"),
    letter('A', Value::Needed("CF"), Effect::Ignore, "ignored"),
    letter('c', Value::None, Effect::Ignore, "ignored"),
    letter('E', Value::Attached("X"), Effect::Ignore, "ignored"),
    letter('h', Value::Needed("HOPS"), Effect::Ignore, "ignored"),
    letter('J', Value::Attached("X"), Effect::Ignore, "ignored"),
    letter('M', Value::Attached("XVALUE"), Effect::IgnoreAttached, "ignored; alone it is refused"),
    letter('m', Value::None, Effect::Ignore, "ignored"),
    letter('p', Value::Needed("PROTOCOL"), Effect::Ignore, "ignored"),
    letter('s', Value::None, Effect::Ignore, "ignored"),
    letter('T', Value::Attached("X"), Effect::Ignore, "ignored"),
    letter('U', Value::None, Effect::Ignore, "ignored"),
    letter('x', Value::None, Effect::Ignore, "ignored"),
    letter('D', Value::None, Effect::Refuse, "refused: there is no debug file"),
    letter('Q', Value::None, Effect::Refuse, "refused: there is no quarantine"),
    letter('S', Value::None, Effect::Refuse, "refused: see -qS"),
    letter('W', Value::None, Effect::Refuse, "refused"),
    letter('z', Value::None, Effect::Refuse, "refused"),
];

/// Every `-b` mode that is known. What is not here is refused: a peer that takes an unknown mode for `-bm` mails
/// the caller's SMTP dialogue, or waits for a terminal.
pub const MODES: &[Mode] = &[
    mode('m', ModeKind::Submit, "submit the message on stdin (the default)"),
    mode('q', ModeKind::SubmitToQueue, "as -bm (there is no queue yet)"),
    mode('s', ModeKind::Smtp, "speak SMTP on stdin and stdout"),
    mode('v', ModeKind::Verify, "say who would get mail to the addresses; send nothing"),
    mode('p', ModeKind::ListQueue, "list the queue, as mailq does"),
    mode('P', ModeKind::CountQueue, "print how many messages are queued"),
    mode('i', ModeKind::Aliases, "check the alias file, as newaliases does"),
    mode('C', ModeKind::CheckConfig, "check the configuration"),
    mode('h', ModeKind::Nothing, "do nothing"),
    mode('H', ModeKind::Nothing, "do nothing"),
    mode('a', ModeKind::Refuse, "refused: ARPANET mode is gone"),
    mode('d', ModeKind::Refuse, "refused: posthaste is not a daemon"),
    mode('D', ModeKind::Refuse, "refused: posthaste is not a daemon"),
    mode('l', ModeKind::Refuse, "refused: posthaste is not a daemon"),
    mode('S', ModeKind::Refuse, "refused: no batched SMTP"),
    mode('t', ModeKind::Refuse, "refused: no address test mode"),
];

/// The `-o` letters that do something, and those that callers pass most. Every other letter is ignored.
pub const SHORT_OPTIONS: &[ShortOption] = &[
    option('i', OptionEffect::IgnoreDots, "", "the same as -i; -oi0 and -oif undo it"),
    option('e', OptionEffect::Errors, "MODE", "errors: q says nothing; m, p, w and e print them"),
    option('d', OptionEffect::Delivery, "MODE", "when to deliver; always now, there is no queue yet"),
    option('v', OptionEffect::Verbose, "", "the same as -v"),
    option('A', OptionEffect::AliasFile, "FILE", "alias file for -bi"),
    option('m', OptionEffect::Ignore, "", "ignored"),
    option('o', OptionEffect::Ignore, "", "ignored"),
    option('r', OptionEffect::Ignore, "TIME", "ignored"),
    option('7', OptionEffect::Ignore, "", "ignored"),
    option('8', OptionEffect::Ignore, "MODE", "ignored"),
];

/// The long names of `-O` that do something; case does not matter, and every other name is ignored.
pub const LONG_OPTIONS: &[(&str, OptionEffect)] = &[
    ("AliasFile", OptionEffect::AliasFile),
    ("DeliveryMode", OptionEffect::Delivery),
    ("ErrorMode", OptionEffect::Errors),
    ("IgnoreDots", OptionEffect::IgnoreDots),
    ("Verbose", OptionEffect::Verbose),
];

/// What `sendmail --help` prints: at most 80 columns.
pub fn help() -> String {
    let mut text = String::from(
        "Submit the message on standard input to the recipients\n\n\
         Usage: sendmail [OPTIONS] [--] [RECIPIENT]...\n\
         \x20      sendmail [OPTIONS] -t [--] [RECIPIENT]...\n\n\
         Options:\n",
    );
    for Letter { letter, value, meaning, .. } in LETTERS {
        let value = match value {
            Value::None => String::new(),
            Value::Needed(name) => format!(" {name}"),
            Value::Attached(name) => format!("[{name}]"),
        };
        line(&mut text, &format!("-{letter}{value}"), meaning);
    }
    line(&mut text, "--help", "print this text");
    line(&mut text, "--version", "print the version");
    text.push_str("\nModes:\n");
    for Mode { letter, meaning, .. } in MODES {
        line(&mut text, &format!("-b{letter}"), meaning);
    }
    text.push_str("\nOption letters (any other is ignored):\n");
    for ShortOption { letter, value, meaning, .. } in SHORT_OPTIONS {
        line(&mut text, &format!("-o{letter}{value}"), meaning);
    }
    text.push_str(
        "\nLetters may be joined (-ti). A value is attached or the next argument; a value\n\
         in [brackets] is attached or left out. Options end at the first address or at\n\
         --, after which an address may begin with a dash.\n\n\
         -B, -L and -n are checked, and have no effect yet.\n\n\
         The manual is posthaste-sendmail(8).\n",
    );
    text
}

fn line(text: &mut String, option: &str, meaning: &str) {
    text.push_str(&format!("  {option:<16}  {meaning}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_is_listed_twice() {
        let unique = |mut letters: Vec<char>| {
            letters.sort_unstable();
            letters.windows(2).all(|pair| pair[0] != pair[1])
        };
        assert!(unique(LETTERS.iter().map(|entry| entry.letter).collect()));
        assert!(unique(MODES.iter().map(|entry| entry.letter).collect()));
        assert!(unique(SHORT_OPTIONS.iter().map(|entry| entry.letter).collect()));
    }

    #[test]
    fn help_fits_80_columns() {
        for line in help().lines() {
            assert!(line.len() <= 80, "{line}");
        }
    }
}
