"""When the caller has a voice: what the detector of a call says becomes events of the call."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.events import AudioStalled, ProviderFailed, VoiceStarted, VoiceStopped
from voice_runtime.vad import CallDetector, Vad

if TYPE_CHECKING:
    from voice_runtime.session.lifecycle import CallLife

__all__ = ["CallerVoice"]

log = logging.getLogger(__name__)

PRE_ROLL_SECONDS = 0.3
"""How much of the time before a voice its audio begins with: detectors are late for soft consonants."""
KEPT_SECONDS = 0.6
"""How much audio is kept for that: a detector is not sure of a voice at once."""
STALL_SECONDS = 0.5
"""Audio comes every 20 ms. When there is none for so long, in the middle of a voice, somebody has to be told."""


class CallerVoice:
    """One call's detector and what it says. No failure of it reaches the call: then nothing more is said."""

    def __init__(self, session: CallLife, vad: Vad) -> None:
        self._session = session
        self._name = type(vad).__name__
        self._recent: deque[bytes] = deque()
        self._recent_bytes = 0
        self._fed_at = 0.0
        self._voiced: asyncio.TimerHandle | None = None  # while there is a voice: the next look for its audio
        self._detector: CallDetector | None = vad.detector(self)

    @property
    def open(self) -> bool:
        """Whether anything can still be told."""
        return self._detector is not None

    def feed(self, audio: bytes) -> None:
        """The caller's next audio."""
        if self._detector is None:
            return
        self._recent.append(audio)
        self._recent_bytes += len(audio)
        while self._recent_bytes - len(self._recent[0]) >= KEPT_SECONDS * SAMPLE_RATE:
            self._recent_bytes -= len(self._recent.popleft())
        self._fed_at = self._session.clock.monotonic()
        try:
            self._detector.feed(audio)
        except Exception as error:  # a provider's code, on the path of the caller's audio
            log.exception("voice detection failed on call %s", self._session.call_sid)
            self.detection_failed(repr(error))

    def close(self) -> None:
        """The call is over."""
        detector, self._detector = self._detector, None
        self._silent()
        self._recent.clear()
        if detector is not None:
            detector.close()

    # -- VoiceListener -------------------------------------------------------------------------------------------------

    def voice_started(self, voiced: float) -> None:
        if self._voiced is None:
            self._look_in(STALL_SECONDS)
            wanted = int((voiced + PRE_ROLL_SECONDS) * SAMPLE_RATE)
            self._publish(VoiceStarted(self._session.elapsed(), voiced, b"".join(self._recent)[-wanted:]))

    def voice_stopped(self, silence: float) -> None:
        if self._voiced is not None:
            self._silent()
            self._publish(VoiceStopped(self._session.elapsed(), silence))

    def detection_failed(self, reason: str) -> None:
        self.close()
        self._publish(ProviderFailed(self._session.elapsed(), "vad", self._name, "crashed", reason))

    # -- audio that stops ----------------------------------------------------------------------------------------------

    def _look_in(self, seconds: float) -> None:
        self._voiced = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """There is a voice. Is there still audio?"""
        since = self._session.clock.monotonic() - self._fed_at
        if since < STALL_SECONDS:
            self._look_in(max(STALL_SECONDS - since, 0.01))
            return
        self._silent()
        if self._detector is not None:
            self._detector.reset()
        self._publish(AudioStalled(self._session.elapsed(), since))

    def _silent(self) -> None:
        if self._voiced is not None:
            self._voiced.cancel()
            self._voiced = None

    def _publish(self, event: VoiceStarted | VoiceStopped | AudioStalled | ProviderFailed) -> None:
        if not self._session.is_disconnected:
            self._session.hub.publish(event)
