"""A machine on which posthaste is the sendmail, and the packages of the callers are installed; for this process alone."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 120.0
CONFIGURATION = """\
server = "smtp://127.0.0.1:{port}"
tls = "none"
auth = "none"
mail-domain = "example.org"
log-file = "{log}"
"""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Taken:
    """A message as the sink took it."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it said."""

    code: int
    output: str


class Machine:
    """Lays packages and a private layer over /usr, /etc and /var; runs the sink. For a mount namespace of its own."""

    def __init__(self, packages: Path, binary: Path):
        self.packages = packages
        self.binary = binary
        self.logged = 0
        self.taken = 0
        #: What the callers have told the system's logger.
        self.syslog: list[str] = []

    def __enter__(self) -> "Machine":
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        # What is mounted here is gone with the namespace; the directory stays, and is empty.
        self.dir = Path(tempfile.mkdtemp(prefix="posthaste-callers-"))
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", self.dir)
        for name in ("home", "work"):
            (self.dir / name).mkdir()
        os.environ["HOME"] = str(self.dir / "home")
        layer = self.dir / "usr"
        for name in ("bin", "sbin", "lib"):
            (layer / name).mkdir(parents=True)
        shutil.copy(self.binary, layer / "bin/posthaste")
        (layer / "sbin/sendmail").symlink_to("../bin/posthaste")
        (layer / "lib/sendmail").symlink_to("../bin/posthaste")
        # What Debian's alternatives would make.
        (layer / "bin/mail").symlink_to("bsd-mailx")
        _mount("-t", "overlay", "overlay", "-o", f"ro,lowerdir={layer}:{self.packages}/usr:/usr", "/usr")
        for name in ("etc", "var"):
            (self.dir / name / "upper").mkdir(parents=True)
            (self.dir / name / "scratch").mkdir()
            (self.packages / name).mkdir(exist_ok=True)
            upper = f"upperdir={self.dir}/{name}/upper,workdir={self.dir}/{name}/scratch"
            _mount("-t", "overlay", "overlay", "-o", f"lowerdir={self.packages}/{name}:/{name},{upper}", f"/{name}")
        _mount("-t", "tmpfs", "tmpfs", "/run")
        self._lay_devices()
        self.log = self.dir / "log"
        self.log.touch()
        self.log.chmod(0o666)
        self.caught = self.dir / "caught"
        self._start_sink()
        Path("/etc/posthaste").mkdir()
        Path("/etc/posthaste/config.toml").write_text(CONFIGURATION.format(port=self.port, log=self.log))
        return self

    def __exit__(self, *_) -> None:
        self.sink.kill()
        self.sink.wait()
        subprocess.run(["umount", "--lazy", str(self.dir)], check=True)
        self.dir.rmdir()

    def run(self, *command: str, text: bytes = b"", environment: dict[str, str] | None = None, user: int | None = None) -> Ended:
        """Runs a program to its end, with `text` on its standard input."""
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
                              cwd=self.dir / "home", user=user, group=user,
                              env=ENVIRONMENT | {"HOME": str(self.dir / "home")} | (environment or {}))
        return Ended(done.returncode, done.stdout.decode(errors="replace"))

    def file(self, name: str, text: str | bytes) -> str:
        """Writes a file of the caller's; returns its path."""
        path = self.dir / "work" / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def outcome(self, ended: Ended) -> tuple[list[Taken], str]:
        """What came of the caller's mail, once posthaste has ended: the messages that were taken, and the lines in the log."""
        wait_until(lambda: self.log.stat().st_size > self.logged, f"posthaste's line in the log: {ended}")
        wait_until(lambda: not running("posthaste") and not running("sendmail"), "the end of posthaste")
        lines = self.log.read_text()[self.logged:]
        self.logged += len(lines.encode())
        accepted = len(set(re.findall(r" id=(\S+)", "\n".join(line for line in lines.splitlines() if "result=accepted" in line))))
        wait_until(lambda: len(self._reports()) >= self.taken + accepted, "the sink's report")
        reports = self._reports()[self.taken:]
        self.taken += len(reports)
        return [_taken(report) for report in reports], lines

    def _reports(self) -> list[str]:
        return [line for line in self.caught.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def _lay_devices(self) -> None:
        """The devices again, in a directory where a system's logger can listen without the machine's own taking notice."""
        devices = self.dir / "dev"
        devices.mkdir()
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            (devices / name).touch()
            _mount("--bind", f"/dev/{name}", devices / name)
        for name in ("pts", "shm"):
            (devices / name).mkdir()
            _mount("--bind", f"/dev/{name}", devices / name)
        (devices / "ptmx").symlink_to("pts/ptmx")
        (devices / "fd").symlink_to("/proc/self/fd")
        _mount("--rbind", devices, "/dev")
        logger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        logger.bind("/dev/log")
        Path("/dev/log").chmod(0o666)

        def listen() -> None:
            while True:
                self.syslog.append(logger.recv(65536).decode(errors="replace"))
        # A queue that nobody empties would make the callers wait.
        threading.Thread(target=listen, daemon=True).start()

    def _start_sink(self) -> None:
        errors = self.dir / "sink.err"
        # Not under the name that is looked for to see whether a caller's posthaste is done.
        program = self.dir / "sink"
        shutil.copy(self.binary, program)
        with open(self.caught, "wb") as out, open(errors, "wb") as err:
            self.sink = subprocess.Popen([program, "sink", "--json", "--faults", "--listen", "127.0.0.1:0"],
                                         stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        place = re.compile(r"127\.0\.0\.1:(\d+)\n")
        wait_until(lambda: place.search(errors.read_text()), "the sink to listen")
        self.port = place.search(errors.read_text())[1]


def wait_until(happened, what: str) -> None:
    """Waits for an event that gives no other sign."""
    until = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > until:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.005)


def running(name: str) -> bool:
    """Whether a program of this name runs in the process namespace."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = path.read_text()
        except OSError:
            continue
        program, _, rest = stat.partition("(")[2].rpartition(")")
        if program == name and rest.split()[0] != "Z":
            return True
    return False


def _taken(report: str) -> Taken:
    values = json.loads(report)
    text = values["message"].encode() if "message" in values else base64.b64decode(values["message-base64"])
    return Taken(values["sender"] or "", tuple(each["address"] for each in values["recipients"]), text)


def _mount(*arguments) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"mount {' '.join(map(str, arguments))}: {done.stderr.strip()}")
