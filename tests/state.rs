//! What is remembered between runs: the file, whoever has been at it.
//!
//! Nothing here starts a program: until its `exec` that has a copy of each lock that another test holds in the moment, and what
//! is locked is not written.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use posthaste::smtp::memory::{Bdat, EarlyMail, Grouping, Habits, Memory, Offer, StartTls};
use posthaste::smtp::session::TlsMode;
use posthaste::state::policies::{DOMAINS, Failed, Fetched, Kept, LONG_ONES, LONGEST_TEXT, Policies, Wrong};
use posthaste::state::{Key, SERVERS, Store};
use rustix::fs::{CWD, FlockOperation, Mode, flock, mkfifoat};
use tempfile::TempDir;

const TODAY: u32 = 20_000;

/// A home, and the file in it that is not there yet.
fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".local/state/posthaste/servers");
    (home, path)
}

fn key(host: &str) -> Key {
    Key { host: host.to_owned(), port: 465, tls: TlsMode::Implicit, user: "alice@example.org".to_owned() }
}

fn memory(login: Grouping) -> Memory {
    let habits = Habits { login, bdat: Bdat::Taken, ..Habits::of(Offer::of(["PIPELINING", "AUTH PLAIN"])) };
    Memory { starttls: StartTls::Unseen, habits: Some(habits) }
}

fn store(path: &Path) -> Store {
    Store::on_day(path, TODAY)
}

/// A file with one server in it that is remembered.
fn kept() -> (TempDir, PathBuf) {
    let (home, path) = home();
    store(&path).remember(&key("a.example"), memory(Grouping::Proven));
    assert_eq!(store(&path).recall(&key("a.example")), memory(Grouping::Proven));
    (home, path)
}

/// What is in a directory.
fn names(path: &Path) -> Vec<String> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_was_learnt_is_there_in_the_next_run_and_nobody_else_can_read_it() {
    let (_home, path) = kept();
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(path.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(names(path.parent().unwrap()), ["servers"]);
    // Each part of the key counts.
    let known = key("a.example");
    for other in [
        Key { host: "b.example".to_owned(), ..known.clone() },
        Key { port: 587, ..known.clone() },
        Key { tls: TlsMode::Required, ..known.clone() },
        Key { user: "bob@example.org".to_owned(), ..known.clone() },
    ] {
        assert_eq!(store(&path).recall(&other), Memory::default(), "{other:?}");
    }
    // Forgotten again.
    store(&path).remember(&known, Memory::default());
    assert_eq!(store(&path).recall(&known), Memory::default());
}

#[test]
fn nothing_is_made_where_there_is_nothing_to_remember() {
    let (home, path) = home();
    store(&path).remember(&key("a.example"), Memory::default());
    assert!(names(home.path()).is_empty());
}

#[test]
fn what_is_known_is_not_written_again_but_once_a_day() {
    let (_home, path) = kept();
    let inode = || path.metadata().unwrap().ino();
    let before = inode();
    let again = |day, memory| Store::on_day(&path, day).remember(&key("a.example"), memory);
    again(TODAY, memory(Grouping::Proven));
    assert_eq!(inode(), before);
    again(TODAY + 1, memory(Grouping::Proven));
    assert_ne!(inode(), before);
    // What a server does not bear is to be tried again one day, so that its day stays.
    again(TODAY + 1, memory(Grouping::Never));
    let before = inode();
    again(TODAY + 2, memory(Grouping::Never));
    assert_eq!(inode(), before);
}

#[test]
fn what_was_not_used_for_long_is_forgotten() {
    let (_home, path) = kept();
    let recall = |day| Store::on_day(&path, day).recall(&key("a.example"));
    assert_eq!(recall(TODAY + 60), memory(Grouping::Proven));
    assert_eq!(recall(TODAY + 61), Memory::default());
    // A clock that was wrong must not keep a line for ever.
    assert_eq!(recall(TODAY - 1), Memory::default());
    Store::on_day(&path, TODAY + 61).remember(&key("b.example"), memory(Grouping::Likely));
    assert!(!fs::read_to_string(&path).unwrap().contains("a.example"));
}

#[test]
fn the_number_of_servers_is_bounded_and_the_oldest_goes() {
    let (_home, path) = home();
    for number in 0..SERVERS as u32 + 10 {
        Store::on_day(&path, TODAY + number / 10)
            .remember(&key(&format!("s{number}.example")), memory(Grouping::Likely));
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), SERVERS);
    assert!(!text.contains("s9.example") && text.contains("s10.example") && text.contains("s73.example"), "{text}");
}

