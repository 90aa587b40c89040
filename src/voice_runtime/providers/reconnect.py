"""When to redial a recogniser: a machine that takes events and returns commands. No clock, no socket, no randomness.

A *link* is one connection to the vendor, numbered from 1. Vendors say the same trouble several times (an error, the
same error again under a general name, then the close): whatever comes from a link that was already given up is ignored,
so one trouble is one reconnect.

    IDLE ──StartRequested──▶ STARTING ──Connected──▶ CONNECTED ──trouble──▶ WAITING ──Wakeup──▶ CONNECTING
                                │                      ▲   │                   ▲                 │      │
                             failed                    └───┼──── Connected ────┼─────────────────┘   failed
                                ▼                          │ renewal           └── attempts left ───────┤
                              OVER ◀── terminal error ─────┴──▶ CONNECTING                 none left ──▶ OVER

`StopRequested` leads to OVER from anywhere; a link that comes up after that is closed again at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from voice_runtime.stt import SttFailure

__all__ = [
    "AudioEnded",
    "Closed",
    "Command",
    "Connect",
    "ConnectFailed",
    "Connected",
    "Disconnect",
    "Errored",
    "Event",
    "Proven",
    "Reconnect",
    "ReconnectPolicy",
    "ReportFailure",
    "ScheduleWakeup",
    "SendFailed",
    "SessionExpired",
    "SpokeForLong",
    "StartRequested",
    "State",
    "StopRequested",
    "Wakeup",
]


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """`attempts` in a row, `first_delay * 2**n` seconds apart but at most `longest_delay`, give or take `jitter`.

    A link has proven itself, and the count starts again, with its first text or after `proven_after` seconds of life.
    """

    attempts: int = 3
    first_delay: float = 1.0
    longest_delay: float = 30.0
    jitter: float = 0.25
    proven_after: float = 5.0


# -- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartRequested:
    """The program wants recognition."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The link is up and the vendor takes audio."""

    link: int


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """The link did not come up. With a `failure`, trying again is useless."""

    link: int
    text: str
    failure: SttFailure | None = None


@dataclass(frozen=True, slots=True)
class Errored:
    """The vendor reported an error. With a `failure`, a new link would meet the same."""

    link: int
    text: str
    failure: SttFailure | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """The link was closed, by the vendor or by the network."""

    link: int


@dataclass(frozen=True, slots=True)
class SendFailed:
    """Audio could not be sent, or not in time."""

    link: int


@dataclass(frozen=True, slots=True)
class SessionExpired:
    """The vendor ended a session that had lasted as long as it may: nothing is wrong."""

    link: int


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """The vendor has recognised everything up to the end of the audio."""

    link: int


@dataclass(frozen=True, slots=True)
class Proven:
    """The vendor recognised something over this link."""

    link: int


@dataclass(frozen=True, slots=True)
class SpokeForLong:
    """The agent spoke so long that the link may have gone stale."""


