"""Twilio Media Streams messages, both directions. Bytes in, typed events out; typed messages in, text out.

Nothing here raises on what a peer sends: a message nobody knows is `Unknown`, one that cannot be read is `Malformed`.
Field names and types are those of Twilio's page "Media Streams - WebSocket Messages": numbers that count things are
strings of digits there, and are taken as numbers too.
"""

from __future__ import annotations

import binascii
from typing import Any, TypeAlias

import msgspec

__all__ = [
    "CarrierMessage",
    "Clear",
    "Connected",
    "Dtmf",
    "DtmfBody",
    "EchoedMarkBody",
    "Malformed",
    "Mark",
    "MarkBody",
    "Media",
    "MediaBody",
    "MediaFormat",
    "PlayMedia",
    "PlayMediaBody",
    "ServerMessage",
    "SetMark",
    "Start",
    "StartBody",
    "Stop",
    "StopBody",
    "StreamEncoder",
    "Unknown",
    "decode_from_carrier",
    "decode_from_server",
    "encode_to_server",
]

Count: TypeAlias = str | int
"""Digits: "7" as documented, 7 as some carriers send it."""


# -- carrier to server ------------------------------------------------------------------------------------------------


class Connected(msgspec.Struct, frozen=True, tag_field="event", tag="connected", rename="camel"):
    """First message of a socket."""

    protocol: str = "Call"
    version: str = "1.0.0"


class MediaFormat(msgspec.Struct, frozen=True, rename="camel"):
    encoding: str = "audio/x-mulaw"
    sample_rate: int | str = 8000
    channels: int | str = 1


class StartBody(msgspec.Struct, frozen=True, rename="camel"):
    account_sid: str = ""
    stream_sid: str = ""
    call_sid: str = ""
    tracks: list[str] | None = None
    media_format: MediaFormat | None = None
    custom_parameters: dict[str, str] | None = None


class Start(msgspec.Struct, frozen=True, tag_field="event", tag="start", rename="camel"):
    """Second message: which call and stream this socket carries."""

    start: StartBody
    stream_sid: str = ""
    sequence_number: Count = ""


class MediaBody(msgspec.Struct, frozen=True, rename="camel"):
    payload: bytes
    track: str = ""
    chunk: Count = ""
    timestamp: Count = ""


class Media(msgspec.Struct, frozen=True, tag_field="event", tag="media", rename="camel"):
    """A piece of the caller's audio: `media.payload` is mu-law, `media.timestamp` ms since the stream began."""

    media: MediaBody
    stream_sid: str = ""
    sequence_number: Count = ""


class DtmfBody(msgspec.Struct, frozen=True, rename="camel"):
    digit: str
    track: str = ""


class Dtmf(msgspec.Struct, frozen=True, tag_field="event", tag="dtmf", rename="camel"):
    """The caller pressed a key."""

    dtmf: DtmfBody
    stream_sid: str = ""
    sequence_number: Count = ""


class MarkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class EchoedMarkBody(msgspec.Struct, frozen=True):
    """As `MarkBody`; what else a carrier may add to an echo is its own business."""

    name: str


class Mark(msgspec.Struct, frozen=True, tag_field="event", tag="mark", rename="camel"):
    """Our mark, echoed: what was queued before it has been played, or cleared."""

    mark: EchoedMarkBody
    stream_sid: str = ""
    sequence_number: Count = ""


class StopBody(msgspec.Struct, frozen=True, rename="camel"):
    account_sid: str = ""
    call_sid: str = ""


class Stop(msgspec.Struct, frozen=True, tag_field="event", tag="stop", rename="camel"):
    """Last message: the stream or the call is over."""

    stop: StopBody = StopBody()
    stream_sid: str = ""
    sequence_number: Count = ""


class Unknown(msgspec.Struct, frozen=True):
    """Well formed, but of an `event` that is not in the book. To be ignored: carriers add messages without notice."""

    event: str


