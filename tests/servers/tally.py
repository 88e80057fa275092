"""The table of results."""

import json
import os
from pathlib import Path
from typing import Callable

Check = Callable[[], None]
#: Server, TLS mode, mechanism, and how the message is handed over.
Pair = tuple[str, str, str, str]


class Tally:
    """Counts what passed, and prints a row for each route."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.given_up = 0
        #: The rows that failed, for `tests/run`.
        self.failures: list[str] = []
        self.pairs: list[Pair] = []

    def row(self, server: str, tls: str, auth: str, checks: list[Check], what: str = "", run_all=map) -> bool:
        """Runs the checks of one row; `run_all` calls a function with each, as `map` does. Returns whether all passed."""
        place = f"{server:<10} {tls:<9} {auth:<18}"
        failures = [failure for failure in run_all(_failure, checks) if failure]
        self.passed += len(checks) - len(failures)
        self.failed += len(failures)
        verdict = f"{len(failures)} of {len(checks)} FAILED" if failures else f"{len(checks)} ok" if len(checks) > 1 else "ok"
        print(f"{place} {verdict:<12} {what}".rstrip(), flush=True)
        if failures:
            self.failures.append(f"{server} {tls} {auth} {what}".rstrip())
        for failure in failures:
            print(f"    {place.strip()} {what}".rstrip() + f": {failure}", flush=True)
        return not failures

    def route(self, server: str, tls: str, auth: str, way: str, checks: list[Check]) -> None:
        """A row that shows a pair, if it passes."""
        if self.row(server, tls, auth, checks, "" if way == "DATA" else way):
            self.pairs.append((server, tls, auth, way))

    def give_up(self, server: str, reason: Exception) -> None:
        """A server that cannot be had, or no longer answers, is a failure: whoever calls decides whether to call at all."""
        self.given_up += 1
        self.failures.append(f"{server}: {reason}")
        print(f"{server:<10} GIVEN UP: {type(reason).__name__}: {reason}", flush=True)

    def save(self, path: Path) -> None:
        """Writes the counts and the pairs for `add`."""
        path.write_text(json.dumps([self.passed, self.failed + self.given_up, self.failures, self.pairs]))

    def add(self, path: Path) -> None:
        """Adds what another process has saved."""
        passed, failed, failures, pairs = json.loads(path.read_text())
        self.passed += passed
        self.failed += failed
        self.failures += failures
        self.pairs += [tuple(pair) for pair in pairs]

    def print_pairs(self) -> None:
        """What was shown to work: D where the message goes by DATA, B where it goes by BDAT."""
        if not self.pairs:
            return
        mechanisms = list(dict.fromkeys(auth for _, _, auth, _ in self.pairs if auth not in ("-", "auto")))
        columns = ["-", "auto", *sorted(mechanisms)]
        print("\nPairs that were read back octet by octet (D: by DATA, B: by BDAT)")
        print(f"{'server':<10} {'TLS':<9} " + " ".join(f"{column:<{_width(column)}}" for column in columns).rstrip())
        for server, tls in dict.fromkeys((server, tls) for server, tls, _, _ in self.pairs):
            cells = [" ".join(letter for letter in "DB" if self._shown(server, tls, column, letter)) for column in columns]
            line = " ".join(f"{cell or '.':<{_width(column)}}" for cell, column in zip(cells, columns))
            print(f"{server:<10} {tls:<9} {line}".rstrip())
        print(f"{len(self.pairs)} pairs")

    def _shown(self, server: str, tls: str, auth: str, letter: str) -> bool:
        return any(pair[:3] == (server, tls, auth) and pair[3].startswith(letter) for pair in self.pairs)

    def close(self) -> int:
        """Prints the closing line; returns the exit code."""
        failed = self.failed + self.given_up
        print(f"{self.passed} passed, {failed} failed")
        with open(os.environ.get("TESTS_TALLY", os.devnull), "a") as tally:
            print(f"mail servers: {self.passed} checks passed, {failed} failed", *self.failures, sep="\n  FAILED: ", file=tally)
        return 1 if failed or not self.passed else 0


def _width(column: str) -> int:
    return max(len(column), 4)


def _failure(check: Check) -> str | None:
    try:
        check()
    except AssertionError as error:
        return str(error)
    return None
