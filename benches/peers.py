"""The programs that are measured: how each is had, configured and called, in the same task for all of them."""

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import namespace
from install import Missing, apt_install, installed, unpacked, version, with_libraries

SENDER, USER, PASSWORD, CLIENT = "alice@example.org", "alice", "secret", "client.example.org"


@dataclass
class Task:
    """One submission: "plain", "starttls" or "tls" (the last two with AUTH), to whom, and the message."""

    mode: str
    port: int
    message: Path
    recipients: list = field(default_factory=lambda: ["bob@example.net"])
    host: str = "localhost"
    pipe: bool = False  # the message comes by a pipe and not as a file
    chunking: str = ""  # for posthaste: how it uses BDAT
    batch: bool = False  # for posthaste: the message is an mbox of many
    known: Path | None = None  # for posthaste: the file with what it remembers of servers
    check: bool = False  # for posthaste: nothing is sent, and it is seen what the server bears
    names: str = ""  # for posthaste: the DNS server by which it finds the recipients' mail exchanger, on this port


@dataclass
class Launch:
    """A command line ready to start; `message_fd` is where the message is put, a file or the end of a pipe."""

    argv: list
    environment: dict
    message_fd: int | None = 0
    stdin: Path | None = None
    user: str = ""  # whom the program turns into by itself, which callgrind has to be from the start


class Peer:
    """A program and its way of being called. `prefix` is what must stand before the message (an envelope)."""

    name = package = ""
    note = ""

    def __init__(self, root, work):
        self.root, self.work, self.authority = root, work / self.name.split()[0], work / "ca.pem"
        self.work.mkdir(parents=True, exist_ok=True)
        self.environment = {}

    def install(self):
        raise NotImplementedError

    def launch(self, task):
        raise NotImplementedError

    def prefix(self, recipients):
        return b""

    def version(self):
        return version(self.root, self.package)

    def config(self, name, text):
        path = self.work / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def environ(self, **more):
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.work), "LANG": "C", **self.environment, **more}


class Posthaste(Peer):
    name = package = "posthaste"

    def __init__(self, program, *rest, before=False):
        self.program, self.before = Path(program).resolve() if program else None, before
        if before:
            self.name = "posthaste (before)"
        elif self.program and is_static(self.program):
            self.name = "posthaste (static)"
        super().__init__(*rest)

    def install(self):
        if not self.program or not self.program.exists():
            raise Missing("not built")

    def version(self):
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True).stdout.split()
        return said[1] if len(said) > 1 else ""

    def launch(self, task):
        scheme = {"plain": "smtp://", "starttls": "submission://", "tls": "submissions://"}[task.mode]
        server = "mx:" if task.names else f"{scheme}{task.host}:{task.port}"
        lines = [f'server = "{server}"', f'from = "{SENDER}"', f'hostname = "{CLIENT}"']
        if task.names:
            lines += [f'dns = "{task.names}"', f"mx-port = {task.port}"]
        elif task.mode == "plain":
            lines.append('tls = "none"')
        else:
            secret = self.config("password", PASSWORD + "\n")
            lines += [f'user = "{USER}"', f'password-file = "{secret}"', f'tls-ca-file = "{self.authority}"']
        if task.chunking:
            lines.append(f'chunking = "{task.chunking}"')
        if not self.before:  # which may not know of it yet
            lines.append(f'state-file = "{task.known or "none"}"')
        config = self.config(f"{task.mode}{task.chunking}{'-known' if task.known else ''}{'-mx' if task.names else ''}.toml", "\n".join(lines) + "\n")
        argv = [str(self.program), "sendmail", "-i", "-f", SENDER, *task.recipients]
        if task.check:
            return Launch([str(self.program), "check"], self.environ(POSTHASTE_CONFIG=str(config)), message_fd=None)
        if task.batch:
            argv = [str(self.program), "send", "--batch", str(task.message)]
            return Launch(argv, self.environ(POSTHASTE_CONFIG=str(config)), message_fd=None)
        return Launch(argv, self.environ(POSTHASTE_CONFIG=str(config)))


class Msmtp(Peer):
    name = package = "msmtp"

    def install(self):
        self.program = unpacked(self.root, self.package) / "usr/bin/msmtp"
        self.environment = with_libraries(self.root, self.program, ["libgsasl18", "libsecret-1-0"])

    def launch(self, task):
        text = f"account default\nhost {task.host}\nport {task.port}\nfrom {SENDER}\ndomain {CLIENT}\n"
        if task.mode != "plain":
            text += f"tls on\ntls_starttls {'on' if task.mode == 'starttls' else 'off'}\n"
            text += f"tls_trust_file {self.authority}\nauth plain\nuser {USER}\npassword {PASSWORD}\n"
        config = self.config(f"{task.mode}.conf", text)
        return Launch([str(self.program), "-C", str(config), "-f", SENDER, "--", *task.recipients], self.environ())


class Nullmailer(Peer):
    name = package = "nullmailer"
    note = "its protocol program alone, without the queue before it"

    def install(self):
        self.program = unpacked(self.root, self.package) / "usr/lib/nullmailer/smtp"
        self.environment = with_libraries(self.root, self.program, ["libgnutls30", "libstdc++6"])

    def prefix(self, recipients):
        return "".join(f"{line}\n" for line in [SENDER, *recipients, ""]).encode()

    def launch(self, task):
        text = f"host={task.host}\nport={task.port}\n"
        if task.mode != "plain":
            text += f"{task.mode}\nuser={USER}\npass={PASSWORD}\nx509cafile={self.authority}\n"
        options = self.config(f"{task.mode}.options", text + "\n")
        return Launch([str(self.program)], self.environ(HELOHOST=CLIENT), message_fd=3, stdin=options)


