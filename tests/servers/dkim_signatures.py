"""DKIM signatures on what a server gets, verified by dkimpy."""

import itertools
import json
import os
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import debian
from rig import PATIENCE
from tally import Tally

NAME = "dkimpy"
ALGORITHMS = ["rsa-sha256", "ed25519-sha256"]
# Of Debian, as dkimpy and its compiled parts are.
PYTHON = "/usr/bin/python3"
MEMORY = 12 * 1024  # KiB
MIB = 1 << 20

HEADER = b"From: Alice <alice@example.org>\nTo: Bob <bob@example.net>\nSubject: s\nDate: Tue, 24 Nov 2026 12:00:00 +0100\n" \
         b"Message-ID: <1@example.org>\n"
TEXT = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
LINE = b"All work and  no play makes Jack a dull boy \t.\n"


@dataclass(frozen=True)
class Case:
    """A message."""

    name: str
    body: bytes
    header: bytes = HEADER
    #: What the account says beside.
    settings: str = ""


def of_size(size: int) -> bytes:
    """A body of so many octets."""
    return (LINE * (size // len(LINE) + 1))[:size]


CASES = [
    Case("empty body", b""),
    Case("1 octet", b"x"),
    Case("1 KiB", of_size(1024)),
    # The head stands before it in the first block that is read, of 65536 octets.
    *(Case(f"{size} octets", of_size(size)) for size in range(65536 - 520, 65536 + 8, 97)),
    Case("1 MiB", of_size(MIB)),
    Case("blank lines alone", b"\n\n\n\n"),
    Case("blanks alone", b" \n\t \n \n"),
    Case("blank lines behind", b"x\n\n\n \n\n"),
    Case("blank lines before", b"\n\n\nx"),
    Case("100,000 blank lines inside", b"x\n" + b"\n" * 100_000 + b"y\n"),
    Case("blanks", b"a  b\t \tc \n \t d\ne\t\n"),
    Case("dots", b".\n..\n.x\nx.\n...\n"),
    Case("all line ends", b"a\rb\r\nc\nd\r\r\ne\r"),
    Case("NUL", b"a\0b\n\0\n"),
    Case("8-bit", "Gr\u00fc\u00dfe aus K\u00f6ln\n\n".encode(), HEADER + TEXT),
    Case("8-bit and long lines", ("Gr\u00fc\u00dfe " * 500 + "\n").encode(), HEADER + TEXT),
    Case("8-bit without a label", "Gr\u00fc\u00dfe\n".encode()),
    Case("8-bit header", b"x\n", HEADER.replace(b"Subject: s", "Subject: Gr\u00fc\u00dfe".encode())),
    Case("folds", b"x\n", HEADER.replace(b"Subject: s", b"Subject:\n  a\n\t  b \t\n c  ") + b"Cc:\n c@example.net,\n\td@example.net\n"),
    Case("long fields", b"x\n", HEADER + b"References:" + b"".join(b" <%d@example.org>" % n for n in range(500)) + b"\n"),
    Case("fields again", b"x\n", HEADER + b"To: c@example.net\nCC: d@example.net\nTO: e@example.net\nCc:f@example.net\nTo : g@example.net\n"),
    Case("many fields", b"x\n", HEADER + b"".join(b"List-Id: %d\nTo: u%d@example.net\n" % (n, n) for n in range(300))),
    Case("long lines as they are", b"x" * 5000 + b"\n", settings='long-lines = "pass"\n'),
]
# Where dkimpy takes half a minute for each.
LARGE = {
    ("8-bit", "DATA"): Case("100 MiB", of_size(100 * MIB)),
    ("8-bit", "BDAT"): Case("16 MiB", of_size(16 * MIB)),
    ("7-bit", "DATA"): Case("8 MiB to be encoded", "Gr\u00fc\u00dfe aus K\u00f6ln\n".encode() * 400_000, HEADER + TEXT),
}


def run(cache: Path, binary: Path, tally: Tally) -> None:
    """A row for each kind of server. Raises as `debian.unpack` does."""
    root = debian.unpack(cache, "dkimpy", ["python3-dkim"])
    with tempfile.TemporaryDirectory(prefix="posthaste-dkim-") as directory:
        place = Path(directory)
        zone = make_keys(binary, place)
        for content, way in itertools.product(("8-bit", "7-bit"), ("DATA", "BDAT")):
            extensions = ["SIZE", "PIPELINING", "CHUNKING"] + (["8BITMIME", "SMTPUTF8"] if content == "8-bit" else [])
            with Server(extensions) as server:
                cases = CASES + [LARGE[key] for key in [(content, way)] if key in LARGE]
                checks = [lambda: _check(cases, way, server, binary, place, zone, root)]
                tally.row(NAME, "-", "-", checks, f"{len(cases)} messages to a server of {content} content by {way}")


def make_keys(binary: Path, place: Path) -> Path:
    """One key of each kind, by the program itself; gives the file with their records."""
    zone = ""
    for kind in ("rsa", "ed25519"):
        command = [binary, "dkim", "keygen", "--selector", kind, "--domain", "example.org", "--type", kind, place / f"{kind}.pem"]
        zone += subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    (place / "zone").write_text(zone)
    return place / "zone"


def _check(cases: list[Case], way: str, server: "Server", binary: Path, place: Path, zone: Path, root: Path) -> None:
    """P-134 P-370 P-374 P-376 P-377: both signatures fit, as another implementation sees it, and neither does when an octet of
    body or header is another one."""
    chunking = "always" if way == "BDAT" else "never"
    arrived = []
    for case in cases:
        config = place / "config.toml"
        config.write_text(
            f'server = "smtp://127.0.0.1:{server.port}"\ntls = "none"\nmail-domain = "example.org"\naliases = "none"\nlog = "none"\n'
            f'dkim-selector = ["rsa", "ed25519"]\ndkim-key = ["rsa.pem", "ed25519.pem"]\nchunking = "{chunking}"\n{case.settings}')
        (place / "input").write_bytes(case.header + b"\n" + case.body)
        with open(place / "input", "rb") as message:
            process = subprocess.Popen([binary, "--config", config, "sendmail", "-i", "-f", "alice@example.org", "bob@example.net"],
                                       stdin=message, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            server.client = process.pid
            said = process.communicate(timeout=PATIENCE * 4)[0]
        if process.returncode != 0 or said:
            raise AssertionError(f"{case.name}: exit {process.returncode}: {said.decode()}")
        got = server.take()
        if got.declared != len(got.message):
            raise AssertionError(f"{case.name}: SIZE={got.declared}, and {len(got.message)} octets came")
        if got.memory > MEMORY:
            raise AssertionError(f"{case.name}: {got.memory} KiB of memory")
        if not got.message.isascii():
            raise AssertionError(f"{case.name}: 8-bit content was signed")
        path = place / f"{len(arrived)}.eml"
        path.write_bytes(got.message)
        arrived.append((case, path))
    verdicts = verify(zone, root, [path for _, path in arrived])
    for (case, path), found in zip(arrived, verdicts):
        if found != ALGORITHMS:
            raise AssertionError(f"{case.name}: {found}")
    altered = [(case, altered) for case, path in arrived if path.stat().st_size < MIB for altered in alter(path)]
    for (case, path), found in zip(altered, verify(zone, root, [path for _, path in altered])):
        if len(found) != 2 or set(found) & set(ALGORITHMS):
            raise AssertionError(f"{case.name}: {path.name} was altered, and {found}")


def alter(path: Path) -> list[Path]:
    """Copies of a message: one with another subject, and one with more in its body."""
    message = path.read_bytes()
    header, _, body = message.partition(b"\r\n\r\n")
    copies = []
    for name, text in (("subject", header.replace(b"\r\nSubject:", b"\r\nSubject: x", 1) + b"\r\n\r\n" + body),
                       ("body", header + b"\r\n\r\n" + body + b"x\r\n")):
        copies.append(path.with_suffix(f".{name}"))
        copies[-1].write_bytes(text)
    return copies


def verify(zone: Path, root: Path, paths: list[Path]) -> list[list[str]]:
    """The verdicts of dkimpy on these messages."""
    environment = os.environ | {"PYTHONPATH": f"{root}/usr/lib/python3/dist-packages",
                                "LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [PYTHON, Path(__file__).with_name("dkim_verify.py"), zone, *paths]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Got:
    """A message as it arrived, dots unstuffed."""

    message: bytes
    declared: int
    #: The most memory that the client has had so far, in KiB.
    memory: int


class Server:
    """An SMTP server that keeps the last message, octet by octet."""

    def __init__(self, extensions: list[str]):
        self.extensions = extensions
        self.client = 0
        self.got: Got | None = None

    def __enter__(self) -> "Server":
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def take(self) -> Got:
        """The message of the client that has ended."""
        got, self.got = self.got, None
        if got is None:
            raise AssertionError("no message came")
        return got

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                self._converse(connection, lines)

    def _converse(self, connection: socket.socket, lines) -> None:
        say = lambda text: connection.sendall(text.encode() + b"\r\n")  # noqa: E731
        message, declared = [], 0
        say("220 x.test")
        while line := lines.readline():
            words = line.split()
            match words[0].upper():
                case b"EHLO":
                    say("\r\n".join(["250-x.test", *(f"250-{name}" for name in self.extensions), "250 HELP"]))
                case b"MAIL":
                    message, declared = [], next((int(word[5:]) for word in words if word.startswith(b"SIZE=")), 0)
                    say("250 ok")
                case b"DATA":
                    say("354 go on")
                    while (line := lines.readline()) != b".\r\n":
                        message.append(line[1:] if line.startswith(b".") else line)
                    self._keep(message, declared)
                    say("250 ok")
                case b"BDAT":
                    message.append(lines.read(int(words[1])))
                    if words[-1].upper() == b"LAST":
                        self._keep(message, declared)
                    say("250 ok")
                case b"QUIT":
                    return say("221 bye")
                case _:
                    say("250 ok")

    def _keep(self, message: list[bytes], declared: int) -> None:
        """While the client waits for the reply, it can be looked at."""
        status = Path(f"/proc/{self.client}/status").read_text()
        memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        self.got = Got(b"".join(message), declared, memory)
