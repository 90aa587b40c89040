"""Media tokens: what lets a media socket in. Short-lived, good for one call and one socket, impossible to make up.

The webhook, which the carrier signed, mints one into the path of the stream's URL; the media socket shows it. It can
carry claims, too; keep in mind that paths are logged by proxies, so no number or name belongs in them.

    token    = base64url(version octet, claims as JSON, HMAC-SHA256 over both), without padding
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from voice_runtime.errors import TokenError

__all__ = ["MAX_TOKEN_CHARS", "MediaToken", "TokenMinter", "UsedTokens"]

MAX_TOKEN_CHARS = 1024
_VERSION = b"\x01"
_MAC_BYTES = hashlib.sha256().digest_size
_MIN_SECRET_BYTES = 16
_MIN_NONCE_BYTES = 8


@dataclass(frozen=True, slots=True)
class MediaToken:
    """A token that was read and found genuine. `expires` is Unix seconds; `claims` is what the webhook knew."""

    call_sid: str
    expires: float
    nonce: bytes
    claims: Mapping[str, str] = field(default_factory=dict)


class TokenMinter:
    """Makes and reads tokens. Every server that answers for one address needs the same `secret`."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _MIN_SECRET_BYTES:
            raise ValueError(f"the secret of media tokens needs {_MIN_SECRET_BYTES} bytes or more")
        # A key of its own: the secret may be one that signs other things, such as the auth token.
        self._key = hmac.digest(secret, b"voice-runtime media token 1", "sha256")

    def __repr__(self) -> str:
        return "TokenMinter()"

    def mint(self, call_sid: str, now: float, ttl: float, nonce: bytes, claims: Mapping[str, str] | None = None) -> str:
        """A token for `call_sid`, valid for `ttl` seconds. `nonce` must never come twice: 8 random bytes or more."""
        if not call_sid:
            raise ValueError("a media token belongs to a call")
        if ttl <= 0:
            raise ValueError("a media token must live for a while")
        if len(nonce) < _MIN_NONCE_BYTES:
            raise ValueError(f"a nonce has {_MIN_NONCE_BYTES} bytes or more")
        content = {"c": call_sid, "e": int((now + ttl) * 1000), "n": nonce.hex(), "k": dict(claims or {})}
        said = _VERSION + json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
        token = _encoded(said + self._mac(said))
        if len(token) > MAX_TOKEN_CHARS:
            raise ValueError(f"the claims make a media token of {len(token)} characters; {MAX_TOKEN_CHARS} are allowed")
        return token

    def read(self, token: str, now: float) -> MediaToken:
        """What `token` says. Raises `TokenError` unless it was minted with our secret and is still valid."""
        raw = _decoded(token)
        said, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(self._mac(said), mac):
            raise TokenError("The media token is forged.")
        # From here on it is our own writing.
        content = json.loads(said[len(_VERSION) :])
        found = MediaToken(content["c"], content["e"] / 1000, bytes.fromhex(content["n"]), content["k"])
        if now >= found.expires:
            raise TokenError("The media token is expired.")
        return found

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, "sha256")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenError("The media token is malformed: too long.")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenError("The media token is malformed: not base64url.") from error
    if _encoded(raw) != token:  # one token, one spelling
        raise TokenError("The media token is malformed: not base64url as we write it.")
    if len(raw) <= len(_VERSION) + _MAC_BYTES:
        raise TokenError("The media token is malformed: too short.")
    if not raw.startswith(_VERSION):
        raise TokenError("The media token is of another version.")
    return raw


class UsedTokens:
    """Remembers which tokens were spent, each until it expires: memory is bounded by arrivals times lifetime."""

    def __init__(self) -> None:
        self._spent: set[bytes] = set()
        self._by_expiry: list[tuple[float, bytes]] = []
        self._latest = float("-inf")

    def __len__(self) -> int:
        return len(self._spent)

    def spend(self, token: MediaToken, now: float) -> None:
        """Use `token` up. Raises `TokenError` when that was done before, or when it has expired."""
        # A wall clock can be set back; what was forgotten as expired must not become good again.
        self._latest = max(self._latest, now)
        while self._by_expiry and self._by_expiry[0][0] <= self._latest:
            self._spent.discard(heapq.heappop(self._by_expiry)[1])
        if self._latest >= token.expires:
            raise TokenError("The media token is expired.")
        if token.nonce in self._spent:
            raise TokenError("The media token was used before.")
        self._spent.add(token.nonce)
        heapq.heappush(self._by_expiry, (token.expires, token.nonce))
