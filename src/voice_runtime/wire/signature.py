"""Twilio's request signatures: proof that a webhook or a media socket comes from our own Twilio account.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

__all__ = ["sign", "url_candidates", "valid"]

_DEFAULT_PORTS = {"https": "443", "wss": "443", "http": "80", "ws": "80"}


def sign(auth_token: str, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
    """The signature of a request for `url` with the form fields `params`, every one of them, blank ones too."""
    if not auth_token:
        raise ValueError("cannot sign without an auth token")
    # Names in byte order; a repeated name contributes its different values, sorted.
    signed = url + "".join(name + value for name, value in sorted(set(params)))
    # Text that cannot be encoded was never signed by Twilio: it must come out as "not equal", not as an exception.
    digest = hmac.new(auth_token.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def valid(
    auth_token: str,
    signature: str | None,
    candidate_urls: Iterable[str],
    params: Iterable[tuple[str, str]] = (),
    *,
    body: bytes | None = None,
) -> bool:
    """Whether `signature` (the X-Twilio-Signature header) is right for any of `candidate_urls`.

    Pass either the form fields as `params`, or the raw `body` of anything that is not a form: of that Twilio signs the
    URL alone, which then carries the body's hash as `bodySHA256`. Without a token or a signature nothing is valid.
    """
    if not auth_token or not signature:
        return False
    fields = [] if body is not None else list(params)
    given = signature.encode("utf-8", "surrogatepass")
    found = False
    for url in candidate_urls:  # all of them, always: how long it takes tells nothing
        right = hmac.compare_digest(sign(auth_token, url, fields).encode(), given)
        found |= right and (body is None or _is_body_of(url, body))
    return found


def _is_body_of(url: str, body: bytes) -> bool:
    query = url.partition("#")[0].partition("?")[2]
    claimed = dict(parse_qsl(query)).get("bodySHA256", "")
    return hmac.compare_digest(claimed.encode("utf-8", "surrogatepass"), hashlib.sha256(body).hexdigest().encode())


def url_candidates(url: str) -> list[str]:
    """The forms in which Twilio may have signed `url`, the likeliest first.

    Fragment and user:password are never signed. Whether the port is depends on product and scheme, so both forms
    count; for a media socket (wss) Twilio may have added a slash to the path as well, or not.
    """
    found = re.match(r"(?P<scheme>[^:/?#]+)://(?P<netloc>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?", url)
    if found is None:
        return [url]
    scheme, path, query = found["scheme"], found["path"], found["query"] or ""
    host = found["netloc"].rpartition("@")[2]
    bare = re.sub(r":[0-9]*$", "", host)
    default = _DEFAULT_PORTS.get(scheme.lower())
    hosts = [host, bare if bare != host else f"{host}:{default}"] if default else [host]
    paths = [path]
    if scheme.lower() in ("wss", "ws"):
        paths.append(path.removesuffix("/") if path.endswith("/") else path + "/")
    return [f"{scheme}://{form}{way}{query}" for way in paths for form in hosts]
