"""Debian packages, unpacked into a private root instead of installed.

Mail servers conflict with each other, and a test must not change the machine it runs on. So each server gets a
directory of its own with its package and whatever of that package's dependencies the machine lacks. `namespace.sh`
lays it over the machine's own files, for one process only.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ATTEMPTS = 3
HERE = Path(__file__).resolve().parent


class Unavailable(Exception):
    """A server cannot be had on this machine; the text says why."""


def unpack(cache: Path, name: str, packages: list[str]) -> Path:
    """Returns the directory `cache/name`, where `packages` and what they lack are unpacked."""
    if os.geteuid() != 0:
        raise Unavailable("needs root, for a mount namespace")
    if not shutil.which("apt-get"):
        raise Unavailable("needs Debian's packages")
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root, complete = cache / name, cache / f"{name}.complete"
        wanted = " ".join(packages)
        if complete.exists() and complete.read_text().splitlines()[:1] == [wanted]:
            return root
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        names = _closure(packages)
        for archive in _download(cache / "archives", names):
            _extract(archive, root)
        complete.write_text(wanted + "\n" + "\n".join(names) + "\n")
        return root


def python_libraries(cache: Path) -> Path:
    """Returns the directory `cache/python`, where what stands in `python.txt` is installed by Debian's pip."""
    pip = unpack(cache, "pip", ["python3-pip"])
    wanted = HERE / "python.txt"
    directory, complete = cache / "python", cache / "python.complete"
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists() and complete.read_text() == wanted.read_text():
            return directory
        shutil.rmtree(directory, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore",
                   "--no-deps", "--only-binary=:all:", "--target", str(directory), "--requirement", str(wanted)]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _run(command, environment=os.environ | {"PYTHONPATH": str(pip / "usr/lib/python3/dist-packages")})
                break
            except Unavailable:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(attempt)
        complete.write_text(wanted.read_text())
        return directory


def version(root: Path) -> str:
    """The version of the first package that was unpacked into `root`."""
    package = root.with_suffix(".complete").read_text().split()[0]
    archive = next((root.parent / "archives").glob(f"{package}_*.deb"))
    return _run(["dpkg-deb", "--field", str(archive), "Version"]).strip()


def _closure(packages: list[str]) -> list[str]:
    """`packages` and those of their dependencies that are not installed, as apt would install them."""
    plan = _apt(["apt-get", "install", "--simulate", "--no-install-recommends", *packages])
    lacking = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    return packages + [name for name in lacking if name not in packages]


def _download(directory: Path, names: list[str]) -> list[Path]:
    directory.mkdir(exist_ok=True)
    lacking = [name for name in names if not list(directory.glob(f"{name}_*.deb"))]
    if lacking:
        # apt's own user cannot write here, and apt says so at length.
        _apt(["apt-get", "download", "-o", "APT::Sandbox::User=root", *lacking], cwd=directory)
    return [next(directory.glob(f"{name}_*.deb")) for name in names]


def _extract(archive: Path, root: Path) -> None:
    _run(["dpkg-deb", "--extract", str(archive), str(root)])
    # On the machine /lib is a symbolic link to /usr/lib; in an archive it may still be a directory.
    for old in ("lib", "bin", "sbin"):
        if (root / old).is_dir():
            shutil.copytree(root / old, root / "usr" / old, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(root / old)


def _apt(command: list[str], cwd: Path | None = None) -> str:
    """Runs apt; a failure may be the network's, or lists that are old or not there, so it is tried again after an update."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _run(command, cwd)
        except Unavailable:
            if attempt == ATTEMPTS:
                raise
            time.sleep(attempt)
            subprocess.run(["apt-get", "update", "-qq"], stdin=subprocess.DEVNULL, capture_output=True)
    raise AssertionError("not reached")


def _run(command: list[str], cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Unavailable(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
