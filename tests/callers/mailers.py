"""Mailers for people, and git."""

import re
import shutil
import urllib.parse
from email.header import Header

from caller import SENDER, SUBJECT, TO, Caller, Mail
from machine import ENVIRONMENT, Ended, Machine
from terminal import converse

# What posthaste says must reach the person.
REFUSED = r"^[1-9].*refuse-550@example\.net"
DEFERRED = r"^[1-9].*defer-451@example\.net"
CONTROL_C, CONTROL_X = b"\x03", b"\x18"
IDENTITY = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "sender"), ("EMAIL", SENDER))}


# The arguments after `--` are To, Subject, body and Bcc.
EMACS = """
(let* ((arguments (cdr command-line-args-left)) (to (nth 0 arguments)) (hidden (nth 3 arguments)))
  (require 'MODE)
  (setq user-mail-address "SENDER" user-full-name "" mail-specify-envelope-from t mail-envelope-from 'header mail-interactive t
        message-interactive t message-sendmail-envelope-from 'header sendmail-coding-system 'utf-8
        sendmail-program "/usr/sbin/sendmail" command-line-args-left nil)
  (with-temp-buffer
    (insert "From: SENDER\\nTo: " to (if hidden (concat "\\nBcc: " hidden) "") "\\nSubject: " (nth 1 arguments) "\\n"
            mail-header-separator "\\n" (nth 2 arguments))
    SEND))
"""


def emacs(module: str, send: str):
    def call(machine: Machine, mail: Mail) -> Ended:
        lisp = EMACS.replace("MODE", module).replace("SENDER", SENDER).replace("SEND", send)
        return machine.run("/usr/bin/emacs-nox", "-Q", "--batch", "--eval", lisp, "--", mail.to, SUBJECT, mail.body,
                           *([mail.hidden] if mail.hidden else []))
    return call


def git(machine: Machine, mail: Mail) -> Ended:
    subject = Header(SUBJECT, "utf-8").encode()
    patch = machine.file("patch", f"From: {SENDER}\nSubject: {subject}\nMIME-Version: 1.0\n"
                         f"Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n{mail.body}")
    hidden = [f"--bcc={mail.hidden}"] if mail.hidden else []
    return machine.run("/usr/bin/git", "send-email", "--quiet", "--confirm=never", "--suppress-cc=all", "--no-validate", "--no-thread",
                       f"--from={SENDER}", f"--envelope-sender={SENDER}", f"--to={mail.to}", *hidden, patch, environment=IDENTITY)


def mercurial(machine: Machine, mail: Mail) -> Ended:
    """The patch that adds a file with the body."""
    repository = machine.dir / "work/repository"
    shutil.rmtree(repository, ignore_errors=True)
    hg = ("/usr/bin/hg", "-q", "-R", str(repository), "--config", "extensions.patchbomb=", "--config", "ui.username=" + SENDER)
    machine.run("/usr/bin/hg", "init", str(repository))
    (repository / "file").write_text(mail.body)
    machine.run(*hg, "commit", "--addremove", "-m", SUBJECT)
    hidden = [f"--bcc={mail.hidden}"] if mail.hidden else []
    return machine.run(*hg, "--config", "email.method=/usr/sbin/sendmail", "email", "-r", "tip", f"--from={SENDER}", f"--to={mail.to}", *hidden)


def procmail(machine: Machine, mail: Mail) -> Ended:
    """Forwards what it is given."""
    rules = machine.file("procmailrc", f"SENDMAIL=/usr/sbin/sendmail\nLOGFILE={machine.file('procmail.log', '')}\n:0 w\n"
                         f"! {mail.to} {mail.hidden or ''}\n"
                         # Where it comes to here, that recipe has failed.
                         "EXITCODE=75\nHOST\n")
    text = f"From: {SENDER}\nTo: {TO}\nSubject: {SUBJECT}\nContent-Type: text/plain; charset=utf-8\n\n{mail.body}"
    return machine.run("/usr/bin/procmail", "-m", rules, text=text.encode())


