"""The one error tree. Each error names what was wrong, carries its fields, and says what to do about it.

    VoiceRuntimeError
    ├── ConfigurationError
    │   ├── MissingSettingError          (also RuntimeError: what 0.1 raised)
    │   ├── MissingStreamUrlError
    │   ├── UnknownProviderError         (also ValueError)
    │   └── ProviderLoadError            (also ImportError)
    ├── CallError
    │   ├── CallNotAnsweredError         (also TimeoutError)
    │   ├── CallHangupError
    │   ├── NothingHeardError            (also TimeoutError)
    │   └── CallLimitError
    ├── ProviderError
    │   ├── SttError
    │   ├── BrainError
    │   └── TtsError
    ├── CarrierError
    │   ├── CarrierTimeoutError          (also TimeoutError)
    │   ├── CarrierRefusedError
    │   ├── TwilioCallNotFoundError      (also RuntimeError, as in 0.1.15)
    │   └── TwilioCallListIncompleteError (also RuntimeError, as in 0.1.15)
    │       └── TwilioCallListDamagedError (also ValueError)
    ├── TokenError
    ├── ToolError
    └── AudioFormatError                 (also ValueError)

Exceptions of other libraries are translated at the adapter that met them, and chained.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = [
    "AudioFormatError",
    "BrainError",
    "CallError",
    "CallHangupError",
    "CallLimitError",
    "CallNotAnsweredError",
    "CarrierError",
    "CarrierRefusedError",
    "CarrierTimeoutError",
    "ConfigurationError",
    "MissingSettingError",
    "MissingStreamUrlError",
    "NothingHeardError",
    "ProviderError",
    "ProviderLoadError",
    "SttError",
    "TokenError",
    "ToolError",
    "TtsError",
    "TwilioCallListDamagedError",
    "TwilioCallListIncompleteError",
    "TwilioCallNotFoundError",
    "UnknownProviderError",
    "VoiceRuntimeError",
]


class VoiceRuntimeError(Exception):
    """Base of every error this package raises. `remedy` is one line that says what to do, or ""."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.remedy = remedy


# -- configuration ----------------------------------------------------------------------------------------------------


class ConfigurationError(VoiceRuntimeError):
    """Something is set wrongly, or not at all."""


class MissingSettingError(ConfigurationError, RuntimeError):
    """A setting that this operation needs is empty. `setting` is its environment variable."""

    def __init__(self, setting: str, *, needed_for: str) -> None:
        super().__init__(f"{setting} is not set: {needed_for} needs it.", remedy=f"Set {setting} in the environment.")
        self.setting = setting


class MissingStreamUrlError(ConfigurationError):
    """VOICE_STREAM_URL is not set, so the carrier cannot be told where to open the media socket."""

    def __init__(self) -> None:
        port = os.environ.get("VOICE_SERVER_PORT") or "8080"
        super().__init__(
            "VOICE_STREAM_URL is not set: it is the public wss:// address of this server.",
            remedy=f"Expose port {port} (VOICE_SERVER_PORT) with a tunnel or proxy and set VOICE_STREAM_URL to that.",
        )


class UnknownProviderError(ConfigurationError, ValueError):
    """No provider of that name is built in or installed. `kind` is "STT", "TTS", ...; `known` the names there are."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"Unknown {kind} provider: {name}.", remedy=f"Known here: {', '.join(self.known)}.")


class ProviderLoadError(ConfigurationError, ImportError):
    """The provider exists but cannot be imported: its extra is not installed, or its code is broken."""

    def __init__(self, kind: str, name: str, cause: str, *, remedy: str) -> None:
        self.kind = kind
        self.provider = name
        super().__init__(f"The {kind} provider {name!r} cannot be loaded: {cause}.", remedy=remedy)


# -- a call -----------------------------------------------------------------------------------------------------------


class CallError(VoiceRuntimeError):
    """Something happened to the call itself."""


class CallNotAnsweredError(CallError, TimeoutError):
    """Nobody connected within `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        super().__init__(f"The call was not answered within {timeout}s timeout.")
        self.timeout = timeout


class CallHangupError(CallError):
    """The call ended while something was waiting on it."""

    def __init__(self) -> None:
        super().__init__("The call was hung up.")


class NothingHeardError(CallError, TimeoutError):
    """The caller said nothing within `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        super().__init__(f"The caller said nothing within {timeout} s.")
        self.timeout = timeout


