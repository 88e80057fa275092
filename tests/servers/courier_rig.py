"""Courier: another family's reading of the RFCs."""

import re
import shutil
import subprocess

from rig import DOMAIN, MAILBOXES, PASSWORD, USER, Rig, account_id, give


class Courier(Rig):
    """The listeners are those of Postfix, but for the poor one."""

    name = "courier"
    packages = ["courier-mta", "courier-authlib-userdb"]
    listeners = ("starttls", "implicit", "clear", "open")
    writable = ("var/spool", "var/lib", "etc/courier")
    without_starttls = "clear"
    refused_login = "FAIL, all modules rejected"

    def configure(self) -> None:
        # The package's own script would name this one.
        makedat = self.root / "usr/bin/makedat"
        if not makedat.is_symlink():
            makedat.symlink_to("../lib/courier/makedat")
        etc = self.dir / "etc/courier"
        shutil.copytree(self.root / "etc/courier", etc, dirs_exist_ok=True)
        shutil.copytree(self.root / "var/lib", self.dir / "var/lib", symlinks=True)
        for path in ((self.dir / "var/lib/courier"), *(self.dir / "var/lib/courier").rglob("*")):
            give(path, "courier")
        self.write("etc/courier/start", "courier/start.sh", mechanisms=self.offered)
        (etc / "me").write_text("mail.example.net\n")
        (etc / "defaultdomain").write_text("mail.example.net\n")
        (etc / "locals").write_text("mail.example.net\n")
        for directory in ("hosteddomains", "esmtpacceptmailfor.dir"):
            (etc / directory).mkdir(exist_ok=True)
            (etc / directory / "tests").write_text(f"{DOMAIN}\n")
        rc = (etc / "authdaemonrc").read_text()
        (etc / "authdaemonrc").write_text(re.sub(r'authmodulelist=.*', 'authmodulelist="authuserdb"', rc))
        (etc / "userdb").write_text(self._users())
        # What is no Maildir becomes a file.
        for path in [self.mail / name / sub for name in MAILBOXES for sub in ("", "tmp", "new", "cur")]:
            path.mkdir()
            give(path, "vmail")
        tls = self.dir / "tls"
        (etc / "esmtpd.pem").write_text((tls / "server.key").read_text() + (tls / "server.pem").read_text())
        give(etc / "esmtpd.pem", "courier")
        (etc / "esmtpd.pem").chmod(0o600)

    def command(self) -> list[str]:
        return ["/bin/sh", "/etc/courier/start"]

    def strip_trace(self, stored: bytes, recipient: str, sender: str, protocol: str) -> bytes:
        login = rf"  \(AUTH: [A-Z0-9-]+ {USER}(, TLS: [^)\n]+)?\)\n" if protocol.endswith("A") else ""
        # Of TLS from the first octet it knows nothing: another program does that for it.
        protocol = protocol.replace("SA", "S?A")
        trace = re.compile(
            rf"Delivered-To: {re.escape(recipient)}\n"
            rf"Return-Path: <{re.escape(sender)}>\n"
            rf"Received: from [^\n]+\n{login}"
            rf"  by mail\.example\.net with {protocol}\n"
            rf"  id [0-9A-F.]+; [^\n]*\n".encode())
        found = trace.match(stored)
        if not found:
            raise AssertionError(f"not Courier's trace for {protocol}: {stored[:600]!r}")
        # It adds this field where the header names nobody.
        return stored[found.end():].replace(b"\nTo: undisclosed-recipients: ;\n\n", b"\n\n", 1)

    def _users(self) -> str:
        vmail = account_id("vmail")
        secret = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True)
        keyed = self.run(["/usr/sbin/userdbpw", "-hmac-md5"], f"{PASSWORD}\n{PASSWORD}\n").strip()
        lines = [f"{USER}\tuid={vmail}|gid={vmail}|home={self.dir}/mail|systempw={secret.stdout.strip()}|hmac-md5pw={keyed}"]
        lines += [f"{name}@{DOMAIN}\tuid={vmail}|gid={vmail}|home={self.mail}|mail={self.mail}/{name}" for name in MAILBOXES]
        return "\n".join(lines) + "\n"
