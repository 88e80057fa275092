#!/usr/bin/env python3
"""Runs the sixty cases against other sendmails, and compares what they do otherwise with docs/differences.md.

    tests/others/run.py [--only NAME] [--cache DIRECTORY]

Each is installed from Debian on a layer over this machine. Prints a line for each and ends with `N sendmails differ as listed, N
do not`. Needs Debian, root and cargo.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / name) for name in ("story", "callers", "servers")]

from debian_machine import Debian  # noqa: E402

#: Where the others are told to send.
PORT = 2525
HOST, DOMAIN = "box.example.org", "example.org"
ROUNDS = "i=0; while [ $i -lt 400 ]; do i=$((i+1))"


@dataclass(frozen=True)
class Other:
    """Another sendmail."""

    #: The heading in docs/differences.md.
    name: str
    packages: tuple[str, ...]
    configure: Callable[[Debian], None]
    #: Ends when what was accepted has gone out, and takes away what could not.
    settle: str = ":"
    #: What debconf is told.
    answers: str = ""


def configure_msmtp(machine: Debian) -> None:
    (machine.root / "etc/msmtprc").write_text(
        f"account default\nhost 127.0.0.1\nport {PORT}\ndomain {HOST}\nfrom %U@{DOMAIN}\n")


def configure_postfix(machine: Debian) -> None:
    machine.must(
        "cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf; : >/etc/postfix/main.cf\n"
        f"postconf -e myhostname={HOST} mydomain={DOMAIN} myorigin={DOMAIN} mydestination= relayhost=[127.0.0.1]:{PORT} "
        "inet_protocols=ipv4 inet_interfaces=loopback-only smtp_tls_security_level=none smtp_host_lookup=native "
        "alias_maps= alias_database= maillog_file=/var/log/postfix.log compatibility_level=3.6\n"
        "postfix start")


def configure_exim(machine: Debian) -> None:
    (machine.root / "etc/exim4/exim4.conf").write_text((HERE / "exim.conf").read_text())


OTHERS = (
    Other("msmtp", ("msmtp", "msmtp-mta"), configure_msmtp),
    Other("Postfix", ("postfix",), configure_postfix,
          f"{ROUNDS}; postqueue -p | grep -qE '^[0-9A-F]+\\*|^[0-9A-F]+ ' || ls /var/spool/postfix/maildrop/* >/dev/null 2>&1 || break; "
          "postqueue -p | grep -qE '^[0-9A-F]+ ' && ! postqueue -p | grep -qE '^[0-9A-F]+\\*' && "
          "[ -z \"$(find /var/spool/postfix/maildrop /var/spool/postfix/incoming /var/spool/postfix/active -type f)\" ] && break; "
          "sleep 0.05; done; postsuper -d ALL 2>/dev/null; :",
          "postfix postfix/main_mailer_type select No configuration"),
    # -bd starts a daemon, which is none of those that are waited for. And a server that was not there is remembered.
    Other("Exim", ("exim4-daemon-light",), configure_exim,
          f"{ROUNDS}; busy=; for process in /proc/[0-9]*; do case $(readlink $process/exe) in */exim4) "
          "if tr '\\0' ' ' <$process/cmdline | grep -q -- ' -bd '; then kill ${process#/proc/}; else busy=1; fi;; esac; done; "
          "[ -n \"$busy\" ] || break; sleep 0.05; done; rm -rf /var/spool/exim4/input/* /var/spool/exim4/msglog/* /var/spool/exim4/db/*",
          "exim4-config exim4/dc_eximconfig_configtype select no configuration at this time"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Tests other sendmails, and the page that says how they differ.")
    parser.add_argument("--only", choices=[other.name for other in OTHERS])
    parser.add_argument("--cache", type=Path, default=ROOT / "target/servers", help="where packages are kept")
    parser.add_argument("--inside", nargs=2, metavar=("NAME", "TEST"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    cache = options.cache.resolve()
    if options.inside:
        name, program = options.inside
        return test(next(other for other in OTHERS if other.name == name), Path(program), cache)
    program = build()
    failed, names = [], [options.only] if options.only else [other.name for other in OTHERS]
    for name in names:
        # All that is mounted and started goes with the namespaces, and they with this process.
        enter = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        again = [sys.executable, __file__, "--cache", str(cache), "--inside", name, str(program)]
        done = subprocess.run([*enter, "sh", "-c", '"$@"; exit', "sh", *again], stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            failed.append(name)
    print(f"{len(names) - len(failed)} sendmails differ as listed, {len(failed)} do not")
    return 1 if failed else 0


def build() -> Path:
    """The program of the cases."""
    command = ["cargo", "test", "--locked", "--quiet", "--no-run", "--test", "sendmail", "--message-format", "json"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(Path(message["executable"]) for message in messages
                if message["reason"] == "compiler-artifact" and message["target"]["name"] == "sendmail")


def test(other: Other, program: Path, cache: Path) -> int:
    try:
        with Debian(Path("/bin/true"), cache) as machine:
            if other.answers:
                machine.must(f"echo '{other.answers}' | debconf-set-selections")
            machine.install(*other.packages)
            machine.leave_network()
            subprocess.run(["hostname", HOST], check=True)
            (machine.root / "etc/mailname").write_text(DOMAIN + "\n")
            (machine.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {HOST} box\n")
            # The tests, their program and the page are where they were built.
            for place in {ROOT, program.parents[2]}:
                target = machine.root / str(place).lstrip("/")
                target.mkdir(parents=True, exist_ok=True)
                subprocess.run(["mount", "--bind", str(place), str(target)], check=True)
            other.configure(machine)
            variables = {"": "/usr/sbin/sendmail", "_NAME": other.name, "_PORT": str(PORT), "_SETTLE": other.settle}
            environment = {f"SENDMAIL_UNDER_TEST{name}": value for name, value in variables.items()}
            environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}
            tally = os.environ.get("TESTS_TALLY")
            if tally:
                environment["TESTS_TALLY"] = tally
            return subprocess.run(["chroot", str(machine.root), str(program), "--exact", "--nocapture", "--quiet",
                                   "others::another_sendmail_differs_as_the_page_says"], env=environment, stdin=subprocess.DEVNULL).returncode
    except (OSError, RuntimeError, subprocess.SubprocessError) as trouble:
        print(f"{other.name} FAILED: {trouble}", flush=True)
        return 1


if __name__ == "__main__":
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", "")
    sys.exit(main())
