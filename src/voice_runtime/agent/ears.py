"""What the events of a call tell the floor. Without a voice detector, the recogniser says when there is a voice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_runtime.events import (
    AudioStalled,
    CallEvent,
    DtmfReceived,
    FinalTranscript,
    PartialTranscript,
    ProviderFailed,
    SpeechStarted,
    TurnDeclared,
    VoiceStarted,
    VoiceStopped,
)
from voice_runtime.turns import events as on
from voice_runtime.turns.lexicon import Lexicon, Meaning

__all__ = ["Ears"]

QUIET_SECONDS = 1.5
"""A voice of which the recogniser says nothing for so long has ended."""


class Ears:
    """The voice and the words of one caller. `detector`: a voice detector says when there is a voice.

    Without one, or when it has failed, there is a voice as far as a recogniser tells: from its first sign to the final,
    or to `QUIET_SECONDS` without news. Then, while the agent speaks, an "mhm" is no voice: it is over when it is
    understood, and must not make the agent pause.
    """

    def __init__(self, tell: Callable[[on.Event], None], lexicon: Lexicon, *, detector: bool = False) -> None:
        self._tell = tell
        self.lexicon = lexicon
        self.detector = detector
        self._quiet: asyncio.TimerHandle | None = None  # set while there is a voice that a recogniser tells of

    def hear(self, event: CallEvent, *, agent_speaks: bool) -> None:
        match event:
            case VoiceStarted(voiced=voiced):
                self._tell(on.VoiceStarted(voiced, detected=True))
            case VoiceStopped(silence=silence):
                self._tell(on.VoiceStopped(silence))
            case AudioStalled():
                self._tell(on.AudioStalled())
            case ProviderFailed(kind="vad"):
                self.detector = False
                self._tell(on.VoiceStopped())
            case SpeechStarted():
                self._voice()
            case PartialTranscript(text=text):
                if agent_speaks and self.lexicon.meaning(text) is Meaning.BACKCHANNEL:
                    self._silence(0.0)
                else:
                    self._voice()
                self._tell(on.PartialHeard(text))
            case FinalTranscript(text=text):
                self._silence(0.0)
                self._tell(on.FinalHeard(text))
            case TurnDeclared():
                self._tell(on.TurnDeclared())
            case DtmfReceived(digit=digit):
                self._tell(on.KeyPressed(digit))
            case _:
                pass

    def close(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None

    def _voice(self) -> None:
        if self.detector:
            return
        began = self._quiet is None
        self.close()
        self._quiet = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._silence, QUIET_SECONDS)
        if began:
            self._tell(on.VoiceStarted())

    def _silence(self, since: float) -> None:
        if self._quiet is not None:
            self.close()
            self._tell(on.VoiceStopped(since))
