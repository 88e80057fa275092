#!/usr/bin/env python3
"""Has real programs send their mail by posthaste, in the place of the machine's sendmail.

    tests/callers/run.py POSTHASTE [--only NAME] [--cache DIRECTORY]

Prints a line for each caller and ends with `N callers passed, N failed`. Needs Debian and root.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "servers")]

import daemons  # noqa: E402
import languages  # noqa: E402
import mailers  # noqa: E402
from caller import Caller  # noqa: E402
from debian import Unavailable, unpack  # noqa: E402
from machine import Machine  # noqa: E402

CALLERS = {caller.name: caller for caller in (*mailers.CALLERS, *languages.CALLERS, *daemons.CALLERS)}
PACKAGES = sorted({package for caller in CALLERS.values() for package in caller.packages})


def main() -> int:
    parser = argparse.ArgumentParser(description="Tests posthaste under the programs that call sendmail.")
    parser.add_argument("binary", type=lambda path: Path(path).resolve(strict=True))
    parser.add_argument("--only", choices=CALLERS, help="test this caller alone")
    parser.add_argument("--cache", type=Path, default=HERE.parents[1] / "target/servers", help="where packages are kept")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    wanted = [CALLERS[options.only]] if options.only else list(CALLERS.values())
    if options.inside:
        return test(wanted, Machine(options.cache / "callers", options.binary))
    try:
        unpack(options.cache.resolve(), "callers", PACKAGES)
        unpack(options.cache.resolve(), daemons.SYSTEMD_CRON, [daemons.SYSTEMD_CRON])
        languages.build_lettre(options.cache.resolve())
    except Unavailable as reason:
        print(f"GIVEN UP: {reason}")
        return 1
    # All that is mounted and started goes with the namespaces, and they with this process.
    enter = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    # No exec: the kernel forgets to kill a process with its parent once that process changes its user.
    again = [sys.executable, __file__, str(options.binary), "--cache", str(options.cache.resolve()), "--inside"]
    return subprocess.run([*enter, "sh", "-c", '"$@"; exit', "sh", *again, *(["--only", options.only] if options.only else [])],
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
                               "TESTS_TALLY": os.environ.get("TESTS_TALLY", os.devnull)},
                          stdin=subprocess.DEVNULL).returncode


def test(callers: list[Caller], machine: Machine) -> int:
    """Each caller in turn; a caller's first failure is its verdict."""
    failed = []
    with machine:
        for caller in callers:
            begin = time.monotonic()
            try:
                verdict = "ok: " + caller.test(machine)
            except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as trouble:
                failed.append(caller.name)
                verdict = f"FAILED: {trouble}"
            print(f"{caller.name:<26} {time.monotonic() - begin:4.1f} s  {verdict}", flush=True)
    count = f"{len(callers) - len(failed)} callers passed, {len(failed)} failed" + "".join(f"\n  FAILED: {name}" for name in failed)
    print(count)
    with open(os.environ.get("TESTS_TALLY", os.devnull), "a") as tally:
        print(count, file=tally)
    return 1 if failed or not callers else 0


if __name__ == "__main__":
    sys.exit(main())
