"""Programs that want a terminal, and a person at it."""

import os
import pty
import re
import select
import subprocess
import time

from machine import PATIENCE, Ended

#: What steers a terminal and is no text.
CONTROLS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78cDEHM]|\x1b\][^\x07]*\x07")


def converse(command: list[str], steps: list[tuple[str, bytes]], environment: dict[str, str], directory) -> Ended:
    """Runs a program on a terminal of its own. For each step it waits for words, and then types keys, until the program ends;
    after the last step it waits for that. What was shown is the output, without what steers the terminal."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=directory,
                               env=environment | {"TERM": "xterm", "LINES": "24", "COLUMNS": "80"})
    os.close(theirs)
    shown, seen = b"", 0
    try:
        # Nothing can be shown that has these words.
        for words, keys in [*steps, ("(?!)", b"")]:
            until = time.monotonic() + PATIENCE
            while not re.search(words.encode(), CONTROLS.sub(b" ", shown[seen:])):
                if not select.select([ours], [], [], max(0.0, until - time.monotonic()))[0]:
                    raise RuntimeError(f"{command[0]} showed no {words!r}, but {CONTROLS.sub(b' ', shown[seen:])!r}")
                try:
                    octets = os.read(ours, 65536)
                except OSError:
                    octets = b""
                if not octets:
                    return Ended(program.wait(PATIENCE), CONTROLS.sub(b" ", shown).decode(errors="replace"))
                shown += octets
            seen = len(shown)
            os.write(ours, keys)
        raise AssertionError("not reached")
    finally:
        program.kill()
        program.wait()
        os.close(ours)
