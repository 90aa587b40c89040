"""`VoiceSession`: what a handler says to a call.

It is 0.1's object with a new engine, in three layers: the audio (`media_line`), the life of the call (`lifecycle`), and
here the verbs. Programs for 0.1 drive it from threads (`put_outbound_sync`, `send_mark_and_wait`), handlers await
`say`, `listen` and their like, and transports use the part of it that is called `CallPort`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voice_runtime.audio import Wav, dtmf, read_wav, to_ulaw_8k
from voice_runtime.events import CallEnd, CallEnded, CallEvent, EndReason
from voice_runtime.session.hearing import Transcript
from voice_runtime.session.hub import EventStream
from voice_runtime.session.lifecycle import CallLife
from voice_runtime.session.speaking import BargeIn, Speaking, Utterance, one_chunk_per_second
from voice_runtime.turns.digits import DigitCollector, Digits
from voice_runtime.turns.spoken import Spoken

__all__ = ["VoiceSession"]


@dataclass(eq=False)
class VoiceSession(CallLife):
    """One call at a time. Thread-safe: what may be called from where is said at each name; no lock is held across
    a callback or an await. Subclass it as a dataclass if you like.

    The verbs here are awaited on the call's loop; a plain `def` handler has the same ones in `BlockingSession`.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._speaking = Speaking(self)
        self._recording_pauses = 0

    __hash__ = object.__hash__

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "__eq__" not in cls.__dict__:
            # A plain @dataclass on a subclass would compare calls field by field, and make them unhashable.
            cls.__eq__, cls.__hash__ = object.__eq__, object.__hash__  # type: ignore[method-assign, assignment]

    async def say(
        self, text: str | AsyncIterable[str | Spoken], *, barge_in: BargeIn | str = BargeIn.WORDS
    ) -> Utterance:
        """Say `text` and return when it was heard, or interrupted. Raises `CallHangupError` when the call ends.

        Text that does not exist yet comes as a stream of sentences: each is said while the next ones are made.
        """
        return await self._speaking.say(text, BargeIn(barge_in))

    async def play(
        self, audio: bytes | str | Path | Wav | AsyncIterable[bytes], *, barge_in: BargeIn | str = BargeIn.KEYS
    ) -> Utterance:
        """Play audio and return when it was heard: mu-law bytes (8 kHz), a WAV file's path, a `Wav`, or a stream."""
        source = aiter(audio) if isinstance(audio, AsyncIterable) else _pieces(await _ready_audio(audio))
        return await self._speaking.play(source, BargeIn(barge_in))

    def waive_proof(self) -> bool:
        """Take what was said for heard, if all of it was sent and only the carrier's proof of that is missing.

        Whether it was so. The utterance has timed out then.
        """
        return self._speaking.waive_proof()

    async def send_digits(self, digits: str) -> Utterance:
        """Play keypad tones to the other side: 0-9 * # A-D; `w` waits half a second, `W` a whole one."""
        return await self._speaking.play(_pieces(dtmf(digits)), BargeIn.NEVER)

    async def listen(self, timeout: float | None = 30.0) -> Transcript:
        """What the caller says next, or has said since it was last asked.

        Raises `NothingHeardError` after `timeout` seconds of nothing, `CallHangupError` when the call ends.
        """
        return await self._hearing.next(timeout)

    @property
    def listens(self) -> bool:
        """Whether somebody waits for the caller: for words, or for keys."""
        return self._hearing.awaited

    def forget_heard(self) -> None:
        """Do not hand out what the caller has said and keyed up to now."""
        self._hearing.forget()

    def prompted(self) -> None:
        """The agent asks something: keys pressed before are no answer to it. `say` and `play` do this themselves."""
        self._hearing.prompted()

    async def collect_digits(
        self,
        max_digits: int | None = None,
        *,
        terminator: str = "#",
        timeout: float = 10.0,
        between: float = 4.0,
    ) -> Digits:
        """Keys: until `max_digits`, the terminator, or `between` seconds of nothing.

        Keys that were pressed since the last prompt began count, the one that interrupted it too.
        """
        collected = await self._hearing.collect(self._collector(max_digits, terminator, timeout, between), words=False)
        assert isinstance(collected, Digits)
        return collected

    async def listen_or_collect(
        self,
        max_digits: int | None = None,
        *,
        terminator: str = "#",
        timeout: float = 10.0,
        between: float = 4.0,
    ) -> Transcript | Digits:
        """Words or keys, whichever the caller begins with. Empty `Digits` after `timeout` seconds of neither."""
        return await self._hearing.collect(self._collector(max_digits, terminator, timeout, between), words=True)

    def _collector(self, max_digits: int | None, terminator: str, timeout: float, between: float) -> DigitCollector:
        return DigitCollector(
            max_digits=max_digits,
            terminator=terminator,
            timeout=timeout,
            between=between,
            started=self.clock.monotonic(),
        )

    def events(self, timeout: float | None = None) -> EventStream:
        """Everything that happens on the call from now on: `async for event in call.events()`.

        With a `timeout`, only until nothing has happened for so many seconds. After the end of the call, just that.
        """
        stream = self.hub.stream(timeout)
        if self.is_disconnected and self.hub.ended is not None:
            stream.offer(self.hub.ended)
        return stream

    def on_event(self, listener: Callable[[CallEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event, on the loop: it must not block. Returns what takes it away again."""
        return self.hub.listen(listener)

    @contextmanager
    def recording_paused(self) -> Iterator[None]:
        """Meanwhile recordings of the call get silence, of both sides: for what is none of their business."""
        self._recording_pauses += 1
        self._pause_recordings()
        try:
            yield
        finally:
            self._recording_pauses -= 1
            self._pause_recordings()

    def _pause_recordings(self) -> None:
        for copy in (self.recorder, self._mixer):  # one of the program's need not know how
            change = getattr(copy, "pause" if self._recording_pauses else "resume", None)
            if copy is not None and change is not None:
                self._copy(copy, change)

    async def hangup(self, detail: str = "") -> None:
        """End the call and return when it has ended."""
        self.request_disconnect(EndReason.AGENT_HUNG_UP, detail)
        await self.wait_ended()

    async def conclude(
        self, goodbye: str = "", *, reason: EndReason = EndReason.AGENT_HUNG_UP, detail: str = ""
    ) -> None:
        """End the call at the end of a sentence: what is being said is finished, then `goodbye`, and nothing else.

        Returns when the call has ended. Raises `CallHangupError` when it ends before.
        """

        async def end() -> None:
            self.request_disconnect(reason, detail)
            await self.wait_ended()

        await self._speaking.conclude(goodbye, end)

    async def wait_ended(self) -> CallEnd:
        """Return when the call has ended, with the reason."""
        if (end := self.end) is not None:
            return end
        async for event in self.hub.stream():
            if isinstance(event, CallEnded):
                return event.end
        raise AssertionError("a stream of events ends with the call")


async def _ready_audio(audio: bytes | str | Path | Wav) -> bytes:
    if isinstance(audio, bytes):
        return audio
    # Reading and converting a file is not for the loop.
    return await asyncio.to_thread(lambda: to_ulaw_8k(audio if isinstance(audio, Wav) else read_wav(audio)))


async def _pieces(audio: bytes) -> AsyncIterator[bytes]:
    for piece in one_chunk_per_second(audio):
        yield piece
