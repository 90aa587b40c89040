"""One utterance of an agent: text that grows while it is said, sentence by sentence, and what was heard of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from voice_runtime.events import PlaybackOutcome, UtteranceFinished
from voice_runtime.session import BargeIn, VoiceSession
from voice_runtime.talk import Said, SpeechHandle
from voice_runtime.turns.sentences import Sentences
from voice_runtime.turns.speech_text import SpeechText
from voice_runtime.turns.spoken import Spoken
from voice_runtime.turns.verbalise import Language, Pronunciations, language_for, verbalise

if TYPE_CHECKING:
    from voice_runtime.agent.agent import Agent

__all__ = ["Reply", "Wanted", "reply_of"]


class Wanted(Enum):
    """What the floor wants of an utterance."""

    SOUND = "sound"
    PAUSE = "pause"
    SILENCE = "silence"  # for good


class _Text(Enum):
    OPEN = "open"
    COMPLETE = "complete"
    GIVEN_UP = "given_up"
    CANCELLED = "cancelled"


class Reply:
    """Fed by a brain, read by synthesis. It can be read again from the first word that was not heard."""

    def __init__(self, language: Language, pronunciations: Pronunciations | None = None) -> None:
        self._language = language
        self._pronunciations = pronunciations
        self._filter = SpeechText()
        self._cutter = Sentences()
        self._sentences: list[str] = []  # not heard yet
        self._read = 0  # how many of them synthesis has taken
        self._text = _Text.OPEN
        self._news = asyncio.Event()
        self._cut = False  # paused since it was last begun
        self.remembered = True
        """Whether it becomes part of the history."""
        self.handle = SpeechHandle()
        self.wanted = Wanted.SOUND
        self.heard = ""
        self._first = ""  # to be said when it is begun again

    # -- the text ------------------------------------------------------------------------------------------------------

    def feed(self, text: str) -> None:
        """More of the text, as a model writes it."""
        if self._text is _Text.OPEN:
            self._add(self._cutter.feed(self._filter.feed(text)))

    def speak_up(self) -> None:
        """The brain pauses, and the caller hears nothing: have said what there is of the sentence."""
        if self.starved:
            self._add(self._cutter.cut_short())

    def hand_over(self, agent: Agent[Any]) -> None:
        """Another agent goes on with it: what there is is a sentence of the last one's."""
        self._language, self._pronunciations = language_for(agent.language), agent.pronunciations
        self.end_sentence()

    def end_sentence(self) -> None:
        """What comes is another one."""
        if self._text is _Text.OPEN:
            self._add([*self._cutter.feed(self._filter.flush()), *self._cutter.flush()])

    def close(self) -> None:
        """That was all of it."""
        if self._text is _Text.OPEN:
            self.end_sentence()
            self._text = _Text.COMPLETE
            self._news.set()

    def interject(self, phrase: str) -> None:
        """Say this before what comes."""
        self._add([phrase])

    def give_up(self, phrase: str = "") -> None:
        """Nothing more comes: a sentence that is not whole stays unsaid, and `phrase` is said for it."""
        self._text = _Text.GIVEN_UP
        self._add([phrase])

    def cancel(self) -> None:
        """Nobody wants it any more, nor what was still to come."""
        if self._text is _Text.OPEN:
            self._text = _Text.CANCELLED
        self.want(Wanted.SILENCE)

    @property
    def ready(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._sentences)

    @property
    def starved(self) -> bool:
        """Whether it waits for text."""
        return self._text is _Text.OPEN and self._read == len(self._sentences)

    @property
    def unfinished(self) -> bool:
        """Whether something was not heard."""
        return self._text in (_Text.OPEN, _Text.CANCELLED) or bool(self._sentences)

    @property
    def complete(self) -> bool:
        """Whether all of its text came."""
        return self._text is _Text.COMPLETE

    def _add(self, sentences: list[str]) -> None:
        self._sentences += [sentence.strip() for sentence in sentences if sentence.strip()]
        self._news.set()

    # -- saying it -----------------------------------------------------------------------------------------------------

    async def sentences(self) -> AsyncIterator[Spoken]:
        """What is left to say, as it is spoken; waits for more until the text is closed, or nobody wants it now."""
        while self.wanted is Wanted.SOUND:
            if self._read < len(self._sentences):
                sentence = self._sentences[self._read]
                self._read += 1
                yield verbalise(sentence, self._language, self._pronunciations)
            elif self._text is not _Text.OPEN:
                return
            else:
                await self._changed()

    async def utter(self, call: VoiceSession) -> None:
        """Say what is left of it."""
        await call.say(self.sentences(), barge_in=BargeIn.NEVER)

    def account(self, finished: UtteranceFinished) -> None:
        """The caller has heard this of what was left: the rest is what is left now."""
        heard = finished.heard_text
        self.heard = f"{self.heard} {heard}".strip()
        self._read = 0
        count = _letters(heard)
        while count and self._sentences:
            first = self._sentences.pop(0)
            if (length := _letters(first)) > count:
                self._sentences.insert(0, _behind(first, count))
            count -= min(length, count)

    def want(self, wanted: Wanted) -> None:
        """The floor wants this now."""
        self.wanted = wanted
        self._cut = self._cut or wanted is Wanted.PAUSE
        self._news.set()

    def begin_again_with(self, phrase: str) -> None:
        """It has been cut short, and goes on with this, and then with what was not heard."""
        self._cut, self._first = True, phrase

    async def begin(self) -> bool:
        """Wait while it is paused. Whether it is to be said then."""
        while self.wanted is Wanted.PAUSE:
            await self._changed()
        self._cut = False
        if self._first:
            self._sentences.insert(0, self._first)
            self._first = ""
        return self.wanted is Wanted.SOUND and self.unfinished

    @property
    def goes_on(self) -> bool:
        """Whether it was cut only to go on later."""
        return self._cut and self.wanted is not Wanted.SILENCE

    def over(self, outcome: PlaybackOutcome) -> None:
        """Nothing more is said of it. What was given up has failed, even if all that there was of it was played."""
        given_up = self._text is _Text.GIVEN_UP and outcome is PlaybackOutcome.PLAYED
        self.handle.over(Said(PlaybackOutcome.FAILED if given_up else outcome, self.heard))

    async def _changed(self) -> None:
        self._news.clear()
        await self._news.wait()


def reply_of(agent: Agent[Any]) -> Reply:
    """An empty one, to be spoken as that agent speaks."""
    return Reply(language_for(agent.language), agent.pronunciations)


def _letters(text: str) -> int:
    return sum(not char.isspace() for char in text)


def _behind(text: str, letters: int) -> str:
    """`text` without its first `letters` characters that are no white space."""
    for at, char in enumerate(text):
        if not letters:
            return text[at:].lstrip()
        letters -= not char.isspace()
    return ""