/// What a stranger, a fault or a crash may have put there is as if there were nothing, and does not stand in the way of what
/// is learnt next.
#[test]
fn a_hostile_file_is_as_if_it_were_empty() {
    let line = "a.example 465 implicit alice@example.org 20000 offer=00000000000000ff login=proven\n";
    let contents: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("octets", (0..=255).collect()),
        ("no text", [line.as_bytes(), &[0xff]].concat()),
        ("zeros", vec![0; 4096]),
        ("one long line", vec![b'x'; 60_000]),
        ("too large", format!("{line}{}", "#\n".repeat(40_000)).into_bytes()),
        ("broken off", line.as_bytes()[..line.len() - 8].to_vec()),
        ("another form", b"{\"a.example\": true}\n".to_vec()),
        ("many lines", format!("{}{line}", "x.example 1 none - 20000 starttls\n".repeat(1500)).into_bytes()),
    ];
    for (what, octets) in contents {
        let (_home, path) = kept();
        fs::write(&path, octets).unwrap();
        assert_eq!(store(&path).recall(&key("a.example")), Memory::default(), "{what}");
        store(&path).remember(&key("a.example"), memory(Grouping::Likely));
        assert_eq!(store(&path).recall(&key("a.example")), memory(Grouping::Likely), "{what}");
        assert!(path.metadata().unwrap().len() < 8192, "{what}");
    }
}

/// A line that is wrong takes nothing with it.
#[test]
fn lines_beside_a_wrong_one_count() {
    let (_home, path) = kept();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("what is this\n{text}mx 1 2 3\n")).unwrap();
    assert_eq!(store(&path).recall(&key("a.example")), memory(Grouping::Proven));
}

#[test]
fn no_link_is_followed_and_nothing_but_a_regular_file_is_read() {
    for what in
        ["symbolic link", "link to a device", "directory", "FIFO", "writable by others", "writable by the group"]
    {
        let (home, path) = kept();
        let text = fs::read(&path).unwrap();
        let target = home.path().join("target");
        fs::write(&target, &text).unwrap();
        fs::remove_file(&path).unwrap();
        match what {
            "symbolic link" => symlink(&target, &path).unwrap(),
            "link to a device" => symlink("/dev/zero", &path).unwrap(),
            "directory" => fs::create_dir(&path).unwrap(),
            // Opening it would wait for a writer.
            "FIFO" => mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap(),
            _ => {
                fs::write(&path, &text).unwrap();
                let mode = if what == "writable by others" { 0o602 } else { 0o620 };
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            }
        }
        assert_eq!(store(&path).recall(&key("a.example")), Memory::default(), "{what}");
        store(&path).remember(&key("b.example"), memory(Grouping::Likely));
        assert_eq!(fs::read(&target).unwrap(), text, "{what}: it was written through a link");
        if what != "directory" {
            assert!(path.symlink_metadata().unwrap().file_type().is_file(), "{what}");
            assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600, "{what}");
        }
        assert_eq!(names(path.parent().unwrap()), ["servers"], "{what}");
    }
}

/// Neither through a name that somebody has laid out for us.
#[test]
fn what_a_crash_or_a_stranger_has_left_is_not_written_through() {
    let (home, path) = kept();
    let target = home.path().join("target");
    fs::write(&target, "mine").unwrap();
    symlink(&target, path.with_file_name("servers.new")).unwrap();
    store(&path).remember(&key("b.example"), memory(Grouping::Likely));
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    assert_eq!(store(&path).recall(&key("b.example")), memory(Grouping::Likely));
    assert_eq!(names(path.parent().unwrap()), ["servers"]);
}

