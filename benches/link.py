"""A slow link on this machine: a round-trip time between client and sink, and a count of the turns taken.

Best is a TUN device, as root: real TCP over a delayed wire, so that slow start and Nagle's wait for the ACK cost what
they cost on a real link. Anybody else gets a proxy on loopback, on which every ACK is immediate, so that a client that
writes one flight in pieces looks better than it is.
"""

import fcntl
import os
import queue
import socket
import struct
import subprocess
import threading
import time

from sink import listen

FAR = "far.example.net"  # the sink's name beyond the TUN device; the bench's own /etc/hosts knows it
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
FIN, SYN, RST = 0x01, 0x02, 0x04


class Turns:
    """Counts how often the client waited for the server, and notes when it began.

    A turn is a change of direction towards the client while it still listens: the greeting, each answer to a flight,
    a TLS server's flight, and the answer to QUIT if the client stays for it. The SYN makes one more for each
    connection. It knows nothing of SMTP or TLS, so it counts what a person waits for.
    """

    def __init__(self):
        self.opened, self.count, self._waiting = None, 0, set()

    def connected(self, connection):
        self.opened = self.opened or time.monotonic()
        self.count += 1
        self._waiting.add(connection)

    def client_spoke(self, connection):
        self._waiting.add(connection)

    def client_left(self, connection):
        self._waiting.discard(connection)

    def server_heard(self, connection):
        if connection in self._waiting:
            self._waiting.remove(connection)
            self.count += 1


class TunLink:
    """A point-to-point device whose other end is this machine again.

    Each packet comes back after half a round trip with its two addresses exchanged, which leaves the checksums right:
    a client that calls the far address reaches a listener on the near one.
    """

    kind = "TUN device"
    host = FAR

    def __init__(self, round_trip):
        self.half = round_trip / 2
        self.turns, self.port = Turns(), 0
        self.near, self.far = f"198.51.100.{1 + 4 * (os.getpid() % 60)}", f"198.51.100.{2 + 4 * (os.getpid() % 60)}"
        self._device = os.open("/dev/net/tun", os.O_RDWR)
        told = fcntl.ioctl(self._device, TUNSETIFF, struct.pack("16sH22x", b"bench%d", IFF_TUN | IFF_NO_PI))
        name = told[:16].rstrip(b"\0").decode()
        subprocess.run(["ip", "addr", "add", f"{self.near}/30", "dev", name], check=True, capture_output=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True, capture_output=True)
        self._packets = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._write, daemon=True).start()

    def attach(self, port):
        """Starts a new count for the sink's port, and returns it and the port to call."""
        self.port, self.turns = port, Turns()
        return self.turns, port

    def detach(self):
        self.port = 0

    def _read(self):
        while True:
            packet = bytearray(os.read(self._device, 65536))
            if packet[0] >> 4 != 4:
                continue
            packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
            tcp = Segment(packet) if packet[9] == socket.IPPROTO_TCP else None
            if tcp and tcp.to == self.port:
                if tcp.flags & SYN:
                    self.turns.connected(tcp.of)
                elif tcp.flags & (FIN | RST):
                    self.turns.client_left(tcp.of)
                elif tcp.size:
                    self.turns.client_spoke(tcp.of)
            self._packets.put((time.monotonic() + self.half, bytes(packet), tcp))

    def _write(self):
        while True:
            due, packet, tcp = self._packets.get()
            wait_until(due)
            if tcp and tcp.of == self.port and tcp.size:
                self.turns.server_heard(tcp.to)
            os.write(self._device, packet)


class Segment:
    """The few fields of a TCP segment that a turn shows in."""

    def __init__(self, packet):
        head = (packet[0] & 15) * 4
        self.of, self.to = struct.unpack_from("!HH", packet, head)
        self.flags = packet[head + 13]
        self.size = struct.unpack_from("!H", packet, 2)[0] - head - (packet[head + 12] >> 4) * 4


class ProxyLink:
    """A TCP proxy that holds back each direction by half a round trip, and the start by one for the SYN."""

    kind = "proxy, which hides what Nagle's algorithm costs"
    host = "localhost"

    def __init__(self, round_trip):
        self.half = round_trip / 2
        self._listeners = []

    def attach(self, port):
        turns = Turns()
        return turns, listen(lambda client: self._serve(client, port, turns), self._listeners)

    def detach(self):
        while self._listeners:
            self._listeners.pop().close()

    def _serve(self, client, upstream, turns):
        """The kernel has answered the SYN at once, so what the client says before its time is held until then."""
        turns.connected(client)
        answered = time.monotonic() + 2 * self.half
        up, down = queue.Queue(), queue.Queue()

        def notice(block):
            (turns.client_spoke if block else turns.client_left)(client)

        threading.Thread(target=self._read, args=(client, up, answered, notice), daemon=True).start()
        wait_until(answered + self.half)
        server = socket.create_connection(("127.0.0.1", upstream))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._write, args=(server, up, None), daemon=True).start()
        threading.Thread(target=self._read, args=(server, down, 0, None), daemon=True).start()
        self._write(client, down, lambda: turns.server_heard(client))
        client.close()
        server.close()

    def _read(self, side, out, earliest, notice):
        while True:
            try:
                block = side.recv(65536)
            except OSError:
                block = b""
            if notice:
                notice(block)
            out.put((max(time.monotonic(), earliest) + self.half, block))
            if not block:
                return

    def _write(self, side, blocks, notice):
        while True:
            due, block = blocks.get()
            wait_until(due)
            try:
                if not block:
                    return side.shutdown(socket.SHUT_WR)
                if notice:
                    notice()
                side.sendall(block)
            except OSError:
                return  # that side is gone; the other hears it by its own end


def wait_until(moment):
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)
