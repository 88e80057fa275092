"""The table of results."""

from typing import Callable


class Tally:
    """Counts what passed, and prints a row for each route."""

    def __init__(self) -> None:
        self.passed = 0
        self.failures: list[str] = []
        self.given_up = 0

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

    def give_up(self, server: str, reason: Exception) -> None:
        """A server that cannot be had, or no longer answers, is a failure: whoever calls decides whether to call at all."""
        self.given_up += 1
        print(f"{server:<10} GIVEN UP: {type(reason).__name__}: {reason}", flush=True)

    def close(self) -> int:
        """Prints the closing line; returns the exit code."""
        failed = len(self.failures) + self.given_up
        print(f"{self.passed} passed, {failed} failed")
        return 1 if failed or not self.passed else 0

    def _run(self, place: str, check: Callable[[], None]) -> None:
        try:
            check()
            self.passed += 1
        except AssertionError as error:
            self.failures.append(f"{place}: {error}")
