"""Mail straight to real exchangers on port 25, found in real zones that are signed, and validated by a real resolver."""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from client import Account, Client
from exchangers import FACES, Certificates, Exchanger, EximExchanger, PostfixExchanger, address, mailbox
from messages import SENDER, Message, messages
from network import Networks
from tally import Tally
from zones_rig import EXPIRED, FAR, FORGED, NEAR, REMOVED, Names

NAME = "direct-mx"
OK, REFUSED, NO_HOST, DEFERRED = 0, 69, 68, 75
EXACT: list[Message] = [message for message in messages() if message.name in ("dots", "8-bit", "smuggling")]
CLEAR, TLS = "ESMTP", "ESMTPS"
#: What the transcript says of a connection, or the reason why there is none.
VERIFIED, UNVERIFIED, IN_CLEAR = ", verified by DANE", ", not verified", "nothing asks for more"
NO_MATCH, NO_NAME, EXPIRED_WORDS = "matches none of the TLSA records", "neither the name mx.", "has expired"
BOGUS = "cannot be looked up: 127.0.0.1:53: server failure (SERVFAIL)"
UNTRUSTED = "DANE is not used: "


@dataclass(frozen=True)
class Case:
    """A domain of its own, and what must become of a message for it. Where it is delivered, `by` says how."""

    name: str
    what: str
    code: int
    says: str
    by: str = TLS
    #: Which exchanger, and what it is like.
    server: str = "postfix"
    face: str = "good"
    zone: str = "dane.test"
    #: The records of the exchanger, as `Certificates.tlsa` or whole.
    tlsa: tuple[str, ...] = ()
    #: Records in the place of the usual ones; `{name}` is the domain's first label, `{address}` the exchanger's.
    records: tuple[str, ...] = ("{name} MX 10 mx.{name}", "mx.{name} A {address}")
    #: What is wrong with which records: owner and type, below the zone.
    fault: tuple[str, str, str] | None = None
    #: The client's way to the resolver.
    dns: str = NEAR
    settings: tuple[str, ...] = ()
    #: The form of the record, for the table.
    auth: str = "-"

    @property
    def domain(self) -> str:
        return f"{self.name}.{self.zone}"


