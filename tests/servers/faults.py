"""What must go wrong in the right way: the exit code, the words, and nothing sent that should not be."""

from dataclasses import dataclass, replace
from typing import Callable

from client import Account, Client
from messages import SENDER, messages
from rig import DOMAIN, PASSWORD, Rig
from routes import Route, deliver, plain

OK, NO_USER, UNAVAILABLE, TEMPORARY, NO_PERMISSION = 0, 67, 69, 75, 77
BARE = messages()[0]


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    tls: str
    auth: str
    what: str
    check: Callable[[Rig, Client], None]


def of(rig: Rig) -> list[Fault]:
    """The faults that a server can show; the last one stops it."""
    best = _best(rig)
    faults = []
    if rig.has_tls:
        for mechanism in ("auto", *rig.mechanisms, *rig.token_mechanisms):
            account = replace(best.account, auth=mechanism, password="wrong")
            faults.append(Fault(best.tls, mechanism, "wrong password", _refused_login(account)))
        for mechanism in rig.certificate_mechanisms:
            account = replace(best.account, auth=mechanism, certificate=rig.dir / "tls/stranger")
            faults.append(Fault(best.tls, mechanism, "certificate of a stranger", _stranger(account)))
        for tls, listener, scheme in (("STARTTLS", "starttls", "submission"), ("implicit", "implicit", "submissions")):
            account = Account(scheme, rig.ports[listener], "auto", ca=rig.dir / "tls/ca.pem", user=rig.user)
            untrusted = replace(account, ca=rig.dir / "tls/other-ca.pem")
            faults += [
                Fault(tls, "auto", "certificate of another CA", _nothing_sent(untrusted)),
                Fault(tls, "auto", "certificate of no known CA", _nothing_sent(replace(account, ca=None))),
                Fault(tls, "auto", "certificate for another name", _nothing_sent(replace(account, host="127.0.0.1"))),
            ]
    elif "starttls" in rig.ports:
        for tls, listener, scheme in (("STARTTLS", "starttls", "submission"), ("implicit", "implicit", "submissions")):
            broken = Account(scheme, rig.ports[listener], "auto", ca=rig.dir / "tls/ca.pem")
            faults.append(Fault(tls, "auto", "handshake broken off", _nothing_sent(broken)))
    if rig.without_starttls:
        bare = Account("submission", rig.ports[rig.without_starttls], "auto", ca=rig.dir / "tls/ca.pem")
        faults.append(Fault("none", "auto", "TLS required, no STARTTLS", _nothing_sent(bare)))
    faults += [
        Fault(best.tls, best.auth, "unknown recipient among others", _unknown_recipient(best)),
        Fault(best.tls, best.auth, "unknown recipient alone", _only_unknown(best)),
        *([Fault(best.tls, best.auth, "broken mailbox among others", _broken(best))] if rig.broken else []),
        *([Fault("none", "-", "XCLIENT", _xclient)] if "xclient" in rig.ports else []),
        Fault(best.tls, best.auth, "server stopped, then back", _stopped(best)),
    ]
    return faults


def _best(rig: Rig) -> Route:
    if rig.has_tls:
        account = Account("submission", rig.ports["starttls"], "plain", ca=rig.dir / "tls/ca.pem", user=rig.user)
        return Route("starttls", "STARTTLS", "plain", "ESMTPSA", account)
    return plain(rig)


def _refused_login(account: Account) -> Callable[[Rig, Client], None]:
    def check(rig: Rig, client: Client) -> None:
        """P-189: one attempt, and no other mechanism with the same password."""
        before = rig.log_text().count(rig.refused_login)
        words = _send_nothing(rig, client, account, NO_PERMISSION)
        attempts = rig.log_text().count(rig.refused_login) - before
        if attempts != 1:
            raise AssertionError(f"{attempts} attempts to log in")
        if "hint" not in words.lower():
            raise AssertionError(f"no hint: {words!r}")
    return check


def _stranger(account: Account) -> Callable[[Rig, Client], None]:
    def check(rig: Rig, client: Client) -> None:
        _send_nothing(rig, client, account, NO_PERMISSION)
    return check


def _nothing_sent(account: Account) -> Callable[[Rig, Client], None]:
    def check(rig: Rig, client: Client) -> None:
        _send_nothing(rig, client, account, TEMPORARY)
    return check


