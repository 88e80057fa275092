"""Access tokens as an authority hands them out, JSON that is signed (JWT, RFC 7519), and Dovecot's means to check them."""

import base64
import hashlib
import hmac
import json
import time

from rig import PASSWORD, USER, Rig

LIFE = 3600


def signed_token() -> str:
    """A token for the user, signed with HMAC-SHA-256, for an hour."""
    now = int(time.time())
    claims = {"iss": "test", "sub": USER, "email": USER, "iat": now, "nbf": now, "exp": now + LIFE, "scope": "mail"}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
    return f"{signed}.{_encoded(hmac.digest(PASSWORD.encode(), signed.encode(), hashlib.sha256))}"


def configure_dovecot(rig: Rig) -> None:
    """Writes `oauth2.conf`, and the key that it checks tokens with, where it looks for that of a token that names none."""
    rig.write("etc/dovecot/oauth2.conf", "dovecot/oauth2.conf")
    keys = rig.dir / "etc/dovecot/keys/default/HS256"
    keys.mkdir(parents=True)
    (keys / "default").write_text(base64.b64encode(PASSWORD.encode()).decode())


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
