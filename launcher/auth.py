"""Who may ask: a request signed with a known key, in the last half minute, for the first time."""

import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from launcher import signing
from launcher.errors import Unavailable, Unsigned
from launcher.signing import Signed

WINDOW_S: Final = 30
MOST_NONCES: Final = 50_000
_NONCE: Final = re.compile(r"[0-9a-f]{32}")
_TIME: Final = re.compile(r"[0-9]{1,12}")


class Gate:
    """Checks signatures. It remembers each nonce for as long as its time would be accepted."""

    def __init__(
        self, keys: Mapping[str, bytes], *, now: Callable[[], float], most_nonces: int = MOST_NONCES
    ) -> None:
        self._keys = dict(keys)
        self._now = now
        self._most = most_nonces
        self._seen: OrderedDict[str, float] = OrderedDict()  # nonce: when it came
        self._lock = threading.Lock()

    def check(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Return if the request may be carried out, else raise Unsigned."""
        key = headers.get(signing.KEY_HEADER, "")
        time = headers.get(signing.TIME_HEADER, "")
        nonce = headers.get(signing.NONCE_HEADER, "")
        given = headers.get(signing.SIGNATURE_HEADER, "")
        if not (_TIME.fullmatch(time) and _NONCE.fullmatch(nonce)):
            raise Unsigned("The request is not signed.")
        # An unknown key is compared as well, so that the answer takes as long.
        right = Signed(method, path, time, nonce, body).signature(self._keys.get(key, b"-"))
        is_right = hmac.compare_digest(right.encode(), given.encode())
        if not is_right or key not in self._keys:
            raise Unsigned("The signature is wrong.")
        if abs(self._now() - int(time)) > WINDOW_S:
            raise Unsigned("The request is too old, or the two clocks differ.")
        self._remember(nonce)

    def _remember(self, nonce: str) -> None:
        now = self._now()
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now - 2 * WINDOW_S - 1:
                self._seen.popitem(last=False)
            if nonce in self._seen:
                raise Unsigned("The request was here before.")
            if len(self._seen) >= self._most:
                # To forget one early would let it be used again.
                raise Unavailable("Too many requests in a minute. Try again later.")
            self._seen[nonce] = now
