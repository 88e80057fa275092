"""Dovecot's LMTP server: a verdict for each recipient after the message."""

import re

from rig import MAILBOXES, Rig


class DovecotLmtp(Rig):
    """One port, and a Unix socket."""

    name = "lmtp"
    packages = ["dovecot-submissiond", "dovecot-lmtpd"]
    listeners = ("open",)
    mechanisms = ()
    has_tls = False
    open_scheme, open_protocol = "lmtp", "LMTP"
    has_chunking = True
    broken = "broken"

    @property
    def socket(self):
        return self.dir / "lmtp.socket"

    def configure(self) -> None:
        self.write("etc/dovecot/dovecot.conf", "dovecot/lmtp.conf")
        (self.dir / "etc/dovecot/users").write_text("".join(f"{name}:::::::\n" for name in (*MAILBOXES, self.broken)))
        # A file where a directory should be.
        (self.mail / self.broken).write_text("")

    def command(self) -> list[str]:
        return ["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        # What names the recipient is left out where there are several.
        trace = re.compile(
            rf"Return-Path: <{re.escape(sender)}>\n"
            rf"(Delivered-To: {re.escape(recipient)}\n)?"
            rf"Received: from [^\n]+\n"
            rf"\tby mail\.example\.net with {protocol}\n"
            rf"\tid [^\n]+\n"
            rf"\t\(envelope-from <{re.escape(sender)}>\)"
            rf"(\n\tfor <{re.escape(recipient)}>)?; [^\n]*\n".encode())
        found = trace.match(stored)
        if not found:
            raise AssertionError(f"not Dovecot's trace for {protocol}: {stored[:600]!r}")
        return stored[found.end():]
