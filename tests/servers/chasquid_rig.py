"""chasquid: written in Go, with one mechanism and words of its own."""

import re
import shutil

from rig import DOMAIN, HERE, MAILBOXES, PASSWORD, USER, Rig


class Chasquid(Rig):
    """It knows who logs in by the whole address."""

    name = "chasquid"
    packages = ["chasquid"]
    listeners = ("starttls", "implicit", "open")
    mechanisms = ("plain",)
    user = f"{USER}@{DOMAIN}"
    refused_login = "auth failed"

    def configure(self) -> None:
        self.write("etc/chasquid/chasquid.conf", "chasquid/chasquid.conf")
        shutil.copy(HERE / "deliver.sh", self.dir / "deliver")
        etc = self.dir / "etc/chasquid"
        certificates = etc / "certs/mail.example.net"
        certificates.mkdir(parents=True)
        shutil.copy(self.dir / "tls/server.pem", certificates / "fullchain.pem")
        shutil.copy(self.dir / "tls/server.key", certificates / "privkey.pem")
        domain = etc / f"domains/{DOMAIN}"
        domain.mkdir(parents=True)
        (self.dir / "var/spool/chasquid").mkdir()
        # An alias to a command is a mailbox without a password, and 102 passwords would take their time.
        (domain / "aliases").write_text("".join(f"{name}: | /bin/sh {self.dir}/deliver {name}\n" for name in MAILBOXES))
        (domain / "users").write_text("")
        self._add_user(domain)

    def command(self) -> list[str]:
        return ["/usr/bin/chasquid", "--config_dir=/etc/chasquid"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        # It looks for an SPF record where nobody logged in, and calls itself by the name that the client asked for.
        trace = re.compile(
            rf"(Received-SPF: [^\n]*\n)?"
            rf"Received: from [^\n]+\n"
            rf"\tby (localhost|mail\.example\.net) \(chasquid\) with {protocol}\n"
            rf"(\ttls TLS_[A-Z0-9_]+\n)?"
            rf"\t\(over [^\n]*, envelope from \"{re.escape(sender)}\"\)\n"
            rf"\t; [^\n]*\n".encode())
        found = trace.match(stored)
        if not found:
            raise AssertionError(f"not chasquid's trace for {protocol}: {stored[:600]!r}")
        return stored[found.end():]

    def _add_user(self, domain) -> None:
        # /etc is written to before it is mounted, so the tool works on the directory itself.
        self.run(["/usr/bin/chasquid-util", f"--configdir={domain.parent.parent}", "user-add", self.user, f"--password={PASSWORD}"])