class CallLimitError(CallError):
    """This process takes no more calls: all `limit` places are taken or, with a `limit` of 0, it is shutting down.

    `lag_ms`: it has places, but its event loop is so late that a new call would hurt the live ones; else 0.
    """

    def __init__(self, limit: int, *, lag_ms: float = 0.0) -> None:
        if lag_ms:
            super().__init__(
                f"The event loop is {lag_ms:.0f} ms late.",
                remedy="Find what blocks it (the log names the line), lower VOICE_MAX_CALLS or add a server.",
            )
        elif limit:
            super().__init__(f"All {limit} calls are taken.", remedy="Raise VOICE_MAX_CALLS or add a server.")
        else:
            super().__init__("This server is draining and takes no new calls.")
        self.limit, self.lag_ms = limit, lag_ms


# -- providers --------------------------------------------------------------------------------------------------------


class ProviderError(VoiceRuntimeError):
    """A provider failed. `provider` is its name, `reason` a short stable word such as "auth" or "timeout"."""

    def __init__(self, provider: str, reason: str, detail: str = "", *, remedy: str = "") -> None:
        super().__init__(f"{provider}: {reason}" + (f": {detail}" if detail else ""), remedy=remedy)
        self.provider, self.reason, self.detail = provider, reason, detail


class SttError(ProviderError):
    """Speech recognition failed."""


class BrainError(ProviderError):
    """A language model failed to answer."""


class TtsError(ProviderError):
    """Speech synthesis failed."""


# -- the carrier ------------------------------------------------------------------------------------------------------


class CarrierError(VoiceRuntimeError):
    """The carrier's REST API failed. `status`: HTTP status, 0 when there was no answer; `code`: the carrier's own."""

    def __init__(self, message: str, *, status: int = 0, code: int | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status, self.code = status, code


class CarrierTimeoutError(CarrierError, TimeoutError):
    """The carrier did not answer in time."""


class CarrierRefusedError(CarrierError):
    """The carrier answered, and said no."""


class TwilioCallNotFoundError(CarrierError, RuntimeError):
    """None of the regions that were asked knows the call: it may still be live, and billed, somewhere else.

    `attempted_hosts`: where was asked.
    """

    def __init__(self, call_sid: str, attempted_hosts: tuple[str, ...]) -> None:
        super().__init__(
            f"No region knows the call {call_sid}: asked {', '.join(attempted_hosts)}.",
            status=404,
            code=20404,
            remedy="It may still be live in a region that was not asked: name all of them.",
        )
        self.attempted_hosts = attempted_hosts


class TwilioCallListIncompleteError(CarrierError, RuntimeError):
    """The list of calls could not be read to its end, so it is not handed out as if it were whole.

    `api_host`: whose list; `pages_fetched`: how far the reading came.
    """

    def __init__(self, api_host: str, pages_fetched: int, why: str) -> None:
        super().__init__(f"The list of calls at {api_host} is incomplete after {pages_fetched} pages: {why}.")
        self.api_host, self.pages_fetched = api_host, pages_fetched


class TwilioCallListDamagedError(TwilioCallListIncompleteError, ValueError):
    """A page of the list is not what it should be."""


# -- the rest ---------------------------------------------------------------------------------------------------------


class TokenError(VoiceRuntimeError):
    """A media token is forged, expired, used up or made for another call."""


class ToolError(VoiceRuntimeError):
    """Raised by a tool: its message is what the agent's model is told. Of any other error, the model learns nothing."""


class AudioFormatError(VoiceRuntimeError, ValueError):
    """Audio in a form that cannot be read."""