class Esmtp(Peer):
    name = package = "esmtp"

    def install(self):
        self.program = unpacked(self.root, self.package) / "usr/bin/esmtp"
        self.environment = with_libraries(self.root, self.program, ["libesmtp6"])

    def launch(self, task):
        if task.mode == "tls":
            raise Missing("no implicit TLS")
        text = f"hostname={task.host}:{task.port}\nhelo={CLIENT}\n"
        if task.mode == "starttls":
            text += f"starttls=required\nusername={USER}\npassword={PASSWORD}\n"
            folder = self.work / ".config/libesmtp"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy(self.authority, folder / "ca.pem")
            (folder / "ca.pem").chmod(0o600)
        config = self.config(f"{task.mode}.rc", text)
        return Launch([str(self.program), "-C", str(config), "-f", SENDER, *task.recipients], self.environ())


class Curl(Peer):
    name = package = "curl"

    def install(self):
        self.program = installed("curl", "curl")

    def launch(self, task):
        scheme = "smtps" if task.mode == "tls" else "smtp"
        argv = [self.program, "-q", "-sS", "--crlf", "--url", f"{scheme}://{task.host}:{task.port}/{CLIENT}",
                "--mail-from", SENDER]
        for recipient in task.recipients:
            argv += ["--mail-rcpt", recipient]
        if task.mode != "plain":
            argv += ["--cacert", str(self.authority), "--user", f"{USER}:{PASSWORD}"]
        if task.mode == "starttls":
            argv.append("--ssl-reqd")
        if task.pipe:
            return Launch([*argv, "--upload-file", "-"], self.environ())
        return Launch([*argv, "--upload-file", str(task.message)], self.environ(), message_fd=None)


class Swaks(Peer):
    name = package = "swaks"
    note = "a Perl script that is meant for tests"

    def install(self):
        self.program = unpacked(self.root, self.package) / "usr/bin/swaks"
        perl = installed("perl", "perl")
        if subprocess.run([perl, "-MNet::SSLeay", "-e1"], capture_output=True).returncode and os.geteuid() == 0:
            apt_install("libnet-ssleay-perl")
        self.perl = perl

    def launch(self, task):
        argv = [self.perl, str(self.program), "--hide-all", "--helo", CLIENT, "--server", task.host,
                "--port", str(task.port), "--from", SENDER, "--to", ",".join(task.recipients)]
        if task.mode != "plain":
            argv += ["--tls" if task.mode == "starttls" else "--tlsc", "--tls-verify",
                     "--tls-ca-path", str(self.authority),
                     "--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD]
        argv += ["--data", "-" if task.pipe else f"@{task.message}"]
        return Launch(argv, self.environ(), message_fd=0 if task.pipe else None)


class Dma(Peer):
    name = package = "dma"
    note = "spools, then delivers in child processes, one for each recipient; checks no certificate"

    def install(self):
        if namespace.MARK not in os.environ:
            raise Missing("needs root and a mount namespace for /etc/dma and its spool")
        files = unpacked(self.root, self.package)
        self.program = self.work / "dma"  # without the setgid bit, which valgrind and strace cannot follow
        shutil.copyfile(files / "usr/sbin/dma", self.program)
        self.program.chmod(0o755)
        self.environment = with_libraries(self.root, self.program, ["libssl3"])

    def launch(self, task):
        text = f"SMARTHOST {task.host}\nPORT {task.port}\nMAILNAME {CLIENT}\n"
        if task.mode != "plain":
            text += "SECURETRANSFER\nAUTHPATH /etc/dma/auth.conf\n" + ("STARTTLS\n" if task.mode == "starttls" else "")
            Path("/etc/dma/auth.conf").write_text(f"{USER}|{task.host}:{PASSWORD}\n")
        Path("/etc/dma/dma.conf").write_text(text)
        return Launch([str(self.program), "-D", "-i", "-f", SENDER, *task.recipients], self.environ(), user="mail")


PEERS = [Msmtp, Nullmailer, Esmtp, Curl, Swaks, Dma]


def is_static(program):
    """Tells whether an ELF program names no loader (no PT_INTERP), by its program headers."""
    try:
        head = Path(program).read_bytes()[:4096]
        (offset,), (size, count) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<HH", head, 54)
        kinds = [struct.unpack_from("<I", head, offset + n * size)[0] for n in range(count)]
        return head[:4] == b"\x7fELF" and 3 not in kinds
    except (OSError, struct.error):
        return False


def smtp_sink(root):
    """Returns Postfix's smtp-sink, its environment, and why there is none."""
    try:
        files = unpacked(root, "postfix")
        program = files / "usr/sbin/smtp-sink"
        needs = ["libdb5.3", "libicu72", "libnsl2", "libsasl2-2", "libssl3"]
        return str(program), with_libraries(root, program, needs, str(files / "usr/lib/postfix")), ""
    except Missing as why:
        return "", {}, str(why)