def cases() -> list[Case]:
    """P-313 P-314 P-315 P-316 P-317 P-318 P-319 P-322: with valid DANE the message is there octet by octet; with a broken one
    nothing is, and the exit code says "not now". P-423: transactions are counted, over a real DNS with signatures."""
    all = []
    for server in ("postfix", "exim"):
        def dane(name: str, what: str, code: int, says: str, form: str, face: str = "good", record: str = "", server=server) -> Case:
            return Case(f"{name}-{server}", what, code, says, face=face, server=server, tlsa=(record or form,), auth=form)
        all += [
            dane("key", "", OK, VERIFIED, "3 1 1"),
            dane("authority", "", OK, VERIFIED, "2 1 1"),
            dane("whole", "", OK, VERIFIED, "3 0 1"),
            dane("long", "", OK, VERIFIED, "3 0 2"),
            dane("old-key", "expired, another name", OK, VERIFIED, "3 1 1", "old"),
            dane("unusable", "none usable", OK, UNVERIFIED, "1 1 1", "strange"),
            dane("wrong", "another key", DEFERRED, NO_MATCH, "3 1 1", record=f"3 1 1 {'00' * 32}"),
            dane("wrong-authority", "another authority", DEFERRED, NO_MATCH, "2 1 1", record=f"2 1 1 {'00' * 32}"),
            dane("clear", "no STARTTLS", DEFERRED, "STARTTLS", "3 1 1", "clear"),
            dane("unusable-clear", "none usable, no STARTTLS", DEFERRED, "STARTTLS", "1 1 1", "clear"),
            dane("strange", "another name", DEFERRED, NO_NAME, "2 1 1", "strange"),
            dane("old-authority", "expired", DEFERRED, EXPIRED_WORDS, "2 1 1", "old"),
        ]
    wrong = (f"3 1 1 {'00' * 32}",)
    usual = Case.records
    tlsa, mx, host = ("_25._tcp.mx.{name}", "TLSA"), ("{name}", "MX"), ("mx.{name}", "A")
    all += [
        Case("forged", "forged TLSA", DEFERRED, BOGUS, tlsa=("3 1 1",), fault=(*tlsa, FORGED)),
        Case("late", "expired TLSA", DEFERRED, BOGUS, tlsa=("3 1 1",), fault=(*tlsa, EXPIRED)),
        Case("removed", "TLSA taken away", DEFERRED, BOGUS, tlsa=("3 1 1",), fault=(*tlsa, REMOVED)),
        Case("removed3", "TLSA taken away, NSEC3", DEFERRED, BOGUS, zone="nsec3.test", tlsa=("3 1 1",), fault=(*tlsa, REMOVED)),
        Case("forged-mx", "forged MX", DEFERRED, BOGUS, fault=(*mx, FORGED)),
        Case("late-mx", "expired MX", DEFERRED, BOGUS, fault=(*mx, EXPIRED)),
        Case("forged-host", "forged A", DEFERRED, BOGUS, fault=(*host, FORGED)),
        Case("none", "no TLSA, by NSEC", OK, UNVERIFIED),
        Case("none-clear", "no TLSA, by NSEC", OK, IN_CLEAR, CLEAR, face="clear"),
        Case("none3", "no TLSA, by NSEC3", OK, IN_CLEAR, CLEAR, face="clear", zone="nsec3.test"),
        Case("empty", "no data of TLSA, by NSEC", OK, IN_CLEAR, CLEAR, face="clear", records=(*usual, "_25._tcp.mx.{name} TXT x")),
        Case("empty3", "no data of TLSA, by NSEC3", OK, IN_CLEAR, CLEAR, face="clear", zone="nsec3.test",
             records=(*usual, "_25._tcp.mx.{name} TXT x")),
        Case("signed3", "signed, NSEC3", OK, VERIFIED, zone="nsec3.test", tlsa=("3 1 1",)),
        Case("unsigned", "zone without signature", OK, UNVERIFIED, zone="plain.test", tlsa=wrong),
        Case("unsigned-clear", "zone without signature", OK, IN_CLEAR, CLEAR, face="clear", zone="plain.test", tlsa=wrong),
        Case("gone", "no domain, by NSEC", NO_HOST, "there is no domain gone.dane.test (5.1.2)", records=()),
        Case("gone3", "no domain, by NSEC3", NO_HOST, "there is no domain gone3.nsec3.test (5.1.2)", zone="nsec3.test", records=()),
        Case("null", "null MX", NO_HOST, "takes no mail: its MX record says so (5.1.10)", records=("{name} MX 0 .", "{name} A {address}")),
        Case("hostless", "MX without address", NO_HOST, "none of its mail exchangers has an address (5.1.2)",
             records=("{name} MX 10 mx.{name}", "{name} A {address}")),
        Case("alone", "no MX, the address", OK, VERIFIED, records=("{name} A {address}", "_25._tcp.{name} TLSA {good}")),
        Case("alias", "CNAME into a zone without signature", OK, UNVERIFIED,
             records=("{name} CNAME unsigned.plain.test.",)),
        Case("host-alias", "exchanger is such a CNAME", OK, UNVERIFIED,
             records=("{name} MX 10 mx.{name}", "mx.{name} CNAME mx.unsigned.plain.test."), tlsa=wrong),
        Case("inner-alias", "exchanger is a CNAME, all signed", OK, VERIFIED,
             records=("{name} MX 10 mx.{name}", "mx.{name} CNAME mx.key-postfix.dane.test."), tlsa=()),
        Case("circle", "CNAME in a circle", DEFERRED, "cannot be looked up",
             records=("{name} CNAME other.{name}", "other.{name} CNAME {name}")),
        Case("many", "1000 MX, over TCP", OK, VERIFIED, tlsa=("3 1 1",),
             records=(*usual, *(f"{{name}} MX {number} mx{number}.{{name}}" for number in range(11, 1010)))),
        Case("own", "MX to loopback", REFUSED, "this machine (5.4.6)", records=("{name} MX 10 mx.{name}", "mx.{name} A 127.0.0.1")),
        Case("far", "resolver that is not trusted", OK, UNTRUSTED, CLEAR, face="clear", tlsa=wrong, dns=FAR),
        Case("never", "dns-trust = never", OK, UNTRUSTED, CLEAR, face="clear", tlsa=wrong, settings=('dns-trust = "never"',)),
        Case("always", "dns-trust = always", DEFERRED, NO_MATCH, tlsa=wrong, dns=FAR, settings=('dns-trust = "always"',)),
        Case("dot", "DNS over TLS", OK, VERIFIED, tlsa=("3 1 1",), dns=f"tls://{FAR}#localhost"),
        Case("dot-wrong", "DNS over TLS", DEFERRED, NO_MATCH, tlsa=wrong, dns=f"tls://{FAR}#localhost"),
        Case("dot-name", "DNS over TLS, another name", DEFERRED, "cannot be looked up", tlsa=wrong, dns=f"tls://{FAR}#other.test"),
    ]
    return all


