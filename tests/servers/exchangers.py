"""Postfix and Exim as mail exchangers on port 25, each with an address for each certificate."""

import hashlib
import socket
import subprocess
from pathlib import Path

from exim_rig import Exim
from postfix_rig import Postfix
from rig import HERE, Rig, account_id, give

#: What a server is like at an address: `good` is named after every domain of the zone `dane.test`, `clear` has no STARTTLS,
#: `old` has expired and is named after somebody else, `strange` only the latter. Each is by the same authority.
FACES = ("good", "clear", "old", "strange")
NETWORK = "192.0.2"
_FIRST = {"postfix": 10, "exim": 20}


def address(server: str, face: str) -> str:
    """Where a server is like this."""
    return f"{NETWORK}.{_FIRST[server] + FACES.index(face)}"


def mailbox(domain: str) -> str:
    """The mailbox for what comes for a domain."""
    return domain.split(".")[0]


class Exchanger(Rig):
    """Takes what comes for `domains`, each into a mailbox of its own."""

    listeners = ()
    domains: list[str] = []
    #: The directory with the certificates of all faces.
    certificates = Path()

    def start(self) -> None:
        super().start()
        for face in FACES:
            self._wait(lambda: _answers(address(self.name, face)), f"{address(self.name, face)} to answer")

    def copy_certificates(self, owner: str | None = None) -> None:
        """Takes the certificates and keys into the rig; the keys are for this account."""
        for face in FACES:
            for suffix in ("pem", "key"):
                target = self.dir / f"tls/{face}.{suffix}"
                target.write_bytes((self.certificates / target.name).read_bytes())
                target.chmod(0o640 if suffix == "key" else 0o644)
                if owner and suffix == "key":
                    give(target, owner)


class PostfixExchanger(Exchanger, Postfix):
    """Its usual configuration with other listeners."""

    def configure(self) -> None:
        self.copy_certificates()
        self.write("etc/postfix/main.cf", "postfix/main.cf", uid=account_id("vmail"), sasl_type="cyrus", sasl_path="smtpd")
        main = (self.dir / "etc/postfix/main.cf").read_text()
        changed = main.replace("virtual_mailbox_domains = example.net\n", f"virtual_mailbox_domains = {' '.join(self.domains)}\n")
        (self.dir / "etc/postfix/main.cf").write_text(changed)
        (self.dir / "etc/postfix/mailboxes").write_text("".join(f"bob@{domain} {mailbox(domain)}/\n" for domain in self.domains))
        listeners = "".join(
            f"{address('postfix', face)}:25 inet n - n - - smtpd\n"
            f"  -o smtpd_tls_security_level={'none' if face == 'clear' else 'may'}\n"
            f"  -o smtpd_tls_cert_file={self.dir}/tls/{face}.pem\n"
            f"  -o smtpd_tls_key_file={self.dir}/tls/{face}.key\n"
            f"  -o smtpd_relay_restrictions=reject_unauth_destination\n" for face in FACES)
        services = (HERE / "postfix/master.cf").read_text()
        (self.dir / "etc/postfix/master.cf").write_text(listeners + services[services.index("\ncleanup ") + 1:])
        self._make_queue()


class EximExchanger(Exchanger, Exim):
    """See `direct/exim.conf`."""

    def configure(self) -> None:
        self.copy_certificates("Debian-exim")
        addresses = {face: address("exim", face) for face in FACES}
        self.write("etc/exim4/exim4.conf", "direct/exim.conf", addresses=" : ".join(addresses.values()), clear=addresses["clear"])
        (self.dir / "etc/exim4/certificates").write_text("".join(f"{place}: {face}\n" for face, place in addresses.items()))
        (self.dir / "etc/exim4/mailboxes").write_text("".join(f"{domain}: {mailbox(domain)}\n" for domain in self.domains))
        spool = self.dir / "var/spool/exim4"
        spool.mkdir()
        give(spool, "Debian-exim")
        give(self.log.parent, "Debian-exim")


class Certificates:
    """Makes those of all faces in a directory, and says what TLSA records say of them."""

    def __init__(self, directory: Path):
        self.directory = directory
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=exchangers",
                      "-addext", "keyUsage=critical,keyCertSign")
        for face in FACES:
            name = "DNS:*.dane.test" if face in ("good", "clear") else "DNS:somebody.else.test"
            days = "-1" if face == "old" else "2"
            (directory / "extensions").write_text(f"subjectAltName={name}\nbasicConstraints=critical,CA:false\n")
            self._openssl("req", *key, "-keyout", f"{face}.key", "-out", f"{face}.csr", "-subj", f"/CN={face}")
            self._openssl("x509", "-req", "-in", f"{face}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                          "-out", f"{face}.leaf", "-days", days, "-extfile", "extensions")
            # With the authority, which DANE-TA needs to be sent along.
            (directory / f"{face}.pem").write_text((directory / f"{face}.leaf").read_text() + (directory / "ca.pem").read_text())

    def tlsa(self, form: str, face: str) -> str:
        """The data of a record of this form, `3 1 1`, for the certificate of a face or, with usage 2, for the authority."""
        usage, selector, matching = form.split()
        file = "ca.pem" if usage == "2" else f"{face}.leaf"
        octets = self._openssl("x509", "-in", file, "-outform", "der")
        if selector == "1":
            key = self._openssl("x509", "-in", file, "-noout", "-pubkey")
            octets = self._openssl("pkey", "-pubin", "-outform", "der", text=key)
        digest = {"0": bytes, "1": lambda all: hashlib.sha256(all).digest(), "2": lambda all: hashlib.sha512(all).digest()}
        return f"{form} {digest[matching](octets).hex()}"

    def _openssl(self, *arguments: str, text: bytes = b"") -> bytes:
        return subprocess.run(["openssl", *arguments], cwd=self.directory, input=text, check=True, capture_output=True).stdout


def _answers(host: str) -> bool:
    try:
        socket.create_connection((host, 25), timeout=1).close()
        return True
    except OSError:
        return False
