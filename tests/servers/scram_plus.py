"""SCRAM bound to TLS: OpenSSL's s_server says what names the connection, and the library scramp checks the proof."""

import base64
import hashlib
import re
import ssl
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import debian
from client import Account, Client
from messages import Message, messages
from rig import DOMAIN, PASSWORD, USER, free_ports, make_certificates
from tally import Tally

NAME = "scramp"
OK, NO_PERMISSION = 0, 77
HASHES = ("SHA-256", "SHA-1")
KEYING = re.compile(r"\s*Keying material: ([0-9A-F]{64})")
MESSAGE: Message = {message.name: message for message in messages()}["dots"]


@dataclass(frozen=True)
class Case:
    """A server of one connection, and how the login must end."""

    tls: str
    hash: str
    expected: int = OK
    what: str = ""
    #: What the account asks for, and what the server lists.
    auth: str = ""
    listed: tuple[str, ...] = ()
    password: str = PASSWORD
    #: What is wrong with the server.
    binds_another: bool = False
    forges_proof: bool = False

    @property
    def mechanism(self) -> str:
        return f"SCRAM-{self.hash}-PLUS"


def cases() -> list[Case]:
    """Each hash over each version of TLS, and what must go wrong."""
    plus = [Case(tls, hash) for tls in ("TLS 1.3", "TLS 1.2") for hash in HASHES]
    best = plus[0]
    for case in plus[:3:2]:
        plus += [
            replace(case, auth="auto", listed=("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS")),
            replace(case, expected=NO_PERMISSION, what="wrong password", password="wrong"),
            replace(case, expected=NO_PERMISSION, what="bound to another connection", binds_another=True),
            # The client says that it could have bound the login, and the server finds out that its list was cut.
            replace(case, expected=NO_PERMISSION, what="list cut by somebody between", auth="auto", listed=("SCRAM-SHA-256",)),
        ]
    return [*plus, replace(best, expected=NO_PERMISSION, what="server does not know the password", forges_proof=True)]


def run(cache: Path, binary: Path, tally: Tally) -> None:
    """All cases, a row for each. Raises as `debian.python_libraries` does."""
    sys.path.insert(0, str(debian.python_libraries(cache)))
    from scramp import core

    # It compares any binding alike, and only the name of this one is younger than the library (RFC 9266).
    core.CHANNEL_TYPES = (*core.CHANNEL_TYPES, "tls-exporter")
    with tempfile.TemporaryDirectory(prefix="posthaste-scramp-") as directory:
        place = Path(directory)
        (place / "tls").mkdir()
        make_certificates(place / "tls")
        for case in cases():
            auth = case.auth or case.mechanism.lower()
            check = [lambda: _check(case, place, Client(binary, place))]
            if case.expected == OK:
                tally.route(NAME, case.tls, auth, "DATA", check)
            else:
                tally.row(NAME, case.tls, auth, check, case.what)


def _check(case: Case, place: Path, client: Client) -> None:
    """P-206 P-207 P-210 P-212 P-213 P-214: what the client binds its login to is what the server's library derives."""
    with Server(case, place / "tls") as server:
        account = Account("submissions", server.port, case.auth or case.mechanism.lower(), ca=place / "tls/ca.pem",
                          password=case.password)
        result = client.send(account, MESSAGE.given, f"bob@{DOMAIN}")
        server.end()
        result.expect(case.expected)
    wanted = "SCRAM-SHA-256" if case.listed == ("SCRAM-SHA-256",) else case.mechanism
    if server.chosen != [wanted]:
        raise AssertionError(f"{wanted} to be tried once, and it was {server.chosen}")
    if case.expected != OK:
        if server.message is not None or "MAIL" in server.commands:
            raise AssertionError("a message was sent all the same")
        return
    if not server.bound:
        raise AssertionError("no proof that was accepted")
    MESSAGE.check(server.message)


