"""An account at OpenAI, or at any service that speaks its API: what the recogniser, the voice and the brain share.

The environment is read when something is asked for, never at import: OPENAI_API_KEY, OPENAI_BASE_URL. Arguments win.
A service without keys needs only its address.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import Any

__all__ = ["Account", "describe", "model_name", "reason"]

_NO_KEY = "none"  # a local service asks for none, and the SDK insists on one


class Account:
    """Clients of the vendor's SDK, made when they are first used and kept: connections outlive one request."""

    def __init__(
        self, api_key: str | None = None, base_url: str | None = None, *, timeout: float = 10.0, retries: int = 1
    ) -> None:
        self._api_key, self._base_url = api_key, base_url
        self._options = {"timeout": timeout, "max_retries": retries}
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def client(self) -> Any:
        """The asynchronous client, for the loop that runs. Raises ValueError when there is neither key nor address."""
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is loop:
            return self._client
        sdk = await asyncio.to_thread(importlib.import_module, "openai")  # long enough to be heard elsewhere
        if self._client is None or self._loop is not loop:  # somebody else may have been quicker
            self._client, self._loop = sdk.AsyncOpenAI(**self._where(), **self._options), loop
        return self._client

    def blocking_client(self) -> Any:
        """A blocking client, for a thread; closed by who asked for it."""
        return importlib.import_module("openai").OpenAI(**self._where(), **self._options)

    async def aclose(self) -> None:
        """Close what `client` opened. It opens anew when it is asked again."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.close()

    @property
    def base_url(self) -> str:
        """The service's address; "" for the vendor's own."""
        return self._base_url or os.environ.get("OPENAI_BASE_URL", "")

    def _where(self) -> dict[str, str]:
        base_url = self.base_url
        api_key = self._api_key or os.environ.get("OPENAI_API_KEY", "")
        if not api_key and not base_url:
            raise ValueError("OPENAI_API_KEY is not set")
        where = {"api_key": api_key or _NO_KEY}
        return {**where, "base_url": base_url} if base_url else where


def model_name(given: str | None, variable: str) -> str:
    """`given`, or what the environment says. Raises ValueError for neither: vendors retire models, no default lasts."""
    name = given or os.environ.get(variable, "")
    if not name:
        raise ValueError(f"no model is named: pass model=, or set {variable}")
    return name


def describe(error: Exception) -> str:
    """One line."""
    status = getattr(error, "status_code", None)
    text = str(error) or repr(error)
    return text if status is None or str(status) in text else f"HTTP {status}: {text}"


def reason(error: Exception) -> str:
    """The stable word for what went wrong."""
    names = {kind.__name__ for kind in type(error).__mro__}  # the SDK is not imported for its classes' names
    if isinstance(error, ImportError):
        return "not_installed"
    if isinstance(error, TimeoutError) or "APITimeoutError" in names:
        return "timeout"
    if isinstance(error, ValueError) and "OPENAI_API_KEY" in str(error):
        return "auth"
    if isinstance(error, ValueError):
        return "bad_request"
    if isinstance(error, OSError) or "APIConnectionError" in names or "TransportError" in names:
        return "network"
    match getattr(error, "status_code", None):
        case 401 | 403:
            return "auth"
        case 429:
            return "quota" if getattr(error, "code", None) == "insufficient_quota" else "rate_limited"
        case int(status) if 400 <= status < 500:
            return "bad_request"
    return "failed"
