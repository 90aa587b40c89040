"""What the API needs of the telephone network behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from voice_runtime.simulator.rest.simulated_call import SimulatedCall
from voice_runtime.simulator.rest.simulated_conference import SimulatedConference, SimulatedParticipant
from voice_runtime.simulator.rest.simulated_message import SimulatedMessage
from voice_runtime.simulator.rest.simulated_recording import SimulatedRecording, SimulatedStream

__all__ = ["CallUpdate", "Telephony", "NoTelephony"]


@dataclass(frozen=True, slots=True)
class CallUpdate:
    """What a call in progress shall do instead: the TwiML at `url`, else `twiml`. What is empty or None stays."""

    url: str
    twiml: str
    method: str
    fallback_url: str
    fallback_method: str
    status_callback: str
    status_callback_method: str
    time_limit: int | None
    """Seconds since the answer."""


class Telephony(Protocol):
    """Called on the API's loop when a request was found good, before its answer goes out. Must not block.

    What it is given is the API's own record: whoever carries the call (conference, recording, ...) keeps that true.
    """

    def place(self, call: SimulatedCall) -> None:
        """Dial, when its turn comes."""

    def update(self, call: SimulatedCall, update: CallUpdate) -> None: ...

    def end(self, call: SimulatedCall) -> None:
        """Its status is "completed" or "canceled" already."""

    def send(self, message: SimulatedMessage) -> None: ...

    def start_stream(self, stream: SimulatedStream) -> None: ...

    def stop_stream(self, stream: SimulatedStream) -> None: ...

    def start_recording(self, recording: SimulatedRecording) -> None: ...

    def pause_recording(self, recording: SimulatedRecording, behavior: str) -> None:
        """`behavior`: "silence" or "skip"."""

    def resume_recording(self, recording: SimulatedRecording) -> None: ...

    def stop_recording(self, recording: SimulatedRecording) -> None: ...

    def dial_participant(self, participant: SimulatedParticipant, call: SimulatedCall) -> None:
        """Dial `call`, and put it into the conference when it is answered. `call.fields` has the other wishes."""

    def change_participant(self, participant: SimulatedParticipant, changes: Mapping[str, str]) -> None:
        """`changes` by Twilio's names. The record's flags are changed already."""

    def remove_participant(self, participant: SimulatedParticipant) -> None: ...

    def announce(self, conference: SimulatedConference, url: str, method: str) -> None: ...

    def end_conference(self, conference: SimulatedConference) -> None: ...


class NoTelephony:
    """An account without a telephone network: its records stay as they were asked for."""

    def place(self, call: SimulatedCall) -> None:
        pass

    def update(self, call: SimulatedCall, update: CallUpdate) -> None:
        pass

    def end(self, call: SimulatedCall) -> None:
        pass

    def send(self, message: SimulatedMessage) -> None:
        pass

    def start_stream(self, stream: SimulatedStream) -> None:
        pass

    def stop_stream(self, stream: SimulatedStream) -> None:
        pass

    def start_recording(self, recording: SimulatedRecording) -> None:
        pass

    def pause_recording(self, recording: SimulatedRecording, behavior: str) -> None:
        pass

    def resume_recording(self, recording: SimulatedRecording) -> None:
        pass

    def stop_recording(self, recording: SimulatedRecording) -> None:
        pass

    def dial_participant(self, participant: SimulatedParticipant, call: SimulatedCall) -> None:
        pass

    def change_participant(self, participant: SimulatedParticipant, changes: Mapping[str, str]) -> None:
        pass

    def remove_participant(self, participant: SimulatedParticipant) -> None:
        pass

    def announce(self, conference: SimulatedConference, url: str, method: str) -> None:
        pass

    def end_conference(self, conference: SimulatedConference) -> None:
        pass
