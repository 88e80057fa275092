"""A program that calls sendmail, and what is expected of it."""

import email
import email.policy
import re
from dataclasses import dataclass, field
from typing import Callable

from machine import Ended, Machine, Taken

SENDER = "sender@example.org"
TO = "to@example.net"
HIDDEN = "hidden@example.net"
REFUSED = "refuse-550@example.net"
DEFERRED = "defer-451@example.net"
SUBJECT = "Grüße an alle ☃"
#: Dots of every kind, what looks like the start of an mbox entry, and letters outside ASCII.
BODY = "Grüße ☃\n\n.leading\n..two\n.\nFrom here on\n...\nthe last line\n"
#: For those that call without -i: there a lone dot is the end.
NO_DOT = BODY.replace("\n.\n", "\n. \n")


@dataclass(frozen=True)
class Mail:
    """What a caller is asked to send."""

    to: str
    hidden: str | None
    body: str


@dataclass(frozen=True)
class Caller:
    """A program; see `test` for what is asked of it."""

    name: str
    packages: tuple[str, ...]
    #: Has the program send a mail, and says how it ended.
    send: Callable[[Machine, Mail], Ended]
    #: A pattern of exit code and output when a recipient is refused, and when it is deferred; None where it goes on unmoved.
    refused: str | None = r"^[1-9]"
    deferred: str | None = r"^[1-9]"
    sender: str = SENDER
    body: str = BODY
    #: What it puts after the body.
    adds: str = ""
    #: What it says of a success itself.
    says: str = ""
    #: Those that write a message of their own are asked for these pieces of it instead.
    pieces: tuple[str, ...] = field(default=())
    #: Where it tells of a failure, if not by its own exit code.
    tells: str | None = None
    #: Whether it can be given a recipient that the others do not see.
    hides: bool = True

    def test(self, machine: Machine) -> str:
        """Envelope, message and silence on success; the caller's own verdict on failure. Returns what that was, for the table."""
        hidden = HIDDEN if self.hides else None
        ended = self.send(machine, Mail(TO, hidden, self.body))
        taken, log = machine.outcome(ended)
        expect(ended.code == 0 and ended.output == self.says, f"not a silent success: {ended}; {log}")
        expect(len(taken) == 1, f"{len(taken)} messages: {log}")
        self.check(taken[0], {TO, hidden} - {None})
        refused = self._failing(machine, REFUSED, self.refused)
        return f"refused: {refused}; deferred: {self._failing(machine, DEFERRED, self.deferred)}"

    def check(self, taken: Taken, recipients: set[str]) -> None:
        """Envelope and message."""
        expect(taken.sender == self.sender, f"the sender is {taken.sender!r}, not {self.sender!r}")
        expect(sorted(taken.recipients) == sorted(recipients), f"the recipients are {taken.recipients}")
        expect(not re.search(rb"(?<!\r)\n|\r(?!\n)", taken.message), f"a bare CR or LF in {taken.message!r}")
        message = email.message_from_bytes(taken.message, policy=email.policy.default)
        for name in ("From", "Date", "Message-ID", "Subject"):
            expect(len(message.get_all(name, [])) == 1, f"not one {name}: {taken.message!r}")
        expect("Bcc" not in message and HIDDEN.encode() not in taken.message, f"the hidden recipient is shown: {taken.message!r}")
        part = message.get_body(("plain",)) or message
        body = part.get_content().replace("\r\n", "\n")
        if self.pieces:
            whole = "\n".join(f"{name}: {value}" for name, value in message.items()) + "\n\n" + body
            for piece in self.pieces:
                expect(piece in whole, f"no {piece!r} in {whole!r}")
        else:
            expect(TO in message["To"], f"To: {message['To']}")
            expect(message["Subject"] == SUBJECT, f"Subject: {message['Subject']}")
            expect(body == self.body + self.adds, f"the body is {body!r} of {taken.message!r}")

    def _failing(self, machine: Machine, to: str, pattern: str | None) -> str:
        ended = self.send(machine, Mail(to, None, self.body))
        taken, log = machine.outcome(ended)
        verdict = "failed" if to == REFUSED else "deferred"
        expect(not taken and f"result={verdict}" in log, f"{to}: {taken}, {log}")
        said = f"{ended.code} {ended.output}"
        if pattern is None:
            expect(ended.code == 0, f"{to}: the caller noticed: {said}")
            return "unnoticed (logged)"
        expect(re.search(pattern, said, re.DOTALL), f"{to}: the caller's verdict is {said!r}")
        return self.tells or ("shown" if ended.code == 0 else f"exit {ended.code}")


def expect(holds: object, complaint: str) -> None:
    """Raises an AssertionError with the complaint unless it holds."""
    if not holds:
        raise AssertionError(complaint)
