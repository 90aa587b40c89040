"""What TwiML can say, as typed verbs: the common words of the writer, the reader and the simulated carrier.

https://www.twilio.com/docs/voice/twiml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "ConnectStream",
    "DEFAULT_WAIT_URL",
    "DIAL_NOUNS",
    "Dial",
    "DialConference",
    "DialTarget",
    "Gather",
    "Hangup",
    "MAX_DOCUMENT_BYTES",
    "MalformedTwiml",
    "Message",
    "Pause",
    "Play",
    "Record",
    "Redirect",
    "Reject",
    "Say",
    "StartStream",
    "StopStream",
    "Unknown",
    "Verb",
]

MAX_DOCUMENT_BYTES = 64_000  # "64 kB", error 11750: the smaller reading of it
DIAL_NOUNS = ("Number", "Sip", "Client")
DEFAULT_WAIT_URL = "http://twimlets.com/holdmusic?Bucket=com.twilio.music.classical"


@dataclass(frozen=True, slots=True)
class ConnectStream:
    """<Connect><Stream>: audio both ways until the server closes the socket; then `action`, or the next verb."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    status_callback: str = ""
    name: str = ""
    action: str = ""
    track: str = "inbound_track"
    method: str = "POST"
    status_callback_method: str = "POST"


@dataclass(frozen=True, slots=True)
class StartStream:
    """<Start><Stream>: a copy of the audio goes to the server while the call goes on with the next verb."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    status_callback: str = ""
    name: str = ""
    track: str = "inbound_track"
    status_callback_method: str = "POST"


@dataclass(frozen=True, slots=True)
class StopStream:
    """<Stop><Stream>: end the unidirectional stream of that name."""

    name: str


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
class Gather:
    """Keys, speech or both ("dtmf speech"), asked for by `prompts`: Say, Play, Pause. `num_digits=0`: any number."""

    prompts: tuple[Verb, ...] = ()
    input: str = "dtmf"
    action: str = ""
    method: str = "POST"
    timeout: str = "5"
    speech_timeout: str = ""
    num_digits: int = 0
    finish_on_key: str = "#"
    action_on_empty_result: bool = False
    barge_in: bool = True
    language: str = ""
    hints: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """Record the caller until silence, a key, or `max_length` seconds."""

    action: str = ""
    method: str = "POST"
    timeout: int = 5
    finish_on_key: str = "1234567890*#"
    max_length: int = 3600
    play_beep: bool = True
    trim: str = "trim-silence"
    recording_status_callback: str = ""
    recording_status_callback_method: str = "POST"
    recording_status_callback_event: str = "completed"


@dataclass(frozen=True, slots=True)
class DialTarget:
    """Whom to dial: `kind` is "Number", "Sip" or "Client". `url` is TwiML for the callee before the two are joined."""

    address: str
    kind: str = "Number"
    url: str = ""
    method: str = "POST"
    send_digits: str = ""
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_callback_event: str = "completed"


@dataclass(frozen=True, slots=True)
class DialConference:
    """The room to join. `beep`: true, false, onEnter or onExit; an empty `wait_url` is silence."""

    name: str
    muted: bool = False
    beep: str = "true"
    start_conference_on_enter: bool = True
    end_conference_on_exit: bool = False
    wait_url: str = DEFAULT_WAIT_URL
    wait_method: str = "POST"
    max_participants: int = 250
    participant_label: str = ""
    coach: str = ""
    record: str = "do-not-record"
    trim: str = "trim-silence"
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_callback_event: str = ""
    recording_status_callback: str = ""
    recording_status_callback_method: str = "POST"
    recording_status_callback_event: str = "completed"


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the caller to the first of `targets` that answers, or to a conference."""

    targets: tuple[DialTarget | DialConference, ...]
    caller_id: str = ""
    timeout: int = 30
    action: str = ""
    method: str = "POST"
    time_limit: int = 14400
    answer_on_bridge: bool = False
    hangup_on_star: bool = False
    record: str = "do-not-record"
    trim: str = "do-not-trim"
    recording_status_callback: str = ""
    recording_status_callback_method: str = "POST"
    recording_status_callback_event: str = "completed"


@dataclass(frozen=True, slots=True)
class Message:
    """Answer a text message with one; `to` is its sender unless said otherwise. In a voice call this is <Sms>."""

    body: str
    to: str = ""
    from_: str = ""
    action: str = ""
    method: str = "POST"
    status_callback: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A verb, or a use of one, that is not modelled here; `xml` is all of it."""

    name: str
    xml: str


@dataclass(frozen=True, slots=True)
class MalformedTwiml:
    """What Twilio would refuse, under the number `code`: the whole document, or the verb that should stand here."""

    reason: str
    code: int = 12100


Verb: TypeAlias = (
    ConnectStream
    | StartStream
    | StopStream
    | Say
    | Play
    | Pause
    | Gather
    | Record
    | Hangup
    | Reject
    | Redirect
    | Dial
    | Message
    | Unknown
    | MalformedTwiml
)
