"""Exim: strict about who talks first, and lenient about nothing."""

import re

from rig import MAILBOXES, PASSWORD, USER, Rig, give


class Exim(Rig):
    """The listeners are those of Postfix, but for the poor one."""

    name = "exim"
    packages = ["exim4-daemon-heavy", "exim4-base", "sasl2-bin", "libsasl2-modules", "libsasl2-modules-db"]
    listeners = ("starttls", "implicit", "clear", "open")
    mechanisms = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")
    certificate_mechanisms = ("external",)
    has_chunking = True
    without_starttls = "clear"
    refused_login = "authenticator failed"

    def configure(self) -> None:
        self.write("etc/exim4/exim4.conf", "exim/exim.conf", user=USER, password=PASSWORD)
        # For SCRAM it calls the library of Cyrus, which wants a list for the service of that name.
        self.write("etc/sasl2/exim.conf", "postfix/sasl.conf", mechanisms="SCRAM-SHA-1 SCRAM-SHA-256")
        database = str(self.dir / "sasldb2")
        self.run(["saslpasswd2", "-p", "-c", "-u", "mail.example.net", "-f", database, USER], PASSWORD)
        give(self.dir / "sasldb2", "Debian-exim")
        # From local part to Maildir: Exim takes nothing into a path that came over the network.
        (self.dir / "etc/exim4/mailboxes").write_text("".join(f"{name}: {name}\n" for name in MAILBOXES))
        spool = self.dir / "var/spool/exim4"
        spool.mkdir()
        give(spool, "Debian-exim")
        give(self.log.parent, "Debian-exim")
        give(self.dir / "tls/server.key", "Debian-exim")

    def command(self) -> list[str]:
        return ["/usr/sbin/exim4", "-bdf"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        # Exim's words are those of RFC 3848, in lower case.
        trace = re.compile(
            rf"Return-path: <{re.escape(sender)}>\n"
            rf"Envelope-to: {re.escape(recipient)}\n"
            rf"Received: from [^\n]+\n"
            rf"\tby mail\.example\.net with {protocol.lower()} +(\(TLS1\.[23]\) tls [A-Z0-9_]+\n\t)?"
            rf"\(Exim [0-9.]+\)\n"
            rf"\t\(envelope-from <{re.escape(sender)}>\)\n"
            rf"\tid [^\n]+"
            rf"(\n\tfor {re.escape(recipient)})?;\n"
            rf"\t[^\n]*\n".encode())
        found = trace.match(stored)
        if not found:
            raise AssertionError(f"not Exim's trace for {protocol}: {stored[:600]!r}")
        return stored[found.end():]
