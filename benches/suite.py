"""What is measured of one peer: each step fills cells, and a step that fails leaves its reason in them."""

import os
import statistics
import time
from dataclasses import dataclass

import process
from install import Missing
from messages import on_wire, small
from names import FAR_DOMAIN, NEAR_DOMAIN, Names
from peers import Task
from process import Failed, Hung

MIB = 1 << 20
ROUND_TRIP = 0.05
STALL = 0.035  # a delayed ACK is 40 ms; idle time above this on loopback is one
SMALL_DEADLINE = 4  # seconds for a message of 2 KB
TRIES = 6
HEADER_ROOM = 1024  # for what a client adds to the header
MEMORY_LIMIT = 1536 * MIB  # a client that holds the message gets a smaller one


@dataclass
class Cell:
    """A number, or why there is none; `detail` is printed behind it."""

    value: float | None = None
    reason: str = ""
    detail: str = ""
    turns: int | None = None  # of the conversation: the firm count beside a time in round trips
    stalled: bool = False


@dataclass
class Effort:
    """How much is done: see `--quick`."""

    large: int  # octets of the large messages
    tls: int
    seconds: float  # about how long one large run may last; slower clients get smaller messages
    starts: float  # seconds of starting processes
    repeats: int  # of the timed round trips; the shortest counts


FULL = Effort(1024 * MIB, 100_000_000, 16, 4, 3)
QUICK = Effort(128 * MIB, 32_000_000, 2.5, 1.2, 1)


