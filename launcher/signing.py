"""How requests to the launcher are signed. Pure; the site signs with it, the launcher compares."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SHORTEST_SECRET: Final = 32  # bytes
KEY_HEADER: Final = "X-Launcher-Key"
TIME_HEADER: Final = "X-Launcher-Time"
NONCE_HEADER: Final = "X-Launcher-Nonce"
SIGNATURE_HEADER: Final = "X-Launcher-Signature"


class WrongKeys(ValueError):
    """The keys cannot be used; the message says which, and never what they are."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What is signed of a request. `path` includes the query; `time` is in whole Unix seconds."""

    method: str
    path: str
    time: str
    nonce: str
    body: bytes

    def signature(self, secret: bytes) -> str:
        """Return HMAC-SHA256 over method, path, time, nonce and the body's digest, in hex."""
        parts = (self.method, self.path, self.time, self.nonce)
        text = "\n".join([*parts, hashlib.sha256(self.body).hexdigest()])
        return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def sign(
    method: str, path: str, body: bytes, *, key: str, secret: bytes, at: float
) -> Mapping[str, str]:
    """Return the headers that a request needs; each call makes a nonce of its own."""
    signed = Signed(method, path, str(int(at)), secrets.token_hex(16), body)
    return {
        KEY_HEADER: key,
        TIME_HEADER: signed.time,
        NONCE_HEADER: signed.nonce,
        SIGNATURE_HEADER: signed.signature(secret),
    }


def parse_keys(text: str) -> Mapping[str, bytes]:
    """Return secrets by id, in their order, from `id:secret` items between blanks or commas."""
    keys: dict[str, bytes] = {}
    for number, item in enumerate(text.replace(",", " ").split(), start=1):
        name, colon, secret = item.partition(":")
        if not colon or not name.isidentifier():
            raise WrongKeys(f"Key {number} is not id:secret with a plain word as id.")
        if name in keys:
            raise WrongKeys(f"Two keys have the id {name!r}.")
        if len(secret.encode()) < SHORTEST_SECRET:
            raise WrongKeys(f"The secret of key {name!r} is shorter than {SHORTEST_SECRET} bytes.")
        keys[name] = secret.encode()
    if not keys:
        raise WrongKeys("There is no key; give at least one as id:secret.")
    return keys