class Malformed(msgspec.Struct, frozen=True):
    """Not a message, or one that lacks what it must have. `reason` never quotes the message: it may be private."""

    reason: str


CarrierMessage: TypeAlias = Connected | Start | Media | Dtmf | Mark | Stop | Unknown | Malformed

_from_carrier = msgspec.json.Decoder(Connected | Start | Media | Dtmf | Mark | Stop)
_untyped = msgspec.json.Decoder(dict[str, Any])
_KNOWN_FROM_CARRIER = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})


def decode_from_carrier(message: str | bytes) -> CarrierMessage:
    """Read one message of the carrier. Never raises."""
    try:
        read: CarrierMessage = _from_carrier.decode(message)
        return read
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _what_went_wrong(message, error, _KNOWN_FROM_CARRIER)


def _what_went_wrong(message: str | bytes, error: Exception, known: frozenset[str]) -> Unknown | Malformed:
    """Tell a message of an unknown kind from a broken one."""
    try:
        event = _untyped.decode(message).get("event")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Malformed("not a JSON object")
    if not isinstance(event, str):
        return Malformed("no event name")
    return Malformed(f"{event}: {_without_values(error)}") if event in known else Unknown(event[:64])


def _without_values(error: Exception) -> str:
    # msgspec's messages name types and paths ("Expected `str`, got `int` - at `$.media.payload`"), never values, except
    # for a tag that does not exist, and that one never gets here.
    return str(error)[:200]


def encode_to_server(message: Connected | Start | Media | Dtmf | Mark | Stop) -> str:
    """Write a message as the carrier would; for the simulator."""
    return msgspec.json.encode(message).decode()


# -- server to carrier ------------------------------------------------------------------------------------------------


class StreamEncoder:
    """Writes what a server sends on one stream: exactly the fields Twilio accepts (anything else is warning 31951)."""

    def __init__(self, stream_sid: str) -> None:
        sid = msgspec.json.encode(stream_sid).decode()
        self._media = f'{{"event":"media","streamSid":{sid},"media":{{"payload":"'
        self._mark = f'{{"event":"mark","streamSid":{sid},"mark":{{"name":'
        self._clear = f'{{"event":"clear","streamSid":{sid}}}'

    def media(self, payload: bytes) -> str:
        """Play `payload`: mu-law, 8 kHz, mono, without any header."""
        return self._media + binascii.b2a_base64(payload, newline=False).decode("ascii") + '"}}'

    def mark(self, name: str) -> str:
        """Echo `name` when everything before it was played."""
        return self._mark + msgspec.json.encode(name).decode() + "}}"

    def clear(self) -> str:
        """Drop what has not been played yet, and echo its marks."""
        return self._clear


class PlayMediaBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: bytes


class PlayMedia(
    msgspec.Struct, frozen=True, tag_field="event", tag="media", rename="camel", forbid_unknown_fields=True
):
    stream_sid: str
    media: PlayMediaBody


class SetMark(msgspec.Struct, frozen=True, tag_field="event", tag="mark", rename="camel", forbid_unknown_fields=True):
    stream_sid: str
    mark: MarkBody


class Clear(msgspec.Struct, frozen=True, tag_field="event", tag="clear", rename="camel", forbid_unknown_fields=True):
    stream_sid: str


ServerMessage: TypeAlias = PlayMedia | SetMark | Clear | Unknown | Malformed

_from_server = msgspec.json.Decoder(PlayMedia | SetMark | Clear)
_KNOWN_FROM_SERVER = frozenset({"media", "mark", "clear"})


def decode_from_server(message: str | bytes) -> ServerMessage:
    """Read one message of a server as strictly as Twilio does: an extra field is `Malformed` (31951). Never raises."""
    try:
        read: ServerMessage = _from_server.decode(message)
        return read
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _what_went_wrong(message, error, _KNOWN_FROM_SERVER)
