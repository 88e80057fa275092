"""Every way into a server that must work: TLS mode × mechanism, with every message over each."""

from dataclasses import dataclass, replace
from typing import Callable

from client import Account, Client
from messages import SENDER, Message, messages
from rig import DOMAIN, Rig

HUNDRED = [f"r{number:03}" for number in range(100)]
Step = Callable[[Rig, Client, "Route"], None]


@dataclass(frozen=True)
class Route:
    """One row of the table; `protocol` is how the server must name it in its Received field (RFC 3848)."""

    listener: str
    tls: str
    auth: str
    protocol: str
    account: Account
    #: How the message is handed over.
    way: str = "DATA"


def of(rig: Rig) -> list[Route]:
    """The routes that a server offers."""
    ca = rig.dir / "tls/ca.pem"
    routes = []
    for auth in ("auto", *rig.mechanisms, *rig.token_mechanisms, *rig.certificate_mechanisms):
        if rig.has_tls:
            for listener, tls, scheme in (("starttls", "STARTTLS", "submission"), ("implicit", "implicit", "submissions")):
                account = login(rig, Account(scheme, rig.ports[listener], auth, ca=ca, user=rig.user))
                routes.append(Route(listener, tls, auth, "ESMTPSA", account))
        if "clear" in rig.ports and auth not in (*rig.token_mechanisms, *rig.certificate_mechanisms):
            account = Account("smtp", rig.ports["clear"], auth, tls="none", user=rig.user)
            routes.append(Route("clear", "none", auth, "ESMTPA", account))
    if "open" in rig.ports:
        routes.append(plain(rig))
    if rig.socket:
        account = Account(rig.open_scheme, 0, tls="none", socket=rig.socket)
        routes.append(Route("open", "socket", "-", rig.open_protocol, account))
    if "poor" in rig.ports:
        # It does not list 8BITMIME.
        routes.append(Route("poor", "poor", "-", "ESMTP", Account("smtp", rig.ports["poor"], tls="none")))
    if rig.has_chunking:
        routes += [by_bdat(route, "always") for route in routes if route.listener != "poor"]
        routes += [by_bdat(route, "same-flight") for route in routes if route.auth in ("auto", "-") and route.way == "DATA"
                   and route.listener != "poor"]
    return sorted(routes, key=lambda route: rig.listeners.index(route.listener))


def login(rig: Rig, account: Account) -> Account:
    """The account with what its mechanism needs beside a password."""
    if account.auth in rig.token_mechanisms:
        return replace(account, password=rig.token)
    if account.auth in rig.certificate_mechanisms:
        return replace(account, certificate=rig.dir / "tls/client")
    return account


def by_bdat(route: Route, chunking: str) -> Route:
    """The same with the message in chunks, behind the replies for the recipients or together with their commands."""
    way = "BDAT" if chunking == "always" else "BDAT in the same flight"
    return replace(route, way=way, account=replace(route.account, extra=(*route.account.extra, f'chunking = "{chunking}"')))


def plain(rig: Rig) -> Route:
    """The route without TLS and login."""
    return Route("open", "none", "-", rig.open_protocol, Account(rig.open_scheme, rig.ports["open"], tls="none"))


def _one(message: Message) -> Step:
    def step(rig: Rig, client: Client, route: Route) -> None:
        """P-077 P-078 P-079 P-133: dots, ends and line ends arrive as they were meant, and no field is left to the server."""
        deliver(rig, client, route, message, ["bob"])
    return step


def _hundred(rig: Rig, client: Client, route: Route) -> None:
    deliver(rig, client, route, messages()[0], HUNDRED)


def deliver(rig: Rig, client: Client, route: Route, message: Message, users: list[str]) -> None:
    """Sends one message and finds it, whole and once, in each mailbox."""
    before = {user: rig.count(user) for user in users}
    try:
        client.send(route.account, message.given, *(f"{user}@{DOMAIN}" for user in users)).expect(0)
        for user in users:
            stored = rig.await_message(user, before[user])
            stripped = rig.strip_trace(stored, f"{user}@{DOMAIN}", SENDER, route.protocol)
            if route.listener == "poor" and not message.given.isascii():
                message.check_reencoded(stripped)
            elif message.name in rig.alters:
                message.check_meaning(stripped)
            else:
                message.check(stripped)
            if rig.count(user) != before[user] + 1:
                raise AssertionError(f"{user} got {rig.count(user) - before[user]} messages")
    except AssertionError as error:
        raise AssertionError(f"{message.name}: {error}") from None


STEPS: list[Step] = [*(_one(message) for message in messages()), _hundred]
