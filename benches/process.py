"""Runs one client and reads what the kernel says about it: time, processor, peak memory, calls, instructions."""

import os
import re
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from install import Missing

FEED = 1 << 20


class Failed(Exception):
    """The client did not send the message; the text is its exit code and last line."""


class Hung(Failed):
    """The client did not end in time and was stopped."""


@dataclass
class Result:
    seconds: float  # from start to exit
    cpu: float  # user and system, of the client and its children
    peak: int  # octets resident, the largest of its processes
    ended: float  # the clock at its exit


def start(launch, task, wrapper=(), errors=None):
    """Starts a client with its message as a file or by a pipe; returns its pid.

    posix_spawn costs the same however large this process is, which matters where starts are counted.
    """
    actions = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    if errors is None:
        actions.append((os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0))
    else:
        actions.append((os.POSIX_SPAWN_DUP2, errors, 2))
    stdin = launch.stdin or "/dev/null"
    reader = writer = None
    if launch.message_fd is None:
        pass
    elif task.pipe:
        reader, writer = os.pipe()
        os.set_inheritable(reader, True)
        if launch.message_fd == 0:
            stdin = None
        actions.append((os.POSIX_SPAWN_DUP2, reader, launch.message_fd))
        if reader != launch.message_fd:
            actions.append((os.POSIX_SPAWN_CLOSE, reader))
    elif launch.message_fd == 0:
        stdin = task.message
    else:
        actions.append((os.POSIX_SPAWN_OPEN, launch.message_fd, str(task.message), os.O_RDONLY, 0))
    if stdin:
        actions.insert(0, (os.POSIX_SPAWN_OPEN, 0, str(stdin), os.O_RDONLY, 0))
    argv = [*wrapper, *launch.argv]
    try:
        pid = os.posix_spawn(argv[0], argv, launch.environment, file_actions=actions)
    finally:
        if reader is not None:
            os.close(reader)
    if writer is not None:
        threading.Thread(target=feed, args=(task.message, writer), daemon=True).start()
    return pid


def feed(path, writer):
    """Copies a file into a pipe without reading it into this process."""
    try:
        with open(path, "rb") as source:
            size, offset = os.fstat(source.fileno()).st_size, 0
            while offset < size:
                offset += os.splice(source.fileno(), writer, FEED, offset_src=offset)
    except OSError:
        pass  # the client closed it or died: its exit code says so
    finally:
        os.close(writer)


def measured(launch, task, work, deadline):
    """Runs a client once under time(1).

    Peak memory must be asked by a small parent: until its exec a child counts as large as who started it.
    """
    clock = shutil.which("time", path="/usr/bin:/bin")
    if not clock:
        raise Missing("time(1) is not installed")
    note, complaint = work / "time.txt", work / "stderr.txt"
    note.unlink(missing_ok=True)
    with open(complaint, "wb+") as errors:
        begun = time.monotonic()
        pid = start(launch, task, [clock, "-q", "-f", "%M", "-o", str(note)], errors.fileno())
        status, usage = finish(pid, deadline)
        ended = time.monotonic()
    if status:
        raise Failed(explain(status, complaint))
    return Result(ended - begun, usage.ru_utime + usage.ru_stime, int(note.read_text().split()[-1]) * 1024, ended)


def finish(pid, seconds):
    """Waits for a process of ours and stops it, its children first, when it is late.

    The alarm is a timer of the kernel's: a thread for each client would cost more than the client.
    """
    late = []

    def ring(*_):
        late.append(pid)
        stop(pid)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        _, status, usage = os.wait4(pid, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if late:
        raise Hung(f"nothing more happened within {seconds:.0f} s")
    return os.waitstatus_to_exitcode(status), usage


def stop(pid):
    """Kills a late process and the children it has now, each by its pid."""
    try:
        children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    except OSError:
        children = []
    for victim in [*map(int, children), pid]:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass


def explain(status, complaint):
    lines = complaint.read_text(errors="replace").strip().splitlines()
    last = re.sub(r"^==\d+== ", "", lines[-1]) if lines else ""
    what = f"exit {status}" if status >= 0 else f"signal {-status}"
    return f"{what}: {last[:80]}" if last else what


def system_calls(launch, task, work):
    """Counts system calls by strace, all threads and children; execve is one of them."""
    table = work / "strace.txt"
    traced(launch, task, [shutil.which("strace") or "", "-f", "-qq", "-c", "-o", str(table)], work, 8)
    (total,) = re.findall(r"^100\.00 .*?(\d+)(?:\s+\d+)? total$", table.read_text(), re.M)
    return int(total)


def instructions(launch, task, work):
    """Counts instructions in user space by callgrind; a process that forks is counted with its children."""
    with tempfile.TemporaryDirectory(prefix="callgrind") as folder:
        user = []
        if launch.user:
            shutil.chown(folder, launch.user)
            user = [shutil.which("setpriv") or "", f"--reuid={launch.user}", f"--regid={launch.user}", "--clear-groups"]
        options = ["--tool=callgrind", "--trace-children=no", "--vgdb=no", f"--callgrind-out-file={folder}/%p"]
        traced(launch, task, [*user, shutil.which("valgrind") or "", *options], work, 20)
        totals = [re.search(r"^(?:totals|summary): (\d+)", f.read_text(), re.M) for f in Path(folder).iterdir()]
    counts = [int(t.group(1)) for t in totals if t]
    if not counts:
        raise Failed("callgrind wrote no total")
    return sum(counts)


def traced(launch, task, wrapper, work, deadline):
    if not wrapper[0]:
        raise Missing("strace or valgrind is not installed")
    complaint = work / "stderr.txt"
    with open(complaint, "wb+") as errors:
        pid = start(launch, task, wrapper, errors.fileno())
        status, _ = finish(pid, deadline)
    if status:
        raise Failed(explain(status, complaint))
