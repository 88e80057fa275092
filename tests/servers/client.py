"""The program under test: a configuration file, a call, and what came of it."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from messages import SENDER
from rig import PASSWORD, PATIENCE, USER

# Those that log in with an access token.
TOKENS = ("oauthbearer", "xoauth2")
# Those that log in with the client's certificate.
CERTIFICATES = ("external",)


@dataclass(frozen=True)
class Account:
    """One way to reach a server."""

    scheme: str
    port: int
    auth: str | None = None
    tls: str | None = None
    ca: Path | None = None
    host: str = "localhost"
    password: str = PASSWORD
    user: str = USER
    #: The beginning of the names of the files with the client's certificate and its key, where it shows one.
    certificate: Path | None = None
    #: A Unix socket instead of host and port.
    socket: Path | None = None
    extra: tuple[str, ...] = field(default=())

    def toml(self, password_file: Path) -> str:
        """The configuration."""
        user = f"{quote(self.user, safe='')}@" if self.auth not in (None, *CERTIFICATES) else ""
        place = self.socket or f"{user}{self.host}:{self.port}"
        lines = [f'server = "{self.scheme}://{place}"', f'from = "{SENDER}"']
        if self.auth in TOKENS:
            lines.append(f'password-command = "cat {password_file}"')
        elif self.auth not in (None, *CERTIFICATES):
            lines.append(f'password-file = "{password_file}"')
        if self.auth and self.auth != "auto":
            lines.append(f'auth = "{self.auth}"')
        if self.tls:
            lines.append(f'tls = "{self.tls}"')
        if self.certificate:
            lines += [f'tls-cert = "{self.certificate}.pem"', f'tls-key = "{self.certificate}.key"']
        if self.ca:
            lines.append(f'tls-ca-file = "{self.ca}"')
        return "\n".join([*lines, *self.extra]) + "\n"


@dataclass(frozen=True)
class Result:
    """How a call ended."""

    code: int
    stdout: str
    stderr: str

    def expect(self, code: int) -> None:
        """Raises an AssertionError unless the exit code is this one; a success is silent and a failure is not."""
        if self.code != code:
            raise AssertionError(f"exit {self.code} instead of {code}: {self.stderr.strip() or 'no words'}")
        if self.stdout or (code == 0) != (self.stderr == ""):
            raise AssertionError(f"exit {code} with stdout {self.stdout!r}, stderr {self.stderr!r}")


class Client:
    """Calls the program under test."""

    def __init__(self, binary: Path, directory: Path):
        self.command = [str(binary)]
        self.directory = directory

    def send(self, account: Account, message: bytes, *recipients: str) -> Result:
        """Sends one message."""
        return self.call(account, message, "sendmail", "-i", *recipients)

    def call(self, account: Account, message: bytes, *arguments: str) -> Result:
        """Calls the program with these arguments."""
        secret = self.directory / "secret"
        # A token is the password and no line.
        secret.write_text(account.password + ("" if account.auth in TOKENS else "\n"))
        secret.chmod(0o600)
        config = self.directory / "posthaste.toml"
        config.write_text(account.toml(secret))
        config.chmod(0o600)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTHASTE_")}
        environment |= {"POSTHASTE_CONFIG": str(config), "HOME": str(self.directory)}
        done = subprocess.run([*self.command, *arguments], input=message, capture_output=True,
                              env=environment, cwd=self.directory, timeout=PATIENCE)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())
