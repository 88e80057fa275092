"""Postfix's smtp-sink: a server that fails as its flags say, and keeps what it took."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rig import PATIENCE, free_ports, give_back

# What smtp-sink puts before each message that it keeps.
TRACE = re.compile(
    rb"X-Client-Addr: [^\n]*\nX-Client-Proto: (?P<protocol>[A-Z]+)\n(X-Helo-Args: [^\n]*\n)?"
    rb"X-Mail-Args: (?P<mail>[^\n]*)\n(?P<rcpts>(X-Rcpt-Args: [^\n]*\n)+)"
    rb"Received: from [^\n]+\n\tby [^ ]+ \(smtp-sink\) with [A-Z]+ id [0-9a-f]+;\n\t[^\n]*\n")


@dataclass(frozen=True)
class Kept:
    """A message that a sink kept: its reverse-path, its recipients, and the message itself with LF line ends."""

    protocol: str
    sender: str
    parameters: str
    recipients: tuple[str, ...]
    message: bytes


class Sink:
    """One smtp-sink with flags of its own, on a free port of 127.0.0.1, until the end of the `with` block."""

    def __init__(self, root: Path, *flags: str):
        self.root = root
        self.flags = flags
        self.lock = threading.Lock()

    def __enter__(self) -> "Sink":
        self.dir = Path(tempfile.mkdtemp(prefix="posthaste-sink-"))
        self.dir.chmod(0o777)
        (self.port,) = free_ports(1)
        libraries = f"{self.root}/usr/lib/postfix:{self.root}/usr/lib/x86_64-linux-gnu"
        # The files' names are made of what stands here; all messages go into one, if the flags say so.
        keep = [] if "-D" in self.flags else ["-d", "one."]
        # The kernel forgets to kill the sink with its parent once the sink changes its user. It does not forget the shell,
        # and with the shell ends all that is in its process namespace.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "sh", "-c", '"$@"; exit', "sh",
                   str(self.root / "usr/sbin/smtp-sink"), "-u", "nobody", *keep, *self.flags, f"127.0.0.1:{self.port}", "64"]
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                                            env=os.environ | {"LD_LIBRARY_PATH": libraries})
        try:
            self._wait(lambda: listens(self.port), "to listen")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        until = time.monotonic() + PATIENCE
        while listens(self.port):
            if time.monotonic() > until:
                raise RuntimeError(f"smtp-sink {' '.join(self.flags)} has outlived its test")
            time.sleep(0.005)
        give_back(self.port)
        shutil.rmtree(self.dir, ignore_errors=True)

    def take(self) -> list[Kept]:
        """All that it has kept since the last call, once the sink is done with every session."""
        # A message is in its file before its reply is sent. A file without a reply is removed when the sink sees the end
        # of the connection, and behind its own close() where it is the one who ends it: so it must have gone to sleep.
        if self.process.poll() is None:
            self._wait(lambda: not connected(self.port) and sleeps(self.process.pid), "to close its connections")
        paths = [path for path in self.dir.iterdir() if path.name != "log"]
        texts = [path.read_bytes() for path in paths]
        for path in paths:
            path.unlink()
        return [kept for text in texts for kept in parse(text)]

    def _wait(self, happened, what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not happened():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"smtp-sink {' '.join(self.flags)}: waited for it {what}: {(self.dir / 'log').read_text()}")
            time.sleep(0.005)


def parse(text: bytes) -> list[Kept]:
    """The messages in a file of smtp-sink's; what is not whole is a message all the same."""
    begins = [match for match in TRACE.finditer(text)]
    if text and (not begins or begins[0].start() != 0):
        raise AssertionError(f"not a file of smtp-sink's: {text[:300]!r}")
    kept = []
    for match, end in zip(begins, [each.start() for each in begins[1:]] + [len(text)]):
        sender, _, parameters = match["mail"].decode().removeprefix("<").partition(">")
        recipients = re.findall(r"^X-Rcpt-Args: <([^\n>]*)>", match["rcpts"].decode(), re.MULTILINE)
        body = text[match.end():end]
        if not body.endswith(b"\n"):
            raise AssertionError(f"a message that was cut off: {body[-100:]!r}")
        # smtp-sink ends each with an empty line.
        kept.append(Kept(match["protocol"].decode(), sender, parameters.strip(), tuple(recipients), body[:-1]))
    return kept


def listens(port: int) -> bool:
    """Whether somebody listens on a port, found out without a connection: a sink counts those."""
    return _has_socket(port, {"0A"})


def connected(port: int) -> bool:
    """Whether a server on this port holds a connection: established, or closed by the other side alone."""
    return _has_socket(port, {"01", "08"})


def sleeps(shell: int) -> bool:
    """Whether the last of the processes that this one has begun, the sink, waits for something to do; or has ended."""
    try:
        pid = shell
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[0])
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "SZX"
    except FileNotFoundError:
        return True


def _has_socket(port: int, states: set[str]) -> bool:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(fields[1].endswith(f":{port:04X}") and fields[3] in states for fields in map(str.split, lines))
