"""What may go wrong at a carrier, each by its name: switches, alone or together."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BadDay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadDay:
    """Everything is off unless it is named. Shares are 0 to 1; seconds are those of the call; `None` is never.

    Times with `_after` count from the opening of the media socket. The same seed brings the same day.
    """

    # -- what the server gets of the caller's audio
    jitter_ms: float = 0.0
    """Now and then a frame is held up to so long, and those behind it with it: they come in a burst."""
    loss: float = 0.0
    """Share of frames that are lost. Timestamps go on."""
    holes_every: float | None = None
    """Mean seconds between holes in which every frame is lost."""
    hole_seconds: float = 1.0
    reorders: float = 0.0
    """Share of frames that change places with the next one, as on carriers that send what comes."""
    repacks: bool = False
    """Frames are not of 20 ms: they come in pieces of one byte up to one second."""
    frames_before_start: int = 0
    """So many frames of media come before `start`."""
    start_twice: bool = False

    # -- what it takes of the agent's
    reads_per_second: float | None = None
    """Characters a second that are read of what the server sends; speech alone needs about 12,000."""
    stops_reading_after: float | None = None

    # -- the socket
    half_open_after: float | None = None
    """Nothing comes and nothing is read, and the connection stays."""
    cuts_after: float | None = None
    """The connection breaks."""
    cuts_at_byte: int | None = None
    """It breaks after so many characters of messages, on a real socket in the middle of a WebSocket frame."""
    duplicate_socket_after: float | None = None
    """A second socket for the same call, with the same token and the same `start`. What came of it is in the notes."""
    replays_socket: bool = False
    """The same after the call, when its status callbacks have been delivered."""

    # -- its end
    late_stop: float = 0.0
    """`stop` and the close come so many seconds after the call is over."""
    missing_stop: bool = False
    """The socket is closed without one."""
    stop_twice: bool = False
    media_after_stop: int = 0
    """So many frames of media follow `stop`."""
    keeps_socket_open: bool = False
    """Neither `stop` nor close, whatever ended the call; until the server closes."""

    # -- echoes of marks
    lost_marks: float = 0.0
    """Share of echoes that never come."""
    late_marks: float = 0.0
    """Every echo is late by up to so many seconds; others may overtake it."""
    doubled_marks: float = 0.0
    """Share of echoes that come twice."""
    unknown_marks: float = 0.0
    """Share of echoes before which one comes of a name that was never set."""

    # -- requests
    lost_callbacks: float = 0.0
    """Share of status callbacks that are never made."""
    doubled_callbacks: float = 0.0
    """Share that are made twice."""
    late_callbacks: float = 0.0
    """Share that come up to 3 s late, after those that were told later."""
    webhook_twice: bool = False
    """The first request is answered, the answer is lost, and it is made again with a retry token."""
    gives_up_on_webhook: bool = False
    """The answer came, but the carrier no longer waited: as for any TwiML that it cannot have."""

    # -- the REST API
    rest: tuple[str, ...] = ()
    """The next requests to the account meet these, one each, by their names in `rest.FAULTS`."""

    @property
    def of_the_socket(self) -> bool:
        """Whether anything on the media socket is to go wrong."""
        requests = ("lost_callbacks", "doubled_callbacks", "late_callbacks", "webhook_twice", "gives_up_on_webhook")
        calm = BadDay()
        return any(
            getattr(self, name) != getattr(calm, name)
            for name in self.__slots__
            if name not in (*requests, "rest", "hole_seconds")
        )
