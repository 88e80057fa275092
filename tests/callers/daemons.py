"""Programs that mail by themselves: timers, monitors and reports. They write their own messages."""

import os
import socket
import subprocess
from pathlib import Path

from caller import Caller, Mail
from machine import ENVIRONMENT, PATIENCE, Ended, Machine, running, wait_until

OUTPUT = "Grüße ☃\n.leading\nthe last line\n"
ROOT = "root@example.org"
NOBODY = 65534
#: It conflicts with cron, and is unpacked alone.
SYSTEMD_CRON = "systemd-cron"
NO_SUDOER = "nobody is not in the sudoers file.\nThis incident has been reported to the administrator.\n"


def cron(machine: Machine, mail: Mail) -> Ended:
    """Jobs of the crontab that run when cron starts."""
    text = machine.file("output", mail.body)
    Path("/etc/crontab").write_text(f"MAILTO={_all(mail)}\nCONTENT_TYPE=text/plain; charset=utf-8\n@reboot root cat {text}\n")
    Path("/var/spool/cron/crontabs").mkdir(parents=True, exist_ok=True)
    # cron remembers here that it has run them.
    for name in ("crond.reboot", "crond.pid"):
        Path("/run", name).unlink(missing_ok=True)
    ended = _until_mailed(machine, ["/usr/sbin/cron", "-f"])
    wait_until(lambda: not running("cron"), "the end of cron's children")
    return _complaint(machine, "but got status") or ended


def anacron(machine: Machine, mail: Mail) -> Ended:
    text = machine.file("output", mail.body)
    table = machine.file("anacrontab", f"MAILTO={mail.to}\n1 0 job cat {text}\n")
    spool = Path("/var/spool/anacron")
    spool.mkdir(parents=True, exist_ok=True)
    ended = machine.run("/usr/sbin/anacron", "-d", "-q", "-f", "-n", "-t", table, "-S", str(spool))
    return _complaint(machine, "but mailer process") or ended


def at(machine: Machine, mail: Mail) -> Ended:
    """at mails whoever called it, so that is whom the alias file sends elsewhere."""
    spool = Path("/var/spool/cron")
    for name in ("atjobs", "atspool"):
        (spool / name).mkdir(parents=True, exist_ok=True)
        os.chown(spool / name, 1, 1)
        (spool / name).chmod(0o1770)
    (spool / "atjobs/.SEQ").touch()
    os.chown(spool / "atjobs/.SEQ", 1, 1)
    Path("/etc/aliases").write_text(f"root: {_all(mail)}\n")
    text = machine.file("output", mail.body)
    queued = machine.run("at", "-m", "now", text=f"cat {text}\n".encode())
    try:
        ended = _until_mailed(machine, ["/usr/sbin/atd", "-f"])
    finally:
        Path("/etc/aliases").unlink()
    return ended if queued.code == 0 else queued


def mdadm(machine: Machine, mail: Mail) -> Ended:
    return machine.run("/usr/sbin/mdadm", "--monitor", "--test", "--oneshot", f"--mail={mail.to}", "/dev/md127")


def logwatch(machine: Machine, mail: Mail) -> Ended:
    Path("/var/cache/logwatch").mkdir(parents=True, exist_ok=True)
    Path("/var/log/auth.log").write_text("Nov 25 10:00:00 vm sudo:    alice : TTY=pts/0 ; PWD=/home ; USER=root ; COMMAND=/bin/true\n")
    return machine.run("/usr/sbin/logwatch", "--output", "mail", "--mailto", mail.to, "--service", "sudo", "--range", "all")


def sudo(machine: Machine, mail: Mail) -> Ended:
    """Somebody who may not use it tries to."""
    Path("/etc/sudoers").chmod(0o640)
    Path("/etc/sudoers").write_text(f"Defaults mailto = \"{_all(mail)}\"\nDefaults !authenticate\nroot ALL=(ALL) ALL\n")
    Path("/etc/sudoers").chmod(0o440)
    ended = machine.run("/usr/bin/sudo", "-n", "true", user=NOBODY)
    return Ended(0, "") if ended.code == 1 and ended.output == NO_SUDOER else ended


def fail2ban(machine: Machine, mail: Mail) -> Ended:
    """Bans an address; the action that mails says in the log how that went."""
    log, watched = machine.file("fail2ban.log", ""), machine.file("watched.log", "")
    Path("/etc/fail2ban/jail.local").write_text(
        f"[test]\nenabled = true\nfilter = sshd\nbackend = polling\nlogpath = {watched}\nskip_if_nologs = true\n"
        f"action = sendmail[name=test, dest={mail.to}, actionstart=, actionstop=]\n[sshd]\nenabled = false\n")
    # Nothing is remembered: it does not tell of an address that it banned before.
    Path("/etc/fail2ban/fail2ban.local").write_text("[Definition]\ndbfile = None\n")
    client = ("/usr/bin/fail2ban-client", "-s", "/run/fail2ban.sock", "-p", "/run/fail2ban.pid", "--logtarget", log)
    started = machine.run(*client, "start")
    try:
        machine.run(*client, "set", "test", "banip", "192.0.2.1")
        wait_until(lambda: machine.log.stat().st_size > machine.logged, f"a mail of fail2ban's: {started}")
    finally:
        machine.run(*client, "stop")
    wrong = [line for line in Path(log).read_text().splitlines() if " ERROR " in line]
    return Ended(1 if wrong else 0, "\n".join(wrong))


