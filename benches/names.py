"""A small DNS server for the rows about mail exchangers: two domains, each with one exchanger that has one address.

It answers over UDP, in a thread of the bench, on all addresses of this machine.
"""

import socket
import struct
import threading
import time

NEAR_DOMAIN, FAR_DOMAIN = "near.example.net", "slow.example.net"
A, SOA, MX = 1, 6, 15


class Names:
    """Answers until the program ends."""

    def __init__(self, near, far):
        self._hosts = {f"mx.{NEAR_DOMAIN}": near, f"mx.{FAR_DOMAIN}": far}
        self.asked = None  # when the first question came
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("0.0.0.0", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            query, asker = self._socket.recvfrom(4096)
            self.asked = self.asked or time.monotonic()
            self._socket.sendto(self._answer(query), asker)

    def _answer(self, query):
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1:at + 1 + length].decode().lower())
            at += 1 + length
        name, end = ".".join(labels), at + 5
        (kind,) = struct.unpack_from("!H", query, at + 1)
        code, records, authority = 0, [], []
        if kind == MX and name in (NEAR_DOMAIN, FAR_DOMAIN):
            records = [record(MX, struct.pack("!H", 10) + b"\2mx" + b"\xc0\x0c")]
        elif kind == A and name in self._hosts:
            records = [record(A, socket.inet_aton(self._hosts[name]))]
        else:
            known = name in self._hosts or name in (NEAR_DOMAIN, FAR_DOMAIN)
            code = 0 if known else 3
            authority = [record(SOA, b"\0\0" + struct.pack("!5I", 1, 3600, 600, 86400, 60))]
        head = query[:2] + struct.pack("!5H", 0x8180 | code, 1, len(records), len(authority), 0)
        return head + query[12:end] + b"".join(records + authority)


def record(kind, data):
    """Returns a record for the name that was asked for."""
    return b"\xc0\x0c" + struct.pack("!2HIH", kind, 1, 300, len(data)) + data
