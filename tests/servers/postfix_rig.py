"""Postfix with Cyrus SASL: the reference, and, with its extensions off, a poor old server."""

import re

from rig import DOMAIN, MAILBOXES, PASSWORD, USER, Rig, account_id, give

DATE = r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} [+-][0-9]{4} \([A-Z]+\)"
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")


class Postfix(Rig):
    """See `postfix/master.cf` for what each listener is."""

    name = "postfix"
    packages = ["postfix", "sasl2-bin", "libsasl2-modules", "libsasl2-modules-db", "libsasl2-2"]
    listeners = ("starttls", "implicit", "clear", "open", "poor", "xclient")
    mechanisms = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")
    has_chunking = True
    without_starttls = "clear"
    refused_login = "authentication failed"
    #: What checks the logins, the place where it does, and what Postfix calls the user then.
    sasl_type, sasl_path, login_name = "cyrus", "smtpd", f"{USER}@mail.example.net"

    def configure(self) -> None:
        self.write("etc/postfix/main.cf", "postfix/main.cf", uid=account_id("vmail"), sasl_type=self.sasl_type,
                   sasl_path=self.sasl_path)
        self.write("etc/postfix/master.cf", "postfix/master.cf")
        mailboxes = "".join(f"{name}@{DOMAIN} {name}/\n" for name in MAILBOXES)
        (self.dir / "etc/postfix/mailboxes").write_text(mailboxes)
        self._make_queue()
        self.configure_logins()

    def configure_logins(self) -> None:
        """Writes what checks the logins."""
        self.write("etc/postfix/sasl/smtpd.conf", "postfix/sasl.conf", mechanisms=self.offered)
        database = str(self.dir / "sasldb2")
        self.run(["saslpasswd2", "-p", "-c", "-u", "mail.example.net", "-f", database, USER], PASSWORD)
        give(self.dir / "sasldb2", "postfix")

    def command(self) -> list[str]:
        # -s: in the foreground.
        return ["/usr/lib/postfix/sbin/master", "-s", "-c", "/etc/postfix"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        login = rf"\t\(Authenticated sender: {re.escape(self.login_name)}\)\n" if protocol.endswith("A") else ""
        # With several recipients in one transaction the clause `for` is left out.
        trace = re.compile(
            rf"Return-Path: <{re.escape(sender)}>\n"
            rf"X-Original-To: {re.escape(recipient)}\n"
            rf"Delivered-To: {re.escape(recipient)}\n"
            rf"Received: from [^\n]+\n{login}"
            rf"\tby mail\.example\.net \(Postfix\) with {protocol} id [0-9A-F]+"
            rf"(\n\tfor <{re.escape(recipient)}>; |;\n\t){DATE}\n".encode())
        found = trace.match(stored)
        if not found:
            raise AssertionError(f"not Postfix's trace for {protocol}: {stored[:600]!r}")
        return stored[found.end():]

    def _make_queue(self) -> None:
        # What `postfix start` would make with the help of the installed package's list of files.
        queue = self.dir / "var/spool/postfix"
        (queue / "pid").mkdir(parents=True)
        for name in QUEUES:
            (queue / name).mkdir()
            give(queue / name, "postfix")
            (queue / name).chmod(0o700)
        for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
            (queue / name).mkdir()
            give(queue / name, "postfix", "postdrop")
            (queue / name).chmod(mode)
        (self.dir / "data").mkdir()
        give(self.dir / "data", "postfix")