@dataclass(frozen=True, slots=True)
class Wakeup:
    """The time asked for with `ScheduleWakeup` has passed."""

    token: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The program wants no more recognition."""


Event = (
    StartRequested
    | Connected
    | ConnectFailed
    | Errored
    | Closed
    | SendFailed
    | SessionExpired
    | AudioEnded
    | Proven
    | SpokeForLong
    | Wakeup
    | StopRequested
)

# -- commands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Open this link."""

    link: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close this link if it is open, and send it nothing more."""

    link: int


@dataclass(frozen=True, slots=True)
class ScheduleWakeup:
    """Send `Wakeup(token)` in `delay` seconds."""

    delay: float
    token: int


@dataclass(frozen=True, slots=True)
class ReportFailure:
    """Tell the program that recognition is over."""

    failure: SttFailure
    text: str


Command = Connect | Disconnect | ScheduleWakeup | ReportFailure


class State(Enum):
    """Where the machine is. The picture is at the top of the file."""

    IDLE = "idle"
    STARTING = "starting"
    CONNECTED = "connected"
    WAITING = "waiting"
    CONNECTING = "connecting"
    OVER = "over"


class Reconnect:
    """The machine. One per `start`."""

    def __init__(self, policy: ReconnectPolicy | None = None) -> None:
        self._policy = policy or ReconnectPolicy()
        self._state = State.IDLE
        self._link = 0
        self._attempt = 0  # reconnects since a link last proved itself
        self._token = 0

    @property
    def state(self) -> State:
        return self._state

    @property
    def link(self) -> int:
        """The link that is up, coming up or was given up last."""
        return self._link

    def handle(self, event: Event, roll: float = 0.5) -> list[Command]:
        """What to do about `event`. `roll`, from 0 to 1, is the luck in the next delay."""
        match event:
            case StartRequested():
                return self._start()
            case Connected(link):
                return self._connected(link)
            case ConnectFailed(link, text, failure):
                return self._connect_failed(link, text, failure, roll)
            case Errored(link, text, failure) if failure is not None:
                return self._give_up(link, text, failure)
            case Errored(link) | Closed(link) | SendFailed(link):
                return self._lost(link, roll)
            case SessionExpired(link):
                return self._expired(link, roll)
            case AudioEnded(link):
                return self._ended(link)
            case Proven(link):
                return self._proven(link)
            case SpokeForLong():
                return self._renew() if self._state is State.CONNECTED else []
            case Wakeup(token):
                return self._woke(token)
            case StopRequested():
                return self._stop()
            case _:
                assert_never(event)

    def _start(self) -> list[Command]:
        if self._state is not State.IDLE:
            return []
        self._state = State.STARTING
        return self._dial()

    def _dial(self) -> list[Command]:
        self._link += 1
        return [Connect(self._link)]

    def _connected(self, link: int) -> list[Command]:
        if link != self._link or self._state not in (State.STARTING, State.CONNECTING):
            return [Disconnect(link)]
        self._state = State.CONNECTED
        return [self._wake_in(self._policy.proven_after)]

    def _connect_failed(self, link: int, text: str, failure: SttFailure | None, roll: float) -> list[Command]:
        if link != self._link or self._state not in (State.STARTING, State.CONNECTING):
            return []
        if self._state is State.STARTING:  # `start` raises: there is nobody to report to yet
            self._state = State.OVER
            return []
        if failure is not None:
            self._state = State.OVER
            return [ReportFailure(failure, text)]
        return self._back_off(roll)

    def _lost(self, link: int, roll: float) -> list[Command]:
        if link != self._link or self._state is not State.CONNECTED:
            return []
        return [Disconnect(link), *self._back_off(roll)]

    def _expired(self, link: int, roll: float) -> list[Command]:
        if link != self._link or self._state is not State.CONNECTED:
            return []
        if self._attempt:
            return self._lost(link, roll)
        self._attempt += 1  # a vendor who expires every new link cannot keep us redialling
        return self._renew()

    def _renew(self) -> list[Command]:
        """Redial at once: nothing is wrong."""
        given_up = Disconnect(self._link)
        self._state = State.CONNECTING
        return [given_up, *self._dial()]

    def _back_off(self, roll: float) -> list[Command]:
        if self._attempt >= self._policy.attempts:
            self._state = State.OVER
            text = f"reconnect_exhausted_after_{self._policy.attempts}_attempts"
            return [ReportFailure(SttFailure.RECONNECT_EXHAUSTED, text)]
        delay = min(self._policy.first_delay * 2**self._attempt, self._policy.longest_delay)
        self._attempt += 1
        self._state = State.WAITING
        return [self._wake_in(delay * (1 + self._policy.jitter * (2 * roll - 1)))]

    def _wake_in(self, delay: float) -> ScheduleWakeup:
        self._token += 1
        return ScheduleWakeup(delay, self._token)

    def _woke(self, token: int) -> list[Command]:
        if token != self._token:
            return []
        if self._state is State.CONNECTED:
            self._attempt = 0
        elif self._state is State.WAITING:
            self._state = State.CONNECTING
            return self._dial()
        return []

    def _proven(self, link: int) -> list[Command]:
        if link == self._link and self._state is State.CONNECTED:
            self._attempt = 0
        return []

    def _give_up(self, link: int, text: str, failure: SttFailure) -> list[Command]:
        if link != self._link or self._state is not State.CONNECTED:
            return []
        self._state = State.OVER
        return [Disconnect(link), ReportFailure(failure, text)]

    def _ended(self, link: int) -> list[Command]:
        if link != self._link or self._state is not State.CONNECTED:
            return []
        self._state = State.OVER
        return [Disconnect(link)]

    def _stop(self) -> list[Command]:
        was, self._state = self._state, State.OVER
        return [Disconnect(self._link)] if was is State.CONNECTED else []
