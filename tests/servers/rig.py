"""What the rigs of all servers share: a directory, certificates, ports, start and stop, and the mailboxes."""

import base64
import random
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from pathlib import Path

import debian

HERE = Path(__file__).resolve().parent
USER, PASSWORD = "alice", "correct horse 7% battery"
# Recipients that every server knows.
DOMAIN = "example.net"
MAILBOXES = ["bob", "carol", *(f"r{number:03}" for number in range(100))]
PATIENCE = 120.0
# Ports below those that the kernel gives to clients.
UNASSIGNED = (10_000, 32_000)
_CLAIMS: dict[int, socket.socket] = {}
# The accounts that the servers' packages would make. Numbers that no machine gives to people.
ACCOUNTS = ("postfix", "postdrop", "Debian-exim", "opensmtpd", "opensmtpq", "vmail", "dovecot", "dovenull", "smmta", "smmsp",
            "courier")
FIRST_ID = 64101


class Rig:
    """A server under its own temporary directory; a subclass says which, and writes its configuration."""

    name = ""
    packages: list[str] = []
    #: Listeners by name; `ports` has their numbers.
    listeners: tuple[str, ...] = ()
    #: What is spoken where no login is needed, and how the server names it in its Received field (RFC 3848).
    open_scheme, open_protocol = "smtp", "ESMTP"
    #: The messages that it changes itself: they must mean the same.
    alters: tuple[str, ...] = ()
    #: A mailbox that it takes mail for and cannot deliver to, which it says after the message.
    broken: str | None = None
    #: A Unix socket on which it speaks the same.
    socket: Path | None = None
    #: What it writes to, below the rig's directory and the root.
    writable: tuple[str, ...] = ("var/spool",)
    #: Whether its TLS works.
    has_tls = True
    #: The mechanisms that it offers, as `auth` names them, and the name by which it knows the one who logs in.
    mechanisms: tuple[str, ...] = ("plain", "login", "cram-md5")
    user = USER
    #: Mechanisms for an access token, under TLS only.
    token_mechanisms: tuple[str, ...] = ()
    #: Those for a certificate, under TLS only.
    certificate_mechanisms: tuple[str, ...] = ()
    #: Whether it lists CHUNKING.
    has_chunking = False
    #: The first of its listeners that does not list STARTTLS, if there is one.
    without_starttls: str | None = None
    #: What its log says of a login that it refused.
    refused_login = ""

    def __init__(self, cache: Path):
        self.root, self.version = self.unpack(cache)
        self.dir = Path(tempfile.mkdtemp(prefix=f"posthaste-{self.name}-"))
        self.dir.chmod(0o755)
        self.mail = self.dir / "mail"
        self.log = self.dir / "log" / "server.log"
        self.ports = dict(zip(self.listeners, free_ports(len(self.listeners))))
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Rig":
        try:
            self._prepare()
            self.configure()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def unpack(self, cache: Path) -> tuple[Path, str]:
        """Returns where the server's files are, and its version."""
        root = debian.unpack(cache, self.name, self.packages)
        return root, debian.version(root)

    def configure(self) -> None:
        """Writes the server's configuration below `self.dir`."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The command that runs the server in the foreground."""
        raise NotImplementedError

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        """The message without the header fields that this server puts before it; each is checked on the way."""
        raise NotImplementedError

    def start(self) -> None:
        """Starts the server and waits until each of its ports answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self._inside(self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for port in self.ports.values():
            self._wait(lambda: answers(port), f"port {port} to answer")

    def stop(self) -> None:
        """Ends the server, and all that it has started, at once."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
            for port in self.ports.values():
                self._wait(lambda: not answers(port), f"port {port} to close")

    @property
    def token(self) -> str:
        """The access token that it takes."""
        return base64.b64encode(PASSWORD.encode()).decode()

    @property
    def offered(self) -> str:
        """The mechanisms for a password as a server's configuration lists them."""
        return " ".join(self.mechanisms).upper()

    def run(self, command: list[str], text: str = "") -> str:
        """Runs a tool of the server's package to its end; returns what it prints."""
        done = subprocess.run(self._inside(command), input=text, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {command[0]} failed: {done.stderr}")
        return done.stdout

    def write(self, path: str, template: str, **values: object) -> None:
        """Fills in a template from this directory and writes it below the rig's."""
        text = string.Template((HERE / template).read_text()).substitute(dir=self.dir, domain=DOMAIN, **self.ports, **values)
        target = self.dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def count(self, user: str) -> int:
        """The number of messages in a mailbox."""
        return len(self._messages(user))

    def await_message(self, user: str, already: int) -> bytes:
        """The one message that comes to a mailbox which held `already` messages."""
        self._wait(lambda: self.count(user) > already, f"a message for {user}")
        return self._messages(user)[-1].read_bytes()

    def log_text(self) -> str:
        """What the server has written to its log."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.log.parent.iterdir()) if path.is_file())

    def _messages(self, user: str) -> list[Path]:
        return sorted((self.mail / user / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)

    def _wait(self, happened, what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not happened():
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended while the test waited for {what}:\n{self.log_text()}")
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name}: waited {PATIENCE:.0f} s for {what}:\n{self.log_text()[-3000:]}")
            time.sleep(0.01)

    def _inside(self, command: list[str]) -> list[str]:
        # The server must not outlive the test, even when the test is killed.
        return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child",
                "env", f"WRITABLE={' '.join(self.writable)}", "sh", str(HERE / "namespace.sh"), str(self.root), str(self.dir), *command]

    def _prepare(self) -> None:
        for path in ("etc", "var/spool", "mail", "log", "tls"):
            (self.dir / path).mkdir(parents=True)
        passwd = ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"]
        group = ["root:x:0:", "nogroup:x:65534:", "mail:x:8:"]
        for number, name in enumerate(ACCOUNTS, FIRST_ID):
            passwd.append(f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin")
            group.append(f"{name}:x:{number}:")
        etc = self.dir / "etc"
        (etc / "passwd").write_text("\n".join(passwd) + "\n")
        (etc / "group").write_text("\n".join(group) + "\n")
        (etc / "hosts").write_text("127.0.0.1 localhost mail.example.net\n")
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        (etc / "resolv.conf").write_text("")
        (etc / "mailname").write_text("mail.example.net\n")
        give(self.mail, "vmail")
        make_certificates(self.dir / "tls")


def account_id(name: str) -> int:
    """The number of one of the accounts inside."""
    return FIRST_ID + ACCOUNTS.index(name)


def give(path: Path, user: str, group: str | None = None) -> None:
    """Makes an account inside the owner of a path."""
    shutil.chown(path, account_id(user), account_id(group or user))


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, and that neither a client nor another test is given as long as this process
    lives or until `give_back`: a server takes them later, and may be stopped and come back."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(*UNASSIGNED)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            # A name of which there is one on a machine, and which goes with the process.
            claim.bind(f"\0posthaste-tests-{port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()
            continue
        _CLAIMS[port] = claim
        ports.append(port)
    return ports


def give_back(port: int) -> None:
    """A port of `free_ports` on which nothing will listen any more."""
    _CLAIMS.pop(port).close()


def answers(port: int) -> bool:
    """Whether something listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def make_certificates(directory: Path) -> None:
    """A CA (`ca.pem`), another that no server is by (`other-ca.pem`), a server's certificate for `localhost`, and that of a
    client by each CA (`client.pem`, `stranger.pem`)."""
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, stdin=subprocess.DEVNULL, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for ca in ("ca", "other-ca"):
        openssl("req", "-x509", *key, "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "2", "-subj", f"/CN=test {ca}",
                "-addext", "keyUsage=critical,keyCertSign")
    for name, ca, subject, extensions in (
        ("server", "ca", "localhost", "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth"),
        ("client", "ca", USER, "extendedKeyUsage=clientAuth"),
        ("stranger", "other-ca", USER, "extendedKeyUsage=clientAuth"),
    ):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        (directory / "extensions").write_text(f"{extensions}\nbasicConstraints=critical,CA:false\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", "extensions")
    for path in directory.iterdir():
        path.chmod(0o640 if path.suffix == ".key" else 0o644)
