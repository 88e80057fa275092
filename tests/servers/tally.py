"""The table of results."""

from typing import Callable

Check = Callable[[], None]


class Tally:
    """Counts what passed, and prints a row for each route."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.given_up = 0

    def row(self, server: str, tls: str, auth: str, checks: list[Check], what: str = "", run_all=map) -> None:
        """Runs the checks of one row; `run_all` calls a function with each, as `map` does."""
        place = f"{server:<10} {tls:<9} {auth:<9}"
        failures = [failure for failure in run_all(_failure, checks) if failure]
        self.passed += len(checks) - len(failures)
        self.failed += len(failures)
        verdict = f"{len(failures)} of {len(checks)} FAILED" if failures else f"{len(checks)} ok" if len(checks) > 1 else "ok"
        print(f"{place} {verdict:<12} {what}".rstrip(), flush=True)
        for failure in failures:
            print(f"    {place.strip()} {what}".rstrip() + f": {failure}", flush=True)

    def give_up(self, server: str, reason: Exception) -> None:
        """A server that cannot be had, or no longer answers, is a failure: whoever calls decides whether to call at all."""
        self.given_up += 1
        print(f"{server:<10} GIVEN UP: {type(reason).__name__}: {reason}", flush=True)

    def close(self) -> int:
        """Prints the closing line; returns the exit code."""
        failed = self.failed + self.given_up
        print(f"{self.passed} passed, {failed} failed")
        return 1 if failed or not self.passed else 0


def _failure(check: Check) -> str | None:
    try:
        check()
    except AssertionError as error:
        return str(error)
    return None
