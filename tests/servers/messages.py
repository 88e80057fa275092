"""What is sent, and what a server must have stored of it, octet by octet."""

import email
import email.policy
import re
from dataclasses import dataclass
from email import message_from_bytes

SENDER = "alice@example.org"
# The fields that posthaste adds when they are missing, before the first field of the message.
ADDED = {
    "Date": r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}",
    "Message-ID": r"<[^@<>\s]+@[^@<>\s]+>",
    "From": rf"([^\n<>]+ <{re.escape(SENDER)}>|{re.escape(SENDER)})",
}
COMPLETE = (
    b"From: Alice <alice@example.org>\n"
    b"To: Bob <bob@example.net>\n"
    b"Date: Tue, 24 Nov 2026 12:00:00 +0100\n"
    b"Message-ID: <fixed.1@example.org>\n"
)
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Message:
    """A message as a caller gives it; `body` is what must come after the header fields that are added."""

    name: str
    given: bytes
    body: bytes
    adds: tuple[str, ...] = ()

    def check(self, stored: bytes) -> None:
        """Raises an AssertionError unless `stored`, without its trace, is this message and nothing else."""
        if not stored.endswith(self.body):
            raise AssertionError(difference(self.body, stored))
        lines = stored[: len(stored) - len(self.body)].decode().splitlines()
        left = list(self.adds)
        for line in lines:
            name, _, value = line.partition(": ")
            if name not in left or not re.fullmatch(ADDED[name], value):
                raise AssertionError(f"unexpected header line {line!r}")
            left.remove(name)
        if left:
            raise AssertionError(f"no {' and no '.join(left)} added")

    def check_reencoded(self, stored: bytes) -> None:
        """P-250 P-251: raises an AssertionError unless `stored` is ASCII, and another reader finds the same in it."""
        if not stored.isascii():
            raise AssertionError(f"8-bit content: {stored!r}")
        self.check_meaning(stored)

    def check_meaning(self, stored: bytes) -> None:
        """Raises an AssertionError unless another reader finds in `stored` what is in this message."""
        found, meant = found_in(stored), found_in(self.given)
        if found != meant:
            raise AssertionError(f"a reader finds {found!r} and not {meant!r} in {stored!r}")


def found_in(octets: bytes) -> list[tuple[str, str | None, bytes | None]]:
    """Type, file name and decoded content of each part of a message, and its subject."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    parts = [(part.get_content_type(), part.get_filename(), None if part.is_multipart() else part.get_payload(decode=True))
             for part in message.walk()]
    return [("subject", str(message["Subject"]), None), *parts]


@dataclass(frozen=True)
class Encoded(Message):
    """A message that must come in seven bits and mean the same."""

    def check(self, stored: bytes) -> None:
        if not stored.isascii():
            raise AssertionError(f"8-bit content came: {stored[-200:]!r}")
        ours, theirs = (message_from_bytes(text) for text in (self.body, stored))
        if ours.get_payload(decode=True) != theirs.get_payload(decode=True):
            raise AssertionError(f"it means something else: {stored!r}")
        changed = {name for name, value in theirs.items() if value != ours[name]}
        if changed - {"Content-Transfer-Encoding"} or ours.keys() != theirs.keys():
            raise AssertionError(f"other fields were changed: {stored!r}")


def messages() -> list[Message]:
    """One message for each thing that may go wrong on the way."""
    return [
        _as_given("bare", b"Subject: hi\n\nhello\n", adds=("Date", "Message-ID", "From")),
        _as_given("complete", COMPLETE + b"Subject: hi\n\nhello\n"),
        _as_given("empty body", COMPLETE + b"Subject: hi\n\n"),
        _as_given("dots", COMPLETE + b"Subject: dots\n\n.\n..\n...\n.x\n..x\nx.\n\n.\nFrom here on\n>From there\n.\n"),
        _changed("no final newline", COMPLETE + b"Subject: cut\n\nthe last line", COMPLETE + b"Subject: cut\n\nthe last line\n"),
        _changed("dot, no newline", COMPLETE + b"Subject: cut\n\n.", COMPLETE + b"Subject: cut\n\n.\n"),
        _crlf("CRLF", COMPLETE + b"Subject: line ends\n\none\n\n.two\n"),
        # The pseudo-terminators by which one message becomes two: a bare CR is a line end in a body.
        _changed("smuggling", COMPLETE + b"Subject: two?\n\na\n.\r\nb\r.\rc\r\n.\rMAIL FROM:<x@example.org>\n\r.\r\rd\n",
                 COMPLETE + b"Subject: two?\n\na\n.\nb\n.\nc\n.\nMAIL FROM:<x@example.org>\n\n.\n\nd\n"),
        _as_given("8-bit", COMPLETE + "Subject: caf=?utf-8?q?=C3=A9?=\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                  "Content-Transfer-Encoding: 8bit\n\nGrüße aus Köln, 東京, и Москва\n".encode()),
        _as_given("8-bit parts", COMPLETE + "Subject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
                  "Content-Transfer-Encoding: 8bit\n\nPräambel\n--b\nContent-Type: multipart/alternative; boundary=c\n"
                  "Content-Transfer-Encoding: 8bit\n\n--c\nContent-Type: text/plain; charset=utf-8\n"
                  "Content-Transfer-Encoding: 8bit\n\nGrüße\n.\nFrom Köln\n--c\nContent-Type: text/html; charset=utf-8\n\n"
                  "<p>plain\n--c--\n--b\nContent-Type: application/json\nContent-Transfer-Encoding: 8bit\n\n{\"ö\": 1}\n--b\n"
                  "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: inner\nMIME-Version: 1.0\n"
                  "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n東京\n--b--\n".encode()),
        _as_given("long header", COMPLETE + b"Subject: " + b"s" * 900 + b"\nX-Folded: begin\n"
                  + b"".join(b"\tfolded %03d %s\n" % (n, b"f" * 60) for n in range(200)) + b"\nbody\n"),
        _as_given("998 octets", COMPLETE + b"Subject: long lines\n\n" + b"x" * 998 + b"\n." + b"y" * 997 + b"\n"),
        _as_given("1 MiB", COMPLETE + b"Subject: large\n\n" + _large()),
    ]


def _as_given(name: str, given: bytes, adds: tuple[str, ...] = ()) -> Message:
    return Message(name, given, given, adds)


def _changed(name: str, given: bytes, body: bytes) -> Message:
    return Message(name, given, body)


def _crlf(name: str, body: bytes) -> Message:
    return Message(name, body.replace(b"\n", b"\r\n"), body)


def _large() -> bytes:
    lines = []
    length = 0
    while length < MEBIBYTE:
        # Every length up to 76, and every seventh line led by a dot, so that dots fall on any border of a buffer.
        number = len(lines)
        line = (b"." if number % 7 == 0 else b"") + (b"%06d " % number + b"abcdefghij" * 7)[: number % 76] + b"\n"
        lines.append(line)
        length += len(line)
    return b"".join(lines)


def difference(expected: bytes, stored: bytes) -> str:
    """Where the end of `stored` leaves what was expected, in a line or two."""
    got = stored[-len(expected):] if len(stored) >= len(expected) else stored
    start = stored.find(expected[:60])
    if start >= 0:
        got = stored[start:]
    at = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(expected), len(got)))
    near = slice(max(0, at - 30), at + 50)
    return f"differs at octet {at}: expected {expected[near]!r} ({len(expected)} octets), stored {got[near]!r} ({len(got)} octets)"
