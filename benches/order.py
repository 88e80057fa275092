"""Writes link/first.txt: the functions that a submission calls, which the linker then puts side by side. See README.md."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import namespace
import process
from install import installed
from messages import HEADER, LINE, Store
from names import NEAR_DOMAIN, Names
from peers import Posthaste, Task
from servers import Servers

MIB = 1 << 20
PROJECT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
LIST = PROJECT / "link/first.txt"
HEAD = """\
# The functions that a submission calls, for the linker: build.rs has the reason. Written by benches/order.
# A name that no function has any more does no harm; * stands for what differs between compilers and versions.
"""
BARE = b"To: bob@example.net\nSubject: nightly backup \xc3\xbc\n\nIt is done.\n"


def main():
    namespace.enter()
    program = build()
    work = TARGET / "order"
    work.mkdir(exist_ok=True)
    for tool in ("time", "valgrind", "openssl"):
        installed(tool, tool)
    store = Store(work / "messages")
    try:
        with Servers(work, (None, {}, "not wanted"), None) as servers:
            groups = {name: called(program, work, launches) for name, launches in calls(servers, store, program, work)}
    finally:
        store.drop()
    if len(set().union(*groups.values())) < 1000:
        sys.exit("callgrind saw next to no function by its name: was the program built without symbols?")
    before = set(LIST.read_text().splitlines()) if LIST.exists() else set()
    lines = []
    for name, functions in groups.items():
        new = sorted(functions - set(lines))
        lines += [f"# {name}", *new]
        print(f"{name}: {len(new)} functions", file=sys.stderr)
    LIST.parent.mkdir(exist_ok=True)
    LIST.write_text(HEAD + "\n".join(lines) + "\n")
    now = {line for line in lines if not line.startswith("#")}
    print(f"{len(now - before)} of {len(now)} are new", file=sys.stderr)


def build():
    """Returns the release build with its symbols, in a place of its own."""
    target = TARGET / "order" / "cargo"
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_PROFILE_RELEASE_STRIP": "none"}
    subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "posthaste"], cwd=PROJECT, env=environment, check=True)
    return target / "release/posthaste"


def calls(servers, store, program, work):
    """What people send most: by `sendmail -i` and `-t`, with a complete header and a bare one, on each kind of session; and much of it."""
    ours = Posthaste(program, TARGET / "peers", work)
    ours.work.mkdir(exist_ok=True)
    bare = work / "bare"
    bare.write_bytes(BARE)
    known = work / "known"
    known.unlink(missing_ok=True)

    def each(mode, **more):
        for message in (store.small(), bare):
            task = Task(mode, servers.ports[mode], message, **more)
            launch = ours.launch(task)
            if message == bare:
                launch.argv[2:] = ["-t"]
            yield launch, task

    yield "Plain SMTP", list(each("plain"))
    yield "STARTTLS or TLS, with a login; the server becomes known", [*each("starttls", known=known), *each("tls", known=known)]
    large = work / "large"
    large.write_bytes(HEADER + LINE * (2 * MIB // len(LINE)))
    tasks = [Task(mode, servers.ports[mode], large, pipe=pipe, known=known) for mode in ("plain", "starttls") for pipe in (False, True)]
    yield "A large message", [(ours.launch(task), task) for task in tasks]
    names = Names("127.0.0.1", "127.0.0.1")
    exchanger = {"names": f"127.0.0.1:{names.port}", "recipients": [f"bob@{NEAR_DOMAIN}"]}
    yield "To a mail exchanger", list(each("plain", **exchanger))[:1]


def called(program, work, launches):
    """Returns the patterns of all functions of the program that run; twice each, since the second run meets what the first left."""
    found = set()
    for launch, task in launches * 2:
        report = work / "callgrind"
        options = ["--tool=callgrind", "--vgdb=no", "--demangle=no", f"--callgrind-out-file={report}"]
        process.traced(launch, task, [shutil.which("valgrind"), *options], work, 30)
        found |= {pattern(name) for name in functions(report.read_text(), program)}
    return found


def functions(report, program):
    """The functions of this file that a report of callgrind has a cost of, and a symbol."""
    names, objects, here = {}, {}, None
    for line in report.splitlines():
        match = re.match(r"(ob|cob|fn|cfn)=\((\d+)\)(?: (.*))?$", line)
        if not match:
            continue
        kind, number, name = match.groups()
        table = objects if kind.endswith("ob") else names
        if name:
            table[number] = name
        if kind == "ob":
            here = table[number]
        # Callgrind has no name for the object of a function that stands outside of `.text`, as the list makes them.
        if kind == "fn" and here in (str(program), "???") and re.fullmatch(r"[A-Za-z_][\w.$']*", table[number]):
            yield table[number]


def pattern(name):
    """A function's name without what changes from build to build: hashes, the version of aws-lc, marks of recursion and aliases."""
    name = re.sub(r"'\d+$", "", name)
    name = re.sub(r"(\.localalias|\.llvm\.\d+)+$", "", name)
    name = re.sub(r"17h[0-9a-f]{16}E$", "17h*", name)
    name = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
    return re.sub(r"aws_lc_\d+_\d+_\d+_", "aws_lc_*_", name)


if __name__ == "__main__":
    main()
