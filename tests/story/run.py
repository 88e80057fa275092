#!/usr/bin/env python3
"""Replaces each of four other sendmails by posthaste, as an administrator does who follows the README.

    tests/story/run.py POSTHASTE [--only NAME] [--cache DIRECTORY]

For msmtp-mta, ssmtp, nullmailer and dma: a layer over this machine's own files, in which the package is really
installed and configured as docs/coming-from.md shows, and sends a mail. Then the blocks of the README's chapter, and
those of the package's own in docs/coming-from.md, are written and run as they stand. Then cron, mailx and PHP send as
several users, the package is installed anew, and all is taken back. Only the server's name is another: localhost.

Prints a line for each and ends with `N stories passed, N failed`, as `tests/run` does. Needs Debian and root.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "callers")]

from administrator import PACKAGES, story  # noqa: E402
from debian_machine import Debian  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description="Follows the README's story on a Debian machine.")
    parser.add_argument("binary", type=lambda path: Path(path).resolve(strict=True))
    parser.add_argument("--only", choices=PACKAGES, help="replace this package alone")
    parser.add_argument("--cache", type=Path, default=HERE.parents[1] / "target/servers", help="where packages are kept")
    parser.add_argument("--inside", choices=PACKAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cache = options.cache.resolve()
    if options.inside:
        return test(options.inside, options.binary, cache)
    failed, packages = [], [options.only] if options.only else list(PACKAGES)
    for package in packages:
        # All that is mounted and started goes with the namespaces, and they with this process.
        enter = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        again = [sys.executable, __file__, str(options.binary), "--cache", str(cache), "--inside", package]
        done = subprocess.run([*enter, "sh", "-c", '"$@"; exit', "sh", *again], stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            failed.append(package)
    count = f"{len(packages) - len(failed)} stories passed, {len(failed)} failed" + "".join(f"\n  FAILED: {name}" for name in failed)
    print(count)
    with open(os.environ.get("TESTS_TALLY", os.devnull), "a") as tally:
        print(count, file=tally)
    return 1 if failed else 0


def test(package: str, binary: Path, cache: Path) -> int:
    begin = time.monotonic()
    try:
        with Debian(binary, cache) as machine:
            verdict, code = "ok: " + story(machine, package), 0
    except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as trouble:
        verdict, code = f"FAILED: {trouble}", 1
    print(f"{package:<12} {time.monotonic() - begin:4.1f} s  {verdict}", flush=True)
    return code


if __name__ == "__main__":
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", "")
    sys.exit(main())
