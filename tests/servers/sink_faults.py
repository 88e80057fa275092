"""Every fault that Postfix's smtp-sink can produce, at every stage: the exit code, the words, and what the sink kept."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import debian
from client import Account, Client, Result
from messages import SENDER, Encoded, Message, messages
from postfix_rig import Postfix
from rig import DOMAIN, PASSWORD
from sink_rig import Sink
from tally import Tally

OK, DATA, NO_USER, NO_HOST, UNAVAILABLE, TEMPORARY, NO_PERMISSION = 0, 65, 67, 68, 69, 75, 77
NAME = "smtp-sink"
# What a client may send, in the order in which it does, and then what it does not need to be given a yes for.
STAGES = ("CONNECT", "EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", ".")
LATER = ("RSET", "NOOP", "VRFY", "QUIT")
BY_NAME = {message.name: message for message in messages()}
SMALL, DOTS, EIGHT_BIT, LARGE = (BY_NAME[name] for name in ("complete", "dots", "8-bit", "1 MiB"))
BOB, CAROL = f"bob@{DOMAIN}", f"carol@{DOMAIN}"

HARD = {
    "500 5.3.0 Error: command failed": UNAVAILABLE,
    "550 5.1.1 nobody of that name": NO_USER,
    "550 nobody of that name": NO_USER,
    "551 5.1.6 has moved": NO_USER,
    "553 5.1.3 such a name cannot be": NO_USER,
    "550 5.1.2 no such host": NO_HOST,
    "556 5.1.10 takes no mail": NO_HOST,
    "552 5.3.4 too large": DATA,
    "552 5.2.2 the mailbox is full": UNAVAILABLE,
    "554 5.7.1 spam": UNAVAILABLE,
    "530 5.7.0 log in first": NO_PERMISSION,
    "503 5.5.1 bad sequence": UNAVAILABLE,
    "521 5.3.2 takes no mail": UNAVAILABLE,
    "550 4.2.0 two minds": UNAVAILABLE,
    "599 what is this": UNAVAILABLE,
}
SOFT = ("450 4.3.0 Error: command failed", "451 4.7.1 come back in five minutes", "452 4.5.3 too many recipients",
        "454 4.7.0 no login now", "432 4.7.12 a new password is needed", "450 5.1.1 two minds", "499 what is this")
# What no reply may look like, by the flag that takes it.
MALFORMED = (("-f", "-B", "500x no"), ("-f", "-B", "550.no"), ("-r", "-b", "450_no"))


@dataclass(frozen=True)
class Case:
    """One sink, one message, and what must come of it."""

    flags: tuple[str, ...]
    expected: int
    says: str = ""
    login: bool = False
    message: Message = SMALL
    recipients: tuple[str, ...] = (BOB,)
    #: Whether a reply to the end of data is what went wrong. The sink has kept the message by then, whatever it says.
    after_data: bool = False
    #: How many times the same message is sent.
    times: int = 1
    scheme: str = "smtp"
    #: Whether the message may have been delivered to some although the server gave an answer.
    unsure: bool = False
    extra: tuple[str, ...] = field(default=())


def run(cache: Path, binary: Path, tally: Tally) -> None:
    """All cases, a row for each kind of fault. Raises as `debian.unpack` does."""
    root = debian.unpack(cache, Postfix.name, Postfix.packages)
    with tempfile.TemporaryDirectory(prefix="posthaste-sinks-") as directory, ThreadPoolExecutor(8) as pool:
        for what, cases in kinds().items():
            with ExitStack() as stack:
                sinks = {flags: stack.enter_context(Sink(root, *flags)) for flags in dict.fromkeys(case.flags for case in cases)}
                checks = [_check(sinks[case.flags], binary, Path(directory), case) for case in cases]
                tally.row(NAME, "none", "both", checks, what, pool.map)


def kinds() -> dict[str, list[Case]]:
    """The cases by what is wrong with the server."""
    return {
        "-f: refused for good": [case for reply, code in HARD.items() for case in _refused("-f", "-B", reply, code)],
        "-r: refused for now": [case for reply in SOFT for case in _refused("-r", "-b", reply, TEMPORARY)],
        "-f -r: no reply that can be read": [case for each in MALFORMED for case in _malformed(*each)],
        "-q: connection dropped": _dropped("-q", ""),
        "-Q: 421, then dropped": _dropped("-Q", "421 4.0.0 Server closing connection"),
        "-f -r -q -Q where it does not matter": _too_late(),
        "-A: refused, and read no further": _aborted(),
        "-w -W -H -T: slow": _slow(),
        "-8 -a -e -p -C -E -F -N -P -L: poor": _poor(),
        "-n -M: gone after the first": _gone(),
        "-L: LMTP with every fault": _lmtp(),
        "-D: two messages into one file": [Case(("-D", "all"), OK, message=DOTS, times=2)],
    }


def _refused(kind: str, option: str, reply: str, code: int) -> list[Case]:
    cases = []
    for stage in STAGES:
        for login in (False, True):
            flags = (option, reply, kind, "EHLO,HELO" if stage == "HELO" else stage)
            says = reply[:3]
            if stage == "EHLO" and not login or stage == "AUTH" and not login:
                expected, says = OK, ""
            elif stage == "EHLO" and reply[:3] != "421":
                # HELO is tried, and offers no login.
                expected, says = NO_PERMISSION, "offers no login"
            elif stage == "AUTH":
                expected = TEMPORARY if kind == "-r" else NO_PERMISSION
            else:
                expected = _code(stage, reply, code)
            for recipients in ((BOB,), (BOB, CAROL)):
                cases.append(Case(flags, expected, says, login, DOTS, recipients, after_data=stage == "."))
    return cases


def _code(stage: str, reply: str, code: int) -> int:
    """The exit code of a reply at a stage: what it says of recipients counts only where recipients are spoken of."""
    bare = len(reply.split(" ", 2)[1].split(".")) != 3
    if code == NO_HOST and reply[:3] != "556" and stage != "RCPT":
        return NO_USER if stage in ("DATA", ".") else UNAVAILABLE
    if code == NO_USER and (stage not in ("RCPT", "DATA", ".") or bare and stage != "RCPT"):
        return UNAVAILABLE
    return code


def _malformed(kind: str, option: str, reply: str) -> list[Case]:
    return [Case((option, reply, kind, stage), TEMPORARY, login=True, recipients=(BOB, CAROL), after_data=stage == ".")
            for stage in STAGES if stage != "HELO"]


def _dropped(kind: str, says: str) -> list[Case]:
    cases = []
    for stage in STAGES:
        for login in (False, True):
            for message in (SMALL, LARGE):
                for pipelining in ((), ("-p",)):
                    expected, words = TEMPORARY, says
                    if stage == "AUTH" and not login or stage == "EHLO" and kind == "-q" and not login:
                        # A server that drops EHLO is tried again with HELO.
                        expected, words = OK, ""
                    elif stage == "EHLO" and kind == "-q":
                        words = "EHLO"
                    flags = (*pipelining, kind, "EHLO,HELO" if stage == "HELO" else stage)
                    cases.append(Case(flags, expected, words, login, message, (BOB, CAROL), after_data=stage == "."))
    return cases


def _too_late() -> list[Case]:
    """RSET, NOOP and VRFY are not sent, and nothing takes a yes back once it was given."""
    return [Case((kind, stage), OK, message=message) for kind in ("-f", "-r", "-q", "-Q") for stage in LATER
            for message in (SMALL, LARGE)]


def _aborted() -> list[Case]:
    return [Case(("-A", delay), UNAVAILABLE, "550 This violates SMTP", login, message, (BOB, CAROL))
            for delay in ("0", "1") for login in (False, True) for message in (SMALL, LARGE)]


def _slow() -> list[Case]:
    cases = [Case(("-W", f"{stage}:1"), OK, login=True, message=DOTS) for stage in (*STAGES, *LATER)]
    cases += [Case(("-w", "1"), OK, message=LARGE), Case(("-W", "RCPT:1:50"), OK)]
    cases += [Case(("-H", "1", "-T", window), OK, message=LARGE) for window in ("512", "4096")]
    # Slow, and then a no: the delay must not hide it.
    cases += [Case(("-W", f"{stage}:1", "-f", stage), UNAVAILABLE, "500 5.3.0", after_data=stage == ".")
              for stage in ("MAIL", "RCPT", "DATA", ".")]
    return cases


def _poor() -> list[Case]:
    cases = [Case((flag,), OK, message=message, recipients=(BOB, CAROL)) for message in (DOTS, LARGE)
             for flag in ("-8", "-a", "-e", "-p", "-C", "-E", "-F", "-N", "-P")]
    cases += [Case((flag,), NO_PERMISSION, "offers no login", login=True) for flag in ("-a", "-e", "-P")]
    cases += [Case((flag,), OK, login=True) for flag in ("-8", "-p", "-C", "-E", "-F", "-N")]
    cases += [Case(("-8", "-a", "-e", "-p", "-C", "-E", "-F", "-N"), OK),
              Case((), OK, message=EIGHT_BIT),
              Case(("-8",), OK, message=Encoded("8-bit in seven", EIGHT_BIT.given, EIGHT_BIT.body)),
              Case(("-8",), OK, message=EIGHT_BIT, extra=('eight-bit = "send"',)),
              Case(("-8",), DATA, "8-bit", message=EIGHT_BIT, extra=('eight-bit = "refuse"',)),
              # A server that speaks LMTP knows neither EHLO nor HELO.
              Case(("-L",), UNAVAILABLE, "500 5.5.1"), Case(("-h", "mail.example.net"), OK)]
    return cases


def _lmtp() -> list[Case]:
    cases = [Case(("-L", *flags), OK, message=message, recipients=(BOB, CAROL), scheme="lmtp")
             for flags in ((), ("-p",), ("-8",), ("-a",), ("-N",)) for message in (DOTS, LARGE)]
    for stage in ("CONNECT", "LHLO", "MAIL", "RCPT", "DATA", "."):
        for recipients in ((BOB,), (BOB, CAROL)):
            for kind, code, says in (("-f", UNAVAILABLE, "500"), ("-r", TEMPORARY, "450"), ("-Q", TEMPORARY, "421"), ("-q", TEMPORARY, "")):
                # The 421 is the answer for one alone.
                unsure = stage == "." and kind == "-Q" and len(recipients) > 1
                cases.append(Case(("-L", kind, stage), code, says, False, DOTS, recipients, stage == ".", scheme="lmtp", unsure=unsure))
    cases += [Case(("-L", kind, stage), OK, recipients=(BOB, CAROL), scheme="lmtp")
              for kind in ("-f", "-r", "-q", "-Q") for stage in LATER]
    return cases


def _gone() -> list[Case]:
    # -M ends the sink before it answers the end of data of its last message.
    return [Case(("-n", "1"), OK), Case(("-M", "1"), TEMPORARY, "may have been delivered", after_data=True),
            Case(("-M", "2"), OK)]


def _check(sink: Sink, binary: Path, directory: Path, case: Case) -> Callable[[], None]:
    def check() -> None:
        """P-028 P-029 P-030 P-031 P-032: what became of the message is what the caller was told."""
        # What a sink keeps is told apart by time alone.
        with sink.lock, tempfile.TemporaryDirectory(dir=directory) as place:
            try:
                _send(sink, Client(binary, Path(place)), case)
            except AssertionError as error:
                who = "login" if case.login else "no login"
                raise AssertionError(f"{' '.join(case.flags)}, {who}, {case.message.name}: {error}") from None
    return check


def _send(sink: Sink, client: Client, case: Case) -> None:
    account = Account(case.scheme, sink.port, "plain" if case.login else None, tls="none", host="127.0.0.1", extra=case.extra)
    for _ in range(case.times):
        result = client.send(account, case.message.given, *case.recipients)
        result.expect(case.expected)
        _check_words(result, case)
    kept = sink.take()
    promised = case.times if case.expected == OK or case.after_data else 0
    if len(kept) != promised:
        raise AssertionError(f"{promised} messages to be kept, and the sink has {len(kept)}: {result.stderr.strip()!r}")
    for each in kept:
        case.message.check(each.message)
        if (each.sender, each.recipients) != (SENDER, case.recipients):
            raise AssertionError(f"another envelope: {each.sender} to {each.recipients}")


def _check_words(result: Result, case: Case) -> None:
    if case.says not in result.stderr:
        raise AssertionError(f"no {case.says!r} in {result.stderr!r}")
    if PASSWORD in result.stderr:
        raise AssertionError(f"the password stands in {result.stderr!r}")
    unsure = case.unsure or case.after_data and case.expected == TEMPORARY and not case.says[:1].isdigit()
    if ("may have been delivered" in result.stderr) != unsure:
        raise AssertionError(f"wrong about a message that may have been delivered: {result.stderr!r}")
