"""The agent's side of a call: one utterance after the other, each with an account of what the caller heard of it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.errors import CallHangupError, ConfigurationError, TtsError
from voice_runtime.events import (
    CallEvent,
    DtmfReceived,
    FinalTranscript,
    MarkOutcome,
    PartialTranscript,
    PlaybackOutcome,
    ProviderFailed,
    ProviderRecovered,
    ProviderSwitched,
    SpeechStarted,
    UtteranceAudible,
    UtteranceFinished,
    UtteranceStarted,
)
from voice_runtime.session.marks import PendingMark
from voice_runtime.session.synthesis import Sound, Speech, closing
from voice_runtime.turns.spoken import Spoken

if TYPE_CHECKING:
    from voice_runtime.session.voice_session import VoiceSession

__all__ = ["BargeIn", "Speaking", "Utterance"]

log = logging.getLogger(__name__)

MARK_GRACE_SECONDS = 5.0
"""How long after its expected end the proof of playing may take."""
PRODUCER_AHEAD_SECONDS = 30.0
"""How much unplayed audio a fast producer may pile up before it has to wait."""
STOP_SECONDS = 1.0
"""How long a producer may take to stop when nobody wants its audio any more. After that it is left behind."""


class BargeIn(StrEnum):
    """What the caller has to do to interrupt an utterance. Each includes the ones before it."""

    NEVER = "never"
    KEYS = "keys"
    WORDS = "words"
    SPEECH = "speech"


_INTERRUPTING: dict[BargeIn, tuple[type[CallEvent], ...]] = {
    BargeIn.NEVER: (),
    BargeIn.KEYS: (DtmfReceived,),
    BargeIn.WORDS: (DtmfReceived, PartialTranscript, FinalTranscript),
    BargeIn.SPEECH: (DtmfReceived, PartialTranscript, FinalTranscript, SpeechStarted),
}


@dataclass(frozen=True, slots=True)
class Utterance:
    """What became of something the agent said. `heard_text` has whole words: those heard (`TimedTts`), or a guess."""

    number: int
    text: str
    outcome: PlaybackOutcome
    queued_ms: float
    sent_ms: float
    heard_ms: float
    heard_text: str

    @property
    def interrupted(self) -> bool:
        return self.outcome is PlaybackOutcome.INTERRUPTED


class Speaking:
    """Says and plays things on one call, in turn."""

    def __init__(self, session: VoiceSession) -> None:
        self._session = session
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()
        self._unproven: PendingMark | None = None

    async def say(self, text: str | AsyncIterable[str | Spoken], barge_in: BargeIn) -> Utterance:
        """Synthesise and play `text`."""
        return await self._utter(self._speech(text), barge_in)

    async def play(self, audio: AsyncIterator[bytes], barge_in: BargeIn) -> Utterance:
        """Play ready mu-law audio."""
        return await self._utter(Sound(audio), barge_in)

    async def conclude(self, goodbye: str, end: Callable[[], Awaitable[object]]) -> None:
        """When the agent's sentence is over, say `goodbye` if there is one, and `end` the call before anything else.

        Whoever wants to say something meanwhile waits for a turn that does not come.
        """
        session = self._session
        async with self._turn:
            if (unplayed := session.stream.unplayed_seconds()) > 0:  # audio that the program sent without waiting
                await session.mark("conclude", timeout=unplayed + MARK_GRACE_SECONDS)
            if goodbye and not session.is_disconnected:
                await self._take_turn(self._speech(goodbye), BargeIn.NEVER)
            await end()

    def waive_proof(self) -> bool:
        """Do not wait any longer for the proof that what was said was played. Whether that is what is waited for."""
        return self._unproven is not None and self._unproven.resolve(MarkOutcome.TIMED_OUT)

    async def _utter(self, what: Speech | Sound, barge_in: BargeIn) -> Utterance:
        async with self._turn:
            utterance = await self._take_turn(what, barge_in)
        if utterance.outcome is PlaybackOutcome.DISCONNECTED:
            raise CallHangupError()
        return utterance

    async def _take_turn(self, what: Speech | Sound, barge_in: BargeIn) -> Utterance:
        session = self._session
        if session.is_disconnected:
            raise CallHangupError()
        number = next(self._numbers)
        session.prompted()
        session.hub.publish(UtteranceStarted(session.elapsed(), number, what.known))
        guard = _Guard(session, barge_in)
        try:
            outcome = await self._send(number, what.audio(), guard)
        except BaseException:
            # Cancelled, or the program's own audio source failed: what was queued must not play on.
            session.stream.clear()
            self._account(number, what, PlaybackOutcome.FAILED)
            raise
        finally:
            guard.close()
        return self._account(number, what, outcome)

    async def _send(self, number: int, audio: AsyncIterator[bytes], guard: _Guard) -> PlaybackOutcome:
        """Queue the audio, then wait for the proof of its playing."""
        feeding = self._session.tasks.start(f"utterance-{number}", self._feed(number, audio, guard))
        try:
            await guard.unless_over(feeding)
        finally:
            if not feeding.done():
                feeding.cancel()
                await asyncio.wait({feeding}, timeout=STOP_SECONDS)
        if not feeding.done():
            log.error("the maker of utterance %d does not stop; it is left behind", number)
        failed = feeding.done() and not feeding.cancelled() and not feeding.result()
        outcome = await self._proof(self._session.stream.put_mark("utterance", guard.epoch))
        return PlaybackOutcome.FAILED if failed and outcome is PlaybackOutcome.PLAYED else outcome

    async def _feed(self, number: int, audio: AsyncIterator[bytes], guard: _Guard) -> bool:
        """Hand the audio over as it is made, not too far ahead. False when synthesis failed."""
        session, stream = self._session, self._session.stream
        try:
            async with closing(audio):
                audible = False
                async for chunk in audio:
                    if not stream.put_audio(chunk, number, guard.epoch):
                        return True
                    if chunk and not audible:
                        audible = True
                        session.hub.publish(UtteranceAudible(session.elapsed(), number))
                    session.tap_agent(chunk)
                    if (ahead := stream.unplayed_seconds() - PRODUCER_AHEAD_SECONDS) > 0:
                        await asyncio.sleep(ahead)
        except TtsError as error:
            if guard.over:
                log.warning("synthesis failed while it was being stopped: %s", error)
                return True
            log.error("synthesis failed: %s", error)
            session.hub.publish(ProviderFailed(session.elapsed(), "tts", error.provider, error.reason, error.detail))
            return False
        return True

    async def _proof(self, mark: PendingMark) -> PlaybackOutcome:
        stream = self._session.stream
        if self._session.is_disconnected:
            return PlaybackOutcome.DISCONNECTED
        self._unproven = mark
        try:
            outcome = await mark.wait(stream.unplayed_seconds() + MARK_GRACE_SECONDS)
        finally:
            self._unproven = None
        match outcome:
            case MarkOutcome.PLAYED:
                return PlaybackOutcome.PLAYED
            case MarkOutcome.CLEARED:
                return PlaybackOutcome.INTERRUPTED
            case MarkOutcome.TIMED_OUT:
                stream.forget_mark(mark)
                return PlaybackOutcome.TIMED_OUT
            case MarkOutcome.DISCONNECTED | MarkOutcome.RESET:
                return PlaybackOutcome.DISCONNECTED

    def _account(self, number: int, what: Speech | Sound, outcome: PlaybackOutcome) -> Utterance:
        session = self._session
        playout = session.stream.finish(number)
        text = what.text
        utterance = Utterance(
            number,
            text,
            outcome,
            playout.queued_ms,
            playout.sent_ms,
            playout.heard_ms,
            what.heard_text(playout, outcome),
        )
        session.hub.publish(
            UtteranceFinished(
                session.elapsed(),
                number,
                text,
                outcome,
                utterance.queued_ms,
                utterance.sent_ms,
                utterance.heard_ms,
                utterance.heard_text,
                session.since_connected(playout.sent_at),
                session.since_connected(playout.plays_at),
                what.characters,
            )
        )
        return utterance

    def _speech(self, text: str | AsyncIterable[str | Spoken]) -> Speech:
        return Speech(self._voice(), text, self._told, self._session.phrase_cache)

    def _told(self, event: ProviderSwitched | ProviderRecovered) -> None:
        self._session.hub.publish(replace(event, at=self._session.elapsed()))

    def _voice(self) -> Any:
        tts = self._session.tts
        if tts is None:
            raise ConfigurationError(
                "This call has no speech synthesis.",
                remedy='Give one: VoiceApp(tts="elevenlabs"), VOICE_TTS=elevenlabs, or session.tts = create_tts(...).',
            )
        return tts


class _Guard:
    """Watches over one utterance: what interrupts it, and whether its epoch is over."""

    def __init__(self, session: VoiceSession, barge_in: BargeIn) -> None:
        self._session = session
        self._interrupting = _INTERRUPTING[barge_in]
        self._over = asyncio.Event()
        self.epoch = session.stream.epoch
        self._unlisten = session.hub.listen(self._event)
        session.epoch_over[self._over] = self.epoch

    def _event(self, event: CallEvent) -> None:
        if isinstance(event, self._interrupting) and not self.over:
            self._session.interrupt()

    @property
    def over(self) -> bool:
        return self._over.is_set() or self._session.stream.epoch != self.epoch

    async def unless_over(self, work: asyncio.Task[bool]) -> None:
        """Wait for `work`, or for the utterance to be over."""
        over = self._session.tasks.start("utterance-over", self._over.wait())
        try:
            await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()

    def close(self) -> None:
        self._unlisten()
        self._session.epoch_over.pop(self._over, None)


def one_chunk_per_second(audio: bytes) -> list[bytes]:
    """Ready audio in pieces, so that an interruption finds little left to hand over."""
    return [audio[at : at + SAMPLE_RATE] for at in range(0, len(audio), SAMPLE_RATE)]