def s_nail(machine: Machine, mail: Mail) -> Ended:
    return machine.run("s-nail", "-:/", "-Ssendwait", "-Sttycharset=utf-8", "-Sexpandaddr=fail", "-r", SENDER, "-s", SUBJECT,
                       *_hidden(mail), mail.to, text=mail.body.encode())


def bsd_mailx(machine: Machine, mail: Mail) -> Ended:
    return machine.run("bsd-mailx", "-r", SENDER, "-s", SUBJECT, *_hidden(mail), mail.to, text=mail.body.encode())


def mailutils(machine: Machine, mail: Mail) -> Ended:
    hidden = ["--append", f"Bcc: {mail.hidden}"] if mail.hidden else []
    return machine.run("mail.mailutils", "--exec=unset dot", "--append=Content-Type: text/plain; charset=utf-8", *hidden, "-r", SENDER, "-s",
                       SUBJECT, mail.to, text=mail.body.encode())


def mutt(program: str):
    def send(machine: Machine, mail: Mail) -> Ended:
        return machine.run(program, "-n", "-F", "/dev/null", "-e", f"set from={SENDER} use_envelope_from copy=no charset=utf-8",
                           "-s", SUBJECT, *_hidden(mail), "--", mail.to, text=mail.body.encode())
    return send


def _hidden(mail: Mail) -> list[str]:
    return ["-b", mail.hidden] if mail.hidden else []


def alpine(machine: Machine, mail: Mail) -> Ended:
    """A person's keys in its composer; it speaks SMTP to `sendmail -bs` unless it is told otherwise."""
    settings = machine.file("pinerc", "personal-name=sender\nuser-domain=example.org\nsmtp-server=\ndefault-fcc=\"\"\n"
                            f"customized-hdrs=From: {SENDER}\nfeature-list=allow-changing-from\nlast-version-used=6.26\n")
    asked = urllib.parse.urlencode({"subject": SUBJECT, "body": mail.body}, quote_via=urllib.parse.quote)
    steps = [("Send", CONTROL_X), ("Send message", b"y"), ("not sent", CONTROL_C), ("Cancel message", b"c")]
    ended = converse(["/usr/bin/alpine", "-p", settings, "-url", f"mailto:{mail.to}?{asked}"], steps,
                     ENVIRONMENT | {"HOME": str(machine.dir / "home")}, machine.dir / "home")
    # What it says of a success may be gone before it is drawn; without a complaint it ends.
    complaint = re.search(r"\[Mail not sent[^\]]*\]", ended.output)
    return Ended(1, complaint[0]) if complaint else Ended(ended.code, "" if "Alpine finished" in ended.output else ended.output)


CALLERS = (
    Caller("git send-email", ("git", "git-email", "libmailtools-perl"), git, REFUSED, DEFERRED,
           says=f"Sent {Header(SUBJECT, 'utf-8').encode()}\n"),
    Caller("Mercurial", ("mercurial",), mercurial, REFUSED, DEFERRED, says="this patch series consists of 1 patches.\n\nCc: \n\n",
           pieces=("+Grüße ☃\n", "+.leading\n", "+the last line\n")),
    Caller("procmail", ("procmail",), procmail, sender="root@example.org", adds="\n"),
    Caller("s-nail", ("s-nail",), s_nail, REFUSED, DEFERRED),
    Caller("bsd-mailx", ("bsd-mailx",), bsd_mailx, REFUSED, DEFERRED),
    Caller("GNU mail", ("mailutils",), mailutils),
    Caller("mutt", ("mutt",), mutt("mutt"), REFUSED, DEFERRED),
    Caller("neomutt", ("neomutt",), mutt("neomutt"), REFUSED, DEFERRED),
    Caller("alpine", ("alpine",), alpine, REFUSED, DEFERRED, hides=False),
    Caller("Emacs sendmail.el", ("emacs-nox",), emacs("sendmail", "(sendmail-send-it)"), REFUSED, DEFERRED),
    Caller("Emacs message.el", ("emacs-nox",), emacs("message", "(message-mode) (message-send-mail-with-sendmail)"), REFUSED, DEFERRED),
)
