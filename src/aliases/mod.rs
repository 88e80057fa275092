//! Aliases: the file of names that stand for recipients elsewhere (`/etc/aliases`, aliases(5)), so that mail to a bare
//! `root` reaches a person through a smarthost that knows no `root`.

mod file;
mod here;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use self::here::Here;

use self::file::{Target, Unread, is_blank, logical_lines, read, split_name, targets};
use crate::address::Address;

/// The names of one file and what stands behind them.
#[derive(Debug, Default)]
pub struct Aliases {
    path: PathBuf,
    entries: HashMap<String, Vec<Target>>,
    /// Where names without an entry go: `*`, or `default` as msmtp has it.
    others: Vec<Target>,
    /// Lines that cannot be understood.
    broken: Vec<AliasError>,
    /// Names that have an entry already; the first one counts.
    doubled: Vec<AliasError>,
}

/// Why aliases cannot be used. Nothing is sent then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// A line that cannot be understood.
    #[error("{path}:{line}: {reason}")]
    Line {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// In words.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// In words.
        reason: String,
        /// Whether reading it may succeed later.
        failing: Failing,
    },
    /// A name that leads to a command, a file, itself or too many.
    #[error("the alias {name} in {path} {reason}")]
    Name {
        /// The name that was asked for.
        name: String,
        /// The file.
        path: String,
        /// In words.
        reason: String,
    },
}

/// Whether a fault of a file may go away by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// The system could not read it.
    Now,
    /// It is not a file that may be used.
    Always,
}

/// A chain of names is not longer than this: Postfix's limit of old.
const DEPTH: usize = 50;

/// What one message goes to in the end.
const MOST: usize = 50_000;

/// Targets on the way to these.
const MOST_MET: usize = 4 * MOST;

/// Before the path of a list, where it stands among names.
const INCLUDE: &str = ":include:";

/// A mail domain where nobody gets mail.
const PLACEHOLDER: &str = "alias.invalid";

impl Aliases {
    /// Reads a file. `None` when there is none.
    ///
    /// # Errors
    /// [`AliasError`].
    pub fn load(path: &Path) -> Result<Option<Self>, AliasError> {
        match read(path) {
            Ok(text) => Ok(Some(Aliases::parse(path, &text))),
            Err(Unread::Absent) => Ok(None),
            Err(Unread::Because(reason, failing)) => {
                Err(AliasError::File { path: path.display().to_string(), reason, failing })
            }
        }
    }

    /// Reads the text of a file: `name: target, target`, lines that begin with a blank go on, `#` begins a comment line.
    pub fn parse(path: &Path, text: &str) -> Self {
        let mut aliases = Aliases { path: path.to_owned(), ..Aliases::default() };
        for (line, text) in logical_lines(text) {
            let mistake = |reason| AliasError::Line { path: path.display().to_string(), line, reason };
            match aliases.add(&text) {
                Ok(Entry::Added) => {}
                Ok(Entry::Doubled(name)) => {
                    aliases.doubled.push(mistake(format!("{name} has an entry already, and this one is not used")));
                }
                Err(reason) => aliases.broken.push(mistake(reason)),
            }
        }
        aliases
    }

    /// What is wrong with the file, in the order of its lines.
    pub fn mistakes(&self) -> Vec<AliasError> {
        let line = |error: &AliasError| if let AliasError::Line { line, .. } = error { *line } else { 0 };
        let mut all: Vec<AliasError> = self.broken.iter().chain(&self.doubled).cloned().collect();
        all.sort_by_key(line);
        all
    }

    /// The names that get no mail, in alphabetical order: they stand for a command, a mailbox file, a circle, or a list that
    /// cannot be read. Those that only lead to such a name are left out.
    pub fn dead_ends(&self) -> Vec<AliasError> {
        let mut names: Vec<&str> = self.entries.keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut all: Vec<AliasError> = Vec::new();
        let found = names.into_iter().filter_map(|name| self.dead_end(name, |walk| walk.name(name)));
        for error in found.chain(self.dead_end("*", |walk| walk.all(&self.others))) {
            if !all.contains(&error) {
                all.push(error);
            }
        }
        all
    }

