//! What this machine and its user are called. All that is peculiar to an operating system stands here.
//!
//! Nothing is looked up before somebody asks, and nothing here waits for the network.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::process::{getegid, geteuid, getgid, getuid};
use zeroize::Zeroizing;

/// Whether the process acts for the user who started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Real and effective user and group are the same.
    Plain,
    /// They differ (setuid, setgid): the environment belongs to somebody else and is not to be believed.
    Changed,
}

/// Tells whether the environment may choose files and settings.
pub fn identity() -> Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    *IDENTITY.get_or_init(|| match real_user() == effective_user() && getgid() == getegid() {
        true => Identity::Plain,
        false => Identity::Changed,
    })
}

/// The file of this program, where it is setuid or setgid. It has no use for such rights, and was not made to be trusted
/// with them.
pub fn set_id_program() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let path = std::env::current_exe().ok()?;
    let mode = path.metadata().ok()?.mode();
    (mode & SET_ID != 0).then_some(path)
}

/// The bits of setuid and setgid.
const SET_ID: u32 = 0o6000;

/// The effective user, who must be able to read a file.
pub fn effective_user() -> u32 {
    static USER: OnceLock<u32> = OnceLock::new();
    *USER.get_or_init(|| geteuid().as_raw())
}

/// The real user, who started the process.
pub fn real_user() -> u32 {
    static USER: OnceLock<u32> = OnceLock::new();
    *USER.get_or_init(|| getuid().as_raw())
}

/// What is in a file, and who may do what with it.
pub struct Content {
    /// All of it.
    pub octets: Zeroizing<Vec<u8>>,
    /// The user whom it belongs to.
    pub owner: u32,
    /// The permission bits.
    pub mode: u32,
}

/// Opens a file and reads all of it, up to so many KiB. It never waits: a FIFO or a device is refused.
///
/// # Errors
/// What the system says, or that the file is not a regular one or too large.
pub fn read_file(path: &Path, kibibytes: u64) -> io::Result<Content> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
    let facts = fstat(&descriptor)?;
    if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    let size = u64::try_from(facts.st_size).unwrap_or(0);
    if size > kibibytes << 10 {
        let limit = if kibibytes < 1024 { format!("{kibibytes} KiB") } else { format!("{} MiB", kibibytes >> 10) };
        return Err(io::Error::other(format!("it is larger than {limit}")));
    }
    // With room for one more octet the end is found without a growing, and so without a copy left behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(size as usize + 1));
    File::from(descriptor).take(size).read_to_end(&mut octets)?;
    Ok(Content { octets, owner: facts.st_uid, mode: facts.st_mode & 0o7777 })
}

/// Whether somebody sits at a terminal that belongs to this process.
pub fn has_terminal() -> bool {
    use rustix::fs::{Mode, OFlags, open};
    open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

/// A user as the system's records have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name; `uid1234` for a user who has no record, as happens in containers.
    pub login: String,
    /// The name of the person.
    pub full_name: Option<String>,
    /// The home directory.
    pub home: Option<PathBuf>,
}

impl User {
    /// Looks up the real user of the process. It never fails: a user without a record is called `uid` and a number.
    pub fn current() -> Self {
        User::of(getuid().as_raw())
    }

    /// Looks up a user by number.
    pub fn of(uid: u32) -> Self {
        match nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)) {
            Ok(Some(user)) => User {
                full_name: full_name(&user.gecos.to_string_lossy(), &user.name),
                login: user.name,
                home: Some(user.dir).filter(|home| home.is_absolute()),
            },
            _ => User { login: format!("uid{uid}"), full_name: None, home: None },
        }
    }
}

/// The name of a group, or its number in digits.
pub fn group_name(gid: u32) -> String {
    match nix::unistd::Group::from_gid(nix::unistd::Gid::from_raw(gid)) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    }
}

/// Reads a full name out of a GECOS field as sendmail does: one `*` at the front goes, the first of `,`, `;`, `%`
/// ends it, and each `&` is the login with its first letter raised.
pub fn full_name(gecos: &str, login: &str) -> Option<String> {
    let gecos = gecos.strip_prefix('*').unwrap_or(gecos);
    let name = gecos.split([',', ';', '%']).next().unwrap_or("");
    let mut letters = login.chars();
    let raised = letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>());
    let name: String = name.replace('&', raised.as_deref().unwrap_or("")).chars().filter(|c| !c.is_control()).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The full name of this machine, fit for EHLO; see [`Machine::full_name`].
pub fn full_host_name() -> Option<String> {
    Machine::default().full_name()
}

/// What unqualified addresses of this machine get; see [`Machine::mail_domain`].
pub fn mail_domain() -> MailDomain {
    Machine::default().mail_domain()
}

