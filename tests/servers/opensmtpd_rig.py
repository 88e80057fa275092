"""OpenSMTPD: a server without PIPELINING."""

import re

from rig import MAILBOXES, PASSWORD, USER, Rig, account_id


class OpenSmtpd(Rig):
    """The listeners are some of those of Postfix. The build of Debian 12 (6.8, OpenSSL 3) breaks off every handshake."""

    name = "opensmtpd"
    packages = ["opensmtpd"]
    listeners = ("starttls", "implicit", "open")
    has_tls = False
    without_starttls = "open"

    def configure(self) -> None:
        self.write("etc/smtpd.conf", "opensmtpd/smtpd.conf")
        vmail = account_id("vmail")
        etc = self.dir / "etc"
        (etc / "smtpd-users").write_text("".join(f"{name} {vmail}:{vmail}:{self.mail}\n" for name in MAILBOXES))
        (etc / "smtpd-logins").write_text(f'"{USER}" = "{PASSWORD}"\n')

    def command(self) -> list[str]:
        return ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        # `for` names the last recipient of the transaction, even one that was refused.
        trace = re.compile(
            rf"Return-Path: <{re.escape(sender)}>\n"
            rf"Delivered-To: {re.escape(recipient)}\n"
            rf"Received: from [^\n]+\n"
            rf"\tby mail\.example\.net \(OpenSMTPD\) with {protocol} id [0-9a-f]+"
            rf"(\n\tfor <[^\n]+>)?;\n"
            rf"\t[^\n]*\n".encode())
        found = trace.match(stored)
        if not found:
            raise AssertionError(f"not OpenSMTPD's trace for {protocol}: {stored[:600]!r}")
        return stored[found.end():]