@dataclass(frozen=True)
class Direct(Account):
    """An account without a server of its own."""

    dns: str = NEAR
    ca: Path | None = None

    def toml(self, password_file: Path) -> str:
        lines = ['server = "mx:"', f'from = "{SENDER}"', f'dns = "{self.dns}"', f'tls-ca-file = "{self.ca}"']
        return "\n".join([*lines, *self.extra]) + "\n"


def run(cache: Path, binary: Path, tally: Tally) -> None:
    """All cases, a row for each."""
    begin = time.monotonic()
    names, servers = Names(cache), {"postfix": PostfixExchanger(cache), "exim": EximExchanger(cache)}
    with tempfile.TemporaryDirectory(prefix="posthaste-direct-") as directory:
        place = Path(directory)
        (place / "tls").mkdir()
        certificates = Certificates(place / "tls")
        networks = Networks(FAR, [address(server, face) for server in servers for face in FACES])
        names.records, names.faults = _zones(certificates)
        for server in servers.values():
            server.domains = [case.domain for case in cases()]
            server.certificates = place / "tls"
        with ExitStack() as running:
            running.enter_context(names)
            with networks.far():
                for server in servers.values():
                    running.enter_context(server)
            print(f"{NAME} nsd {names.version}: unpacked and started in {time.monotonic() - begin:.1f} s", flush=True)
            for case in cases():
                check = [lambda: _check(case, servers, names, Client(binary, place))]
                tally.row("dns" if case.auth == "-" else case.server, "MX", case.auth, check, case.what)
    print(f"{NAME}: {time.monotonic() - begin:.0f} s", flush=True)


def _check(case: Case, servers: dict[str, Exchanger], names: Names, client: Client) -> None:
    server, to = servers[case.server], f"bob@{case.domain}"
    account = Direct("mx", 25, dns=case.dns, ca=names.dir / "tls/ca.pem", extra=case.settings)
    for message in EXACT if case.code == OK else EXACT[:1]:
        before = server.count(mailbox(case.domain))
        client.call(account, message.given, "sendmail", "-i", to).expect(case.code)
        if case.code == OK:
            message.check(server.strip_trace(server.await_message(mailbox(case.domain), before), to, SENDER, case.by))
    told = client.call(account, b"", "send", "--direct", "-v", "--to", to, "--subject", "hi", "--body", "text")
    if told.code != case.code or case.says not in told.stderr:
        raise AssertionError(f"exit {told.code} and no word of {case.says!r}: {told.stderr}")
    route = client.call(account, b"", "route", to)
    is_told = {VERIFIED: "(DANE: 1 record of ", UNTRUSTED: UNTRUSTED}.get(case.says, "")
    if is_told not in route.stdout:
        raise AssertionError(f"no word of {is_told!r} from route: {route.stdout}{route.stderr}")
    # Each message came once, and what was not taken is nowhere.
    sent = len(EXACT) + 1 if case.code == OK else 0
    if sent:
        server.await_message(mailbox(case.domain), sent - 1)
    came = [each.count(mailbox(case.domain)) for each in servers.values()]
    if sum(came) != sent:
        raise AssertionError(f"{came} messages came instead of {sent}")


def _zones(certificates: Certificates) -> tuple[dict[str, list[str]], dict[tuple[str, str], str]]:
    """The records of each zone, and what is wrong with which."""
    zones: dict[str, list[str]] = {}
    faults = {}
    good = certificates.tlsa("3 1 1", "good")
    for case in cases():
        def filled(text: str, case=case) -> str:
            return text.format(name=case.name, address=address(case.server, case.face), good=good)
        records = zones.setdefault(case.zone, [])
        records += [filled(record) for record in case.records]
        for tlsa in case.tlsa:
            data = tlsa if len(tlsa.split()) == 4 else certificates.tlsa(tlsa, case.face)
            records.append(f"_25._tcp.mx.{case.name} TLSA {data}")
        if case.fault:
            name, kind, fault = case.fault
            faults[f"{filled(name)}.{case.zone}", kind] = fault
    return zones, faults
