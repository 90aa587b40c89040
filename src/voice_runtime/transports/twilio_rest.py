"""The one place where a Twilio REST client is made, and where its exceptions become ours.

The SDK by itself waits for ever, follows TWILIO_REGION and TWILIO_EDGE of the environment, and logs phone numbers.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import twilio.rest
import urllib3.exceptions
from requests.adapters import BaseAdapter, HTTPAdapter
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

from voice_runtime.errors import CarrierError, CarrierRefusedError, CarrierTimeoutError
from voice_runtime.settings import Settings
from voice_runtime.transports.twilio_account import TwilioRegion, api_origin, require_credentials

__all__ = ["BoundedHttpClient", "carrier_errors", "open_client"]

log = logging.getLogger(__name__)

_POOL_SIZE = 16
_LONGEST_DETAIL = 300
_NUMBER = re.compile(r"\+?[0-9]{7,}")
_SHORTEST_SECRET = 8  # Twilio's have 32 characters; "a" would be in every answer
# An empty mapping would make the SDK read os.environ after all.
_NO_ENVIRONMENT = {"": ""}


class BoundedHttpClient(TwilioHttpClient):  # type: ignore[misc]  # the SDK publishes no types
    """The SDK's own HTTP client, always with a time limit, never following a redirect, sent to one origin.

    `adapter` is how `requests` gets there, if not over the network.
    """

    def __init__(self, *, origin: str, timeout: float, adapter: BaseAdapter | None = None) -> None:
        super().__init__(timeout=timeout, logger=log)
        self._origin = urlsplit(origin)
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, adapter or HTTPAdapter(pool_maxsize=_POOL_SIZE))

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Any:
        # A redirect would carry the credentials to whoever it names, and a fetch takes a 3xx for an answer.
        there = urlsplit(url)._replace(scheme=self._origin.scheme, netloc=self._origin.netloc).geturl()
        limit = min(timeout, self.timeout) if timeout else self.timeout
        answer = super().request(method, there, params, data, headers, auth, limit, allow_redirects=False)
        return answer if auth is None else _without(auth, answer)

    def log_request(self, kwargs: Mapping[str, Any]) -> None:
        log.debug("→ %s %s", kwargs["method"], urlsplit(kwargs["url"]).path)

    def log_response(self, status_code: int, response: object) -> None:
        log.debug("← %s", status_code)

    def close(self) -> None:
        self.session.close()

    def __repr__(self) -> str:
        return f"BoundedHttpClient({self._origin.geturl()!r})"


def _without(auth: tuple[str, str], answer: Response) -> Response:
    """A proxy may quote what it was sent, and an answer's text gets into errors and logs."""
    text = answer.text
    for secret in (auth[1], base64.b64encode(":".join(auth).encode()).decode()):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    return answer if text == answer.text else Response(answer.status_code, text, answer.headers)


def open_client(
    settings: Settings, region: TwilioRegion | None = None, adapter: BaseAdapter | None = None
) -> tuple[Any, BoundedHttpClient]:
    """A `twilio.rest.Client` and the HTTP client under it, for the account of `settings` or of `region`.

    Raises `MissingSettingError`, `ConfigurationError`.
    """
    if region is None:
        account, secret = require_credentials(settings, "the Twilio REST API")
        user = account
    else:
        (user, secret), account = region.auth, region.account_sid
    origin = api_origin(settings, region)
    http = BoundedHttpClient(origin=origin, timeout=settings.twilio_http_timeout, adapter=adapter)
    # Which region and edge is in the origin already; the SDK is told of neither, so it rewrites nothing.
    return twilio.rest.Client(user, secret, account, http_client=http, environment=_NO_ENVIRONMENT), http


@contextmanager
def carrier_errors(doing: str) -> Iterator[None]:
    """Whatever the SDK and its HTTP library raise in here comes out as a `CarrierError`, chained."""
    try:
        yield
    except (TwilioRestException, TwilioServiceException) as error:
        raise _answered_no(doing, error) from error
    except TwilioException as error:
        raise CarrierError(f"{doing}: Twilio answered something that is not its API.") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        # The second comes bare out of requests when a redirect has a body that cannot be decoded, and breaks off.
        if _is_timeout(error):
            raise CarrierTimeoutError(f"{doing}: Twilio did not answer in time. It may be done, or not.") from error
        raise CarrierError(f"{doing}: no answer from Twilio ({type(error).__name__}).") from error
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        # What is left when an answer with a good status is not JSON, or JSON of another shape.
        raise CarrierError(f"{doing}: Twilio's answer could not be read ({type(error).__name__}).") from error


def _is_timeout(error: Exception) -> bool:
    # A body that stalls half way comes out of requests as a ConnectionError around the time-out.
    return isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError) or any(
        isinstance(inner, urllib3.exceptions.TimeoutError) for inner in error.args
    )


def _answered_no(doing: str, error: TwilioRestException | TwilioServiceException) -> CarrierError:
    # Two siblings: the classic error body, and RFC 9457 problem documents. Both quote the number that is wrong, which
    # must not get into a log: ours is the message, and theirs comes behind it in a traceback.
    if isinstance(error, TwilioRestException):
        said = error.msg = _NUMBER.sub("[number]", str(error.msg))
    else:
        error.title, error.detail = (said and _NUMBER.sub("[number]", said) for said in (error.title, error.detail))
        said = error.detail or error.title
    status = error.status if isinstance(error.status, int) else 0
    code = error.code if isinstance(error.code, int) else None
    kind = CarrierRefusedError if 400 <= status < 500 else CarrierError
    return kind(
        f"{doing}: HTTP {status}, Twilio code {code}: {str(said)[:_LONGEST_DETAIL]}.",
        status=status,
        code=code,
        remedy=_REMEDIES.get(code or status, ""),
    )


_REMEDIES = {
    20003: "Check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and the region they belong to.",
    20429: "Nothing was done: try again a little later.",
    21215: "Allow the country under Geo Permissions in the Twilio console.",
}
