"""Starts and stops what the clients talk to: Postfix's smtp-sink, the TLS sink beside this file, certificates."""

import base64
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from link import FAR, TunLink

HERE = Path(__file__).resolve().parent


class Servers:
    """Everything started here, stopped by pid at the end; a context manager."""

    def __init__(self, work, smtp_sink, link):
        self.work = work
        self.children = []
        self.messages = queue.Queue()
        self._smtp_sink = smtp_sink
        self._more = [link.near] if isinstance(link, TunLink) else []

    def __enter__(self):
        try:
            certificate, key = certificates(self.work)
            self.ports = self._start_sink(certificate, key)
            self.fast_port, self.fast_reason = self._start_smtp_sink()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(3)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
        self.children = []

    def drain(self):
        """Returns the messages that the Python sink accepted since the last call."""
        time.sleep(0.02)  # its line may still be in the pipe
        found = []
        while not self.messages.empty():
            found.append(self.messages.get())
        return found

    def _start_sink(self, certificate, key):
        child = subprocess.Popen(
            [sys.executable, "-B", str(HERE / "sink.py"), str(certificate), str(key), *self._more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.children.append(child)
        first = child.stdout.readline()
        if not first:
            raise RuntimeError("the sink did not start")

        def listen():
            for line in child.stdout:
                fact = json.loads(line)
                if "text" in fact:
                    fact["text"] = base64.b64decode(fact["text"])
                self.messages.put(fact)

        threading.Thread(target=listen, daemon=True).start()
        return json.loads(first)["ports"]

    def _start_smtp_sink(self):
        """Starts one smtp-sink for each loopback address and returns their port, or 0 and why there is none."""
        program, environment, why = self._smtp_sink
        if not program:
            return 0, why
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        for host in ("127.0.0.1", "[::1]"):
            child = subprocess.Popen(
                [program, *user, f"{host}:{port}", "128"],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=open(self.work / "smtp-sink.log", "ab"),
            )
            self.children.append(child)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port, ""
            time.sleep(0.05)
        return 0, "smtp-sink did not start: " + (self.work / "smtp-sink.log").read_text()[-200:]


def certificates(work):
    """Makes an authority and a certificate for localhost, valid for a month; P-256 as most servers have today."""
    authority, key, leaf, leaf_key = (work / n for n in ("ca.pem", "ca.key", "leaf.pem", "leaf.key"))
    if leaf.exists() and time.time() - leaf.stat().st_mtime < 7 * 86400:
        return leaf, leaf_key
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new_key, "-days", "30", "-subj", "/CN=bench authority", "-keyout", key, "-out", authority,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    request, extensions = work / "leaf.csr", work / "leaf.ext"
    openssl("req", "-new", *new_key, "-subj", "/CN=localhost", "-keyout", leaf_key, "-out", request)
    extensions.write_text(
        f"subjectAltName=DNS:localhost,DNS:{FAR},IP:127.0.0.1,IP:::1\nbasicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", key, "-CAcreateserial", "-days", "30",
            "-extfile", extensions, "-out", leaf)
    return leaf, leaf_key


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
