"""The calls alive in this process: what carries each of them, and how all of them end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from voice_runtime.admission import Places
from voice_runtime.errors import CallHangupError
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.handler import Handler, run_handler
from voice_runtime.recording import AudioMixer
from voice_runtime.session import BargeIn, VoiceSession
from voice_runtime.session.speaking import MARK_GRACE_SECONDS
from voice_runtime.telemetry.loop_lag import LoopLag
from voice_runtime.telemetry.observing import CallTotals, Observe, Onlookers
from voice_runtime.transport import CallInfo, MediaTransport

__all__ = ["Switchboard"]

log = logging.getLogger(__name__)
# The standard library's: structlog prints to stdout in a program that has not configured it.
calls_log = logging.getLogger("voice_runtime.calls")

HANDLER_GRACE_SECONDS = 5.0
"""How long a handler may go on tidying up after its call has ended."""
HANGUP_GRACE_SECONDS = 15.0
"""How long a call that was told to end may take: REST request, carrier's close, teardown."""
APOLOGY_SECONDS = 15.0
LAST_WORDS_SECONDS = 15.0
"""How long the sentence that is being said may go on when the time for draining is up, with the goodbye after it."""


class Switchboard:
    """Carries calls, and ends them. One per event loop. `places` counts them in.

    `record` makes the recording of a call that has just begun, or None for one that is not recorded.
    `apology` is said when a handler fails, if the call can speak: nobody is hung up on in silence. `goodbye` is said
    to those who are hung up on because the server stops; "": they only hear the sentence out.
    `lag` tells when the loop is too late for another call. `observers` look on at every call.
    """

    def __init__(
        self,
        *,
        max_calls: int = 200,
        max_call_seconds: float = 14400.0,
        apology: str = "I am sorry, something went wrong on our side. Please call again.",
        handler_grace_seconds: float = HANDLER_GRACE_SECONDS,
        record: Callable[[VoiceSession], AudioMixer | None] | None = None,
        goodbye: str = "",
        lag: LoopLag | None = None,
        observers: Sequence[Observe] = (),
    ) -> None:
        self.places = Places(max_calls, lag or LoopLag())
        self._max_call_seconds = max_call_seconds
        self.apology = apology
        self.goodbye = goodbye
        self._handler_grace = handler_grace_seconds
        self._record = record
        self._observers = observers
        self._hanging_up = False  # the time for draining is up
        self._calls: dict[int, VoiceSession] = {}
        self.total = 0

    @property
    def calls(self) -> list[VoiceSession]:
        """The calls that are alive now."""
        return list(self._calls.values())

    # -- one call ------------------------------------------------------------------------------------------------------

    async def carry(self, session: VoiceSession, media: MediaTransport, handler: Handler | None = None) -> CallEnd:
        """Carry one call from its first audio to its end, and clean up after it. The place was taken before."""
        self._calls[id(session)] = session
        self.total += 1
        working: asyncio.Task[None] | None = None
        recording: AudioMixer | None = None
        loop = asyncio.get_running_loop()
        started = loop.time()
        limit = loop.call_later(self._max_call_seconds, session.request_disconnect, EndReason.MAX_DURATION)
        # A 0.1 program resets the session as soon as it reads is_disconnected: from then on, it is not to be asked.
        onlookers = Onlookers(self._observers)
        hears = session.stt is not None or session.stt_factory is not None
        unlisten = session.on_event(onlookers.happened)
        try:
            session.media_started(media.info)
            onlookers.begin(media.info, session.clock)
            if self._hanging_up:
                session.request_disconnect(EndReason.DRAINED)  # it was being let in when the others were hung up
            if self._record is not None:
                recording = await self._start_recording(self._record, session)
            session.tasks.start("stt", session.start_stt())
            if handler is not None:
                working = session.tasks.start("handler", self._work(session, handler))
            await media.run(session)
        finally:
            limit.cancel()
            if onlookers.end is None:
                session.signal_disconnected(CallEnd(EndReason.CONNECTION_LOST, "the media connection failed"))
            end = onlookers.end or CallEnd(EndReason.CONNECTION_LOST)
            try:
                await self._clean_up(session, working, recording)
            finally:
                unlisten()
                self._calls.pop(id(session), None)
                seconds = loop.time() - started
                totals = CallTotals(
                    seconds,
                    session.frames.dropped,
                    session.stream.dropped_bytes,
                    session.stream.late_bytes,
                    seconds if hears else 0.0,
                )
                onlookers.over(end, totals)
                self._log(session, media.info, end, totals)
        return end

    async def _start_recording(
        self, record: Callable[[VoiceSession], AudioMixer | None], session: VoiceSession
    ) -> AudioMixer | None:
        """A recording that cannot be made must not cost the call: it is logged."""
        try:
            recording = record(session)
            if recording is not None:
                await asyncio.to_thread(recording.start)  # it may start a player
                session.recorder = recording
            return recording
        except Exception:  # a full disk, a missing player, a broken hook of the program
            log.exception("call %s is not recorded", session.call_sid)
            return None

    async def _work(self, session: VoiceSession, handler: Handler) -> None:
        """Run the handler; when it is done, so is the call."""
        try:
            await run_handler(handler, session)
        except CallHangupError:
            if session.is_disconnected:
                return
        except (Exception, asyncio.CancelledError, SystemExit) as error:
            # A failing handler ends its own call, after a word to the caller, and nothing else. That includes one that
            # was cut short by the cancellation of something it waited for; we cancel it after the call's end only.
            if isinstance(error, asyncio.CancelledError) and session.is_disconnected:
                raise
            log.exception("the handler of call %s failed", session.call_sid)
            await self._apologise(session)
            session.request_disconnect(EndReason.HANDLER_FAILED)
            return
        if not session.is_disconnected:
            # What the handler queued without waiting for it is still to be heard.
            await session.mark("handler-returned", timeout=session.stream.unplayed_seconds() + MARK_GRACE_SECONDS)
            session.request_disconnect(EndReason.HANDLER_RETURNED)

    async def _apologise(self, session: VoiceSession) -> None:
        if not self.apology or session.tts is None or session.is_disconnected:
            return
        try:
            async with asyncio.timeout(APOLOGY_SECONDS):
                session.interrupt()
                await session.say(self.apology, barge_in=BargeIn.NEVER)
        except Exception as error:  # the call is being ended anyway; that is what must happen
            log.error("call %s: the apology failed too: %r", session.call_sid, error)

    async def _clean_up(
        self, session: VoiceSession, working: asyncio.Task[None] | None, recording: AudioMixer | None
    ) -> None:
        """End everything the call owns. No member that fails or hangs keeps the others from their end."""
        steps = [session.stop_stt(), self._let_finish(session, working)]
        if recording is not None:
            session.recorder = None
            steps.append(asyncio.to_thread(recording.shutdown))
        await _each(session.call_sid, *steps)
        await session.tasks.close()

    async def _let_finish(self, session: VoiceSession, working: asyncio.Task[None] | None) -> None:
        if working is None or working.done():
            return
        await asyncio.wait({working}, timeout=self._handler_grace)
        if not working.done():
            log.warning("the handler of call %s did not end within %s s", session.call_sid, self._handler_grace)

    def _log(self, session: VoiceSession, info: CallInfo, end: CallEnd, totals: CallTotals) -> None:
        """The one line of every call."""
        calls_log.info(
            "call ended",
            extra={
                "call_sid": info.call_sid,
                "stream_sid": info.stream_sid,
                "direction": str(info.direction),
                "private_caller": info.caller_number,
                "private_called": info.called_number,
                "seconds": round(totals.seconds, 1),
                "reason": str(end.reason),
                "fault": str(end.fault),
                "detail": end.detail,
                "inbound_dropped": totals.inbound_dropped,
                "outbound_dropped_bytes": totals.outbound_dropped_bytes,
                "late_bytes": totals.late_bytes,
            },
        )

    # -- all calls -----------------------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> bool:
        """Take no new calls and wait for the live ones; after `seconds`, hang them up. True when none had to be.

        Nobody is cut off in the middle of a sentence, unless it lasts longer than `LAST_WORDS_SECONDS`.
        """
        places = self.places
        places.draining = True
        if places.taken:
            promised = places.promised
            log.info("draining: %d live and %d promised calls have %s s", places.taken - promised, promised, seconds)
        if await places.empty(seconds):
            return True
        log.warning("draining: hanging up %d calls that are still alive", len(self._calls))
        places.forget_all()
        self._hanging_up = True
        for session in self.calls:
            session.tasks.start("conclude", self._conclude(session))
        if not await places.empty(LAST_WORDS_SECONDS + HANGUP_GRACE_SECONDS):
            log.error("draining: %d calls did not end", len(self._calls))
        return False

    async def _conclude(self, session: VoiceSession) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await session.conclude(self.goodbye if session.tts is not None else "", reason=EndReason.DRAINED)
        except Exception as error:  # a voice that hangs or fails, a call that ended: it is being hung up anyway
            log.debug("call %s: the last words were cut: %r", session.call_sid, error)
            session.request_disconnect(EndReason.DRAINED, "the time for draining was up")


async def _each(call_sid: str | None, *steps: Coroutine[Any, Any, None]) -> None:
    for result in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("call %s: a part of its end failed", call_sid, exc_info=result)
