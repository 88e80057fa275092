"""Measures posthaste beside its peers in one run and prints a table beside the targets. See README.md."""

import argparse
import datetime
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import namespace
from install import Missing, installed
from messages import Store
from peers import PEERS, Posthaste, smtp_sink
from process import Failed
from servers import Servers
from suite import FULL, QUICK, ROUND_TRIP, Cell, Suite, machine
from table import markdown
from targets import QUANTITIES

PROJECT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
MODES = ("plain", "starttls", "tls")
STEPS = ("trips", "counts", "starts", "rates")


def main():
    options = arguments()
    namespace.enter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    begun = time.monotonic()
    effort = QUICK if options.quick else FULL
    root, work = TARGET / "peers", TARGET / "bench"
    root.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    for tool in ("time", "strace", "valgrind", "openssl"):
        try:
            installed(tool, tool)
        except Missing as why:
            say(f"{why}; its cells stay empty")
    store = Store(work / "messages")
    columns, versions = {}, []
    try:
        fast = smtp_sink(root)
        programs = [(peer, install(peer)) for peer in chosen(options, root, work)]
        link = namespace.slow_link(work, ROUND_TRIP)
        with Servers(work, fast, link) as servers:
            suite = Suite(servers, link, store, work, effort)
            ready = []
            for peer, lacking in programs:
                cells = columns[peer.name] = {}
                modes = usable(suite, peer, lacking, cells)
                if modes:
                    versions.append(f"{peer.name} {peer.version()}".strip())
                    ready.append((peer, cells, modes))
            for step in options.steps:
                STEP[step](suite, ready, effort)
            compare(suite, options, root, work, columns)
    finally:
        store.drop()
    large = "1 GiB" if not options.quick else f"{effort.large >> 20} MiB"
    about = (f"{datetime.date.today()}, {machine()}. {', '.join(versions)}. "
             f"Link of {ROUND_TRIP * 1000:.0f} ms: {link.kind}. {'Quick' if options.quick else 'Full'} run of {time.monotonic() - begun:.0f} s; method: benches/README.md.")
    if suite.hung:
        about += " Hung, were stopped and tried again: " + ", ".join(f"{n} {c} times" for n, c in suite.hung.items()) + "."
    report = markdown(columns, {"large": large, "tls": f"{effort.tls // 1_000_000} MB"}, about,
                      {peer.name: peer.note for peer, _ in programs if peer.note})
    print(report, end="")
    if options.json:
        facts = {name: {key: asdict(cell) for key, cell in cells.items()} for name, cells in columns.items()}
        options.json.write_text(json.dumps({"about": about, "quick": options.quick, "columns": facts}, indent=1) + "\n")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller messages and fewer runs: under 3 minutes, not 12")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this program (repeatable)")
    parser.add_argument("--steps", type=lambda s: s.split(","), default=STEPS, metavar="LIST",
                        help="only these, by comma: " + ",".join(STEPS))
    parser.add_argument("--posthaste", action="append", type=Path, default=[], metavar="PATH",
                        help="the binary (repeatable: a default and a static build); target/release/posthaste if absent")
    parser.add_argument("--before", type=Path, metavar="PATH", help="an earlier binary, to show what became dearer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every cell there too")
    options = parser.parse_args()
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}")
    names = {"posthaste", *(p.name for p in PEERS)}
    if unknown := set(options.only) - names:
        parser.error(f"no program {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    return options


def chosen(options, root, work):
    binaries = options.posthaste or [TARGET / "release/posthaste"]
    programs = [Posthaste(binary, root, work) for binary in binaries]
    for number, program in enumerate(programs):
        if program.name in (p.name for p in programs[:number]):
            program.name += f" {number + 1}"
    programs += [peer(root, work) for peer in PEERS]
    return [p for p in programs if not options.only or p.name.split()[0] in options.only]


def install(peer):
    """Installs a program and returns why that failed, or nothing."""
    say(f"{peer.name}: install")
    try:
        peer.install()
    except (Missing, OSError) as why:
        return str(why)


def usable(suite, peer, lacking, cells):
    """Sends one message in each mode and returns the modes that work."""
    say(f"{peer.name}: try")
    modes, broken = [], dict.fromkeys(MODES, lacking) if lacking else {}
    for mode in MODES if not lacking else ():
        try:
            suite.probe(peer, mode)
            modes.append(mode)
        except (Missing, Failed, OSError) as why:
            broken[mode] = str(why)
    for quantity in QUANTITIES:
        if quantity.mode in broken:
            cells[quantity.key] = Cell(reason=broken[quantity.mode])
    return modes


def trips(suite, ready, effort):
    for peer, cells, modes in ready:
        say(f"{peer.name}: round trips")
        for mode in modes:
            suite.round_trips(peer, cells, mode)
            if isinstance(peer, Posthaste):
                suite.round_trips_by_chunk(peer, cells, mode)
                if mode != "plain":
                    suite.round_trips_known(peer, cells, mode, "", f"trips-{mode}-known")
                    suite.round_trips_known(peer, cells, mode, "always", f"trips-{mode}-known-bdat")
        if "plain" in modes:
            suite.hundred(peer, cells)
        if isinstance(peer, Posthaste):
            suite.twenty(peer, cells)
            suite.round_trips_by_names(peer, cells)


def counts(suite, ready, effort):
    for peer, cells, modes in ready:
        say(f"{peer.name}: instructions, system calls, memory")
        for mode in modes:
            if mode != "tls":
                suite.counts(peer, cells, mode)
        if isinstance(peer, Posthaste):
            suite.counts_by_names(peer, cells)


def compare(suite, options, root, work, columns):
    """Counts an earlier binary too, where there is one; it has no column of its own."""
    if options.before and "posthaste" in columns and "counts" in options.steps:
        peer, cells = Posthaste(options.before, root, work, before=True), {}
        for mode in ("plain", "starttls"):
            suite.counts(peer, cells, mode)
        suite.against(cells, columns["posthaste"])


def starts(suite, ready, effort):
    for peer, cells, modes in ready:
        say(f"{peer.name}: process starts")
        if "plain" in modes:
            suite.starts(peer, cells)
        if isinstance(peer, Posthaste):
            suite.series(peer, cells)
        for mode in modes:
            if mode != "plain":
                suite.idle(peer, cells, mode)


def rates(suite, ready, effort):
    runs = [
        ("rate-text", "memory-file", "plain", "text", False, effort.large),
        ("rate-pipe", "memory-pipe", "plain", "text", True, effort.large),
        ("rate-one", "", "plain", "one", False, effort.large),
        ("rate-dots", "", "plain", "dots", False, effort.large),
        ("rate-tls", "", "starttls", "text", False, effort.tls),
        ("", "memory-tls-file", "starttls", "text", False, effort.large),
        ("", "memory-tls-pipe", "starttls", "text", True, effort.large),
    ]
    for rate, memory, mode, shape, pipe, size in runs:
        for peer, cells, modes in ready:
            if mode in modes:
                say(f"{peer.name}: {rate or memory}")
                suite.large(peer, cells, rate, memory, mode, shape, pipe, size)
                if memory == "memory-tls-file" and isinstance(peer, Posthaste):
                    suite.large(peer, cells, "", "memory-tls-bdat", mode, shape, pipe, size, "always")
        suite.store.drop()


STEP = {"trips": trips, "counts": counts, "starts": starts, "rates": rates}


def say(text, begun=time.monotonic()):
    print(f"{time.monotonic() - begun:4.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
