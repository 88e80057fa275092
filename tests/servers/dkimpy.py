"""P-377 and what the hash is of (P-374): signatures of messages of many sizes, by DATA and by BDAT, verified by dkimpy."""

import json
import os
import random
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import debian
from client import Account, Client
from messages import SENDER
from rig import DOMAIN
from tally import Tally

NAME = "dkimpy"
KEYS = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}
MIB = 1 << 20
# Around the blocks in which a message is read, and the memory that one may take. The last is sent once.
SIZES = (1, 2, 998, 65535, 65536, 65537, MIB - 1, MIB, MIB + 1)
LARGEST = 100 * MIB
PIECES = (b"word ", b"two  blanks", b"\t", b" ", b"\n", b" \n", b"\n\n", b".\n", b"..dot", b"\r\n", b"long" * 30)


@dataclass(frozen=True)
class Verifier:
    """dkimpy in a process of its own, with Debian's interpreter: its cryptography is not for every other one."""

    root: Path
    records: Path

    def verify(self, *messages: Path) -> list[str]:
        """A line for each message."""
        libraries = ":".join(str(path) for path in (self.root / "usr/lib").glob("*-linux-gnu"))
        environment = os.environ | {"PYTHONPATH": str(self.root / "usr/lib/python3/dist-packages"), "LD_LIBRARY_PATH": libraries}
        program = Path(__file__).with_name("dkimpy_verify.py")
        done = subprocess.run(["/usr/bin/python3", str(program), str(self.records), *map(str, messages)], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"dkimpy ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.splitlines()


def run(cache: Path, binary: Path, tally: Tally) -> None:
    """A row for each way of the message. Raises as `debian.unpack` does."""
    root = debian.unpack(cache, NAME, ["python3-dkim", "python3-nacl"])
    if not Path("/usr/bin/python3").exists():
        raise debian.Unavailable("needs Debian's own python3")
    with tempfile.TemporaryDirectory(prefix="posthaste-dkimpy-") as directory:
        place = Path(directory)
        records = place / "records"
        records.write_text(json.dumps({name: text for key in KEYS for name, text in [make_key(binary, place, key)]}))
        verifier = Verifier(root, records)
        client = Client(binary, place)
        with Sink(binary, place / "caught") as sink:
            for chunking, sizes in (("never", SIZES), ("always", (*SIZES, LARGEST))):
                account = Account("smtp", sink.port, tls="none", extra=settings(place, chunking))
                checks = [check(client, account, sink, verifier, size) for size in sizes]
                way = "DATA" if chunking == "never" else "BDAT"
                tally.row(NAME, "none", "-", checks, f"{way}, bodies of {sizes[0]} to {sizes[-1]} octets")
                tally.row(NAME, "none", "-", [altered(client, account, sink, verifier)], f"{way}, altered on the way")


def make_key(binary: Path, place: Path, kind: str) -> tuple[str, str]:
    """Makes a key, and gives the name and the text of its record."""
    made = subprocess.run([str(binary), "dkim", "keygen", "--selector", kind, "--domain", SENDER.split("@")[1], "--type", kind, str(place / kind)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    line = next(line for line in made.stdout.splitlines() if " IN TXT " in line)
    return line.split(". IN TXT ")[0], "".join(re.findall('"([^"]*)"', line))


def settings(place: Path, chunking: str) -> tuple[str, ...]:
    selectors = ", ".join(f'"{kind}"' for kind in KEYS)
    files = ", ".join(f'"{place / kind}"' for kind in KEYS)
    return (f"dkim-selector = [{selectors}]", f"dkim-key = [{files}]", f'chunking = "{chunking}"', 'log = "none"')


def check(client: Client, account: Account, sink: "Sink", verifier: Verifier, size: int) -> Callable[[], None]:
    def checked() -> None:
        client.send(account, message(size), f"bob@{DOMAIN}").expect(0)
        caught = sink.take()
        found = verifier.verify(caught)
        caught.unlink()
        if found != [", ".join(KEYS.values())]:
            raise AssertionError(f"{size} octets: {found}")
    return checked


def altered(client: Client, account: Account, sink: "Sink", verifier: Verifier) -> Callable[[], None]:
    """What shows that the verifier looks at all."""
    def checked() -> None:
        client.send(account, message(65536), f"bob@{DOMAIN}").expect(0)
        caught = sink.take()
        for at in (b"\nSubject: s", b"\nX: last"):
            other = caught.with_name("other")
            other.write_bytes(caught.read_bytes().replace(at, at + b"x"))
            found = verifier.verify(other)[0]
            if "rsa" in found or "ed25519" in found:
                raise AssertionError(f"{at!r} altered: {found}")
    return checked


def message(size: int) -> bytes:
    """A message whose body has this many octets: words, blanks, dots and empty lines of all kinds, and 8-bit text in some."""
    pick = random.Random(size)
    pieces = PIECES + ("Grüße ".encode(),) if size % 2 else PIECES
    # The largest repeats itself.
    block = b"".join(pick.choice(pieces) for _ in range(min(size, 65536)))
    body = (block * (size // len(block) + 1))[:size]
    header = f"From: {SENDER}\nTo: a@{DOMAIN},\n\t b@{DOMAIN}  \nSubject: s  with\tblanks \nX: none\n"
    last = b"\nX: last\n" if size == 65536 else b""
    return header.encode() + b"\n" + body[:size - len(last)] + last


class Sink:
    """posthaste's own, which takes BDAT and keeps what it gets."""

    def __init__(self, binary: Path, maildir: Path):
        self.command = [str(binary), "sink", "--listen", "127.0.0.1:0", "--max-size", "200M", "--maildir", str(maildir)]
        self.maildir = maildir
        self.port = 0

    def __enter__(self) -> "Sink":
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stderr.readline().rstrip().rsplit(":", 1)[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def take(self) -> Path:
        """The one message that has come since, which is kept elsewhere."""
        (path,) = (self.maildir / "new").iterdir()
        return path.rename(self.maildir.parent / "caught.eml")
