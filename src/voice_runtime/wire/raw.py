"""The JSON of the raw-audio WebSocket, both ways. Audio travels beside it, as binary messages without any wrapping.

From the client: an optional hello, then marks that were played, keys, and the wish to hang up. To the client: what
happens on the call. Unknown members are ignored; whatever else is wrong is `BadMessage`.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

__all__ = ["BadMessage", "ClientMessage", "Encoding", "Hangup", "Hello", "KeyPressed", "MarkPlayed", "decode", "encode"]

Encoding: TypeAlias = Literal["pcm_s16le", "mulaw"]
Rate: TypeAlias = Literal[8000, 16000, 22050, 24000, 32000, 44100, 48000]

MAX_TEXT_BYTES: Final = 16384
"""No message of a client is longer, but for a reason that is not ours."""


class Hello(msgspec.Struct, frozen=True, rename={"from_": "from", "encoding": "format"}):
    """How the client wants to be served. `rate` in Hz: 16000, or 8000 for mulaw, if it says nothing.

    `marks`: it says itself what it has played; else it is taken to play in real time. `to`, or `agent`: whose handler
    answers.
    """

    encoding: Encoding = "pcm_s16le"
    rate: Rate | None = None
    mode: Literal["streaming", "simple"] = "streaming"
    marks: bool = False
    to: str = ""
    from_: str = ""
    language: str = ""
    parameters: dict[str, str] = {}

    @property
    def hz(self) -> int:
        return self.rate or (8000 if self.encoding == "mulaw" else 16000)


class MarkPlayed(msgspec.Struct, frozen=True):
    """The client has played everything before this mark."""

    name: str


class KeyPressed(msgspec.Struct, frozen=True):
    """A key of a telephone."""

    digit: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#", "A", "B", "C", "D"]


class Hangup(msgspec.Struct, frozen=True):
    """The client wants the call to end."""


class BadMessage(msgspec.Struct, frozen=True):
    """Not understood: `hello` for a hello that asks for what there is not. `reason` is for the client's programmer."""

    reason: str
    hello: bool = False


ClientMessage: TypeAlias = Hello | MarkPlayed | KeyPressed | Hangup | BadMessage

MAX_REASON: Final = 200
_KINDS: Final[dict[str, type[Hello] | type[MarkPlayed] | type[KeyPressed] | type[Hangup]]] = {
    "hello": Hello,
    "mark": MarkPlayed,
    "dtmf": KeyPressed,
    "hangup": Hangup,
}
_JSON = msgspec.json.Decoder()


def decode(text: str) -> ClientMessage:
    """One text message. An object without a type is a hello."""
    if len(text) > MAX_TEXT_BYTES:
        return BadMessage(f"a text message has at most {MAX_TEXT_BYTES} characters")
    try:
        fields = _JSON.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return BadMessage("a text message is a JSON object")
    if not isinstance(fields, dict):
        return BadMessage("a text message is a JSON object")
    kind = fields.pop("type", "hello")
    found = _KINDS.get(kind) if isinstance(kind, str) else None
    if found is None:
        return BadMessage(f"type is one of {', '.join(_KINDS)}")
    if found is Hello and "agent" in fields:
        fields.setdefault("to", fields["agent"])
    try:
        return msgspec.convert(fields, found)
    except msgspec.ValidationError as error:
        return BadMessage(str(error)[:MAX_REASON], hello=found is Hello)  # it may quote what was sent


def encode(kind: str, **fields: Any) -> str:
    """A message to the client: its type and whatever belongs to it."""
    return msgspec.json.encode({"type": kind, **fields}).decode()