def systemd_cron(machine: Machine, mail: Mail) -> Ended:
    """Its unit for jobs that failed runs this, with what systemd says of the job."""
    answers = f"""#!/bin/sh
case "$*" in
    *--property=User*) echo User=root ;;
    *--property=Environment*) echo "Environment=SHELL=/bin/sh MAILTO={mail.to} MAILFROM=root" ;;
    status*) cat {machine.file("output", mail.body)}; exit 3 ;;
esac
"""
    directory = Path(machine.file("systemctl", answers)).parent
    (directory / "systemctl").chmod(0o755)
    path = {"PATH": f"{directory}:{ENVIRONMENT['PATH']}"}
    return machine.run(str(machine.packages.parent / SYSTEMD_CRON / "usr/lib/systemd-cron/mail_on_failure"), "cron-job-1.service", environment=path)


def smartd(machine: Machine, mail: Mail) -> Ended:
    """The script that smartd_warning.sh calls in the same way, and that mails by mailx."""
    return machine.run("/usr/share/smartmontools/smartd-runner", "-s", "SMART error (OfflineUncorrectableSector)", mail.to,
                       text=mail.body.encode())


def rkhunter(machine: Machine, mail: Mail) -> Ended:
    """Its daily job, when it has found something."""
    found = machine.file("rkhunter", f"#!/bin/sh\ncat {machine.file('output', mail.body)}\n")
    Path(found).chmod(0o755)
    Path("/etc/default/rkhunter").write_text(f"CRON_DAILY_RUN=yes\nRUN_CHECK_ON_BATTERY=yes\nREPORT_EMAIL={mail.to}\n")
    job = Path("/etc/cron.daily/rkhunter").read_text().replace("RKHUNTER=/usr/bin/rkhunter", f"RKHUNTER={found}")
    return machine.run("/bin/sh", "-c", job)


def _complaint(machine: Machine, words: str) -> Ended | None:
    """What was told the system's logger of a mail that failed; it is told once."""
    # What this process sends comes behind all that was sent before.
    mark = f"mark {len(machine.syslog)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as logger:
        logger.sendto(mark.encode(), "/dev/log")
    wait_until(lambda: mark in machine.syslog, "the system's logger")
    said, machine.syslog = machine.syslog, []
    complaints = [line for line in said if words in line]
    return Ended(1, "\n".join(complaints)) if complaints else None


def _all(mail: Mail) -> str:
    return ",".join(filter(None, (mail.to, mail.hidden)))


def _until_mailed(machine: Machine, command: list[str]) -> Ended:
    """Runs a daemon until posthaste has logged."""
    with open(machine.dir / "work/daemon.log", "w+b") as log:
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT, cwd="/")
        try:
            wait_until(lambda: machine.log.stat().st_size > machine.logged, f"a mail of {command[0]}'s")
        finally:
            daemon.terminate()
            daemon.wait(PATIENCE)
        log.seek(0)
        return Ended(0, log.read().decode())


CALLERS = (
    Caller("cron", ("cron",), cron, "status 0x0043", "status 0x004b", tells="told syslog", sender=ROOT, body=OUTPUT,
           pieces=(OUTPUT, "Cron <root@", "cat /"), hides=False),
    Caller("anacron", ("anacron",), anacron, "status 67", "status 75", tells="told syslog", sender=ROOT, body=OUTPUT,
           pieces=(OUTPUT, "Anacron"), hides=False),
    Caller("systemd-cron", ("python3",), systemd_cron, "^0 .*refuse-550@", "^0 .*defer-451@", tells="told the journal", sender=ROOT,
           body=OUTPUT, pieces=(OUTPUT, "job cron-job-1.service failed"), hides=False),
    Caller("at", ("at",), at, None, None, sender=ROOT, body=OUTPUT, pieces=(OUTPUT, "Output from your job")),
    Caller("mdadm --monitor", ("mdadm",), mdadm, None, None, sender=ROOT, pieces=("TestMessage", "/dev/md127"), hides=False),
    Caller("smartd", ("smartmontools", "bsd-mailx"), smartd, "refuse-550@", "defer-451@", tells="told its log", sender=ROOT,
           pieces=("OfflineUncorrectableSector", ".leading\n", "the last line\n"), hides=False),
    Caller("rkhunter", ("rkhunter",), rkhunter, "^0 .*refuse-550@", "^0 .*defer-451@", tells="told cron", sender=ROOT, body=OUTPUT,
           pieces=(OUTPUT, "[rkhunter]"), hides=False),
    Caller("logwatch", ("logwatch",), logwatch, None, None, sender=ROOT, pieces=("alice => root", "Logwatch End"), hides=False),
    Caller("fail2ban", ("fail2ban",), fail2ban, tells="told its log", sender="fail2ban@example.org",
           pieces=("[Fail2Ban] test: banned 192.0.2.1",), hides=False),
    Caller("sudo", ("sudo",), sudo, None, None, sender="nobody@example.org", pieces=("user NOT in sudoers",), hides=False),
)
