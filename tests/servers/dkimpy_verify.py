"""Verifies DKIM signatures with dkimpy: `verify.py RECORDS MESSAGE…`, in a process of its own, with Debian's interpreter.

RECORDS is a file of JSON, TXT texts by name. Prints a line for each message: the algorithms of the signatures that fit, or
what is wrong.
"""

import json
import sys
from pathlib import Path

import dkim

records = {f"{name}.".encode(): text.encode() for name, text in json.loads(Path(sys.argv[1]).read_text()).items()}
for path in sys.argv[2:]:
    message = Path(path).read_bytes()
    fits = []
    for number in range(message.split(b"\n\n", 1)[0].lower().count(b"dkim-signature:")):
        verifier = dkim.DKIM(message)
        try:
            good = verifier.verify(idx=number, dnsfunc=lambda name, timeout=5: records.get(name))
        except dkim.DKIMException as error:
            fits.append(str(error))
        else:
            fits.append(verifier.signature_fields[b"a"].decode() if good else "does not fit")
    print(", ".join(fits) or "no signature")