    /// What a name itself does not get to.
    fn dead_end(&self, name: &str, way: impl Fn(&mut Walk<'_>) -> Result<(), Fault>) -> Option<AliasError> {
        let mut found = Vec::new();
        // The lines that cannot be understood are told already, and must not stand for the names that have none.
        let mut walk = Walk::new(self, PLACEHOLDER, Broken::PassedOver, &mut found);
        let fault = way(&mut walk).err()?;
        let names = walk.chain.iter().filter(|step| !step.starts_with(INCLUDE)).count();
        let is_own = match &fault {
            Fault::Circle(to, _) if !to.starts_with(INCLUDE) => to == name,
            Fault::Circle(..) | Fault::Words(_) | Fault::Whole(_) => names <= 1,
            Fault::TooMany(_) => true,
        };
        is_own.then(|| fault.of(name, self))
    }

    /// The recipients in the end, in order: each address of this machine is looked up, and what has no entry stays as it is.
    /// The catch-all is for those without a domain. Duplicates are left in.
    ///
    /// # Errors
    /// [`AliasError`] when a name leads to a command, a mailbox file, a circle, or too many recipients; and when it has no
    /// entry and a line of the file cannot be understood, which might be the one.
    pub fn expand(&self, recipients: Vec<Address>, here: &Here<'_>) -> Result<Vec<Address>, AliasError> {
        let mut found = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let may_have_entry = || !self.broken.is_empty() || self.entries.contains_key(&key(recipient.local()));
            if recipient.is_local() || (here.has(&recipient) && may_have_entry()) {
                let mut walk = Walk::new(self, here.mail_domain, Broken::InTheWay, &mut found);
                walk.name(recipient.local()).map_err(|fault| fault.of(recipient.local(), self))?;
            } else {
                found.push(recipient);
            }
        }
        Ok(found)
    }

    fn add(&mut self, line: &str) -> Result<Entry, String> {
        let (name, rest) = split_name(line)?;
        let targets = targets(rest)?;
        if targets.is_empty() {
            return Err(format!("{name} stands for nothing"));
        }
        let is_catch_all = matches!(name.as_str(), "*" | "default");
        if self.entries.contains_key(&name) || (is_catch_all && !self.others.is_empty()) {
            return Ok(Entry::Doubled(name));
        }
        if is_catch_all {
            self.others = targets;
        } else {
            self.entries.insert(name, targets);
        }
        Ok(Entry::Added)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// A name as it is looked up.
fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// What became of a line.
enum Entry {
    Added,
    Doubled(String),
}

/// The way from one name to recipients.
struct Walk<'a> {
    aliases: &'a Aliases,
    mail_domain: &'a str,
    /// What a line means that cannot be understood.
    broken: Broken,
    /// The names on the way, in lower case.
    chain: Vec<String>,
    /// Targets that were met.
    met: usize,
    found: &'a mut Vec<Address>,
}

/// What a broken line means for a name without an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// It might be the entry.
    InTheWay,
    PassedOver,
}

/// What a walk can meet.
enum Fault {
    Words(String),
    /// The name that it comes back to, and the words.
    Circle(String, String),
    TooMany(String),
    Whole(AliasError),
}

impl Fault {
    fn of(self, name: &str, aliases: &Aliases) -> AliasError {
        match self {
            Fault::Words(reason) | Fault::Circle(_, reason) | Fault::TooMany(reason) => {
                AliasError::Name { name: name.to_owned(), path: aliases.name(), reason }
            }
            Fault::Whole(error) => error,
        }
    }
}

impl<'a> Walk<'a> {
    fn new(aliases: &'a Aliases, mail_domain: &'a str, broken: Broken, found: &'a mut Vec<Address>) -> Self {
        Walk { aliases, mail_domain, broken, chain: Vec::new(), met: 0, found }
    }

    fn name(&mut self, name: &str) -> Result<(), Fault> {
        let key = key(name);
        let targets = match self.aliases.entries.get(&key) {
            Some(targets) => targets,
            None if self.broken == Broken::InTheWay
                && let Some(broken) = self.aliases.broken.first() =>
            {
                return Err(Fault::Whole(broken.clone()));
            }
            // The catch-all is for names that a caller wrote. What an alias leads to is meant.
            None if self.chain.is_empty() && !self.aliases.others.is_empty() => &self.aliases.others,
            None => return self.last(name),
        };
        // `root: root, admin@example.org` is of old: root's own mailbox, and another.
        if self.chain.last() == Some(&key) {
            return self.last(name);
        }
        if self.chain.contains(&key) || self.chain.len() >= DEPTH {
            return Err(self.circle(key));
        }
        self.chain.push(key);
        self.all(targets)?;
        self.chain.pop();
        Ok(())
    }

