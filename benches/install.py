"""Fetches the peers from Debian into a private root, so that no two mail systems fight over /usr/sbin/sendmail."""

import os
import shutil
import subprocess
from pathlib import Path


class Missing(Exception):
    """A program, or a thing that it cannot do; the text is the reason that the table prints."""


def unpacked(root, package):
    """Returns the folder with the files of a Debian package, downloading it the first time."""
    folder = root / package
    if not folder.exists():
        scratch = root / f".{package}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        run("apt-get", "-q", "download", package, cwd=scratch)
        (deb,) = scratch.glob("*.deb")
        run("dpkg", "-x", deb, scratch / "files")
        (scratch / "files").rename(folder)
        shutil.rmtree(scratch)
    return folder


def installed(program, package):
    """Returns the path of a program that harms nobody, installing its package when this is root."""
    if not shutil.which(program) and os.geteuid() == 0:
        apt_install(package)
    found = shutil.which(program)
    if not found:
        raise Missing(f"{program} is not installed (package {package})")
    return found


def with_libraries(root, program, packages, extra=""):
    """Returns the environment in which a program finds its libraries.

    Root installs them, as libraries conflict with nothing; anybody else unpacks them beside the peer, and the loader
    searches some folders more, which costs a dozen system calls.
    """
    environment = {"LD_LIBRARY_PATH": extra} if extra else {}
    if not lacking(program, environment):
        return environment
    if os.geteuid() == 0:
        apt_install(*packages)
    else:
        folders = [str(unpacked(root, p) / "usr/lib/x86_64-linux-gnu") for p in packages]
        environment["LD_LIBRARY_PATH"] = ":".join([extra, *folders] if extra else folders)
    if left := lacking(program, environment):
        raise Missing(f"no library {left[0]}")
    return environment


def lacking(program, environment):
    """Names the shared libraries that a program would not find."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, env={**os.environ, **environment}).stdout
    return [line.split()[0] for line in said.splitlines() if "not found" in line]


def apt_install(*packages):
    run("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def version(root, package):
    """Returns a package's upstream version as Debian states it, or nothing."""
    for folder in (root / package / "usr/share/doc" / package, Path("/usr/share/doc") / package):
        for name in ("changelog.Debian.gz", "changelog.gz"):
            if (folder / name).exists():
                first = subprocess.run(["zcat", folder / name], capture_output=True, text=True, errors="replace")
                return first.stdout.partition("(")[2].partition(")")[0].rpartition("-")[0].rpartition(":")[2]
    return ""


def run(*words, **options):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, errors="replace", **options)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise Missing(f"{words[0]} {words[1]}: {last[0][:120]}")
