"""A server of the library aiosmtpd, with authenticators: aiosmtpd_server.py DIRECTORY USER PASSWORD DOMAIN LISTENER=PORT…

It knows the mailboxes that stand in DIRECTORY/mailboxes, and delivers to Maildirs below DIRECTORY/mail.
"""

import asyncio
import base64
import hmac
import itertools
import json
import ssl
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import MISSING, SMTP, AuthResult
from scramp import ScramException, ScramMechanism

DIRECTORY, USER, PASSWORD, DOMAIN = Path(sys.argv[1]), *sys.argv[2:5]
LISTENERS = dict(each.split("=") for each in sys.argv[5:])
MAILBOXES = set((DIRECTORY / "mailboxes").read_text().split())
NUMBERS = itertools.count()
#: A token is the password, for the tests' sake.
TOKEN = base64.b64encode(PASSWORD.encode()).decode()


def judged(accepted: bool, mechanism: str) -> AuthResult:
    """The end of a login, and a line in the log if it failed."""
    if not accepted:
        print(f"login refused: {mechanism}", file=sys.stderr, flush=True)
    return AuthResult(success=accepted, handled=False, auth_data=USER)


def by_password(server, session, envelope, mechanism: str, login) -> AuthResult:
    """PLAIN and LOGIN."""
    return judged((login.login, login.password) == (USER.encode(), PASSWORD.encode()), mechanism)


class Handler:
    """What is done with a message, and the mechanisms that aiosmtpd has not."""

    async def handle_RCPT(self, server, session, envelope, address: str, options) -> str:
        name, _, domain = address.rpartition("@")
        if domain != DOMAIN or name not in MAILBOXES:
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope) -> str:
        content = envelope.original_content.replace(b"\r\n", b"\n")
        for address in envelope.rcpt_tos:
            mailbox = DIRECTORY / "mail" / address.partition("@")[0]
            name = str(time.time_ns())
            (mailbox / "tmp").mkdir(parents=True, exist_ok=True)
            (mailbox / "new").mkdir(exist_ok=True)
            (mailbox / "tmp" / name).write_bytes(content)
            (mailbox / "tmp" / name).rename(mailbox / "new" / name)
        return "250 2.0.0 delivered"

    async def auth_CRAM__MD5(self, server: SMTP, args) -> AuthResult:
        challenge = f"<{next(NUMBERS)}.1@mail.example.net>".encode()
        answer = await server.challenge_auth(challenge)
        wanted = f"{USER} {hmac.new(PASSWORD.encode(), challenge, 'md5').hexdigest()}".encode()
        return AuthResult(success=False) if answer is MISSING else judged(answer == wanted, "CRAM-MD5")

    async def auth_SCRAM__SHA__1(self, server: SMTP, args) -> AuthResult:
        return await scram(server, args)

    async def auth_SCRAM__SHA__256(self, server: SMTP, args) -> AuthResult:
        return await scram(server, args)

    async def auth_XOAUTH2(self, server: SMTP, args) -> AuthResult:
        return await oauth(server, args, f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode())

    async def auth_OAUTHBEARER(self, server: SMTP, args) -> AuthResult:
        return await oauth(server, args, f"n,a={USER},\x01", f"\x01auth=Bearer {TOKEN}\x01\x01")


async def scram(server: SMTP, args) -> AuthResult:
    """The library's half of SCRAM. Nothing here can be bound to the connection: Python tells no exporter."""
    mechanism = ScramMechanism(args[0])
    known = mechanism.make_auth_info(PASSWORD, iteration_count=4096)
    exchange = mechanism.make_server(lambda user: known if user == USER else None)
    first = base64.b64decode(args[1]) if len(args) > 1 else await server.challenge_auth("")
    try:
        exchange.set_client_first(first.decode())
        final = await server.challenge_auth(exchange.get_server_first().encode())
        if final is MISSING:
            return AuthResult(success=False)
        exchange.set_client_final(final.decode())
    except (ScramException, TypeError):
        return judged(False, args[0])
    await server.challenge_auth(exchange.get_server_final().encode())
    return judged(True, args[0])


async def oauth(server: SMTP, args, begin: bytes | str, end: str = "") -> AuthResult:
    """A token, whole in XOAUTH2 and with host and port between its ends in OAUTHBEARER; what is wrong with it is a challenge."""
    given = base64.b64decode(args[1]) if len(args) > 1 else await server.challenge_auth("")
    if given == begin if isinstance(begin, bytes) else given.startswith(begin.encode()) and given.endswith(end.encode()):
        return judged(True, args[0])
    await server.challenge_auth(json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}).encode())
    return judged(False, args[0])


async def main() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(DIRECTORY / "tls/server.pem", DIRECTORY / "tls/server.key")
    common = {"hostname": "mail.example.net", "enable_SMTPUTF8": True, "authenticator": by_password}
    kinds = {
        "starttls": {"tls_context": context, "require_starttls": True, "auth_required": True},
        "implicit": {"auth_required": True, "auth_require_tls": False},
        "clear": {"auth_required": True, "auth_require_tls": False},
        "open": {"auth_exclude_mechanism": ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"]},
    }
    loop = asyncio.get_running_loop()
    for name, port in LISTENERS.items():
        await loop.create_server(lambda kind=kinds[name]: SMTP(Handler(), **common, **kind), "127.0.0.1", int(port),
                                 ssl=context if name == "implicit" else None)
    await asyncio.Event().wait()


asyncio.run(main())
