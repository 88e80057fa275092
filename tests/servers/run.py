#!/usr/bin/env python3
"""Sends through real mail servers and compares what they stored, octet by octet.

    tests/servers/run.py POSTHASTE [--only NAME] [--cache DIRECTORY]

Prints a row for each server, TLS mode and mechanism, and ends with `N passed, N failed`.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import faults  # noqa: E402
import routes  # noqa: E402
import sink_faults  # noqa: E402
from chasquid_rig import Chasquid  # noqa: E402
from client import Client  # noqa: E402
from debian import Unavailable  # noqa: E402
from dovecot_rig import Dovecot  # noqa: E402
from exim_rig import Exim  # noqa: E402
from opensmtpd_rig import OpenSmtpd  # noqa: E402
from postfix_rig import Postfix  # noqa: E402
from rig import Rig  # noqa: E402
from sendmail_rig import Sendmail  # noqa: E402
from tally import Tally  # noqa: E402

SERVERS = (Postfix, Exim, OpenSmtpd, Dovecot, Chasquid, Sendmail)


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description="Tests posthaste against real mail servers.")
    parser.add_argument("binary", type=lambda path: Path(path).resolve(strict=True))
    parser.add_argument("--only", choices=[*(server.name for server in SERVERS), sink_faults.NAME], help="test this server alone")
    parser.add_argument("--cache", type=Path, default=root / "target/servers", help="where packages are kept")
    options = parser.parse_args()

    # So that the servers are stopped and their directories removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally = Tally()
    tests = {server.name: lambda server=server: test(server, options.cache.resolve(), options.binary, tally)
             for server in SERVERS}
    tests[sink_faults.NAME] = lambda: sink_faults.run(options.cache.resolve(), options.binary, tally)
    for name, run in tests.items():
        if options.only in (None, name):
            try:
                run()
            # An AssertionError is a row's; these mean that nothing more can be learnt here, and each may have cost
            # half a minute of waiting.
            except (Unavailable, RuntimeError, OSError, subprocess.SubprocessError) as trouble:
                tally.give_up(name, trouble)
    return tally.close()


def test(server: type[Rig], cache: Path, binary: Path, tally: Tally) -> None:
    begin = time.monotonic()
    rig = server(cache)
    unpacked = time.monotonic()
    with rig, tempfile.TemporaryDirectory(prefix="posthaste-client-") as directory:
        times = f"unpacked in {unpacked - begin:.1f} s, started in {time.monotonic() - unpacked:.1f} s"
        print(f"{rig.name} {rig.version}: {times}", flush=True)
        client = Client(binary, Path(directory))
        for route in routes.of(rig):
            tally.row(rig.name, route.tls, route.auth, [lambda step=step: step(rig, client, route) for step in routes.STEPS])
        for fault in faults.of(rig):
            tally.row(rig.name, fault.tls, fault.auth, [lambda: fault.check(rig, client)], fault.what)


if __name__ == "__main__":
    sys.exit(main())
