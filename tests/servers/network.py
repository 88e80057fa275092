"""Two networks of the test's own, joined by a cable: this process is in one of them, and what stands in the other has every
port free there and is far away."""

import ctypes
import os
import subprocess
from contextlib import contextmanager
from typing import Iterator

from debian import Unavailable

CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Networks:
    """Puts this process into the near one for good."""

    def __init__(self, near: str, far: list[str]):
        self._far = _new()
        self._near = _new()
        _ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", f"/proc/{os.getpid()}/fd/{self._far}")
        _up("near", [near])
        with self.far():
            _up("far", far)

    @contextmanager
    def far(self) -> Iterator[None]:
        """What is started in the `with` block is in the other network."""
        _enter(self._far)
        try:
            yield
        finally:
            _enter(self._near)


def _new() -> int:
    """Moves into a new network that has loopback alone; returns it."""
    if _LIBC.unshare(CLONE_NEWNET) != 0:
        raise Unavailable(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    _ip("link", "set", "lo", "up")
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def _enter(network: int) -> None:
    if _LIBC.setns(network, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _up(link: str, addresses: list[str]) -> None:
    for address in addresses:
        _ip("address", "add", f"{address}/24", "dev", link)
    _ip("link", "set", link, "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")
