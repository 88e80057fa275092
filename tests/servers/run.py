#!/usr/bin/env python3
"""Sends through real mail servers and compares what they stored, octet by octet.

    tests/servers/run.py POSTHASTE [--only NAME] [--cache DIRECTORY]

Prints a row for each server, TLS mode and mechanism, and ends with `N passed, N failed`.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import faults  # noqa: E402
import routes  # noqa: E402
from client import Client  # noqa: E402
from debian import Unavailable  # noqa: E402
from exim_rig import Exim  # noqa: E402
from opensmtpd_rig import OpenSmtpd  # noqa: E402
from postfix_rig import Postfix  # noqa: E402
from rig import Rig  # noqa: E402
from tally import Tally  # noqa: E402

SERVERS = (Postfix, Exim, OpenSmtpd)


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description="Tests posthaste against real mail servers.")
    parser.add_argument("binary", type=lambda path: Path(path).resolve(strict=True))
    parser.add_argument("--only", choices=[server.name for server in SERVERS], help="test this server alone")
    parser.add_argument("--cache", type=Path, default=root / "target/servers", help="where packages are kept")
    options = parser.parse_args()

    tally = Tally()
    for server in SERVERS:
        if options.only in (None, server.name):
            test(server, options.cache.resolve(), options.binary, tally)
    return tally.close()


def test(server: type[Rig], cache: Path, binary: Path, tally: Tally) -> None:
    begin = time.monotonic()
    try:
        rig = server(cache)
    except Unavailable as reason:
        tally.left_out(server.name, str(reason))
        return
    unpacked = time.monotonic()
    # Output may go to a pipe, and tracebacks must keep their place in it.
    sys.stdout.reconfigure(line_buffering=True)
    with rig, tempfile.TemporaryDirectory(prefix="posthaste-client-") as directory:
        print(f"{rig.name} {rig.version}: unpacked in {unpacked - begin:.1f} s, started in {time.monotonic() - unpacked:.1f} s")
        client = Client(binary, Path(directory))
        for route in routes.of(rig):
            tally.row(rig.name, route.tls, route.auth, [lambda step=step: step(rig, client, route) for step in routes.STEPS])
        for fault in faults.of(rig):
            tally.row(rig.name, fault.tls, fault.auth, [lambda: fault.check(rig, client)], fault.what)


if __name__ == "__main__":
    sys.exit(main())
