"""Which Twilio account, in which region: credentials, their checks, and the door to the REST API.

Nothing here imports Twilio's SDK, which takes half a second to load; `open_rest` does, when it is called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from voice_runtime.errors import ConfigurationError, MissingSettingError
from voice_runtime.settings import Settings

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

    from voice_runtime.transports.twilio_operations import TwilioRest

__all__ = [
    "TwilioRegion",
    "api_origin",
    "check_sid",
    "open_rest",
    "require_credentials",
    "require_phone_number",
    "validated_regions",
]

_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"api\.(?:{_LABEL}\.{_LABEL}\.)?twilio\.com")
_SID = re.compile("[A-Za-z0-9]+")


class TwilioRegion(BaseModel):
    """One region to ask: its host, the account (the path), and who asks, which may be an API key.

    Host: `api.twilio.com`, or `api.<edge>.<region>.twilio.com`. The secret is never shown.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    api_host: str
    account_sid: str
    auth: tuple[str, str] = Field(repr=False)

    @field_validator("api_host")
    @classmethod
    def _known_host(cls, host: str) -> str:
        if not _HOST.fullmatch(host):
            raise ValueError("must be api.twilio.com or api.<edge>.<region>.twilio.com")
        return host

    @field_validator("account_sid")
    @classmethod
    def _plain_sid(cls, sid: str) -> str:
        return check_sid(sid)

    @field_validator("auth")
    @classmethod
    def _both_given(cls, auth: tuple[str, str]) -> tuple[str, str]:
        if not all(part.strip() for part in auth):
            raise ValueError("needs a user name and a password")
        return auth


def check_sid(sid: object) -> str:
    """`sid`, if it is nothing but ASCII letters and digits: it goes into a path unquoted. Raises `ValueError`."""
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise ValueError("a SID consists of ASCII letters and digits")
    return sid


def validated_regions(regions: object) -> tuple[TwilioRegion, ...]:
    """`regions`, if it is a tuple of different, sound regions, at least one. Raises `ValueError` without secrets."""
    if not isinstance(regions, tuple) or not regions:
        raise ValueError("regions must be a tuple of at least one TwilioRegion")
    if not all(isinstance(region, TwilioRegion) for region in regions):
        raise ValueError("regions must be a tuple of TwilioRegion")
    # Once more: `model_construct` makes regions that nobody looked at.
    sound = tuple(TwilioRegion.model_validate(region.model_dump()) for region in regions)
    if len({(region.api_host, region.account_sid) for region in sound}) != len(sound):
        raise ValueError("regions names the same region twice")
    return sound


def require_credentials(settings: Settings, needed_for: str) -> tuple[str, str]:
    """Account SID and auth token. Raises `MissingSettingError`."""
    token = settings.twilio_auth_token.get_secret_value()
    if not settings.twilio_account_sid:
        raise MissingSettingError("TWILIO_ACCOUNT_SID", needed_for=needed_for)
    if not token:
        raise MissingSettingError("TWILIO_AUTH_TOKEN", needed_for=needed_for)
    return settings.twilio_account_sid, token


def require_phone_number(settings: Settings, needed_for: str) -> str:
    """The number that we call and write from. Raises `MissingSettingError`."""
    if not settings.twilio_phone_number:
        raise MissingSettingError("TWILIO_PHONE_NUMBER", needed_for=needed_for)
    return settings.twilio_phone_number


def api_origin(settings: Settings, region: TwilioRegion | None) -> str:
    """Where requests really go, such as `https://api.dublin.ie1.twilio.com`. Raises `ConfigurationError`."""
    base = settings.twilio_api_base_url.rstrip("/")
    if base:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname or base != f"{parts.scheme}://{parts.netloc}":
            raise ConfigurationError("TWILIO_API_BASE_URL must be a scheme and a host, such as http://127.0.0.1:9000.")
        if "@" in parts.netloc:
            raise ConfigurationError("TWILIO_API_BASE_URL must not carry a user name or password.")
        return base
    if region is not None:
        return f"https://{region.api_host}"
    edge = settings.twilio_edge
    place = settings.twilio_region or ("us1" if edge else "")  # an edge alone means us1, as the SDK has it
    return "https://" + ".".join(part for part in ("api", edge, place, "twilio.com") if part)


def open_rest(settings: Settings, adapter: BaseAdapter | None = None) -> TwilioRest:
    """The REST API, blocking; a context manager. The SDK is imported here, and only now.

    `adapter`: how `requests` reaches it, if not over the network.
    """
    from voice_runtime.transports.twilio_operations import TwilioRest

    return TwilioRest(settings, adapter)
