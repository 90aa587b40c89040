"""What all calls of a carrier share, and what was asked for when one of them was made."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from voice_runtime.simulator.addresses import Addresses
from voice_runtime.simulator.amd import Thresholds
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.parameters import Leg
from voice_runtime.simulator.record import EndedBy
from voice_runtime.simulator.rest import CallStatus, RestState
from voice_runtime.wire.twiml import Verb

if TYPE_CHECKING:
    from voice_runtime.simulator.conference import Conferences
    from voice_runtime.simulator.live_call import LiveCall
    from voice_runtime.simulator.recordings import RecordingOrder

__all__ = ["CallPlan", "Document", "MachineDetection", "Network", "OtherCall"]


@dataclass(frozen=True, slots=True)
class Document:
    """Where the next verbs come from: `verbs`, or the answer of `url`."""

    url: str = ""
    method: str = "POST"
    verbs: tuple[Verb, ...] = ()
    base: str = ""
    """What relative addresses in it are relative to."""
    form: tuple[tuple[str, str], ...] = ()
    """What the request says beside the usual: Digits, DialCallStatus, ..."""


@dataclass(frozen=True, slots=True)
class MachineDetection:
    """Whether a machine answers. `asynchronous`: TwiML begins meanwhile, and `callback` is told."""

    thresholds: Thresholds
    asynchronous: bool = False
    callback: Document = Document()


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What was asked for when the call was made. Times in seconds."""

    document: Document
    status_callback: str = ""
    status_method: str = "POST"
    status_events: frozenset[str] = frozenset({"completed"})
    fallback: Document | None = None
    ring_timeout: float = 60.0
    time_limit: float | None = None
    send_digits: str = ""
    queued_for: float = 0.0
    """Seconds before it is dialled."""
    record: RecordingOrder | None = None
    """What to record of it from its answer on."""
    machine_detection: MachineDetection | None = None
    joins: bool = False
    """It was made by <Dial>: when its TwiML is done it is joined to the call that dialled, and not hung up."""


class OtherCall(Protocol):
    """A call, as another call that dialled it sees it."""

    live: LiveCall
    joinable: asyncio.Event
    """It was answered, and its own TwiML has been done."""
    settled: asyncio.Event
    """It is joinable, or has ended."""
    apart: asyncio.Event
    """It can no longer be joined: it ended, or was given something else to do."""

    @property
    def status(self) -> CallStatus: ...
    def hang_up(self, by: EndedBy = ..., status: CallStatus = ...) -> None: ...


@dataclass(frozen=True, slots=True)
class Network:
    """The same for all calls of a carrier."""

    auth_token: str
    addresses: Addresses
    tls: ssl.SSLContext
    pace: Pace
    time_limit: float
    rest: RestState
    conferences: Conferences
    place: Callable[[Leg, CallPlan], OtherCall]
    """Have somebody's phone ring."""