    fn all(&mut self, targets: &[Target]) -> Result<(), Fault> {
        for target in targets {
            // Names that stand for nobody add no recipient, and may double at each step all the same.
            self.met += 1;
            if self.found.len() > MOST || self.met > MOST_MET {
                return Err(Fault::TooMany(format!("leads to more than {MOST} recipients")));
            }
            match target {
                Target::Name(name) => self.name(name)?,
                Target::Final(name) => self.last(name)?,
                Target::Address(address) => self.found.push(address.clone()),
                Target::Nobody => {}
                Target::Include(path) => self.include(path)?,
                Target::Unserved(what) => {
                    return Err(Fault::Words(format!(
                        "stands for {what}, and posthaste runs no commands and writes no mailbox files"
                    )));
                }
            }
        }
        Ok(())
    }

    fn circle(&self, to: String) -> Fault {
        let words = format!("leads in a circle: {} → {to}", self.chain.join(" → "));
        Fault::Circle(to, words)
    }

    fn last(&mut self, name: &str) -> Result<(), Fault> {
        let address = Address::from_parts(name.trim_matches('"').as_bytes(), Some(self.mail_domain.as_bytes()))
            .map_err(|_| Fault::Words(format!("leads to {name}, which makes no address")))?;
        self.found.push(address);
        Ok(())
    }

    /// A list in a file of its own.
    fn include(&mut self, path: &Path) -> Result<(), Fault> {
        let whole =
            |reason, failing| Fault::Whole(AliasError::File { path: path.display().to_string(), reason, failing });
        let text = match read(path) {
            Ok(text) => text,
            Err(Unread::Absent) => return Err(whole("it is included, and is not there".to_owned(), Failing::Now)),
            Err(Unread::Because(reason, failing)) => return Err(whole(reason, failing)),
        };
        let key = format!("{INCLUDE}{}", path.display());
        if self.chain.contains(&key) || self.chain.len() >= DEPTH {
            return Err(self.circle(key));
        }
        self.chain.push(key);
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_blank(line)) {
            let targets = targets(line).map_err(|reason| {
                Fault::Whole(AliasError::Line { path: path.display().to_string(), line: number + 1, reason })
            })?;
            self.all(&targets)?;
        }
        self.chain.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::parse_list;

    fn expand(file: &str, recipients: &str) -> Result<Vec<String>, String> {
        let aliases = Aliases::parse(Path::new("/etc/aliases"), file);
        let list = parse_list(recipients, "example.org").unwrap();
        let list = list.into_iter().map(|mailbox| mailbox.address).collect();
        let machine = crate::system::Machine { node: Some("nas1".to_owned()), ..Default::default() };
        let here = Here { mail_domain: "example.org", elsewhere: Some("example.org"), hostname: None, machine };
        let found = aliases.expand(list, &here).map_err(|error| error.to_string())?;
        Ok(found.iter().map(|address| address.as_str().to_owned()).collect())
    }

    const FILE: &str = "# of Debian\nmailer-daemon: postmaster\npostmaster:root\nROOT: alice@x.test,\n\t\"o'neil\"@x.test\n\n\
                        self: self, bob@x.test\nnoreply: /dev/null\n\"quoted\" : \\root\nteam: bob, alice@x.test\n";

    #[test]
    fn names_are_followed_to_their_end() {
        for (recipients, found) in [
            ("root", &["alice@x.test", "o'neil@x.test"][..]),
            ("Mailer-Daemon", &["alice@x.test", "o'neil@x.test"]),
            ("quoted", &["root@example.org"]),
            ("self", &["self@example.org", "bob@x.test"]),
            ("noreply", &[]),
            ("carol, dave@y.test, noreply", &["carol@example.org", "dave@y.test"]),
            ("team", &["bob@example.org", "alice@x.test"]),
            // Behind the names of this machine it is the same, but for names without an entry.
            ("Root@LOCALHOST, noreply@nas1", &["alice@x.test", "o'neil@x.test"]),
            ("carol@localhost, dave@nas1", &["carol@localhost", "dave@nas1"]),
            // With another domain it is somebody elsewhere, and a backslash asks for no alias.
            ("root@example.org, \\root", &["root@example.org", "root@example.org"]),
        ] {
            assert_eq!(expand(FILE, recipients).unwrap(), found, "{recipients}");
        }
    }

    #[test]
    fn a_catch_all_is_for_names_without_an_entry() {
        for name in ["*", "default"] {
            let file = format!("{name}: root\nroot: alice\n");
            assert_eq!(expand(&file, "bob, root, alice").unwrap(), ["alice@example.org"; 3]);
            assert_eq!(expand(&file, "bob@localhost").unwrap(), ["bob@localhost"]);
        }
    }

