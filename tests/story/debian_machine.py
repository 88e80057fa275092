"""A Debian machine to administer: a layer over this one's files, where packages can be installed, and a server for its mail."""

import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from machine import Ended, Taken, _taken, wait_until

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
PATIENCE = 300.0
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
USER, PASSWORD = "alice", "open-sesame-4711"


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is, and the file that it is to become, where the line before it names one."""

    language: str
    text: str
    path: str | None


class Debian:
    """For a mount and a process namespace of its own. Installs first, from the network; then it has none but loopback."""

    def __init__(self, binary: Path, cache: Path):
        self.binary = binary
        self.archives = cache / "story-archives"
        self.taken = 0
        #: What was told the system's logger.
        self.syslog: list[str] = []

    def __enter__(self) -> "Debian":
        _run("mount", "--make-rprivate", "/")
        self.dir = Path(tempfile.mkdtemp(prefix="posthaste-story-"))
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.dir)
        for name in ("upper", "scratch", "root", "devices"):
            (self.dir / name).mkdir()
        self.root = self.dir / "root"
        layers = f"lowerdir=/,upperdir={self.dir}/upper,workdir={self.dir}/scratch"
        _run("mount", "-t", "overlay", "overlay", "-o", layers, self.root)
        _run("mount", "-t", "proc", "proc", self.root / "proc")
        for name in ("run", "tmp"):
            _run("mount", "-t", "tmpfs", "-o", "mode=1777" if name == "tmp" else "mode=755", "tmpfs", self.root / name)
        self._lay_devices()
        self.archives.mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", self.archives, self.root / "var/cache/apt/archives")
        # The README is followed where it was unpacked and built.
        source = self.root / "root/posthaste/target/release"
        source.mkdir(parents=True)
        shutil.copy(self.binary, source / "posthaste")
        return self

    def __exit__(self, *_) -> None:
        if hasattr(self, "sink"):
            self.sink.kill()
            self.sink.wait()
        subprocess.run(["umount", "--lazy", str(self.dir)], check=True)
        self.dir.rmdir()

    def sh(self, script: str, user: str | None = None, text: str = "") -> Ended:
        """Runs a script as root in the directory of the sources, or as a user at home; ends at the first command that fails."""
        become = ["runuser", "-u", user, "--"] if user else []
        enter = "cd /root/posthaste && " if user is None else "cd / && "
        done = subprocess.run(["chroot", str(self.root), *become, "sh", "-c", f"{enter} {{ set -e\n{script}\n}}"], env=ENVIRONMENT,
                              input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        return Ended(done.returncode, done.stdout.decode(errors="replace"))

    def must(self, script: str, user: str | None = None) -> str:
        """The same, and it must succeed; returns what it printed."""
        ended = self.sh(script, user)
        if ended.code != 0:
            raise RuntimeError(f"exit code {ended.code} of\n{script}\n{ended.output}")
        return ended.output

    def start(self, *command: str) -> subprocess.Popen:
        """Starts a daemon, which ends with the namespace."""
        return subprocess.Popen(["chroot", str(self.root), *command], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def install(self, *packages: str, more: str = "") -> None:
        """Installs Debian's packages with their dependencies. Starts none of their services: nothing here would stop them."""
        (self.root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.root / "usr/sbin/policy-rc.d").chmod(0o755)
        keep = "-o APT::Keep-Downloaded-Packages=true -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold"
        # Images for containers have a hook that takes all archives away.
        for hook in (self.root / "etc/apt/apt.conf.d").glob("docker-clean"):
            hook.unlink()
        command = f"apt-get install -y -qq --no-install-recommends {keep} {more} {' '.join(packages)}"
        if self.sh(command).code != 0:
            # The lists may be old or not there, and a network has hiccups.
            self.must(f"apt-get update -qq; {command}")

    def leave_network(self) -> None:
        """From now on there is loopback alone, with every port free."""
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "no network namespace")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            flags = struct.unpack("16sH", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH", b"lo", 0)))[1]
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH", b"lo", flags | IFF_UP))

    def start_server(self) -> None:
        """A server for submission on its two usual ports, which wants TLS and a login; the machine trusts its authority."""
        secret, authority = self.dir / "password", self.root / "usr/local/share/ca-certificates/server.crt"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        self.caught = self.dir / "caught"
        # Not under the name that is looked for to see whether a caller's posthaste is done.
        program = self.dir / "server"
        shutil.copy(self.binary, program)
        with open(self.caught, "wb") as out, open(self.dir / "server.err", "wb") as err:
            self.sink = subprocess.Popen(
                [program, "sink", "--json", "--listen", "127.0.0.1:587", "--tls-listen", "127.0.0.1:465", "--require-tls", "--user", USER,
                 "--password-file", secret, "--ca-file", authority], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        wait_until(lambda: (self.dir / "server.err").read_text().count("127.0.0.1:") >= 1, "the server to listen")
        self.must("update-ca-certificates")

    def received(self, count: int = 1) -> list[Taken]:
        """The messages that came since the last call; waits for so many."""
        def reports() -> list[str]:
            return [line for line in self.caught.read_text().splitlines(keepends=True) if line.endswith("\n")][self.taken:]
        wait_until(lambda: len(reports()) >= count, f"{count} messages; there are {reports()}, and the log has {self.syslog[-5:]}")
        new = reports()
        self.taken += len(new)
        return [_taken(report) for report in new]

    def write(self, block: Block, changed=lambda text: text) -> None:
        """Makes the file of a block. One that is there keeps its mode and its group."""
        path = self.root / block.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed(block.text))

    def _lay_devices(self) -> None:
        """The devices again, in a directory where a system's logger can listen without the machine's own taking notice."""
        devices = self.dir / "devices"
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            (devices / name).touch()
            _run("mount", "--bind", f"/dev/{name}", devices / name)
        for name in ("pts", "shm"):
            (devices / name).mkdir()
            _run("mount", "--bind", f"/dev/{name}", devices / name)
        (devices / "ptmx").symlink_to("pts/ptmx")
        (devices / "fd").symlink_to("/proc/self/fd")
        _run("mount", "--rbind", devices, self.root / "dev")
        logger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        logger.bind(str(devices / "log"))
        (devices / "log").chmod(0o666)

        def listen() -> None:
            while True:
                self.syslog.append(logger.recv(65536).decode(errors="replace"))
        threading.Thread(target=listen, daemon=True).start()


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text in Markdown."""
    found, lines = [], iter(text.splitlines())
    last = ""
    for line in lines:
        if line.startswith("```"):
            body = []
            for inner in lines:
                if inner == "```":
                    break
                body.append(inner + "\n")
            words = last.split("`")
            path = next((word for word in words[1::2] if word.startswith("/etc/")), None) if last.endswith(":") else None
            found.append(Block(line[3:], "".join(body), path if line[3:] != "sh" else None))
        elif line:
            last = line
    return found


def chapter(text: str, title: str) -> str:
    """What stands below a heading of the second level."""
    _, _, rest = text.partition(f"\n## {title}\n")
    if not rest:
        raise AssertionError(f"there is no chapter {title!r}")
    return rest.partition("\n## ")[0]


def _run(*command) -> None:
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
