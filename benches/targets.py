"""The quantities of the table in their order, with what posthaste is to reach and what it must never miss."""

from dataclasses import dataclass

MORE, LESS = "more", "less"
RIVALS = ("msmtp", "nullmailer", "curl", "swaks")  # the floor: better than each of these in the same run


@dataclass
class Quantity:
    """One row. `reach` and `static` are the targets of the default and of a static build, in printed units."""

    key: str
    title: str
    unit: str  # how the table prints it: see table.py
    better: str
    reach: float | None = None
    static: float | None = None
    floor: bool = False  # must beat every rival
    turns: int | None = None  # must take exactly this many turns, or fewer
    above: str = ""  # the target is this other cell of the same column, plus `reach`

    @property
    def mode(self):
        """The kind of connection that the row needs."""
        if "starttls" in self.key or self.key.startswith("memory-tls") or self.key == "rate-tls":
            return "starttls"
        return "tls" if self.key.endswith("-tls") or "-tls-" in self.key else "plain"


QUANTITIES = [
    Quantity("trips-plain", "round trips, plain", "trips", LESS, 5, turns=5),
    Quantity("trips-starttls", "round trips, STARTTLS + AUTH", "trips", LESS, 9, turns=9),
    Quantity("trips-tls", "round trips, implicit TLS + AUTH", "trips", LESS, 7, turns=7),
    Quantity("trips-plain-bdat", "round trips, plain, BDAT in one flight", "trips", LESS, 4, turns=4),
    Quantity("trips-starttls-bdat", "round trips, STARTTLS + AUTH, BDAT in one flight", "trips", LESS, 8, turns=8),
    Quantity("trips-tls-bdat", "round trips, implicit TLS + AUTH, BDAT in one flight", "trips", LESS, 6, turns=6),
    Quantity("trips-starttls-known", "round trips, STARTTLS + AUTH, known server", "trips", LESS, 8, turns=8),
    Quantity("trips-tls-known", "round trips, implicit TLS + AUTH, known server", "trips", LESS, 6, turns=6),
    Quantity("trips-starttls-known-bdat", "round trips, STARTTLS + AUTH, known server, BDAT", "trips", LESS, 7, turns=7),
    Quantity("trips-tls-known-bdat", "round trips, implicit TLS + AUTH, known server, BDAT", "trips", LESS, 5, turns=5),
    Quantity("trips-twenty", "round trips, plain, twenty messages on one connection", "trips", LESS, 26, turns=26),
    Quantity("trips-mx", "round trips, to the mail exchanger, DNS and SMTP", "trips", LESS, 7.5),
    Quantity("trips-hundred", "extra for 100 recipients", "trips", LESS, 1, turns=0),
    Quantity("instructions-plain", "instructions, plain, 2 KB", "M", LESS, 0.85e6, 0.4e6, True),
    Quantity("instructions-starttls", "instructions, STARTTLS + AUTH, CA file", "M", LESS, 3.9e6, None, True),
    Quantity("calls-plain", "system calls, plain", "count", LESS, 125, 80, True),
    Quantity("calls-starttls", "system calls, STARTTLS + AUTH", "count", LESS, 180, 120, True),
    Quantity("memory-plain", "peak memory, plain, 2 KB", "MB", LESS, 5.5e6, 3e6, True),
    Quantity("memory-starttls", "peak memory, STARTTLS + AUTH, 2 KB", "MB", LESS, 7.5e6, 4.5e6, True),
    Quantity("instructions-plain-before", "instructions, plain, beside those before it had a resolver", "×", LESS, 1),
    Quantity("memory-plain-before", "peak memory, plain, beside that before it had a resolver", "×", LESS, 1),
    Quantity("instructions-starttls-before", "instructions, STARTTLS + AUTH, beside those before", "×", LESS, 1),
    Quantity("memory-starttls-before", "peak memory, STARTTLS + AUTH, beside that before", "×", LESS, 1),
    Quantity("instructions-mx", "instructions, to the mail exchanger", "M", LESS),
    Quantity("calls-mx", "system calls, to the mail exchanger", "count", LESS),
    Quantity("memory-mx", "peak memory, to the mail exchanger", "MB", LESS),
    Quantity("memory-file", "peak memory, plain, {large}, file", "MB", LESS, 1e6, 1e6, True, above="memory-plain"),
    Quantity("memory-pipe", "peak memory, plain, {large}, pipe", "MB", LESS, 1e6, 1e6, True, above="memory-plain"),
    Quantity("memory-tls-file", "peak memory, STARTTLS, {large}, file", "MB", LESS, 1e6, 1e6, True,
             above="memory-starttls"),
    Quantity("memory-tls-pipe", "peak memory, STARTTLS, {large}, pipe", "MB", LESS, 1e6, 1e6, True,
             above="memory-starttls"),
    Quantity("memory-tls-bdat", "peak memory, STARTTLS, {large}, file, BDAT", "MB", LESS, 1e6, 1e6, above="memory-starttls"),
    Quantity("rate-text", "MB a CPU second, text", "rate", MORE, 1000, None, True),
    Quantity("rate-pipe", "MB a CPU second, text, pipe", "rate", MORE, None, None, True),
    Quantity("rate-one", "MB a CPU second, one-character lines", "rate", MORE, 250, None, True),
    Quantity("rate-dots", "MB a CPU second, dot-led lines", "rate", MORE, 1500, None, True),
    Quantity("rate-tls", "MB a CPU second, TLS 1.3, {tls}", "rate", MORE, 430, None, True),
    Quantity("starts", "process starts a second, one mail each", "rate", MORE, 600),
    Quantity("series", "messages a second on one connection, a thousand", "rate", MORE, 10000),
    Quantity("idle-plain", "idle a mail on loopback, plain, ms", "ms", LESS, 35),
    Quantity("idle-starttls", "idle a mail on loopback, STARTTLS, ms", "ms", LESS, 35),
    Quantity("idle-tls", "idle a mail on loopback, implicit TLS, ms", "ms", LESS, 35),
]