/// Where the names of the machine are read.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `/etc/mailname`.
    pub mailname: PathBuf,
    /// `/etc/hosts`.
    pub hosts: PathBuf,
    /// The host name, as gethostname has it; `None` asks the system.
    pub node: Option<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Machine { mailname: "/etc/mailname".into(), hosts: "/etc/hosts".into(), node: None }
    }
}

/// A domain for addresses that have none, and how good it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailDomain {
    /// The domain; never `localhost`.
    pub name: String,
    /// Whether anybody outside can make something of it.
    pub quality: Quality,
}

/// How good a [`MailDomain`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// A name with a dot.
    Full,
    /// The bare name of the machine: a server may well refuse it.
    Unqualified,
    /// The machine has no name but `localhost`; the domain is one that cannot exist (RFC 2606 section 2).
    Invented,
}

impl Machine {
    /// The host name as it was given to the machine.
    pub fn host_name(&self) -> String {
        match &self.node {
            Some(node) => node.clone(),
            None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }

    /// The full name of the machine: its host name if that has a dot, else the name with a dot that stands with it
    /// in `/etc/hosts`. `None` when there is none that may follow EHLO (RFC 5321 section 4.1.4): no dot, `_`,
    /// `localhost`. DNS is not asked, since that may take a minute.
    pub fn full_name(&self) -> Option<String> {
        let node = self.host_name();
        if is_full_name(&node) {
            return Some(node);
        }
        if node.contains('.') || is_local(&node) {
            return None;
        }
        let hosts = read_small(&self.hosts)?;
        hosts.lines().find_map(|line| {
            let line = line.split('#').next().unwrap_or("");
            let mut names = line.split_ascii_whitespace().skip(1);
            let listed = names.clone().any(|name| name.eq_ignore_ascii_case(&node));
            listed.then(|| names.find(|name| is_full_name(name))).flatten().map(str::to_owned)
        })
    }

    /// What unqualified addresses get: the first line of `/etc/mailname`, else the full name of the machine, else
    /// its bare name; never `localhost`.
    pub fn mail_domain(&self) -> MailDomain {
        let mailname = read_small(&self.mailname).and_then(|text| {
            let line = text.lines().next().unwrap_or("").trim().trim_end_matches('.').to_owned();
            Some(line).filter(|line| is_name(line) && !is_local(line))
        });
        if let Some(name) = mailname.or_else(|| self.full_name()) {
            let quality = if name.contains('.') { Quality::Full } else { Quality::Unqualified };
            return MailDomain { name, quality };
        }
        match self.host_name() {
            node if is_name(&node) && !is_local(&node) => MailDomain { name: node, quality: Quality::Unqualified },
            _ => MailDomain { name: INVENTED.to_owned(), quality: Quality::Invented },
        }
    }
}

/// Whether a name may follow EHLO: labels of letters, digits and hyphens, a dot, and not `localhost` in any form.
pub fn is_full_name(name: &str) -> bool {
    name.contains('.') && is_name(name) && !is_local(name)
}

/// Closes what the process inherited and a child would inherit again: every descriptor above 2 without
/// close-on-exec. What this program opens itself has that flag, so none of its own is touched. Only Linux tells;
/// elsewhere nothing happens.
pub fn close_inherited() {
    let Ok(entries) = fs::read_dir("/proc/self/fdinfo") else { return };
    let numbers: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok());
        if flags.is_some_and(|flags| flags & u64::from(rustix::fs::OFlags::CLOEXEC.bits()) == 0) {
            let _ = nix::unistd::close(number);
        }
    }
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) an error like any other, which can be told. The
/// system would end the process with SIGXFSZ, without a word. Children get the signal again.
pub fn survive_size_limits() {
    use nix::sys::signal::{SigSet, Signal};
    // Where it cannot be blocked, the limit is as hard as it was before.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
}

/// A descriptor whose owner waits for octets also where its flags say that nobody does: the flags are shared with
/// whoever gave it to us, and some callers (node.js, event loops) leave a pipe non-blocking.
#[derive(Debug)]
pub struct Patient<T>(pub T);

impl<T: Read + AsFd> Read for Patient<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, poll};
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What the system says of a failure, as it stands behind a colon: no capital, and no number that Rust puts behind it.
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
    name.len() <= 253 && !numeric && name.split('.').all(label)
}

fn is_local(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let first = name.split('.').next().unwrap_or("");
    first.starts_with("localhost") || name.ends_with(".localhost") || name.ends_with(".localdomain")
}

/// A small text file; `None` when it cannot be read.
fn read_small(path: &Path) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let mut octets = vec![0; 4096];
    let mut length = file.read(&mut octets).ok()?;
    // A regular file gives all that there is room for; only where it filled the room may there be more.
    if length == octets.len() {
        length += file.take(LARGEST).read_to_end(&mut octets).ok()?;
    }
    Some(String::from_utf8_lossy(&octets[..length]).into_owned())
}

