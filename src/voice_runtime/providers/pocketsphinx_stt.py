"""Offline speech recognition: pocketsphinx, in a process of its own for each call.

It listens for what it was told to expect: a grammar (sharp, and knows what is none of its sentences), hints (sentences
to prefer), keyphrases (spotted in anything), or, with none of these, English at large (weak on the telephone).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path

from voice_runtime.errors import SttError
from voice_runtime.providers.pocketsphinx_worker import HEADER, Kind, pack
from voice_runtime.stt import SttFailure, SttFault
from voice_runtime.tasks import TaskOwner

__all__ = ["PocketsphinxStt"]

log = logging.getLogger(__name__)

PROVIDER = "pocketsphinx"
WORKER = Path(__file__).with_name("pocketsphinx_worker.py")
FRAME_BYTES, BYTES_PER_SECOND = 160, 8000
BACKLOG_BYTES = 60 * BYTES_PER_SECOND  # what waits for a slow worker; older audio is dropped
REPLAY_BYTES = 31 * BYTES_PER_SECOND  # what a new worker hears again: no utterance is longer than 30 s
PIPE_BYTES = 2 * BYTES_PER_SECOND  # in our own write buffer, on top of the kernel's 64 kB
READY_S, STALL_S, FLUSH_S, GRACE_S = 20.0, 5.0, 0.5, 1.0
RESTARTS = 2  # with nothing understood in between


class _State(Enum):
    IDLE = auto()
    LISTENING = auto()
    ENDED = auto()  # the queue said None; the worker decodes what it has
    STOPPING = auto()
    FAILED = auto()


class _Worker:
    """One worker process and its pipes. It knows frames, not what they are for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._stdin.transport.set_write_buffer_limits(high=PIPE_BYTES)
        self.pid = process.pid

    @classmethod
    async def spawn(cls) -> _Worker:
        # -P: else the script's folder comes first on sys.path, and our modules shadow others' names.
        command = (sys.executable, "-P", str(WORKER))
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))

    async def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Raises ConnectionError when the worker is gone, TimeoutError when it takes nothing for too long."""
        if self._stdin.is_closing():
            raise ConnectionResetError("the worker is gone")
        self._stdin.write(pack(kind, payload))
        if self._stdin.transport.get_write_buffer_size() > PIPE_BYTES:
            async with asyncio.timeout(STALL_S):
                await self._stdin.drain()

    async def receive(self) -> tuple[Kind, bytes] | None:
        """The next frame, or None when the worker is gone."""
        try:
            length, kind = HEADER.unpack(await self._stdout.readexactly(HEADER.size))
            return Kind(kind), await self._stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """Ask with the end of its input, then with SIGTERM, then do not ask. Nothing of it is left afterwards."""
        self._stdin.close()
        for insist in (None, self._process.terminate, self._process.kill):
            with contextlib.suppress(ProcessLookupError):
                if insist is not None:
                    insist()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_S):
                    while await self._stdout.read(65536):
                        pass  # to its end: only then does the transport close
                    await self._process.wait()
                    break
        with contextlib.suppress(ConnectionError):
            await self._stdin.wait_closed()


class _Audio:
    """The caller's audio between the queue and the worker: what waits, and what a new worker would have to hear again.

    Positions count bytes since the worker began, as the worker counts them.
    """

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent = bytearray()
        self._sent_from = 0
        self.dropped_bytes = 0

    def push(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        while self._waiting_bytes > BACKLOG_BYTES and len(self._waiting) > 1:
            lost = len(self._waiting.popleft())
            self._waiting_bytes -= lost
            self.dropped_bytes += lost

    def take(self) -> bytes:
        """What waits, up to about a second of it."""
        taken: list[bytes] = []
        size = 0
        while self._waiting and size < BYTES_PER_SECOND:
            taken.append(self._waiting.popleft())
            size += len(taken[-1])
        self._waiting_bytes -= size
        audio = b"".join(taken)
        self._sent += audio
        self.settled(self._sent_from + len(self._sent) - REPLAY_BYTES)
        return audio

    def settled(self, position: int) -> None:
        """Everything before `position` has become text, or never will."""
        count = max(0, position - self._sent_from)
        del self._sent[:count]
        self._sent_from += count

    def rewind(self) -> int:
        """A new worker begins: what is not settled waits again, first in line. Returns how much that is."""
        again = bytes(self._sent)
        self._sent.clear()
        self._sent_from = 0
        self._waiting.extendleft([again] if again else [])
        self._waiting_bytes += len(again)
        return len(again)


class PocketsphinxStt:
    """See `voice_runtime.stt.SttProvider`. Callbacks come on the event loop of `start`.

    Give at most one of `grammar` (JSGF), `hints` (the sentences to expect) and `keyphrases` (each with its threshold,
    such as 1e-20, or a plain list). `words` adds pronunciations in the model's phones: {"parcelo": "P AA R S AH L OW"}.

    `silence_ms` of silence end an utterance. `coverage` is how much of what sounds like speech the words of a grammar
    or a hint must account for, 0 to 1: with 0, every noise becomes a command. `echo_discard_s` is for `set_speaking`.
    """

    def __init__(
        self,
        *,
        grammar: str | None = None,
        hints: Sequence[str] | None = None,
        keyphrases: Mapping[str, float] | Sequence[str] | None = None,
        words: Mapping[str, str] | None = None,
        language: str = "en-us",
        silence_ms: int = 600,
        coverage: float = 0.8,
        echo_discard_s: float = 0.4,
    ) -> None:
        """Raises ValueError when more than one vocabulary is given."""
        if sum(given is not None for given in (grammar, hints, keyphrases)) > 1:
            raise ValueError("give only one of grammar, hints and keyphrases")
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None
        vocabulary = ("dictation", "")
        if grammar is not None:
            vocabulary = ("grammar", grammar)
        elif hints is not None:
            vocabulary = ("hints", _hints(hints))
        elif keyphrases is not None:
            vocabulary = ("keyphrases", _keyphrases(keyphrases))
        self._vocabulary = vocabulary
        self._settings: dict[str, object] = {
            "words": dict(words or {}),
            "language": language,
            "silence_ms": silence_ms,
            "coverage": coverage,
        }
        self._echo_discard_s = echo_discard_s
        self._speaking = False
        self._deaf_until = float("-inf")
        self._tasks = TaskOwner(PROVIDER)
        self._worker: _Worker | None = None
        self._state = _State.IDLE
        self._begin()

    def _begin(self) -> None:
        """Everything that belongs to one run, new."""
        self._audio = _Audio()
        self._wake = asyncio.Event()
        self._flushed = asyncio.Event()
        self._up = asyncio.Event()  # a worker listens, or none will again
        self._requests: deque[tuple[asyncio.Future[bool], tuple[str, str]]] = deque()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._restarts = 0
        self._finalise = False  # the worker is to be told to
        self._in_speech = False
        self._replayed = 0  # SPEECH up to here was said to the program before the worker died

    # -- what the program calls ---------------------------------------------------------------------------------------

    @property
    def dropped_frames(self) -> int:
        """How many 20 ms frames were dropped since `start` because the worker was too slow."""
        return self._audio.dropped_bytes // FRAME_BYTES

    def set_speaking(self, speaking: bool) -> None:
        """While True, and for `echo_discard_s` after, texts are dropped. `on_speech_started` still comes."""
        if self._speaking and not speaking:
            self._deaf_until = time.monotonic() + self._echo_discard_s
        self._speaking = speaking

    def finalise(self) -> None:
        """The caller is silent: end the utterance now, and not when `silence_ms` are over."""
        self._finalise = True
        self._wake.set()

    async def set_grammar(self, jsgf: str) -> None:
        """Listen for this grammar from now on; returns when that is so, some 50 ms later.

        An utterance under way is decoded again from its start. Raises `SttError` (bad_request) when the grammar is not
        usable; the vocabulary is then what it was.
        """
        await self._listen_for("grammar", jsgf)

    async def set_hints(self, sentences: Sequence[str]) -> None:
        """Listen for these sentences, and what is like them. See `set_grammar`."""
        await self._listen_for("hints", _hints(sentences))

    async def set_keyphrases(self, phrases: Mapping[str, float] | Sequence[str]) -> None:
        """Spot these phrases. See `set_grammar`."""
        await self._listen_for("keyphrases", _keyphrases(phrases))

    async def prewarm(self) -> None:
        """Start the worker ahead of `start`, for a call that is about to come. Raises as `start` does."""
        if self._worker is None:
            self._worker = await self._launch()

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        """Raises `SttError`: "start_failed" (the extra is missing, the worker does not come up) or "bad_request"."""
        if self._state is not _State.IDLE:
            raise SttError(PROVIDER, SttFailure.START_FAILED, "it runs already")
        await self.prewarm()
        assert self._worker is not None
        self._begin()
        self._queue = inbound_queue
        self._state = _State.LISTENING
        self._up.set()
        self._tasks.start("supervise", self._supervise(self._worker))
        self._tasks.start("feed", self._feed())

    async def stop(self) -> None:
        """What was said so far is still committed when that takes no longer than a moment."""
        try:
            if self._state in (_State.LISTENING, _State.ENDED):
                self._take_what_is_there()
                self._state = _State.STOPPING
                self._wake.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_S):
                        await self._flushed.wait()
        finally:
            self._state = _State.STOPPING
            await self._tasks.close()
            worker, self._worker = self._worker, None
            if worker is not None:
                await worker.close()
            self._up.set()
            self._requests_died()
            self._state = _State.IDLE

    # -- the vocabulary -----------------------------------------------------------------------------------------------

    async def _listen_for(self, mode: str, text: str) -> None:
        vocabulary = (mode, text)
        if self._state is _State.IDLE:
            if self._worker is not None:
                await self._configure(self._worker, vocabulary)
            self._vocabulary = vocabulary
            return
        while not await self._ask(vocabulary):
            pass  # the worker died over it; the next one is asked, as long as there is a next one

    async def _ask(self, vocabulary: tuple[str, str]) -> bool:
        """Ask the worker that listens. Returns whether it lived to answer; raises `SttError` when none listens."""
        await self._up.wait()
        if self._worker is None or self._state not in (_State.LISTENING, _State.ENDED):
            raise SttError(PROVIDER, SttFailure.CRASHED, "nobody listens any more")
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._requests.append((answer, vocabulary))
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._worker.send(Kind.CONFIGURE, self._configuration(vocabulary))
        return await answer

    def _configuration(self, vocabulary: tuple[str, str]) -> bytes:
        mode, text = vocabulary
        return json.dumps({"mode": mode, "text": text} | self._settings).encode()

    async def _configure(self, worker: _Worker, vocabulary: tuple[str, str]) -> None:
        """Configure a worker that nobody else reads from."""
        try:
            await worker.send(Kind.CONFIGURE, self._configuration(vocabulary))
            async with asyncio.timeout(READY_S):
                answer = await worker.receive()
        except (ConnectionError, TimeoutError) as error:
            raise SttError(PROVIDER, SttFailure.START_FAILED, f"no answer from the worker: {error}") from error
        if answer is None:
            raise SttError(PROVIDER, SttFailure.START_FAILED, "the worker died; its last words are on stderr")
        if answer[0] is Kind.REFUSED:
            raise SttError(PROVIDER, SttFailure.BAD_REQUEST, answer[1].decode())

    def _requests_died(self) -> None:
        while self._requests:
            answer, _ = self._requests.popleft()
            if not answer.done():
                answer.set_result(False)

    # -- the worker's life --------------------------------------------------------------------------------------------

    async def _launch(self) -> _Worker:
        if importlib.util.find_spec("pocketsphinx") is None:
            raise SttError(
                PROVIDER,
                SttFailure.START_FAILED,
                "the package pocketsphinx is not installed",
                remedy="Install it with: pip install 'voice-runtime[local]'.",
            )
        try:
            worker = await _Worker.spawn()
        except OSError as error:
            raise SttError(PROVIDER, SttFailure.START_FAILED, f"no process: {error}") from error
        try:
            await self._configure(worker, self._vocabulary)
        except BaseException:
            await worker.close()
            raise
        return worker

    async def _supervise(self, worker: _Worker) -> None:
        """Serve one worker after the other, until there is nothing more to hear or no worker can be had."""
        while True:
            pump = self._tasks.start("pump", self._pump(worker))
            await self._read(worker)
            pump.cancel()
            self._up.clear()
            await worker.close()
            self._requests_died()
            if self._state is _State.STOPPING or (self._state is _State.ENDED and self._flushed.is_set()):
                self._worker = None
                self._flushed.set()
                self._up.set()
                return
            self._restarts += 1
            if self._restarts > RESTARTS:
                self._fail(f"worker_died_{self._restarts}_times")
                return
            log.warning("pocketsphinx worker %d died; starting another", worker.pid)
            try:
                worker = self._worker = await self._launch()
            except SttError as error:
                log.error("pocketsphinx worker does not come up again: %s", error)
                self._fail("worker_restart_failed")
                return
            replayed = self._audio.rewind()
            self._replayed = replayed if self._in_speech else 0
            self._up.set()

    def _fail(self, text: str) -> None:
        self._state = _State.FAILED
        self._flushed.set()
        self._up.set()
        self._tell(self.on_error, SttFault(text, SttFailure.CRASHED, PROVIDER))

    async def _feed(self) -> None:
        """Queue to backlog: never waits for the worker."""
        while (frame := await self._queue.get()) is not None:
            if self._state is not _State.FAILED:
                self._audio.push(frame)
                self._wake.set()
        if self._state is _State.LISTENING:
            self._state = _State.ENDED
            self._wake.set()

    def _take_what_is_there(self) -> None:
        with contextlib.suppress(asyncio.QueueEmpty):
            while self._state is _State.LISTENING and (frame := self._queue.get_nowait()) is not None:
                self._audio.push(frame)

    async def _pump(self, worker: _Worker) -> None:
        """Backlog to worker."""
        try:
            while True:
                self._wake.clear()
                while audio := self._audio.take():
                    await worker.send(Kind.AUDIO, audio)
                if self._finalise:
                    self._finalise = False
                    await worker.send(Kind.FINALISE)
                if self._state in (_State.ENDED, _State.STOPPING):
                    await worker.send(Kind.FLUSH)
                    return
                await self._wake.wait()
        except TimeoutError:
            log.warning("pocketsphinx worker %d takes no audio: killing it", worker.pid)
            worker.kill()
        except ConnectionError:
            pass  # the reader meets the end of the pipe too, and knows what to do

    async def _read(self, worker: _Worker) -> None:
        """Worker to program, until the worker is gone."""
        while (frame := await worker.receive()) is not None:
            kind, payload = frame
            if kind in (Kind.READY, Kind.REFUSED):
                answer, vocabulary = self._requests.popleft()
                if kind is Kind.READY:
                    self._vocabulary = vocabulary
                if answer.done():
                    continue
                if kind is Kind.READY:
                    answer.set_result(True)
                else:
                    answer.set_exception(SttError(PROVIDER, SttFailure.BAD_REQUEST, payload.decode()))
            else:
                position, text = json.loads(payload)
                self._on_heard(kind, position, text)

    def _on_heard(self, kind: Kind, position: int, text: str) -> None:
        if kind is Kind.SPEECH:
            if position > self._replayed:
                self._tell(self.on_speech_started)
            self._in_speech = True
        elif kind is Kind.PARTIAL:
            if not self._speaking:
                self._tell(self.on_recognizing, text)
        elif kind is Kind.FINAL:
            self._in_speech = False
            self._audio.settled(position)
            if text:
                self._restarts = 0
                if not self._speaking and time.monotonic() >= self._deaf_until:
                    self._tell(self.on_committed, text)
        elif kind is Kind.FLUSHED:
            self._flushed.set()

    def _tell(self, callback: Callable[..., None] | None, *args: str) -> None:
        if callback is None:
            return
        try:
            callback(*args)
        except Exception:  # the program's own code; recognition of this call goes on whatever it does
            log.exception("a callback of the pocketsphinx provider failed")


def _hints(sentences: Sequence[str]) -> str:
    """One sentence per line, with just the words."""
    lines = (" ".join(re.findall(r"[\w']+", sentence.lower())) for sentence in sentences)
    return "\n".join(line for line in lines if line)


def _keyphrases(phrases: Mapping[str, float] | Sequence[str]) -> str:
    """pocketsphinx's own list format. A phrase without a threshold gets one by its length: longer is safer."""
    if isinstance(phrases, Mapping):
        given = dict(phrases)
    else:
        given = {phrase: 10.0 ** -min(40, 2 * len(phrase.replace(" ", ""))) for phrase in phrases}
    return "\n".join(f"{' '.join(phrase.lower().split())} /{threshold:g}/" for phrase, threshold in given.items())
