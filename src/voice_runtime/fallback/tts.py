"""Voices in a chain: when one fails or hangs, the next one says the rest, from the first word that was not said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from voice_runtime.errors import TtsError
from voice_runtime.events import ProviderRecovered, ProviderSwitched
from voice_runtime.fallback.breaker import BreakerPolicy
from voice_runtime.fallback.chain import Attempt, Chain, Failure, Link, Providers, Tell
from voice_runtime.fallback.words import Pace, SaidSoFar
from voice_runtime.tasks import TaskOwner, closing
from voice_runtime.tts import SpeechPart, StreamingTts, synthesis_of

__all__ = ["FallbackTts"]


class FallbackTts:
    """`FallbackTts([first, second])`: one voice for all calls (`StreamingTts`).

    A voice has failed when it raises, and when it makes no sound within `first_audio` seconds, nor more within
    `more_audio` seconds of being asked. Which words its audio has so far it tells (`TimedTts`), or its pace lets guess.
    Mappings give the voices names: `FallbackTts({"elevenlabs": ..., "espeak": ...})`.
    """

    def __init__(
        self,
        voices: Providers[StreamingTts],
        *,
        first_audio: float = 1.5,
        more_audio: float = 1.5,
        breaker: BreakerPolicy | None = None,
    ) -> None:
        self._chain = Chain(voices, breaker)
        self._paces = {link.name: Pace() for link in self._chain.links}
        self._first, self._more = first_audio, more_audio
        self._tasks = TaskOwner("fallback_tts")

    @property
    def preferred(self) -> StreamingTts:
        """The first: phrases are kept in its voice (`PhraseCache`)."""
        return self._chain.links[0].provider

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        """See `StreamingTts`. Raises `TtsError` when no voice is left."""
        async with closing(self.synthesize_told(text, lambda event: None)) as audio:
            async for part in audio:
                if isinstance(part, bytes):
                    yield part

    async def synthesize_told(self, text: str, tell: Tell) -> AsyncIterator[SpeechPart]:
        """The same, with word times; see `TtsWithFallback`."""
        said = given = 0  # characters; bytes
        failures: list[Failure] = []
        error: Exception | None = None
        lost = 0.0
        for link in self._chain.order():
            if failures:
                last = failures[-1]
                tell(ProviderSwitched(0.0, "tts", last.name, link.name, last.reason, last.detail, lost, text[:said]))
            now = asyncio.get_running_loop().time
            begin = partial(synthesis_of, link.provider, text[said:])
            attempt: Attempt[SpeechPart] = Attempt(self._tasks, link.name, begin)
            so_far = SaidSoFar(text[said:], self._paces[link.name], said, given)
            waited_since = now()
            try:
                wait = self._first
                while (part := await attempt.next(wait, "no audio")) is not None:
                    if isinstance(part, bytes):
                        wait = self._more
                    else:
                        yield so_far.tell(part)
                    if audio := so_far.add(part if isinstance(part, bytes) else b"", now()):
                        yield audio
                    waited_since = now()
                if not so_far.made and text[said:].strip():
                    raise TtsError(link.name, "empty", "no audio for the text")
            except Exception as failed:  # whatever it is: this voice makes no more of it
                attempt.give_up()
                link.breaker.failed(now())
                lost = (now() - waited_since) * 1000
                failures.append(Failure.of(link.name, failed))
                error = failed
                words, rest = so_far.cut()
                if rest:
                    yield rest
                said, given = said + words, given + so_far.given
                if not text[said:].strip():
                    return
            except BaseException:  # nobody wants the rest
                self._let_go(link, attempt, tell)
                await attempt.close()
                raise
            else:
                if rest := so_far.finish():
                    yield rest
                if link.breaker.succeeded():
                    tell(ProviderRecovered(0.0, "tts", link.name))
                return
        if isinstance(error, TtsError) and len(failures) == 1:
            raise error  # by its own name
        raise _for_all(failures) from error

    def _let_go(self, link: Link[StreamingTts], attempt: Attempt[SpeechPart], tell: Tell) -> None:
        if not attempt.gave:
            link.breaker.abandoned()
        elif link.breaker.succeeded():
            tell(ProviderRecovered(0.0, "tts", link.name))

    async def aclose(self) -> None:
        """Close the voices that can be closed."""
        await self._tasks.close()
        for link in self._chain.links:
            close = getattr(link.provider, "aclose", None)  # optional in the contract
            if close is not None:
                await close()


def _for_all(failures: list[Failure]) -> TtsError:
    """One error for a chain that has come to its end: the last failure, and those before it."""
    *before, last = failures
    detail = "; ".join([last.detail, *(f"before it {failure}" for failure in before)])
    return TtsError(last.name, last.reason, detail)
