"""Requests to the application: signed, followed through redirects, limited to 15 seconds, all of them remembered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit
from uuid import uuid4

import httpx

from voice_runtime.simulator.addresses import Addresses, signed_form
from voice_runtime.simulator.bad_day import BadDay
from voice_runtime.simulator.connection_overrides import ConnectionOverrides
from voice_runtime.simulator.parameters import Form
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.signature import sign

__all__ = ["Answer", "WebhookError", "WebhookRequest", "Webhooks"]

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
        day: BadDay | None = None,
    ) -> None:
        self._day = day or BadDay()
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
        patience, url = ConnectionOverrides.of(url), urldefrag(url).url
        try:
            async with asyncio.timeout(patience.total_timeout):
                answer = await self._follow(url, form, method.upper(), patience)
        except (TimeoutError, httpx.TransportError) as error:
            self._remember(method, url, form, 0)
            late = f"no answer in {patience.total_timeout:g} s"
            what = late if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            raise WebhookError(ViolationCode.TWIML_UNREACHABLE, f"{url}: {what}") from error
        if self._day.gives_up_on_webhook:
            raise WebhookError(ViolationCode.TWIML_UNREACHABLE, f"{url}: the answer came too late")
        return answer

    async def _follow(self, url: str, form: Form, method: str, patience: ConnectionOverrides) -> Answer:
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._insist(url, form, method, patience, loses=int(self._day.webhook_twice))
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

    async def _insist(
        self, url: str, form: Form, method: str, patience: ConnectionOverrides, *, loses: int = 0
    ) -> httpx.Response:
        """Repeats what failed in a way that is worth a retry; repeated requests carry one token, so that they show.

        `loses`: so many answers that came are lost.
        """
        token: dict[str, str] = {}
        for attempt in range(patience.retries + loses):
            try:
                response = await self._request(url, form, method, patience, token)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout) as error:
                if ("rt" if isinstance(error, httpx.ReadTimeout) else "ct") not in patience.retry_on:
                    raise
                self._remember(method, url, form, 0)
            else:
                if attempt >= loses and f"{response.status_code // 100}xx" not in patience.retry_on:
                    return response
                self._remember(method, url, form, response.status_code)
            token = token or {"i-twilio-idempotency-token": str(uuid4())}
        return await self._request(url, form, method, patience, token)

    async def _request(
        self, url: str, form: Form, method: str, patience: ConnectionOverrides, more: Mapping[str, str]
    ) -> httpx.Response:
        if method == "GET" and form:
            url, form = f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(form)}", []
        target = self._addresses.locate(url)
        signature = sign(self._auth_token, self._signed_as(url), form)
        headers = {**target.headers, "x-twilio-signature": signature, **more}
        limits = httpx.Timeout(patience.read_timeout, connect=patience.connect_timeout)
        if method != "POST":
            return await self._client.get(target.url, headers=headers, timeout=limits)
        headers["content-type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        return await self._client.post(target.url, content=urlencode(form), headers=headers, timeout=limits)

    async def notify(self, url: str, form: Form, method: str = "POST") -> None:
        """Tell a status callback. Whatever it answers, the call goes on."""
        patience, url, status = ConnectionOverrides.of(url), urldefrag(url).url, 0
        try:
            async with asyncio.timeout(patience.total_timeout):
                status = (await self._insist(url, form, method, patience)).status_code
        except (TimeoutError, httpx.TransportError):
            pass
        self._remember(method, url, form, status)

    def _remember(self, method: str, url: str, form: Form, status: int) -> None:
        self.requests.append(WebhookRequest(method, url, tuple(form), status))

    async def close(self) -> None:
        await self._client.aclose()
