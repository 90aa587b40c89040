"""0.1's blocking `speak`, once for every vendor: chunks in, the session's ear and a result dict out."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol, runtime_checkable

from voice_runtime.tts import SpeechSink

__all__ = ["Abortable", "speak_blocking"]

log = logging.getLogger(__name__)

_LOOK_UP_S = 0.02  # how often a wait for the vendor looks up to see whether anybody still wants the speech
_MARK_TIMEOUT_S = 30.0


@runtime_checkable
class Abortable(Protocol):
    """A stream of audio whose work at the vendor can be stopped from another thread, even while it is waited for."""

    def abort(self) -> None: ...


def speak_blocking(
    text: str,
    session: SpeechSink,
    stop_event: threading.Event | None,
    synthesize: Callable[[str], Iterable[bytes]],
    fail: Callable[[Exception], str],
) -> dict[str, object]:
    """Speak `text` into `session` and return when the caller has heard it.

    `synthesize(text)` yields mu-law audio as the vendor makes it. It is read in a thread of its own, so that an
    interruption returns at once even while the vendor is silent; the stream is then aborted, if it is `Abortable`, and
    closed, if it is a generator, as soon as the vendor lets go of it. `fail(error)` reports the error to the program
    and returns its text. See `TtsProvider.speak` for the result.
    """
    if not text:
        return {"last_spoken": ""}
    if _is_over(session):
        log.warning("not speaking: the call is over")
        return {"last_spoken": "", "call_disconnected": True}
    reader = _Reader(synthesize, text)
    try:
        while True:
            if stop_event is not None and stop_event.is_set():
                return {"last_spoken": text, "interrupted": True}
            if _is_over(session):
                return {"last_spoken": text, "call_disconnected": True}
            try:
                chunk = reader.next()
            except queue.Empty:
                continue
            if chunk is None:
                break
            session.put_outbound_sync(chunk)
            session.tap_agent(chunk)
    finally:
        reader.stop()
    if reader.error is not None:
        return {"last_spoken": text, "error": fail(reader.error)}
    try:
        session.send_mark_and_wait("tts_complete", timeout=_MARK_TIMEOUT_S)
    except TimeoutError:
        # 0.1 swallows it too: the audio is with the carrier, only the proof of its playing is missing.
        log.warning("no proof within %g s that the utterance was played", _MARK_TIMEOUT_S)
    return {"last_spoken": text}


def _is_over(session: SpeechSink) -> bool:
    return session.is_disconnected is True  # a stand-in in a program's test may answer with something else


class _Reader:
    """Reads the vendor's stream in a daemon thread: the vendor's own time-outs end it, nobody has to wait for that."""

    def __init__(self, synthesize: Callable[[str], Iterable[bytes]], text: str) -> None:
        self.error: Exception | None = None
        self._chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=64)
        self._unwanted = threading.Event()
        self._stream: Iterable[bytes] | None = None
        self._thread = threading.Thread(target=self._read, args=(synthesize, text), name="tts-reader", daemon=True)
        self._thread.start()

    def next(self) -> bytes | None:
        """The next chunk, None at the end. Raises `queue.Empty` when there is nothing for a moment."""
        return self._chunks.get(timeout=_LOOK_UP_S)

    def stop(self) -> None:
        """Nobody wants more. After the end of the stream this does nothing."""
        self._unwanted.set()
        stream: object = self._stream
        if self._thread.is_alive() and isinstance(stream, Abortable):
            stream.abort()

    def _read(self, synthesize: Callable[[str], Iterable[bytes]], text: str) -> None:
        try:
            self._stream = synthesize(text)
            for chunk in self._stream:
                if not self._offer(chunk):
                    break
        except Exception as error:  # a vendor SDK may raise anything; `speak` tells the program, the call goes on
            log.debug("speech synthesis failed", exc_info=error)
            self.error = error
        finally:
            self._close()
            self._offer(None)

    def _offer(self, chunk: bytes | None) -> bool:
        while not self._unwanted.is_set():
            with suppress(queue.Full):
                self._chunks.put(chunk, timeout=_LOOK_UP_S)
                return True
        return False

    def _close(self) -> None:
        close = getattr(self._stream, "close", None)  # a generator has it, a plain list does not
        if close is None:
            return
        try:
            close()
        except Exception:  # the audio is out or unwanted: all that is left to do is say so
            log.warning("closing a speech synthesis stream failed", exc_info=True)
