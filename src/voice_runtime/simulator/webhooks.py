"""Requests to the application: signed, followed through redirects, limited to 15 seconds, all of them remembered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from voice_runtime.simulator.addresses import Addresses, signed_form
from voice_runtime.simulator.parameters import Form
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.signature import sign

__all__ = ["Answer", "WebhookError", "WebhookRequest", "Webhooks"]

_TIMEOUT: Final = 15.0  # "Webhooks Connection Overrides": the limit for any request of a call, whatever is configured
_MAX_REDIRECTS: Final = 10


class WebhookError(Exception):
    """The application did not answer as it must; `code` is what Twilio's console would say."""

    def __init__(self, code: ViolationCode, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request that was made. `status`: of the answer, 0 when there was none."""

    method: str
    url: str
    form: tuple[tuple[str, str], ...]
    status: int

    def get(self, name: str) -> str:
        return dict(self.form).get(name, "")


@dataclass(frozen=True, slots=True)
class Answer:
    url: str
    content_type: str
    text: str
    body: bytes


class Webhooks:
    """The requests of one call: its own cookies, its own list in `requests`.

    `signed_as`: what of an address is signed.
    """

    def __init__(
        self,
        auth_token: str,
        addresses: Addresses,
        tls: ssl.SSLContext,
        *,
        signed_as: Callable[[str], str] = signed_form,
    ) -> None:
        self._signed_as = signed_as
        self._auth_token = auth_token
        self._addresses = addresses
        self._client = httpx.AsyncClient(
            verify=tls,
            trust_env=False,
            headers={"user-agent": "TwilioProxy/1.1", "accept": "*/*"},
            mounts=addresses.mounts,
        )
        self.requests: list[WebhookRequest] = []

    async def fetch(self, url: str, form: Form, method: str = "POST") -> Answer:
        """Request `url` and return a 200. Raises WebhookError for anything else."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await self._follow(url, form, method.upper())
        except (TimeoutError, httpx.TransportError) as error:
            self._remember(method, url, form, 0)
            what = "no answer in 15 s" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            raise WebhookError(ViolationCode.TWIML_UNREACHABLE, f"{url}: {what}") from error

    async def _follow(self, url: str, form: Form, method: str) -> Answer:
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._request(url, form, method)
            self._remember(method, url, form, response.status_code)
            if response.is_redirect:
                url = urljoin(url, response.headers["location"])
                if response.status_code not in (307, 308):
                    method, form = "GET", []
                continue
            if response.status_code != 200:
                raise WebhookError(ViolationCode.DOCUMENT_FETCH_FAILED, f"{url}: HTTP {response.status_code}")
            content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return Answer(url, content_type, response.text, response.content)
        raise WebhookError(ViolationCode.TOO_MANY_REDIRECTS, url)

    async def _request(self, url: str, form: Form, method: str) -> httpx.Response:
        if method == "GET" and form:
            url, form = f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(form)}", []
        target = self._addresses.locate(url)
        headers = {**target.headers, "x-twilio-signature": sign(self._auth_token, self._signed_as(url), form)}
        if method != "POST":
            return await self._client.get(target.url, headers=headers, timeout=_TIMEOUT)
        headers["content-type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        return await self._client.post(target.url, content=urlencode(form), headers=headers, timeout=_TIMEOUT)

    async def notify(self, url: str, form: Form, method: str = "POST") -> None:
        """Tell a status callback. Whatever it answers, the call goes on."""
        status = 0
        try:
            async with asyncio.timeout(_TIMEOUT):
                status = (await self._request(url, form, method)).status_code
        except (TimeoutError, httpx.TransportError):
            pass
        self._remember(method, url, form, status)

    def _remember(self, method: str, url: str, form: Form, status: int) -> None:
        self.requests.append(WebhookRequest(method, url, tuple(form), status))

    async def close(self) -> None:
        await self._client.aclose()