class Suite:
    def __init__(self, servers, link, store, work, effort):
        self.hung = {}  # how often each program had to be stopped and tried again
        self.servers, self.link, self.store, self.work, self.effort = servers, link, store, work, effort
        self.names = Names("127.0.0.1", getattr(link, "far", "127.0.0.1"))

    def task(self, peer, mode, recipients=1, message=None, port=None, pipe=False, chunking=""):
        to = ["bob@example.net"] if recipients == 1 else [f"r{n:03}@example.net" for n in range(recipients)]
        message = message or self.store.small(peer.prefix(to))
        return Task(mode, port or self.servers.ports[mode], message, to, pipe=pipe, chunking=chunking)

    def attempt(self, cells, names, step):
        """Runs one step; its result is one cell or several, by the order of `names`."""
        try:
            found = step()
            found = found if isinstance(found, tuple) else (found,)
        except (Missing, Failed) as why:
            found = [Cell(reason=str(why))] * len(names)
        except (OSError, ValueError) as why:
            found = [Cell(reason=f"{type(why).__name__}: {why}")] * len(names)
        cells.update(zip(names, found))

    def patient(self, peer, run, tries=TRIES):
        """Repeats a small run that hung: esmtp does so in two of five TLS sessions, and is fine in the others."""
        for _ in range(tries - 1):
            try:
                return run()
            except Hung:
                self.hung[peer.name] = self.hung.get(peer.name, 0) + 1
        return run()

    def probe(self, peer, mode):
        """Sends one message and looks at what arrived: a peer that loses or spoils it is not worth measuring."""
        self.servers.drain()
        task = self.task(peer, mode)
        self.patient(peer, lambda: process.measured(peer.launch(task), task, self.work, SMALL_DEADLINE))
        got = self.servers.drain()
        if len(got) != 1:
            raise Failed(f"exit 0, but {len(got)} messages arrived")
        if small().replace(b"\n", b"\r\n").partition(b"\r\n\r\n")[2] not in got[0].get("text", b""):
            raise Failed("the body arrived changed")

    def counts(self, peer, cells, mode):
        task = self.task(peer, mode)

        def peak():
            return process.measured(peer.launch(task), task, self.work, SMALL_DEADLINE).peak

        def count(name, run, tries=TRIES):
            self.attempt(cells, [f"{name}-{mode}"], lambda: Cell(self.patient(peer, run, tries)))

        count("instructions", lambda: process.instructions(peer.launch(task), task, self.work), 1)
        count("calls", lambda: process.system_calls(peer.launch(task), task, self.work))
        count("memory", lambda: min(self.patient(peer, peak) for _ in range(3)))

    def counts_by_names(self, peer, cells):
        """The same straight to the recipient's mail exchanger, which is looked up."""
        task = self.task(peer, "plain")
        task.recipients, task.names = [f"bob@{NEAR_DOMAIN}"], f"127.0.0.1:{self.names.port}"

        def peak():
            return process.measured(peer.launch(task), task, self.work, SMALL_DEADLINE).peak

        self.attempt(cells, ["instructions-mx"], lambda: Cell(process.instructions(peer.launch(task), task, self.work)))
        self.attempt(cells, ["calls-mx"], lambda: Cell(process.system_calls(peer.launch(task), task, self.work)))
        self.attempt(cells, ["memory-mx"], lambda: Cell(min(peak() for _ in range(3))))

    def against(self, before, cells):
        """What a submission to a smarthost costs beside what it did: 1 is the same, and less is better."""
        for key in ("instructions-plain", "memory-plain", "instructions-starttls", "memory-starttls"):
            now, then = cells.get(key, Cell()), before.get(key, Cell())
            if now.value and then.value:
                cells[f"{key}-before"] = Cell(now.value / then.value)

    def round_trips_by_names(self, peer, cells):
        """From the first question to the client's exit: what the DNS costs is in it."""
        def step():
            if not hasattr(self.link, "far"):
                raise Missing("only the TUN device delays UDP")
            def trip():
                turns, port = self.link.attach(self.servers.ports["plain"])
                try:
                    task = self.task(peer, "plain", port=port)
                    task.recipients, task.names = [f"bob@{FAR_DOMAIN}"], f"{self.link.far}:{self.names.port}"
                    self.names.asked = None
                    result = process.measured(peer.launch(task), task, self.work, SMALL_DEADLINE)
                    if turns.opened is None or self.names.asked is None:
                        raise Failed("it did not connect")
                    return result.ended - self.names.asked + ROUND_TRIP / 2, turns.count
                finally:
                    self.link.detach()

            elapsed, turns = min(trip() for _ in range(self.effort.repeats))
            return Cell(elapsed / ROUND_TRIP, detail=f"({turns} of SMTP)")

        self.attempt(cells, ["trips-mx"], step)

    def round_trips(self, peer, cells, mode):
        def step():
            turns, elapsed = self.trips(peer, mode, 1, self.effort.repeats)
            return Cell(elapsed / ROUND_TRIP, turns=turns)

        self.attempt(cells, [f"trips-{mode}"], step)

    def round_trips_by_chunk(self, peer, cells, mode):
        """The same with BDAT in the flight of MAIL and RCPT, which no peer has."""
        def step():
            turns, elapsed = self.trips(peer, mode, 1, self.effort.repeats, "same-flight")
            return Cell(elapsed / ROUND_TRIP, turns=turns)

        self.attempt(cells, [f"trips-{mode}-bdat"], step)

    def round_trips_known(self, peer, cells, mode, chunking, name):
        """The same with a server that is known: by a check and two submissions, which are not measured."""
        def step():
            known = self.work / f"known-{mode}{chunking}"
            known.unlink(missing_ok=True)
            self.trip(peer, mode, 1, chunking, known=known, check=True)
            for _ in range(2):
                self.trip(peer, mode, 1, chunking, known=known)
            trips = (self.trip(peer, mode, 1, chunking, known=known) for _ in range(self.effort.repeats))
            turns, elapsed = min(trips)
            return Cell(elapsed / ROUND_TRIP, turns=turns)

        self.attempt(cells, [name], step)

    def twenty(self, peer, cells):
        """Twenty messages on one connection, which no peer can send from the command line."""
        def step():
            turns, elapsed = min(self.trip(peer, "plain", 1, mbox=20) for _ in range(self.effort.repeats))
            return Cell(elapsed / ROUND_TRIP, turns=turns)

        self.attempt(cells, ["trips-twenty"], step)

    def series(self, peer, cells):
        """A thousand messages on one connection, into smtp-sink."""
        def step():
            if not self.servers.fast_port:
                raise Missing(self.servers.fast_reason)
            count = 1000
            task = self.task(peer, "plain", message=self.store.mbox(count), port=self.servers.fast_port)
            task.batch = True
            took = min(process.measured(peer.launch(task), task, self.work, 30).seconds for _ in range(3))
            return Cell(count / took)

        self.attempt(cells, ["series"], step)

    def hundred(self, peer, cells):
        def step():
            turns, many = self.trips(peer, "plain", 100, 1)
            one = cells["trips-plain"]
            if one.value is None:
                raise Failed(one.reason)
            return Cell(many / ROUND_TRIP - one.value, turns=turns - one.turns)

        self.attempt(cells, ["trips-hundred"], step)

    def trips(self, peer, mode, recipients, repeats, chunking=""):
        """Returns turns and the time from SYN to the client's exit, the shortest of some."""
        return min(self.patient(peer, lambda: self.trip(peer, mode, recipients, chunking)) for _ in range(repeats))

    def trip(self, peer, mode, recipients, chunking="", mbox=0, known=None, check=False):
        turns, port = self.link.attach(self.servers.ports[mode])
        try:
            task = self.task(peer, mode, recipients, port=port, chunking=chunking)
            if mbox:
                task.message, task.batch = self.store.mbox(mbox), True
            task.host, task.known, task.check = self.link.host, known, check
            result = process.measured(peer.launch(task), task, self.work, SMALL_DEADLINE + recipients * ROUND_TRIP * 2)
            if turns.opened is None:
                raise Failed("it did not connect")
            return turns.count, result.ended - turns.opened
        finally:
            self.link.detach()

    def starts(self, peer, cells):
        """One process for each mail, one after the other, into smtp-sink; and how long each lay idle."""

        def step():
            if not self.servers.fast_port:
                raise Missing(self.servers.fast_reason)
            task = self.task(peer, "plain", port=self.servers.fast_port)
            count, seconds, idle = self.burst(peer, task, self.effort.starts)
            return Cell(count / seconds), idle

        self.attempt(cells, ["starts", "idle-plain"], step)

    def idle(self, peer, cells, mode):
        self.attempt(cells, [f"idle-{mode}"],
                     lambda: self.burst(peer, self.task(peer, mode), self.effort.starts / 3)[2])

    def burst(self, peer, task, seconds):
        launch = peer.launch(task)
        waits, begun, lost = [], time.monotonic(), 0
        while (now := time.monotonic()) < begun + seconds + lost or len(waits) < 5:
            try:
                status, usage = process.finish(process.start(launch, task), SMALL_DEADLINE)
            except Hung:
                self.hung[peer.name] = self.hung.get(peer.name, 0) + 1
                lost += time.monotonic() - now
                if lost > TRIES * SMALL_DEADLINE:
                    raise
                continue
            if status:
                raise Failed(f"exit {status} at mail {len(waits) + 1}")
            waits.append(time.monotonic() - now - usage.ru_utime - usage.ru_stime)
        idle = statistics.median(waits)
        took = time.monotonic() - begun - lost
        return len(waits), took, Cell(idle * 1000, stalled=idle > STALL)

    def large(self, peer, cells, rate, memory, mode, shape, pipe, size, chunking=""):
        """Sends a large message; names the cells for MB a CPU second and for peak memory (either may be "")."""

        def step():
            port = self.servers.fast_port if mode == "plain" else self.servers.ports[mode]
            port = port or self.servers.ports[mode]
            small_peak = cells.get(f"memory-{mode}", Cell()).value or 4 * MIB
            length = 4 * MIB
            self.servers.drain()
            floor = self.patient(
                peer, lambda: self.large_run(peer, mode, shape, length, self.servers.ports[mode], pipe, 10, chunking), 3)
            self.check_size(peer, shape, length)
            growth = max(0, floor.peak - small_peak) / length
            fit = min(size, length * self.effort.seconds / max(floor.seconds, 0.001))
            if growth > 0.5:
                fit = min(fit, MEMORY_LIMIT / growth)
            if fit >= size:
                length = size
            else:
                while length * 2 <= fit:
                    length *= 2
            deadline = 3 * floor.seconds * length / (4 * MIB) + 5
            result = self.patient(
                peer, lambda: self.large_run(peer, mode, shape, length, port, pipe, deadline, chunking), 2)
            detail = "" if length == size else f"at {length // MIB} MiB"
            return Cell(length / 1e6 / result.cpu, detail=detail), Cell(result.peak, detail=detail)

        found = {}
        self.attempt(found, ["rate", "memory"], step)
        cells.update({name: found[kind] for name, kind in ((rate, "rate"), (memory, "memory")) if name})

    def check_size(self, peer, shape, length):
        """Compares what arrived in the first, short run: lost lines or dots left single would make it cheap."""
        prefix = peer.prefix(["bob@example.net"])
        message = self.store.large(shape, length, prefix)
        wanted, got = on_wire(shape, message, prefix), [m["octets"] for m in self.servers.drain()]
        if len(got) != 1 or not 0 <= got[0] - wanted <= HEADER_ROOM:
            raise Failed(f"{shape}: {got} octets arrived, not {wanted}")

    def large_run(self, peer, mode, shape, length, port, pipe, deadline, chunking):
        message = self.store.large(shape, length, peer.prefix(["bob@example.net"]))
        task = self.task(peer, mode, message=message, port=port, pipe=pipe, chunking=chunking)
        return process.measured(peer.launch(task), task, self.work, deadline)


def machine():
    """Describes the machine in a few words."""
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"{os.cpu_count()} × {cpu}, {memory} GiB, Linux {os.uname().release}, load {os.getloadavg()[0]:.1f}"
