"""A conference: who is in it hears everybody else; it begins, ends and is told as Twilio's are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urljoin

from voice_runtime.audio.frames import SILENCE_FRAME
from voice_runtime.audio.mixing import mix_ulaw
from voice_runtime.audio.tones import beep, silence
from voice_runtime.simulator.bridge import Voice
from voice_runtime.simulator.handset import Spoken
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.parameters import Form, rfc2822
from voice_runtime.simulator.playout import Playout
from voice_runtime.simulator.rest import (
    ConferenceStatus,
    ParticipantStatus,
    RestState,
    SimulatedConference,
    SimulatedParticipant,
)
from voice_runtime.simulator.verbs.prompts import announcement
from voice_runtime.simulator.webhooks import WebhookError
from voice_runtime.wire.twiml import DialConference

__all__ = ["Conference", "Conferences", "Member"]

_BEEP: Final = beep(800, 200)
_MUSIC: Final = beep(330, 800, 0.05) + silence(1200)  # not Twilio's, but something that is heard
_MOST_LATENCY: Final = 0.06


class Member:
    """One call in the room: the far end of its line. `terms`: how it wanted to be in it."""

    def __init__(self, call: LiveCall, terms: DialConference, known: SimulatedParticipant, room: Conference) -> None:
        self.call, self.terms, self.known, self.room = call, terms, known, room
        self.left = asyncio.Event()
        self.joined_at = call.network.pace.now()
        self._voice = Voice()
        self._others: dict[str, Playout] = {}
        self._own = Playout("")  # music, beeps, announcements: for this one only
        self._at = 0.0

    @property
    def sid(self) -> str:
        return self.known.call_sid

    def play(self, at: float) -> bytes:
        self._at = max(at, self._at)
        if (not self.room.started and self.terms.wait_url) or self.known.hold:
            self._keep_music()
        pieces = [self._own.play(at).audio, *(other.play(at).audio for other in self._others.values())]
        return mix_ulaw(pieces)

    def take(self, spoken: Spoken, at: float) -> None:
        self.room.spread(self, self._voice.of(spoken))

    def hear(self, frame: bytes, source: str) -> None:
        lane = self._others.get(source)
        if lane is None:
            lane = self._others[source] = Playout("")
            lane.play(self._at)
        if frame != SILENCE_FRAME or lane.queued_seconds < _MOST_LATENCY:
            lane.queue(frame)

    def forget(self, source: str) -> None:
        self._others.pop(source, None)

    def queue(self, audio: bytes) -> None:
        """Something for this one only."""
        self._own.queue(audio)

    def hush(self) -> None:
        self._own.abandon()

    def _keep_music(self) -> None:
        if self._own.queued_seconds < 0.5:
            self._own.queue(_MUSIC)


class Conference:
    """The room itself. `known` is what the API shows; `tell` sends a callback."""

    def __init__(self, known: SimulatedConference, rest: RestState, over: Callable[[Conference], None]) -> None:
        self.known = known
        self.members: dict[str, Member] = {}
        self._rest, self._over = rest, over
        self._callback = Document()
        self._events: frozenset[str] = frozenset()
        self._teller: LiveCall | None = None
        self._number = 0
        self.ended = asyncio.Event()

    @property
    def started(self) -> bool:
        return self.known.status == ConferenceStatus.IN_PROGRESS

    # -- coming and going ---------------------------------------------------------------------------------------------

    def join(self, call: LiveCall, terms: DialConference, base: str) -> Member:
        """The call is in the room, and its line is connected to it."""
        if self._teller is None:  # "the first participant fixes statusCallback and its events"
            self._teller = call
            self._callback = Document(urljoin(base, terms.status_callback), terms.status_callback_method)
            self._events = frozenset(terms.status_callback_event.split()) if terms.status_callback else frozenset()
        known = self.known.participants.get(call.leg.call_sid)
        if known is None:
            known = SimulatedParticipant(
                call.leg.call_sid, self.known.sid, self.known.account_sid, self._rest.clock.wall()
            )
            known.label, known.muted = terms.participant_label, terms.muted
            known.start_conference_on_enter = terms.start_conference_on_enter
            known.end_conference_on_exit = terms.end_conference_on_exit
            known.coaching, known.call_sid_to_coach = bool(terms.coach), terms.coach
            self.known.participants[call.leg.call_sid] = known
        known.status = ParticipantStatus.CONNECTED
        member = self.members[member_sid(call)] = Member(call, terms, known, self)
        call.line.connect(member)
        self.report("participant-join", "join", member)
        if terms.beep in ("true", "onEnter"):
            self.announce(_BEEP)
        if not self.started and len(self.members) > 1 and self._opened():
            self._set_status(ConferenceStatus.IN_PROGRESS)
            for other in self.members.values():
                other.hush()
            self.report("conference-start", "start", member)
        return member

    def leave(self, member: Member, reason: str = "participant_hung_up") -> None:
        """Hung up, kicked, or given something else to do. Again does nothing."""
        if self.members.pop(member.sid, None) is None:
            return
        self._teller = member.call  # who joined first may have gone long ago
        member.left.set()
        member.known.status = ParticipantStatus.COMPLETE
        self.known.participants.pop(member.sid, None)
        for other in self.members.values():
            other.forget(member.sid)
        more = [("ReasonParticipantLeft", reason), ("ParticipantCallStatus", str(member.call.status))]
        self.report("participant-leave", "leave", member, more)
        if member.terms.beep in ("true", "onExit"):
            self.announce(_BEEP)
        if member.known.end_conference_on_exit:
            self.end("participant-with-end-conference-on-exit-left", member.sid)
        elif not self.members:
            self.end("last-participant-left", member.sid)

    def end(self, reason: str, call_sid: str = "") -> None:
        """Everybody leaves."""
        if self.ended.is_set():
            return
        self.ended.set()
        self._set_status(ConferenceStatus.COMPLETED)
        self.known.reason_ended, self.known.call_sid_ending = reason, call_sid
        for member in list(self.members.values()):
            self.leave(member, "conference_ended")
        self.report(
            "conference-end", "end", None, [("ReasonConferenceEnded", reason), ("CallSidEndingConference", call_sid)]
        )
        self._over(self)

    def _opened(self) -> bool:
        return any(member.known.start_conference_on_enter for member in self.members.values())

    def _set_status(self, status: ConferenceStatus) -> None:
        self.known.status, self.known.updated = status, self._rest.clock.wall()

    # -- what is heard ------------------------------------------------------------------------------------------------

    def spread(self, speaker: Member, frame: bytes) -> None:
        """20 ms of `speaker`, for everybody who may hear it."""
        if not self.started or speaker.known.muted or speaker.known.hold:
            return
        for listener in self.members.values():
            coached = not speaker.known.coaching or listener.sid == speaker.known.call_sid_to_coach
            if listener is not speaker and coached and not listener.known.hold:
                listener.hear(frame, speaker.sid)

    def announce_document(self, document: Document) -> None:
        """Everybody hears what the TwiML there says (AnnounceUrl)."""
        for member in list(self.members.values()):
            self._have_hear(member, document)

    def _have_hear(self, member: Member, document: Document) -> None:
        member.call.owner.start("announce", self._announce(member, document))

    async def _announce(self, member: Member, document: Document) -> None:
        try:
            for audio in await announcement(document, member.call):
                member.queue(audio)
        except WebhookError as error:
            member.call.complain(error.code, error.detail)
            self.report("announcement-fail", "announcement", member)
            return
        self.report("announcement-end", "announcement", member)

    def changed(self, call_sid: str, changes: Mapping[str, str]) -> None:
        """REST has changed the flags of a participant: `changes`, by Twilio's names."""
        member = self.members.get(call_sid)
        if member is None:
            return
        known = member.known
        if "Muted" in changes:
            self.report("participant-mute" if known.muted else "participant-unmute", "mute", member)
        if "Hold" in changes:
            member.hush()
            if known.hold and changes.get("HoldUrl"):
                self._have_hear(member, Document(changes["HoldUrl"], changes.get("HoldMethod", "POST")))
            self.report("participant-hold" if known.hold else "participant-unhold", "hold", member)
        if changes.get("AnnounceUrl"):
            self._have_hear(member, Document(changes["AnnounceUrl"], changes.get("AnnounceMethod", "POST")))
        if {"Coaching", "CallSidToCoach", "EndConferenceOnExit"} & set(changes):
            self.report("participant-modify", "modify", member)

    def announce(self, audio: bytes) -> None:
        """Everybody hears `audio`."""
        for member in self.members.values():
            member.queue(audio)

    # -- who is told --------------------------------------------------------------------------------------------------

    def report(self, event: str, wanted: str, member: Member | None, more: Form | None = None) -> None:
        if wanted not in self._events or self._teller is None:
            return
        self._number += 1
        form = [
            ("ConferenceSid", self.known.sid),
            ("FriendlyName", self.known.friendly_name),
            ("AccountSid", self.known.account_sid),
            ("SequenceNumber", str(self._number)),
            ("Timestamp", rfc2822()),
            ("StatusCallbackEvent", event),
        ]
        if member is not None:
            known = member.known
            form += [
                ("CallSid", known.call_sid),
                ("Muted", _flag(known.muted)),
                ("Hold", _flag(known.hold)),
                ("Coaching", _flag(known.coaching)),
                ("EndConferenceOnExit", _flag(known.end_conference_on_exit)),
                ("StartConferenceOnEnter", _flag(known.start_conference_on_enter)),
            ]
            form += [("ParticipantLabel", known.label)] if known.label else []
        teller = member.call if member is not None else self._teller
        teller.reports.tell(self._callback.url, [*form, *(more or [])], self._callback.method)


def member_sid(call: LiveCall) -> str:
    return call.leg.call_sid


def _flag(value: bool) -> str:
    return str(value).lower()


class Conferences:
    """Those of the account, by SID."""

    def __init__(self, rest: RestState) -> None:
        self._rest = rest
        self._live: dict[str, Conference] = {}

    def __getitem__(self, sid: str) -> Conference:
        return self._live[sid]

    def __contains__(self, sid: str) -> bool:
        return sid in self._live

    def named(self, name: str) -> Conference:
        """The live one of that friendly name (or SID); a new one when there is none."""
        known = self._rest.conference(name, create=True)
        if known is None:
            raise KeyError(name)
        if known.sid not in self._live:
            self._live[known.sid] = Conference(known, self._rest, self._forget)
        return self._live[known.sid]

    def gone(self, call_sid: str) -> None:
        """A call is over: it is no longer expected anywhere."""
        for known in self._rest.conferences.values():
            known.participants.pop(call_sid, None)

    def _forget(self, conference: Conference) -> None:
        del self._live[conference.known.sid]