    #[test]
    fn circles_commands_and_files_are_told_by_name() {
        let file = "a: b\nb: c\nc: a\nprog: \"|/usr/bin/vacation, x\"\nbox: /var/mail/box\nlist: prog\n";
        for (name, words) in [
            ("a", "the alias a in /etc/aliases leads in a circle: a → b → c → a"),
            ("prog", "the alias prog in /etc/aliases stands for a command"),
            ("list", "the alias list in /etc/aliases stands for a command"),
            ("box", "the alias box in /etc/aliases stands for the file /var/mail/box"),
        ] {
            let error = expand(file, name).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }

    /// Case 57
    #[test]
    fn mistakes_are_told_with_their_line() {
        for (file, place) in [
            ("root alice\n", ":1: "),
            ("a: b\n\nroot: \"alice\n", ":3: "),
            ("a:\n", ":1: "),
            ("a: b@@c\n", ":1: "),
            ("a@x.test: b\n", ":1: "),
            ("a: :include:relative\n", ":1: "),
        ] {
            let error = expand(file, "root").unwrap_err();
            assert!(error.starts_with(&format!("/etc/aliases{place}")), "{error}");
        }
        let doubled = "a: b\nA: c\nbroken\n";
        assert_eq!(expand(doubled, "a").unwrap_err(), "/etc/aliases:3: there is no colon behind the name");
        let mistakes = Aliases::parse(Path::new("f"), doubled).mistakes();
        let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(texts[0], "f:2: a has an entry already, and this one is not used");
        assert!(texts[1].starts_with("f:3: ") && texts.len() == 2);
    }

    /// A broken line is in the way only of those whose entry it might be.
    #[test]
    fn a_broken_line_does_not_hold_up_who_has_an_entry() {
        assert_eq!(expand("broken\nroot: alice@x.test\n", "root").unwrap(), ["alice@x.test"]);
    }

    /// The hint of each of these errors says that the file is to be checked.
    #[test]
    fn names_that_get_no_mail_are_mistakes_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        std::fs::write(&list, "bob\n|/bin/true\n").unwrap();
        let mistakes = |file: &str| -> Vec<String> {
            let aliases = Aliases::parse(Path::new("f"), file);
            aliases.mistakes().iter().chain(&aliases.dead_ends()).map(ToString::to_string).collect()
        };
        let told = mistakes(&format!(
            "a: b\nb: c\nc: b\nroot: prog\npostmaster: root\nprog: |/bin/true\nbox: /var/mail/box\n\
             list: :include:{0}\ngone: :include:{0}.gone\nold: gone\ngood: bob, \\root\nself: self, bob\n*: |x\nbroken\n",
            list.display()
        ));
        let words = [
            "f:14: there is no colon behind the name".to_owned(),
            "the alias b in f leads in a circle: b → c → b".to_owned(),
            "the alias box in f stands for the file /var/mail/box".to_owned(),
            "the alias c in f leads in a circle: c → b → c".to_owned(),
            format!("{}.gone: it is included, and is not there", list.display()),
            "the alias list in f stands for a command".to_owned(),
            "the alias prog in f stands for a command".to_owned(),
            "the alias * in f stands for a command".to_owned(),
        ];
        assert_eq!(told.len(), words.len(), "{told:#?}");
        assert!(told.iter().zip(&words).all(|(told, words)| told.starts_with(words)), "{told:#?}");
        assert_eq!(mistakes(FILE), [""; 0]);
    }

    /// A chain of names that doubles at each step would be followed for ever.
    #[test]
    fn what_one_name_leads_to_is_bounded() {
        for last in ["a@x.test", "/dev/null"] {
            let mut file = format!("z: {last}\n");
            for step in 0..30 {
                let next = if step == 29 { "z".to_owned() } else { format!("n{}", step + 1) };
                file += &format!("n{step}: {next}, {next}\n");
            }
            assert!(expand(&file, "n0").unwrap_err().contains("more than 50000 recipients"));
        }
        let chain: String = (0..60).map(|step| format!("n{step}: n{}\n", step + 1)).collect();
        assert!(expand(&chain, "n0").is_err());
    }

    #[test]
    fn included_files_are_read_and_must_be_safe() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        std::fs::write(&list, "# people\nbob, carol@x.test\n\ndave\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&list, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o644);
        let file = format!("list: :include:{}\nbob: robert@x.test\n", list.display());
        assert_eq!(expand(&file, "list").unwrap(), ["robert@x.test", "carol@x.test", "dave@example.org"]);
        mode(0o666);
        assert!(expand(&file, "list").unwrap_err().contains("everybody may write it"));
        std::fs::remove_file(&list).unwrap();
        assert!(expand(&file, "list").unwrap_err().contains("is not there"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &list, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
        assert!(expand(&file, "list").unwrap_err().contains("not a regular file"));
    }
}
