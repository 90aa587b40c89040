"""<Gather>: keys and speech of the person, while prompts play."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from voice_runtime.audio.frames import FRAME_INTERVAL, SILENCE_FRAME
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.simulator.handset import AUDIBLE_DBFS, Spoken
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.notes import NoteKind
from voice_runtime.simulator.verbs.prompts import perform_prompt
from voice_runtime.simulator.violations import ViolationCode
from voice_runtime.wire.twiml import Gather, Pause, Play, Say

__all__ = ["Ear", "Heard", "perform_gather"]

_AUTO_SECONDS: Final = 1.0  # speechTimeout="auto": "when there is a pause"; how long one is, is not told
_DEFAULT_SECONDS: Final = 5.0
_CONFIDENCE: Final = "0.9128014"


class Heard(Enum):
    NOTHING = auto()
    KEYS = auto()
    SPEECH = auto()


class Ear:
    """What <Gather> has heard so far; fed 20 ms at a time. `begin_waiting` when the prompts are over."""

    def __init__(self, verb: Gather, on_barge_in: Callable[[], None]) -> None:
        kinds = verb.input.split()
        self._keys, self._speech = "dtmf" in kinds, "speech" in kinds
        self._verb = verb
        self._on_barge_in = on_barge_in
        self._timeout = _seconds(verb.timeout, _DEFAULT_SECONDS)
        self._pause = _AUTO_SECONDS if verb.speech_timeout == "auto" else _seconds(verb.speech_timeout, self._timeout)
        self._quiet = 0.0
        self._waiting = False
        self.digits = ""
        self.finished_on = ""
        self.began_speaking: float | None = None
        self.heard = Heard.NOTHING

    def begin_waiting(self) -> None:
        """From now on the time counts."""
        self._waiting = True

    def __call__(self, spoken: Spoken, at: float) -> bool:
        self._quiet += FRAME_INTERVAL
        if spoken.digit and self._keys:
            return self._key(spoken.digit)
        if self._speech and not self.digits and _audible(spoken.audio):
            self._quiet = 0.0
            if self.began_speaking is None:
                self.began_speaking = at
                self.heard = Heard.SPEECH
                if self._verb.barge_in:
                    self._on_barge_in()
        if self.heard is Heard.SPEECH:
            return self._quiet >= self._pause
        if not self._waiting:
            self._quiet = 0.0
        return self._quiet >= self._timeout

    def _key(self, digit: str) -> bool:
        if self.heard is not Heard.KEYS:
            self._on_barge_in()
        self.heard, self._quiet = Heard.KEYS, 0.0
        if digit in self._verb.finish_on_key:
            self.finished_on = digit
            return True
        self.digits += digit
        return len(self.digits) == self._verb.num_digits


def _audible(audio: bytes) -> bool:
    return audio != SILENCE_FRAME and level_dbfs(audio) > AUDIBLE_DBFS


def _seconds(value: str, default: float) -> float:
    return float(value) if value.isascii() and value.isdigit() else default


async def perform_gather(verb: Gather, base: str, call: LiveCall) -> Document | None:
    """Returns where to go on with what was heard; None: with the next verb."""
    prompting = call.owner.start("prompts", _prompt(verb, base, call))

    def silence() -> None:
        prompting.cancel()
        call.line.hush()

    ear = Ear(verb, silence)
    prompting.add_done_callback(lambda _: ear.begin_waiting())
    listening = call.owner.start("gather", call.line.listen(ear))
    try:
        await asyncio.wait({listening})
    finally:
        listening.cancel()
        silence()
        await asyncio.wait({listening, prompting})
    if not prompting.cancelled() and (error := prompting.exception()) is not None:
        raise error
    form = _result(ear, call)
    if form is None and not verb.action_on_empty_result:
        return None
    return Document(verb.action or base, verb.method, base=base, form=tuple(form or [("Digits", "")]))


async def _prompt(verb: Gather, base: str, call: LiveCall) -> None:
    for prompt in verb.prompts:
        if isinstance(prompt, (Say, Play, Pause)):
            await perform_prompt(prompt, base, call)
        else:
            call.complain(ViolationCode.GATHER_NESTING, f"<Gather> takes Say, Play and Pause, not {prompt}")


def _result(ear: Ear, call: LiveCall) -> list[tuple[str, str]] | None:
    if ear.heard is Heard.KEYS and (ear.digits or ear.finished_on):
        return [("msg", "Gather End"), ("Digits", ear.digits), ("FinishedOnKey", ear.finished_on)]
    if ear.began_speaking is not None and (said := _words(call, ear.began_speaking)):
        return [("SpeechResult", said), ("Confidence", _CONFIDENCE), ("Language", "en-US")]
    return None


def _words(call: LiveCall, since: float) -> str:
    """What the person said: the words that the script gave with the audio; "(mumbling)" are none."""
    notes = call.handset.notes
    said = [note.text for note in notes if note.kind is NoteKind.CALLER and note.until > since]
    return " ".join(text for text in said if text and not text.startswith("("))