def _send_nothing(rig: Rig, client: Client, account: Account, code: int) -> str:
    before = rig.count("bob")
    result = client.send(account, BARE.given, f"bob@{DOMAIN}")
    result.expect(code)
    for secret in (account.password, PASSWORD):
        if secret in result.stderr:
            raise AssertionError(f"the password stands in {result.stderr!r}")
    # Mail takes a moment from the server's queue to the mailbox: what is sent after it shows that it would be there.
    deliver(rig, client, _best(rig), BARE, ["carol"])
    if rig.count("bob") != before:
        raise AssertionError("a message was sent all the same")
    return result.stderr


def _unknown_recipient(route: Route) -> Callable[[Rig, Client], None]:
    def check(rig: Rig, client: Client) -> None:
        users = ("bob", "carol")
        before = {user: rig.count(user) for user in users}
        result = client.send(route.account, BARE.given, f"bob@{DOMAIN}", f"stranger@{DOMAIN}", f"carol@{DOMAIN}")
        result.expect(NO_USER)
        if f"stranger@{DOMAIN}" not in result.stderr or f"carol@{DOMAIN}" in result.stderr.replace("stranger", ""):
            raise AssertionError(f"the words do not name the stranger alone: {result.stderr!r}")
        for user in users:
            stored = rig.await_message(user, before[user])
            BARE.check(rig.strip_trace(stored, f"{user}@{DOMAIN}", SENDER, route.protocol))
    return check


def _only_unknown(route: Route) -> Callable[[Rig, Client], None]:
    def check(rig: Rig, client: Client) -> None:
        client.send(route.account, BARE.given, f"stranger@{DOMAIN}").expect(NO_USER)
    return check


def _broken(route: Route) -> Callable[[Rig, Client], None]:
    def check(rig: Rig, client: Client) -> None:
        """P-308: each has a verdict of its own."""
        before = {user: rig.count(user) for user in ("bob", "carol")}
        result = client.send(route.account, BARE.given, *(f"{user}@{DOMAIN}" for user in ("bob", rig.broken, "carol")))
        result.expect(TEMPORARY)
        if f"{rig.broken}@{DOMAIN}" not in result.stderr or "bob@" in result.stderr or "carol@" in result.stderr:
            raise AssertionError(f"the words do not name {rig.broken} alone: {result.stderr!r}")
        for user, count in before.items():
            stored = rig.await_message(user, count)
            BARE.check(rig.strip_trace(stored, f"{user}@{DOMAIN}", SENDER, route.protocol))
    return check


def _xclient(rig: Rig, client: Client) -> None:
    """P-306: only whoever asks for it is taken for another client, whose rules are those of that client."""
    account = Account("smtp", rig.ports["xclient"], tls="none")
    arguments = ("send", "--to", f"bob@{DOMAIN}", "--subject", "s", "--body", "b")
    another = ("--xclient", "NAME=spike.example", "--xclient", "ADDR=192.0.2.7")
    for options, named in (((), "[127.0.0.1]"), (another, "(spike.example [192.0.2.7])")):
        before = rig.count("bob")
        client.call(account, b"", *arguments, *options).expect(OK)
        trace = rig.await_message("bob", before).partition(b"\n\n")[0].decode()
        if named not in trace:
            raise AssertionError(f"{named} is not in {trace!r}")
    refused = client.call(account, b"", *arguments, "--xclient", "ADDR=192.0.2.66")
    if refused.code == OK or "Client host rejected" not in refused.stderr:
        raise AssertionError(f"exit {refused.code}, {refused.stderr!r}")
    without = client.call(replace(account, port=rig.ports["open"]), b"", *arguments, *another)
    if without.code != UNAVAILABLE or "smtpd_authorized_xclient_hosts" not in without.stderr:
        raise AssertionError(f"exit {without.code}, {without.stderr!r}")


def _stopped(route: Route) -> Callable[[Rig, Client], None]:
    def check(rig: Rig, client: Client) -> None:
        rig.stop()
        client.send(route.account, BARE.given, f"bob@{DOMAIN}").expect(TEMPORARY)
        rig.start()
        deliver(rig, client, route, BARE, ["bob"])
    return check
