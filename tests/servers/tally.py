"""The table of results."""

import sys
import traceback
from typing import Callable


class Tally:
    """Counts what passed, and prints a row for each route."""

    def __init__(self) -> None:
        self.passed = 0
        self.failures: list[str] = []
        self.missing: list[str] = []

    def row(self, server: str, tls: str, auth: str, checks: list[Callable[[], None]], what: str = "") -> None:
        """Runs the checks of one row."""
        place = f"{server:<10} {tls:<9} {auth:<9}"
        before = len(self.failures)
        for check in checks:
            self._run(f"{place.strip()} {what}".strip(), check)
        failed = len(self.failures) - before
        verdict = f"{failed} of {len(checks)} FAILED" if failed else "ok" if what else f"{len(checks)} ok"
        print(f"{place} {verdict:<12} {what}".rstrip(), flush=True)
        for failure in self.failures[before:]:
            print(f"    {failure}", flush=True)

    def left_out(self, server: str, reason: str) -> None:
        """A server that cannot be had is a failure: whoever calls decides whether to call at all."""
        self.missing.append(f"{server}: {reason}")
        print(f"{server:<10} could not be had: {reason}", flush=True)

    def close(self) -> int:
        """Prints the closing line; returns the exit code."""
        failed = len(self.failures) + len(self.missing)
        print(f"{self.passed} passed, {failed} failed")
        return 1 if failed or not self.passed else 0

    def _run(self, place: str, check: Callable[[], None]) -> None:
        try:
            check()
            self.passed += 1
        except AssertionError as error:
            self.failures.append(f"{place}: {error}")
        except Exception as error:  # The rig's own trouble is a failure too, and its place is wanted.
            traceback.print_exc(file=sys.stdout)
            self.failures.append(f"{place}: {error!r}")