/// Octets of a file that are looked at: a file of hosts can be a list of advertisers.
const LARGEST: u64 = 4 << 20;

/// The domain of a machine that has no name.
const INVENTED: &str = "unknown.invalid";

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(node: &str, mailname: Option<&str>, hosts: &str) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        let machine =
            Machine { mailname: dir.path().join("mailname"), hosts: dir.path().join("hosts"), node: Some(node.into()) };
        if let Some(mailname) = mailname {
            fs::write(&machine.mailname, mailname).unwrap();
        }
        fs::write(&machine.hosts, hosts).unwrap();
        (dir, machine)
    }

    const HOSTS: &str = "127.0.0.1 localhost\n127.0.1.1 mail.example.org mail # not: laptop.example.org\n\
                         ::1 localhost.localdomain laptop\n10.0.0.1\tdesk\tDESK.example.net\n10.0.0.2 under my_host.example\n";

    /// P-033
    #[test]
    fn full_name_has_a_dot_and_legal_characters() {
        let table = [
            ("box.example.org", Some("box.example.org")),
            ("mail", Some("mail.example.org")),
            ("MAIL", Some("mail.example.org")),
            ("desk", Some("DESK.example.net")),
            ("laptop", None),
            ("stranger", None),
            ("localhost", None),
            ("localhost.localdomain", None),
            ("box.localdomain", None),
            ("my_host.example.org", None),
            ("under", None),
            ("10.1.2.3", None),
            ("-x.example.org", None),
            ("", None),
        ];
        for (node, expected) in table {
            assert_eq!(machine(node, None, HOSTS).1.full_name().as_deref(), expected, "{node}");
        }
    }

    #[test]
    fn mail_domain_is_mailname_or_full_name_or_host_name_and_never_localhost() {
        let table = [
            ("mail", Some("example.com\nsecond\n"), "example.com", Quality::Full),
            ("mail", Some("  example.com.  \n"), "example.com", Quality::Full),
            ("mail", Some("intern\n"), "intern", Quality::Unqualified),
            ("mail", Some("localhost\n"), "mail.example.org", Quality::Full),
            ("mail", Some("a b\n"), "mail.example.org", Quality::Full),
            ("mail", Some(""), "mail.example.org", Quality::Full),
            ("mail", None, "mail.example.org", Quality::Full),
            ("laptop", None, "laptop", Quality::Unqualified),
            ("localhost", None, "unknown.invalid", Quality::Invented),
            ("localhost.localdomain", None, "unknown.invalid", Quality::Invented),
            ("my_host", None, "unknown.invalid", Quality::Invented),
        ];
        for (node, mailname, name, quality) in table {
            let (_dir, machine) = machine(node, mailname, HOSTS);
            assert_eq!(machine.mail_domain(), MailDomain { name: name.into(), quality }, "{node} {mailname:?}");
        }
    }

    #[test]
    fn full_name_of_a_user_follows_the_rule_of_sendmail() {
        let table = [
            ("Post & Man, Room 1", "postman", Some("Post Postman Man")),
            ("*Alice Doe", "alice", Some("Alice Doe")),
            ("**Alice", "alice", Some("*Alice")),
            ("Alice;x", "alice", Some("Alice")),
            ("Alice%x", "alice", Some("Alice")),
            ("&", "jörg", Some("Jörg")),
            (" ,,,", "alice", None),
            ("", "alice", None),
            ("A\nBcc: x", "alice", Some("ABcc: x")),
        ];
        for (gecos, login, expected) in table {
            assert_eq!(full_name(gecos, login).as_deref(), expected, "{gecos}");
        }
    }

    #[test]
    fn user_without_a_record_is_called_by_number() {
        let user = User { login: "uid4123456789".into(), full_name: None, home: None };
        assert_eq!(User::of(4_123_456_789), user);
        assert_eq!(User::of(0).login, "root");
        assert_eq!(group_name(4_123_456_789), "4123456789");
    }

    /// Has nothing yet, at first, by its flags.
    struct Hasty(Option<()>, std::io::PipeReader);

    impl AsFd for Hasty {
        fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
            self.1.as_fd()
        }
    }

    impl Read for Hasty {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.take() {
                Some(()) => Err(io::ErrorKind::WouldBlock.into()),
                None => self.1.read(buffer),
            }
        }
    }

    #[test]
    fn what_comes_later_is_waited_for() {
        let (reader, writer) = std::io::pipe().unwrap();
        let writing = std::thread::spawn(move || io::Write::write_all(&mut { writer }, b"late"));
        let mut text = String::new();
        Patient(Hasty(Some(()), reader)).read_to_string(&mut text).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(text, "late");
    }
}
