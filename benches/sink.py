"""A small SMTP server that accepts everything: neutral ground for the clients under measurement.

Three ports on both loopback addresses: plain, STARTTLS and implicit TLS. AUTH PLAIN and LOGIN are accepted
whatever the password, and MAIL is refused before them. Run as a process of its own, so that its work is never counted as a client's:

    sink.py CERTIFICATE KEY [ADDRESS]

ADDRESS is one more to listen on, for a link that is not loopback.

It prints one JSON line with its ports, then one for each message that it accepted. It ends with its stdin.
"""

import base64
import json
import socket
import ssl
import sys
import threading

BLOCK = 256 * 1024
KEEP = 64 * 1024  # a message up to this size is handed back whole, a larger one as its size alone
END = b"\r\n.\r\n"
LIMIT = 4 * 1024 * 1024 * 1024
_printing = threading.Lock()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    ports = {}
    for mode in ("plain", "starttls", "tls"):
        ports[mode] = listen(lambda peer, mode=mode: Session(peer, mode, context).run(), None, sys.argv[3:])
    say({"ports": ports})
    sys.stdin.buffer.read()


def listen(serve, listeners=None, more=()):
    """Listens on 127.0.0.1 and, where there is one, ::1, with one port for both; serves each caller in a thread."""
    listeners = [] if listeners is None else listeners
    first = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = first.getsockname()[1]
    listeners.append(first)
    try:
        listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=128))
    except OSError:
        pass  # a machine without IPv6, where nobody will try ::1 either

    for address in more:
        listeners.append(socket.create_server((address, port), backlog=128))

    def accept(listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return  # closed by its owner
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    for listener in listeners:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    return port


def say(fact):
    with _printing:
        print(json.dumps(fact), flush=True)


class Session:
    """One connection, from the greeting to QUIT."""

    def __init__(self, peer, mode, context):
        self.peer, self.mode, self.context = peer, mode, context
        self.secure = False
        self.known = False  # whether the client has logged in
        self.buffer = b""
        self.recipients = 0
        self.flight = []  # replies to one pipelined group leave in one write
        self.chunks, self.kept = 0, b""  # octets of the chunks of this message, and the message while it is small

    def run(self):
        try:
            if self.mode == "tls":
                self.start_tls()
            self.reply("220 sink.example.net ESMTP")
            while (line := self.line()) is not None:
                if not self.command(line):
                    break
            self.flush()
        except (OSError, ValueError):
            pass  # the client went away; the count of messages tells the rest
        finally:
            self.peer.close()

    def start_tls(self):
        self.peer = self.context.wrap_socket(self.peer, server_side=True)
        self.secure = True
        self.buffer = b""

    def command(self, line):
        words = line.upper().split()
        verb = words[0] if words else b""
        if verb == b"EHLO":
            self.ehlo()
        elif verb == b"STARTTLS" and self.mode == "starttls" and not self.secure:
            self.reply("220 2.0.0 go ahead")
            self.flush()
            self.start_tls()
        elif verb == b"AUTH":
            self.auth(words)
        elif verb == b"MAIL" and self.mode != "plain" and not self.known:
            self.reply("530 5.7.0 log in first")
        elif verb == b"RCPT":
            self.recipients += 1
            self.reply("250 ok")
        elif verb == b"DATA":
            self.reply("354 go ahead")
            self.message()
        elif verb == b"BDAT":
            self.chunk(int(words[1]), words[2:] == [b"LAST"])
        elif verb == b"QUIT":
            self.reply("221 bye")
            return False
        else:
            self.reply("250 ok")
        return True

    def ehlo(self):
        lines = ["sink.example.net", "PIPELINING", f"SIZE {LIMIT}", "8BITMIME", "CHUNKING"]
        if self.mode == "starttls" and not self.secure:
            lines.append("STARTTLS")
        if self.secure:
            lines.append("AUTH PLAIN LOGIN")
        for line in lines[:-1]:
            self.flight.append(f"250-{line}\r\n")
        self.reply("250 " + lines[-1])

    def auth(self, words):
        if words[1:2] == [b"LOGIN"]:
            if len(words) < 3:
                self.reply("334 VXNlcm5hbWU6")
                self.line()
            self.reply("334 UGFzc3dvcmQ6")
            self.line()
        elif len(words) < 3:
            self.reply("334 ")
            self.line()
        self.known = True
        self.reply("235 2.7.0 ok")

    def message(self):
        """Reads to the lone dot and says what came; a search for the end in each block, no look at single lines."""
        kept, size, tail = b"", 0, b"\r\n"
        block = self.buffer or self.read()
        while True:
            if not block:
                raise ValueError("cut off")
            window = tail + block
            end = window.find(END)
            if end >= 0:
                used = end + len(END) - len(tail)
                block, self.buffer = block[:used], block[used:]
            size += len(block)
            if size <= KEEP:
                kept += block
            if end >= 0:
                break
            tail = window[-4:]
            block = self.read()
        size -= 3
        fact = {"mode": self.mode, "recipients": self.recipients, "octets": size}
        if size <= KEEP:
            text = (b"\r\n" + kept[:-3]).replace(b"\r\n.", b"\r\n")[2:]
            fact["text"] = base64.b64encode(text).decode()
        self.recipients = 0
        say(fact)
        self.reply("250 2.0.0 ok")

    def chunk(self, size, last):
        """Reads a chunk by its count (RFC 3030)."""
        left = size
        while left:
            if not self.buffer:
                self.buffer = self.read()
                if not self.buffer:
                    raise ValueError("cut off")
            block, self.buffer = self.buffer[:left], self.buffer[left:]
            left -= len(block)
            if self.chunks + size <= KEEP:
                self.kept += block
        self.chunks += size
        if last:
            fact = {"mode": self.mode, "recipients": self.recipients, "octets": self.chunks}
            if self.chunks <= KEEP:
                fact["text"] = base64.b64encode(self.kept).decode()
            self.recipients, self.chunks, self.kept = 0, 0, b""
            say(fact)
        self.reply("250 2.0.0 ok")

    def line(self):
        while (end := self.buffer.find(b"\n")) < 0:
            block = self.read()
            if not block:
                return None
            self.buffer += block
        line, self.buffer = self.buffer[:end].rstrip(b"\r"), self.buffer[end + 1 :]
        return line

    def read(self):
        self.flush()
        return self.peer.recv(BLOCK)

    def reply(self, text):
        self.flight.append(text + "\r\n")

    def flush(self):
        if self.flight:
            self.peer.sendall("".join(self.flight).encode())
            self.flight = []


if __name__ == "__main__":
    main()
