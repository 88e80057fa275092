"""Dovecot's submission server: CHUNKING, and a relay behind it that has the last word."""

import re

from oauth2 import configure_dovecot, signed_token
from postfix_rig import Postfix
from rig import PASSWORD, USER, Rig, give


class Dovecot(Rig):
    """Its listeners all list STARTTLS. What it takes it passes on to a Postfix of its own while the client waits."""

    name = "dovecot"
    packages = ["dovecot-submissiond", "dovecot-lmtpd"]
    listeners = ("starttls", "implicit", "clear")
    mechanisms = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")
    token_mechanisms = ("oauthbearer", "xoauth2")
    certificate_mechanisms = ("external",)
    has_chunking = True
    # A second attempt would be another number.
    refused_login = "(auth failed, 1 attempts"

    def __init__(self, cache):
        self.relay = Postfix(cache)
        super().__init__(cache)

    def __enter__(self) -> "Rig":
        self.relay.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            self.relay.__exit__()
            raise

    def __exit__(self, *_) -> None:
        super().__exit__()
        self.relay.__exit__()

    def configure(self) -> None:
        self.write("etc/dovecot/dovecot.conf", "dovecot/dovecot.conf", relay=self.relay.ports["open"], passwords=self.offered.lower(),
                   mechanisms=" ".join((*self.mechanisms, *self.token_mechanisms, *self.certificate_mechanisms)))
        configure_dovecot(self)
        (self.dir / "etc/dovecot/users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        (self.dir / "home").mkdir()
        give(self.dir / "home", "vmail")

    @property
    def token(self) -> str:
        return signed_token()

    def command(self) -> list[str]:
        return ["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        handed_on = self.relay.strip_trace(stored, recipient, sender, "ESMTP")
        trace = re.compile(
            rf"Received: from [^\n]+\n"
            rf"\tby mail\.example\.net with {protocol}\n"
            rf"\tid [^\n]+\n"
            rf"\t\(envelope-from <{re.escape(sender)}>\)"
            rf"(\n\tfor <{re.escape(recipient)}>)?; [^\n]*\n".encode())
        found = trace.match(handed_on)
        if not found:
            raise AssertionError(f"not Dovecot's trace for {protocol}: {handed_on[:600]!r}")
        return handed_on[found.end():]

    def _messages(self, user):
        return self.relay._messages(user)
