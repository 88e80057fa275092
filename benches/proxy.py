"""A TCP proxy on loopback that makes a link with a round-trip time, and counts the turns of the conversation."""

import queue
import socket
import threading
import time

from sink import listen


class Link:
    """Delays each direction by half of `round_trip` seconds, and the start by one more round trip for SYN and SYN-ACK.

    The kernel has answered the SYN at once, so what the client says before that time is held until then. `opened` is
    the time of the SYN; `turns` counts how often the client waited for the server: changes of direction towards the
    client, while it still listened. It knows nothing of SMTP or TLS, so it counts what a person would wait for, the
    answer to QUIT included when the client waits for that. The SYN itself makes one more.
    """

    def __init__(self, upstream, round_trip):
        self.upstream, self.half = upstream, round_trip / 2
        self.opened, self.turns, self.connections = None, 0, 0
        self._listeners = []
        self.port = listen(self._serve, self._listeners)

    def close(self):
        for listener in self._listeners:
            listener.close()

    @property
    def round_trips(self):
        return self.turns + self.connections

    def _serve(self, client):
        start = time.monotonic()
        self.opened = self.opened or start
        self.connections += 1
        answered = start + 2 * self.half
        talk = Talk()
        up, down = queue.Queue(), queue.Queue()
        threading.Thread(target=self._read, args=(client, up, answered, talk.client_spoke), daemon=True).start()
        wait_until(answered + self.half)
        server = socket.create_connection(("127.0.0.1", self.upstream))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._write, args=(server, up, None), daemon=True).start()
        threading.Thread(target=self._read, args=(server, down, 0, None), daemon=True).start()
        self._write(client, down, lambda: self._delivered(talk))
        client.close()
        server.close()

    def _delivered(self, talk):
        if talk.waiting:
            self.turns += 1
            talk.waiting = False

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


class Talk:
    """Whose turn it is: the client waits from the start (for a greeting) and again after each thing it says."""

    def __init__(self):
        self.waiting = True

    def client_spoke(self, block):
        self.waiting = bool(block)


def wait_until(moment):
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)
