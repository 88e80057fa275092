#!/usr/bin/env python3
"""Sends through real mail servers and compares what they stored, octet by octet.

    tests/servers/run.py POSTHASTE [--only NAME] [--cache DIRECTORY]

Prints a row for each server, TLS mode and mechanism, a table of what was shown, and ends with `N passed, N failed`.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import dkimpy  # noqa: E402
import direct_mx  # noqa: E402
import faults  # noqa: E402
import routes  # noqa: E402
import scram_plus  # noqa: E402
import sink_faults  # noqa: E402
from aiosmtpd_rig import Aiosmtpd  # noqa: E402
from chasquid_rig import Chasquid  # noqa: E402
from client import Client  # noqa: E402
from courier_rig import Courier  # noqa: E402
from debian import Unavailable  # noqa: E402
from dovecot_lmtp_rig import DovecotLmtp  # noqa: E402
from dovecot_rig import Dovecot  # noqa: E402
from exim_rig import Exim  # noqa: E402
from opensmtpd_rig import OpenSmtpd  # noqa: E402
from postfix_dovecot_rig import PostfixDovecot  # noqa: E402
from postfix_rig import Postfix  # noqa: E402
from rig import Rig  # noqa: E402
from sendmail_rig import Sendmail  # noqa: E402
from tally import Tally  # noqa: E402

# Those that take longest first.
TESTS = {server.name: (lambda server: lambda *about: test(server, *about))(server)
         for server in (Sendmail, Postfix, PostfixDovecot, Dovecot, Exim, Courier, Chasquid, Aiosmtpd, DovecotLmtp, OpenSmtpd)}
TESTS[direct_mx.NAME] = direct_mx.run
TESTS[sink_faults.NAME] = sink_faults.run
TESTS[scram_plus.NAME] = scram_plus.run
TESTS[dkimpy.NAME] = dkimpy.run
# Most of the time one waits for a server to deliver.
AT_ONCE = 4


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description="Tests posthaste against real mail servers.")
    parser.add_argument("binary", type=lambda path: Path(path).resolve(strict=True))
    parser.add_argument("--only", choices=TESTS, help="test this server alone")
    parser.add_argument("--cache", type=Path, default=root / "target/servers", help="where packages are kept")
    parser.add_argument("--save", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()

    # So that the servers are stopped and their directories removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally = Tally()
    if options.only:
        test_one(options.only, options.cache.resolve(), options.binary, tally)
    else:
        test_all(options.cache.resolve(), options.binary, tally)
    if options.save:
        tally.save(options.save)
        return 0
    tally.print_pairs()
    return tally.close()


def test_all(cache: Path, binary: Path, tally: Tally) -> None:
    """Each server in a process of its own, whose rows are printed when it is done."""
    with tempfile.TemporaryDirectory(prefix="posthaste-servers-") as directory:
        command = [sys.executable, __file__, str(binary), "--cache", str(cache)]
        running: list[subprocess.Popen] = []

        def run(name: str) -> tuple[str, str]:
            process = subprocess.Popen([*command, "--only", name, "--save", f"{directory}/{name}"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            running.append(process)
            return name, process.communicate()[0]

        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for name, rows in pool.map(run, TESTS):
                    print(rows, end="", flush=True)
                    saved = Path(directory) / name
                    if saved.exists():
                        tally.add(saved)
                    else:
                        tally.give_up(name, RuntimeError("its process ended before its test did"))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in running:
                    if process.poll() is None:
                        process.terminate()


def test_one(name: str, cache: Path, binary: Path, tally: Tally) -> None:
    try:
        TESTS[name](cache, binary, tally)
    # An AssertionError is a row's; these mean that nothing more can be learnt here, and each may have cost two minutes
    # of waiting.
    except (Unavailable, RuntimeError, OSError, subprocess.SubprocessError) as trouble:
        tally.give_up(name, trouble)


def test(server: type[Rig], cache: Path, binary: Path, tally: Tally) -> None:
    begin = time.monotonic()
    rig = server(cache)
    unpacked = time.monotonic()
    with rig, tempfile.TemporaryDirectory(prefix="posthaste-client-") as directory:
        times = f"unpacked in {unpacked - begin:.1f} s, started in {time.monotonic() - unpacked:.1f} s"
        print(f"{rig.name} {rig.version}: {times}", flush=True)
        client = Client(binary, Path(directory))
        for route in routes.of(rig):
            checks = [lambda step=step: step(rig, client, route) for step in routes.STEPS]
            tally.route(rig.name, route.tls, route.auth, route.way, checks)
        for fault in faults.of(rig):
            tally.row(rig.name, fault.tls, fault.auth, [lambda: fault.check(rig, client)], fault.what)
    print(f"{rig.name}: {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
