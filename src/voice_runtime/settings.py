"""Every setting, read from the environment when `Settings()` is made (never at import), each written down once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings", "unknown_variables"]


class Settings(BaseSettings):
    """What the server, the carrier adapters and the CLI need to know.

    Field `x_y` is read from the environment variable in its `validation_alias` or, without one, `X_Y`. Arguments win
    over the environment: `Settings(voice_public_url="https://...")`. Speech vendors read their own keys themselves
    (docs/settings.md lists those as well).
    """

    model_config = SettingsConfigDict(
        case_sensitive=False, extra="forbid", env_ignore_empty=True, populate_by_name=True, frozen=True
    )

    # -- where we are -------------------------------------------------------------------------------------------------
    voice_public_url: str = Field(
        default="", description="Public https:// address of this server, as the carrier reaches it."
    )
    voice_stream_url: str = Field(
        default="",
        description="0.1's name for the public address (wss:// or https://); used when VOICE_PUBLIC_URL is empty.",
    )
    voice_server_host: str = Field(default="127.0.0.1", description="Address the server listens on.")
    voice_server_port: int = Field(default=8080, ge=0, le=65535, description="Port the server listens on.")
    voice_media_path: str = Field(default="/voice", description="Path of the media WebSocket.")
    voice_fast_sockets: bool = Field(
        default=True,
        description="Serve media sockets past ASGI, at less cost. Off: ASGI middleware of your own sees them.",
    )
    voice_trust_forwarded: bool = Field(
        default=False,
        description="Believe X-Forwarded-Host and X-Forwarded-Proto. Only behind a proxy that sets both itself.",
    )

    # -- the carrier --------------------------------------------------------------------------------------------------
    twilio_account_sid: str = Field(default="", description="Twilio account SID (AC...).")
    twilio_auth_token: SecretStr = Field(
        default=SecretStr(""), description="Twilio auth token: signs requests to Twilio and proves requests from it."
    )
    twilio_phone_number: str = Field(default="", description="Number that calls and messages are sent from, in E.164.")
    twilio_http_timeout: float = Field(default=15.0, gt=0, le=120, description="Seconds one REST request may take.")
    twilio_api_base_url: str = Field(
        default="", description="Send REST requests here instead of to Twilio: a simulator, or a proxy of your own."
    )
    twilio_region: str = Field(default="", description="Twilio region of the account, such as ie1.")
    twilio_edge: str = Field(default="", description="Twilio edge to enter by, such as dublin.")
    twilio_skip_signature_validation: bool = Field(
        default=False, description="Accept unsigned webhooks and sockets. For local development only: anybody can call."
    )

    # -- limits -------------------------------------------------------------------------------------------------------
    voice_max_calls: int = Field(default=200, ge=1, description="Calls at once in this process.")
    voice_max_loop_lag_ms: float = Field(
        default=250.0, ge=0, description="Average lag of the event loop above which no call is let in, in ms; 0: off."
    )
    voice_overflow: str = Field(
        default="busy",
        description="What a call gets for which there is no place: busy, message, queue, or a number to dial (E.164).",
    )
    voice_overflow_message: str = Field(
        default="", description="What message and queue say: a text, or the https:// address of a sound to play."
    )
    voice_overflow_attempts: int = Field(
        default=12, ge=1, le=1000, description="How often a queued call asks for a place, every 10 s or so."
    )
    voice_start_timeout: float = Field(
        default=10.0, gt=0, description="Seconds a media socket may take to send `start` before it is closed."
    )
    voice_media_timeout: float = Field(
        default=60.0, gt=0, description="Seconds without any message after which a media socket is taken for dead."
    )
    voice_require_token: bool = Field(
        default=True, description="Let only media sockets in that carry the token of our own TwiML."
    )
    voice_max_message_bytes: int = Field(
        default=65536, ge=1024, description="Largest message a media socket may send, in bytes."
    )
    voice_max_call_seconds: float = Field(
        default=14400.0, gt=0, description="Longest a call may last, in seconds; then it is hung up."
    )
    voice_drain_seconds: float = Field(
        default=300.0, ge=0, description="Seconds live calls may go on after SIGTERM before they are hung up."
    )
    voice_drain_message: str = Field(
        default="", description="What callers are told who are hung up on because the time for draining is up."
    )
    voice_token_seconds: float = Field(
        default=60.0, gt=0, description="Seconds a media token stays valid after the webhook that made it."
    )
    voice_token_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Key of the media tokens, one for all servers of an address. Default: made from TWILIO_AUTH_TOKEN.",
    )

    # -- raw audio ----------------------------------------------------------------------------------------------------
    voice_raw_token: SecretStr = Field(
        default=SecretStr(""), description="What raw-audio clients must bring along; without it, none is let in."
    )
    voice_raw_origins: str = Field(
        default="", description="Web pages that may use raw audio: https://example.com, comma-separated; * for all."
    )
    voice_raw_max_message_bytes: int = Field(
        default=4194304, ge=1024, description="Largest message a raw-audio client may send, in bytes: a whole file."
    )
    voice_raw_idle_seconds: float = Field(
        default=300.0, gt=0, description="Seconds without any message after which a raw-audio client is taken for gone."
    )

    # -- speech -------------------------------------------------------------------------------------------------------
    voice_stt: str = Field(
        default="", description="Speech recognition provider for `serve`, such as elevenlabs. With commas: a chain."
    )
    voice_tts: str = Field(
        default="", description="Speech synthesis provider for `serve`, such as elevenlabs. With commas: a chain."
    )
    voice_vad: str = Field(
        default="", description="Voice detection provider, or none. Default: silero, if its extra (vad) is installed."
    )
    transport: str = Field(default="", description="0.1's switch: `mock` means that calls go to the mock bridge.")
    voice_monitor: bool = Field(
        default=False, description="Play every call on this machine's loudspeaker (needs ffplay)."
    )

    voice_record_dir: str = Field(
        default="", description="Folder for a stereo WAV of every call, <call sid>.wav; empty: calls are not recorded."
    )

    # -- logs ---------------------------------------------------------------------------------------------------------
    voice_log_level: str = Field(default="info", description="debug, info, warning or error.")
    voice_log_json: bool = Field(default=False, description="One JSON object per log line instead of plain text.")

    # -- metrics and traces -------------------------------------------------------------------------------------------
    voice_metrics_token: SecretStr = Field(
        default=SecretStr(""), description="Key that reads /metrics (Authorization: Bearer); empty: nothing is counted."
    )
    voice_trace_content: bool = Field(
        default=False, description="Write what callers said, and their numbers, into OpenTelemetry traces."
    )

    @field_validator("voice_media_path")
    @classmethod
    def _absolute_path(cls, path: str) -> str:
        if not path.startswith("/") or "?" in path or "#" in path:
            raise ValueError("must be a path such as /voice, without a query: carriers refuse one (error 31920)")
        return "/" + path.strip("/")

    @field_validator("voice_overflow")
    @classmethod
    def _an_answer(cls, overflow: str) -> str:
        if overflow not in ("busy", "message", "queue") and not re.fullmatch(r"\+[1-9][0-9]{5,14}", overflow):
            raise ValueError("must be busy, message, queue, or a phone number such as +358401234567")
        return overflow

    @field_validator("voice_overflow_message")
    @classmethod
    def _speakable(cls, message: str) -> str:
        if not message.isprintable() or len(message) > 1000:
            raise ValueError("must be one line of at most 1000 characters")
        return message

    @property
    def public_url(self) -> str:
        """The public address as https:// or http://, without a trailing slash; "" when none is configured."""
        url = (self.voice_public_url or self.voice_stream_url).strip().rstrip("/")
        for websocket, web in (("wss://", "https://"), ("ws://", "http://")):
            if url.startswith(websocket):
                return web + url.removeprefix(websocket)
        return url


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What begins with VOICE_ and is no setting: each with the one that was probably meant, or ""."""
    known = [name.upper() for name in Settings.model_fields]
    unknown = [name for name in environment if name.upper().startswith("VOICE_") and name.upper() not in known]
    return {name: next(iter(difflib.get_close_matches(name.upper(), known, 1, 0.8)), "") for name in unknown}