#[test]
fn a_directory_that_is_no_good_means_that_nothing_is_remembered() {
    for what in ["link", "open to all", "file"] {
        let (home, path) = home();
        let directory = path.parent().unwrap();
        fs::create_dir_all(directory.parent().unwrap()).unwrap();
        let elsewhere = home.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        match what {
            "link" => symlink(&elsewhere, directory).unwrap(),
            "open to all" => {
                fs::create_dir(directory).unwrap();
                fs::set_permissions(directory, Permissions::from_mode(0o777)).unwrap();
            }
            _ => fs::write(directory, "").unwrap(),
        }
        store(&path).remember(&key("a.example"), memory(Grouping::Likely));
        assert_eq!(store(&path).recall(&key("a.example")), Memory::default(), "{what}");
        assert!(names(&elsewhere).is_empty(), "{what}");
    }
    // Nor is anything made in a place that all can write, or that is not there to be written.
    let (home, path) = home();
    fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
    store(&path).remember(&key("a.example"), memory(Grouping::Likely));
    assert!(names(home.path()).is_empty());
    store(Path::new("/proc/posthaste/servers")).remember(&key("a.example"), memory(Grouping::Likely));
    store(Path::new("/")).remember(&key("a.example"), memory(Grouping::Likely));
}

/// With `sudo`, the home may be that of another user: root could write there, and would leave a file that is not theirs.
#[test]
fn a_home_of_somebody_else_is_left_alone() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (home, path) = home();
    std::os::unix::fs::chown(home.path(), Some(4_000), Some(4_000)).unwrap();
    store(&path).remember(&key("a.example"), memory(Grouping::Likely));
    assert!(names(home.path()).is_empty());
    let (_home, path) = kept();
    std::os::unix::fs::chown(&path, Some(4_000), None).unwrap();
    assert_eq!(store(&path).recall(&key("a.example")), Memory::default());
    std::os::unix::fs::chown(path.parent().unwrap(), Some(4_000), None).unwrap();
    let before = fs::read(&path).unwrap();
    store(&path).remember(&key("b.example"), memory(Grouping::Likely));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// The other one may be stopped: nobody waits for it.
#[test]
fn a_lock_that_another_process_has_is_not_waited_for() {
    let (_home, path) = kept();
    let lock = File::open(path.parent().unwrap()).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    store(&path).remember(&key("b.example"), memory(Grouping::Likely));
    assert_eq!(store(&path).recall(&key("b.example")), Memory::default());
    assert_eq!(store(&path).recall(&key("a.example")), memory(Grouping::Proven));
    drop(lock);
    store(&path).remember(&key("b.example"), memory(Grouping::Likely));
    assert_eq!(store(&path).recall(&key("b.example")), memory(Grouping::Likely));
}

/// Several processes at once never make of the file what none of them has written.
#[test]
fn writers_side_by_side_leave_a_whole_file() {
    let (_home, path) = home();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..50 {
                    let host = format!("w{writer}-{number}.example");
                    store(path).remember(&key(&host), memory(Grouping::Likely));
                    store(path).recall(&key(&host));
                }
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert!(!lines.is_empty() && lines.len() <= SERVERS);
    assert!(lines.iter().all(|line| line.ends_with(" bdat=taken")), "{text}");
    assert_eq!(names(path.parent().unwrap()), ["servers"]);
}

#[test]
fn a_mail_before_the_login_is_remembered_too() {
    let (_home, path) = home();
    let habits =
        Habits { early_mail: EarlyMail::Refused, most_recipients: Some(50), ..Habits::of(Offer::of(["AUTH PLAIN"])) };
    let memory = Memory { starttls: StartTls::Seen, habits: Some(habits) };
    store(&path).remember(&key("a.example"), memory);
    assert_eq!(store(&path).recall(&key("a.example")), memory);
}

/// The home of many a user of a service is `/nonexistent`, and stays so.
#[test]
fn a_home_that_is_not_there_is_not_made() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("gone/.local/state/posthaste/servers");
    store(&path).remember(&key("a.example"), memory(Grouping::Proven));
    assert!(names(place.path()).is_empty());
}

