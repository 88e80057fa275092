#!/usr/bin/env python3
"""A stand-in for posthaste, of Python's smtplib, to try the rigs without it: `run.py tests/servers/reference.py`.

It keeps the same rules (exit codes, fields added, bare CRs) as far as the rigs look at them.
"""

import os
import re
import smtplib
import ssl
import sys
import tomllib
from email.utils import formatdate, make_msgid
from pathlib import Path
from urllib.parse import urlsplit


def main() -> None:
    config = tomllib.loads(Path(os.environ["POSTHASTE_CONFIG"]).read_text())
    server = urlsplit(config["server"])
    context = ssl.create_default_context(cafile=config.get("tls-ca-file"))
    message = prepared(sys.stdin.buffer.read(), config["from"])
    try:
        implicit = server.scheme == "submissions"
        connect = smtplib.SMTP_SSL if implicit else smtplib.SMTP
        with connect(server.hostname, server.port, timeout=20, **({"context": context} if implicit else {})) as smtp:
            smtp.ehlo()
            if not implicit and config.get("tls") != "none":
                smtp.starttls(context=context)
                smtp.ehlo()
            if server.username:
                log_in(smtp, server.username, Path(config["password-file"]).read_text().strip(), config.get("auth"))
            options = ["BODY=8BITMIME"] if smtp.has_extn("8bitmime") and not message.isascii() else []
            refused = smtp.sendmail(config["from"], sys.argv[3:], message, options)
    except smtplib.SMTPAuthenticationError as error:
        leave(77, f"login refused: {error}\nhint: Check the password.")
    except smtplib.SMTPRecipientsRefused as error:
        leave(67, f"refused: {error.recipients}")
    except (OSError, smtplib.SMTPException) as error:
        leave(75, str(error))
    if refused:
        leave(67, f"refused: {refused}")


def log_in(smtp: smtplib.SMTP, user: str, password: str, mechanism: str | None) -> None:
    # smtplib's own choice would try the same password with each mechanism.
    mechanism = mechanism or "cram-md5"
    smtp.user, smtp.password = user, password
    smtp.auth(mechanism.upper(), getattr(smtp, "auth_" + mechanism.lower().replace("-", "_")))


def prepared(message: bytes, sender: str) -> bytes:
    # A run of CRs before an LF is one line end, any other CR is one too.
    message = re.sub(rb"\r+\n", b"\n", message).replace(b"\r", b"\n")
    header = message.split(b"\n\n", 1)[0].lower()
    added = b""
    for name, value in (("Date", formatdate()), ("Message-ID", make_msgid(domain="example.org")), ("From", sender)):
        if not re.search(rb"^%s:" % name.lower().encode(), header, re.MULTILINE):
            added += f"{name}: {value}\n".encode()
    return (added + message).replace(b"\n", b"\r\n")


def leave(code: int, text: str) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)


main()
