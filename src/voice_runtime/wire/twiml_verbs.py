"""What TwiML can say, as typed verbs: the common words of the writer, the reader and the simulated carrier.

https://www.twilio.com/docs/voice/twiml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "ConnectStream",
    "DIAL_NOUNS",
    "Dial",
    "DialTarget",
    "Hangup",
    "MAX_DOCUMENT_BYTES",
    "MalformedTwiml",
    "Message",
    "Pause",
    "Play",
    "Redirect",
    "Reject",
    "Say",
    "Unknown",
    "Verb",
]

MAX_DOCUMENT_BYTES = 64_000  # "64 kB", error 11750: the smaller reading of it
DIAL_NOUNS = ("Number", "Sip", "Client", "Conference")


@dataclass(frozen=True, slots=True)
class ConnectStream:
    """<Connect><Stream>: audio both ways until the server closes the socket; then `action`, or the next verb."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    status_callback: str = ""
    name: str = ""
    action: str = ""
    track: str = "inbound_track"


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    voice: str = ""
    language: str = ""
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Play:
    """Play a file, or `digits` as key tones. `loop=0` is for ever."""

    url: str
    digits: str = ""
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Pause:
    length: int = 1


@dataclass(frozen=True, slots=True)
class Hangup:
    pass


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the call before it is answered. `reason`: "rejected" or "busy"."""

    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Redirect:
    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class DialTarget:
    """Whom to dial: `kind` is "Number", "Sip", "Client" or "Conference"."""

    address: str
    kind: str = "Number"


@dataclass(frozen=True, slots=True)
class Dial:
    targets: tuple[DialTarget, ...]
    caller_id: str = ""
    timeout: int = 30
    action: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Answer a text message with one; `to` is its sender unless said otherwise."""

    body: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A verb, or a use of one, that is not modelled here; `xml` is all of it."""

    name: str
    xml: str


@dataclass(frozen=True, slots=True)
class MalformedTwiml:
    """What Twilio would refuse: the whole document, or the verb that should have stood here."""

    reason: str


Verb: TypeAlias = (
    ConnectStream | Say | Play | Pause | Hangup | Reject | Redirect | Dial | Message | Unknown | MalformedTwiml
)