/// A policy of MTA-STS, fetched then.
fn fetched(at: u64) -> Fetched {
    Fetched { id: "2026a".to_owned(), at, text: "version: STSv1\nmode: enforce\nmx: *.a.test\n".to_owned() }
}

const NOW: u64 = 1_800_000_000;

/// An attempt to fetch one, in vain.
fn failed(id: &str, at: u64) -> Failed {
    Failed { id: id.to_owned(), at, what: Wrong::Certificate }
}

#[test]
fn a_policy_is_kept_as_it_is() {
    let (_home, path) = home();
    let policies = Policies::beside(&path);
    assert_eq!(policies.recall("a.test"), Kept::default());
    policies.keep("a.test", fetched(NOW), NOW);
    policies.fail("b.test", failed("1", NOW), NOW);
    policies.fail("a.test", failed("2", NOW + 1), NOW + 1);
    let last = Some(failed("2", NOW + 1));
    assert_eq!(policies.recall("a.test"), Kept { policy: Some(fetched(NOW)), failed: last });
    assert!(policies.recall("b.test").failed.is_some() && policies.recall("test") == Kept::default());
    // What was fetched ends what has failed.
    policies.keep("a.test", fetched(NOW + 2), NOW + 2);
    assert_eq!(policies.recall("a.test"), Kept { policy: Some(fetched(NOW + 2)), failed: None });
    assert_eq!(names(path.parent().unwrap()), ["servers.mta-sts"]);
    let file = path.with_file_name("servers.mta-sts");
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    // A year later it is of no use to anybody.
    policies.keep("c.test", fetched(NOW + 367 * 24 * 60 * 60), NOW + 367 * 24 * 60 * 60);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
}

#[test]
fn policies_of_strangers_are_bounded_and_none_is_taken_from_them() {
    let (_home, path) = home();
    let policies = Policies::beside(&path);
    let file = path.with_file_name("servers.mta-sts");
    policies.keep("a.test", Fetched { text: "x".repeat(LONGEST_TEXT + 1), ..fetched(NOW) }, NOW);
    policies.keep(&"x".repeat(300), fetched(NOW), NOW);
    assert!(!file.exists());
    // The one that was fetched first goes first; failures do not push policies out.
    let name = |at: usize| format!("d{at}.test");
    policies.keep(&name(0), fetched(NOW), NOW);
    let many: String = (1..=2 * DOMAINS)
        .map(|at| format!("failed d{at}.test 1 {NOW} text\npolicy d{at}.test 1 {} x\n", NOW + 1))
        .collect();
    fs::write(&file, fs::read_to_string(&file).unwrap() + &many).unwrap();
    policies.fail("e.test", failed("1", NOW), NOW);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2 * DOMAINS + 1);
    assert!(policies.recall(&name(0)).policy.is_none() && policies.recall(&name(2 * DOMAINS)).policy.is_some());
    // A file that others can write is as if it were empty.
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    assert_eq!(policies.recall(&name(2 * DOMAINS)), Kept::default());
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, vec![b'x'; 5 << 20]).unwrap();
    policies.keep("a.test", fetched(NOW), NOW);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
}

/// P-329: a policy with a thousand hosts is kept, too; a few of that size, which push no others out.
#[test]
fn long_policies_are_kept() {
    let (_home, path) = home();
    let policies = Policies::beside(&path);
    let long = |at: u64| Fetched { text: "mx: *.a.test\n".repeat(5000), ..fetched(at) };
    let name = |at: u64| format!("d{at}.test");
    policies.keep("usual.test", fetched(NOW), NOW);
    for at in 1..=LONG_ONES as u64 + 3 {
        policies.keep(&name(at), long(NOW + at), NOW + at);
        assert_eq!(policies.recall(&name(at)).policy, Some(long(NOW + at)));
    }
    assert!(policies.recall(&name(3)).policy.is_none() && policies.recall(&name(4)).policy.is_some());
    assert_eq!(policies.recall("usual.test").policy, Some(fetched(NOW)));
}