class Server:
    """`openssl s_server` for one connection, with a dialogue behind it."""

    def __init__(self, case: Case, tls: Path):
        self.case = case
        self.tls = tls
        self.chosen: list[str] = []
        self.commands: list[str] = []
        self.bound = False
        self.message: bytes | None = None
        self.trouble: Exception | None = None
        (self.port,) = free_ports(1)

    def __enter__(self) -> "Server":
        version = "-tls1_3" if self.case.tls == "TLS 1.3" else "-tls1_2"
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-naccept", "1", version,
             "-cert", "server.pem", "-key", "server.key", "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"],
            cwd=self.tls, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.reader = open(self.process.stdout.fileno(), "rb", closefd=False)
        if not any(line.startswith(b"ACCEPT") for line in self.reader):
            raise RuntimeError("openssl s_server does not listen")
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def end(self) -> None:
        """Waits until the dialogue is over, and raises what went wrong in it."""
        self.process.kill()
        self.thread.join()
        if self.trouble:
            raise self.trouble

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.reader.close()
        self.process.stdin.close()
        self.process.stdout.close()

    def _serve(self) -> None:
        try:
            self._talk()
        except BrokenPipeError:
            pass
        except Exception as trouble:
            self.trouble = trouble
            self.process.kill()

    def _talk(self) -> None:
        exported = None
        while exported is None:
            line = self._line()
            if line is None:
                return
            found = KEYING.match(line)
            exported = bytes.fromhex(found[1]) if found else None
        self._say("220 mail.example.net ESMTP")
        begun = False
        while (line := self._line()) is not None:
            verb = line[:4].upper()
            # Before the first command s_server still says what it knows of the connection.
            begun = begun or verb == "EHLO"
            if not begun:
                continue
            self.commands.append(verb)
            if verb == "EHLO":
                listed = self.case.listed or (self.case.mechanism,)
                self._say("250-mail.example.net", "250-PIPELINING", "250-8BITMIME", f"250 AUTH {' '.join(listed)}")
            elif verb == "AUTH":
                self._log_in(line, exported)
            elif verb == "DATA":
                self._say("354 go ahead")
                self.message = self._body()
                self._say("250 2.0.0 queued")
            elif verb == "QUIT":
                self._say("221 2.0.0 bye")
                return
            else:
                self._say("250 2.0.0 ok")

    def _log_in(self, line: str, exported: bytes) -> None:
        from scramp import ScramException, ScramMechanism

        _, mechanism, first = line.split(" ")
        self.chosen.append(mechanism)
        scram = ScramMechanism(mechanism)
        known = scram.make_auth_info(PASSWORD, iteration_count=4096)
        # By s_server's own account; without -PLUS the library still compares what the client says of binding.
        server = scram.make_server(lambda user: known if user == USER else None, channel_binding=self._binding(exported))
        try:
            server.set_client_first(_decoded(first))
            answer = self._challenge(server.get_server_first())
            if answer is None:
                return
            server.set_client_final(answer)
        except (ScramException, KeyError) as refused:
            self._say(f"535 5.7.8 authentication failed: {str(refused).splitlines()[0]}")
            return
        proof = server.get_server_final()
        if self.case.forges_proof:
            proof = "v=" + base64.b64encode(bytes(len(base64.b64decode(proof[2:])))).decode()
        if self._challenge(proof) is None:
            return
        self.bound = mechanism.endswith("-PLUS")
        self._say("235 2.7.0 welcome")

    def _challenge(self, text: str) -> str | None:
        self._say("334 " + base64.b64encode(text.encode()).decode())
        answer = self._line()
        try:
            return None if answer is None else _decoded(answer)
        except ValueError:
            # A "*", or s_server's own word for a connection that was closed.
            self._say("501 5.7.0 cancelled")
            return None

    def _binding(self, exported: bytes) -> tuple[str, bytes]:
        if self.case.tls == "TLS 1.3":
            name, value = "tls-exporter", exported
        else:
            der = ssl.PEM_cert_to_DER_cert((self.tls / "server.pem").read_text())
            name, value = "tls-server-end-point", hashlib.sha256(der).digest()
        return name, bytes([value[0] ^ 1]) + value[1:] if self.case.binds_another else value

    def _body(self) -> bytes:
        lines = []
        while (line := self.reader.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".").replace(b"\r\n", b"\n"))
        return b"".join(lines)

    def _line(self) -> str | None:
        line = self.reader.readline()
        return line.decode(errors="replace").rstrip("\r\n") if line else None

    def _say(self, *lines: str) -> None:
        # No line begins with a letter that s_server takes for a command.
        self.process.stdin.write("".join(f"{line}\r\n" for line in lines).encode())


def _decoded(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()
