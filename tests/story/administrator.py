"""What an administrator does with the README in hand, and what must come of it."""

from pathlib import Path

from caller import expect
from debian_machine import Debian, blocks, chapter
from machine import running, wait_until

SOURCES = Path(__file__).resolve().parents[2]
CHAPTER = "In the place of another sendmail"
ADMINISTRATOR = "admin@example.net"
SENDER = "alice@example.org"
#: The packages, the chapters of docs/coming-from.md on them, and what starts the daemon that sends for it.
PACKAGES = {
    "msmtp-mta": ("msmtp", None),
    "ssmtp": ("ssmtp", None),
    "nullmailer": ("nullmailer", "service nullmailer start > /dev/null 2>&1"),
    "dma": ("dma", None),
}
#: What stands around the sendmail of a usual machine.
AROUND = ("bsd-mailx", "cron", "php-cli", "ca-certificates")
COMMANDS = ("/usr/sbin/sendmail", "/usr/lib/sendmail")


def story(machine: Debian, package: str) -> str:
    """Installs the package, replaces it, and takes that back. Returns what was seen."""
    title, daemon = PACKAGES[package]
    documented = blocks(chapter((SOURCES / "docs/coming-from.md").read_text(), title))
    configured = [block for block in documented if block.language == "conf"]
    translated = [block for block in documented if block.language == "toml"]
    peculiar = [block for block in documented if block.language == "sh"]
    readme = blocks(chapter((SOURCES / "README.md").read_text(), CHAPTER))
    expect([block.language for block in readme] == ["sh", "toml", "sh", "sh", "sh", "sh"], f"the README has other blocks: {readme}")
    prepare, settings, admit, aliases, replace, go_back = readme
    expect(len(translated) == 1 and translated[0].path == settings.path and configured, f"{title} has other blocks: {documented}")

    machine.install(package, *AROUND)
    machine.leave_network()
    machine.start_server()
    machine.must("useradd -m -s /bin/sh alice; useradd -m -s /bin/sh mallory; echo example.org > /etc/mailname; rm -f /etc/aliases")
    owners = {path: machine.must(f"readlink -f {path}") for path in COMMANDS}

    for block in configured:
        machine.write(block, here)
    if daemon:
        machine.must(daemon)
    machine.must("echo before | mail -s before root")
    arrived(machine, "before", ADMINISTRATOR)

    machine.must(prepare.text)
    machine.write(settings, here)
    machine.write(translated[0], here)
    checks = machine.must(admit.text)
    expect(checks.count("ok: a message can be submitted") == admit.text.count("posthaste check") >= 3, f"the checks say {checks}")
    machine.must(aliases.text)
    machine.must(replace.text)
    arrived(machine, "It works.", ADMINISTRATOR)
    for block in peculiar:
        machine.must(block.text)
    expect(not daemon or not running("nullmailer-send"), "the old daemon runs still")
    wrong = [path for path in COMMANDS if machine.must(f"readlink -f {path}") != "/usr/local/bin/posthaste\n"]
    expect(not wrong, f"not posthaste: {wrong}")
    everybody_sends(machine)
    machine.install(package, more="--reinstall --no-download")
    machine.must("echo after an upgrade | mail -s after root")
    arrived(machine, "after an upgrade", ADMINISTRATOR)
    expect(machine.must("mailq; newaliases") == "Mail queue is empty\n", "mailq is not posthaste's")

    machine.must(go_back.text)
    for block in peculiar:
        if "dpkg-divert" in block.text:
            machine.must(block.text.replace("--add", "--remove"))
    expect({path: machine.must(f"readlink -f {path}") for path in COMMANDS} == owners, "the package's commands are not back")
    missing = [line for line in machine.sh(f"dpkg --verify {package}").output.splitlines() if line.startswith("missing")]
    expect(not missing, f"not back: {missing}")
    return "replaced; root, cron, mail, PHP and an upgrade; taken back"


def everybody_sends(machine: Debian) -> None:
    """Cron, mailx and PHP, as root, as users of the group, and as one who is not."""
    told = len(machine.syslog)
    # cron mails root for root's job, whom an alias sends on, and alice for hers.
    for user, words in (("root", "from the cron of root"), ("alice", "from the cron of alice")):
        machine.must(f"echo '@reboot echo {words}' | crontab -u {user} -")
    cron = machine.start("/usr/sbin/cron", "-f")
    by_body = {word: taken for taken in machine.received(2) for word in ("root", "alice") if f"the cron of {word}" in body(taken)}
    expect(by_body["root"].recipients == (ADMINISTRATOR,), f"root's: {by_body['root']}")
    expect(by_body["alice"].recipients == ("alice@example.org",), f"alice's: {by_body['alice']}")
    expect(all(taken.sender == SENDER for taken in by_body.values()), f"the senders are others: {by_body}")
    wait_until(lambda: not running("posthaste") and not running("sendmail"), "the end of posthaste")
    cron.terminate()
    cron.wait()

    machine.must("echo by alice | mail -s Hello root", user="alice")
    arrived(machine, "by alice", ADMINISTRATOR)
    machine.must("php -r 'exit(mail(\"bob@example.net\", \"Hello\", \"by the web server\") ? 0 : 1);'", user="www-data")
    arrived(machine, "by the web server", "bob@example.net")
    lines = [line for line in machine.syslog[told:] if "posthaste[" in line]
    expect(len(lines) == 4 and all("result=accepted" in line for line in lines), f"the log has {lines}")

    # Who is not in the group is told so, and the mail is not lost without a word.
    told = len(machine.syslog)
    denied = machine.sh("echo by mallory | /usr/sbin/sendmail root", user="mallory")
    expect(denied.code == 77 and "/etc/posthaste/config.toml" in denied.output and "ermission denied" in denied.output,
           f"one who is not in the group is told {denied}")
    wait_until(lambda: any("posthaste[" in line for line in machine.syslog[told:]), "the line in the log of one who is not in the group")
    lines = [line for line in machine.syslog[told:] if "posthaste[" in line]
    expect(len(lines) == 1 and "exit=77" in lines[0] and "permission denied" in lines[0], f"the log has {lines}")
    expect(machine.sh("cat /etc/posthaste/config.toml", user="mallory").code != 0, "everybody can read the password")


def arrived(machine: Debian, words: str, recipient: str) -> None:
    """One message has come, with these words in it, for this recipient and from the address of the login."""
    taken = machine.received()
    expect(len(taken) == 1 and words in body(taken[0]), f"not one message with {words!r}: {taken}")
    expect(taken[0].recipients == (recipient,), f"the recipients are {taken[0].recipients}")
    expect(taken[0].sender == SENDER, f"the sender is {taken[0].sender!r}")


def body(taken) -> str:
    return taken.message.decode(errors="replace").partition("\r\n\r\n")[2]


def here(text: str) -> str:
    """The server of the examples has a name that nobody has; the one of the test is on this machine."""
    return text.replace("smtp.example.org", "localhost")
