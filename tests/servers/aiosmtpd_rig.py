"""aiosmtpd, a library of Python's: a server without PIPELINING, whose mechanisms are the tests' own."""

import sys

import debian
from rig import DOMAIN, HERE, MAILBOXES, PASSWORD, USER, Rig


class Aiosmtpd(Rig):
    """The listeners are those of Postfix, but for the poor one."""

    name = "aiosmtpd"
    listeners = ("starttls", "implicit", "clear", "open")
    mechanisms = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")
    token_mechanisms = ("oauthbearer", "xoauth2")
    without_starttls = "clear"
    refused_login = "login refused"

    def unpack(self, cache):
        root = debian.python_libraries(cache)
        (about,) = root.glob("aiosmtpd-*.dist-info")
        return root, about.name.split("-")[1].removesuffix(".dist")

    def configure(self) -> None:
        (self.dir / "mailboxes").write_text("\n".join(MAILBOXES))

    def command(self) -> list[str]:
        listeners = [f"{name}={port}" for name, port in self.ports.items()]
        return [sys.executable, str(HERE / "aiosmtpd_server.py"), str(self.dir), USER, PASSWORD, DOMAIN, *listeners]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        # It adds nothing.
        return stored

    def _inside(self, command: list[str]) -> list[str]:
        return ["setpriv", "--pdeathsig", "KILL", "env", f"PYTHONPATH={self.root}", "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore", *command]
