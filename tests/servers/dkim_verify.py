"""Verifies messages by dkimpy, in the Python of Debian, whose libraries those of another Python are not.

    dkim_verify.py ZONE FILE...     prints a JSON list: for each file a list with a verdict for each signature
"""

import json
import re
import sys
from pathlib import Path

import dkim


def main() -> None:
    records = {}
    for line in Path(sys.argv[1]).read_text().splitlines():
        name, _, text = line.partition(" IN TXT ")
        if text and not line.startswith(";"):
            records[name] = "".join(re.findall(r'"([^"]*)"', text)).encode()
    print(json.dumps([verify(Path(path).read_bytes(), records) for path in sys.argv[2:]]))


def verify(message: bytes, records: dict[str, bytes]) -> list[str]:
    """For each signature its algorithm, or what is wrong."""
    verdicts = []
    for number in range(len(re.findall(rb"(?mi)^DKIM-Signature:", message.partition(b"\r\n\r\n")[0]))):
        signature = dkim.DKIM(message, minkey=1024)
        try:
            fits = signature.verify(idx=number, dnsfunc=lambda name, timeout=5: records.get(name.decode()))
            verdicts.append(signature.signature_fields[b"a"].decode() if fits else "does not fit")
        except dkim.DKIMException as error:
            verdicts.append(str(error))
    return verdicts


main()
