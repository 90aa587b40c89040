"""What a call and its carrier say to each other, and how a transport is chosen by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from voice_runtime.errors import UnknownProviderError
from voice_runtime.events import AnsweredBy, CallEnd, Direction
from voice_runtime.registry import SMS, TRANSPORT

__all__ = [
    "CallControl",
    "CallInfo",
    "CallPort",
    "CallTransfer",
    "CarrierTransport",
    "MediaSocket",
    "MediaTransport",
    "OutboundAudio",
    "OutboundClear",
    "OutboundItem",
    "OutboundMark",
    "SmsTransport",
    "SocketClosed",
    "TextSender",
    "Wire",
    "create_transport",
    "get_sms_transport",
]


@dataclass(frozen=True, slots=True)
class CallInfo:
    """What the carrier said when media began. Numbers are as the carrier gave them: E.164, sip:, "anonymous", ""."""

    call_sid: str
    stream_sid: str
    account_sid: str = ""
    caller_number: str = ""
    called_number: str = ""
    direction: Direction = Direction.INBOUND
    answered_by: AnsweredBy | None = None
    custom_parameters: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "audio/x-mulaw"
    sample_rate: int = 8000


# Structs and not dataclasses: there is one for every frame, and a frozen dataclass takes six times as long to make.
class OutboundAudio(msgspec.Struct, frozen=True, gc=False):
    """Play this mu-law audio. `utterance` is what it belongs to, or None."""

    payload: bytes
    utterance: int | None


class OutboundMark(msgspec.Struct, frozen=True, gc=False):
    """Tell us, by this name, when everything before it has been played."""

    name: str


class OutboundClear(msgspec.Struct, frozen=True, gc=False):
    """Drop what has not been played."""


OutboundItem: TypeAlias = OutboundAudio | OutboundMark | OutboundClear
Wire: TypeAlias = Callable[[OutboundItem], bool]
"""Sends an item: True when it is gone, and the next may come; False when it is under way, or lost with the socket."""


class CallPort(Protocol):
    """A call as its transport sees it; `VoiceSession` is one. All of it is called on the call's loop."""

    def media_started(self, info: CallInfo) -> None: ...
    def caller_audio(self, data: bytes) -> None:
        """One piece of the caller's audio, mu-law 8 kHz."""

    def dtmf_received(self, digit: str) -> None: ...
    def signal_mark_received(self, name: str) -> None: ...
    def on_outbound(self, wire: Wire | None) -> None:
        """Hand what is to be sent to `wire` from now on: in order, each item as soon as it may leave. None: to nobody.

        After an item for which `wire` returned False no other comes, until `outbound_sent`.
        """

    def outbound_sent(self) -> None:
        """What was under way is on the wire."""

    async def disconnect_requested(self) -> None:
        """Returns once the call wants to be over."""

    def signal_disconnected(self, end: CallEnd | None = None) -> None: ...


class SocketClosed(Exception):
    """The peer is gone. `code` is the WebSocket close code, 1006 when there was none."""

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(f"socket closed ({code}) {reason}".rstrip())
        self.code, self.reason = code, reason


class MediaSocket(Protocol):
    """The three things a transport needs of a WebSocket, and one of them in two ways."""

    async def receive(self) -> str | bytes:
        """The next message. Raises `SocketClosed` when there will be none."""

    async def receive_until(self, enough: Callable[[str | bytes], bool]) -> None:
        """Give every message to `enough` until it returns True. Raises as `receive` does, and what `enough` raises.

        A socket that can calls it for a message as it comes, without a turn of the loop.
        """
        while not enough(await self.receive()):
            pass

    def send(self, message: str | bytes) -> Awaitable[None] | None:
        """Send as text or as a binary message, in the order of the calls.

        None when it is done, else what to await before the next one.

        No task and no turn of the loop for a message that the socket takes at once. Raises `SocketClosed`, here or when
        awaited, when the peer is gone.
        """

    async def close(self, code: int = 1000) -> None:
        """Never raises."""


class MediaTransport(Protocol):
    """One call's media connection."""

    info: CallInfo

    async def run(self, call: CallPort) -> None:
        """Carry the call until it is over. Has called `signal_disconnected` with the reason when it returns."""


class CallControl(Protocol):
    """What can be done to a live call from outside its media socket."""

    async def hang_up(self, call_sid: str) -> None:
        """End the call at the carrier; a call that is over already is a success. Raises `CarrierError`."""


class CarrierTransport(CallControl, Protocol):
    """A carrier's REST API, off the event loop, every request with a time limit."""

    async def place_call(
        self, to: str, *, from_: str = "", twiml: str = "", url: str = "", status_callback: str = ""
    ) -> str:
        """Dial; returns the call's id. Raises `CarrierError`.

        One that can detect answering machines takes `machine_detection="DetectMessageEnd"`, too: then `url` is told who
        answered (`AnsweredBy`), when a machine's greeting is over.
        """


@runtime_checkable
class CallTransfer(Protocol):
    """A carrier that can connect the caller to somebody else."""

    async def transfer(self, call_sid: str, to: str) -> None:
        """From then on the call is theirs: its media stops. Raises `CarrierError`."""


@runtime_checkable
class TextSender(Protocol):
    """A carrier that can send text messages, off the event loop."""

    async def send_sms(self, to: str, body: str, *, from_: str = "") -> dict[str, str]:
        """Raises `CarrierError`."""


class SmsTransport(Protocol):
    """A module or object that sends text messages."""

    def send_sms(self, to: str, body: str) -> dict[str, str]: ...


def create_transport(provider: str = "twilio", **options: object) -> CarrierTransport:
    """The carrier of that name. Raises `UnknownProviderError`."""
    made: CarrierTransport = TRANSPORT.load(provider)(**options)
    return made


def get_sms_transport(provider: str = "twilio") -> SmsTransport:
    """The SMS transport of that name: 0.1 handed out the module `transports.twilio_sms`, and so do we."""
    try:
        found: SmsTransport = SMS.load(provider)
    except UnknownProviderError as error:
        # 0.1 programs match on this text.
        raise ValueError(f"Unknown SMS transport: {provider}. {error.remedy}") from error
    return found
