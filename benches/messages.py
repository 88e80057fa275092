"""The messages that are sent: 2 KB for counts, and large ones of three shapes for throughput and memory."""

import zlib

HEADER = (
    b"From: alice@example.org\nTo: bob@example.net\nSubject: measured\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <1@example.org>\n\n"
)
LINE = b"the quick brown fox jumps over the lazy dog and runs away from the bench\n"
SMALL = 2048
BLOCK = 1 << 20
SHAPES = {
    "text": LINE,
    "one": b"a\n",
    "dots": b"." + LINE[1:],
}


def small():
    """Returns a message of exactly 2 KB with complete header, so that no client has a reason to add fields."""
    body = LINE * (1 + (SMALL - len(HEADER)) // len(LINE))
    return HEADER + body[: SMALL - len(HEADER) - 1] + b"\n"


class Store:
    """Writes messages when they are asked for and keeps them until they are dropped."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.drop()

    def small(self, prefix=b""):
        path = self.folder / f"small-{zlib.crc32(prefix)}"
        path.write_bytes(prefix + small())
        return path

    def mbox(self, count):
        """Returns an mbox of so many small messages."""
        path = self.folder / f"mbox-{count}"
        path.write_bytes(b"".join(b"From a@b Thu Jan  1 00:00:00 2026\n" + small() + b"\n" for _ in range(count)))
        return path

    def large(self, shape, size, prefix=b""):
        """Returns a message with `size` octets of body, give or take a line."""
        path = self.folder / f"{shape}-{size}-{zlib.crc32(prefix)}"
        if not path.exists():
            line = SHAPES[shape]
            block = line * (BLOCK // len(line))
            with open(path, "wb") as out:
                out.write(prefix + HEADER)
                for _ in range(max(1, round(size / len(block)))):
                    out.write(block)
        return path

    def drop(self):
        for path in self.folder.iterdir():
            path.unlink()


def on_wire(shape, path, prefix=b""):
    """Returns how many octets a message has between 354 and the lone dot: CRLF, and each leading dot doubled."""
    line = SHAPES[shape]
    lines = (path.stat().st_size - len(prefix) - len(HEADER)) // len(line)
    return len(HEADER) + HEADER.count(b"\n") + lines * (len(line) + (2 if line.startswith(b".") else 1))
