"""Sendmail with Cyrus SASL: the oldest of all."""

import re
import shutil
import socket

from rig import HERE, MAILBOXES, PASSWORD, USER, Rig, account_id


class Sendmail(Rig):
    """The listeners are those of Postfix, but for the poor one."""

    name = "sendmail"
    packages = ["sendmail-bin", "sendmail-base", "sendmail-cf", "sasl2-bin", "libsasl2-modules", "libsasl2-modules-db", "libsasl2-2"]
    listeners = ("starttls", "implicit", "clear", "open")
    mechanisms = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")
    # It cuts octets in a preamble to seven bits.
    alters = ("8-bit parts",)
    without_starttls = "clear"
    # Its log is the transcript of every session.
    refused_login = "535 5.7.0 authentication failed"

    def configure(self) -> None:
        # Without a full name for the host it sleeps for a minute.
        (self.dir / "etc/hosts").write_text(f"127.0.0.1 mail.example.net localhost {socket.gethostname()}\n")
        vmail = account_id("vmail")
        with open(self.dir / "etc/passwd", "a") as passwd:
            passwd.writelines(f"{name}:x:{vmail}:{vmail}::/nonexistent:/bin/sh\n" for name in MAILBOXES)
        shutil.copy(HERE / "deliver.sh", self.dir / "deliver")
        self.write("etc/mail/sendmail.mc", "sendmail/sendmail.mc", mechanisms=self.offered)
        # It trusts no file below a directory that everybody may write to.
        shutil.copytree(self.dir / "tls", self.dir / "etc/mail/tls")
        self.run(["sh", "-c", f"cd {self.dir}/etc/mail && m4 /usr/share/sendmail/cf/m4/cf.m4 sendmail.mc >sendmail.cf"])
        (self.dir / "etc/sasl2").mkdir()
        (self.dir / "etc/sasl2/Sendmail.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {self.dir}/sasldb2\nmech_list: {self.offered}\n")
        self.run(["saslpasswd2", "-p", "-c", "-u", "mail.example.net", "-f", str(self.dir / "sasldb2"), USER], PASSWORD)
        queue = self.dir / "var/spool/mqueue"
        queue.mkdir()
        queue.chmod(0o700)

    def command(self) -> list[str]:
        return ["/usr/libexec/sendmail/sendmail", "-bD", "-C", "/etc/mail/sendmail.cf", "-X", f"{self.dir}/log/transcript"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        login = r"\t\(authenticated bits=[0-9]+\)\n" if protocol.endswith("A") else ""
        tls = r"\n\t\(version=TLSv1\.[23] cipher=[A-Z0-9_-]+ bits=[0-9]+ verify=[A-Z]+\)" if "S" in protocol[5:] else ""
        # With several recipients in one transaction the clause `for` is left out.
        trace = re.compile(
            rf"Return-Path: <{re.escape(sender)}>\n"
            rf"Received: from [^\n]+\n{login}"
            rf"\tby mail\.example\.net \([0-9./]+\) with {protocol} id [0-9A-Za-z]+{tls}"
            rf"(\n\tfor <{re.escape(recipient)}>)?;\s+[^\n]*\n".encode())
        found = trace.match(stored)
        if not found:
            raise AssertionError(f"not Sendmail's trace for {protocol}: {stored[:600]!r}")
        return stored[found.end():]
