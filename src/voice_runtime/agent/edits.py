"""What an agent's `edit` hook does to the text of its brain, before it is spoken."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable

from voice_runtime.llm import Part
from voice_runtime.tasks import closing
from voice_runtime.turns.sentences import Sentences

__all__ = ["edited", "sentences"]


async def edited(
    parts: AsyncIterator[Part], edit: Callable[[AsyncIterator[str]], AsyncIterator[str]]
) -> AsyncIterator[Part]:
    """The parts of an answer, with the text as `edit` makes it; what is no text stays where it was among it."""
    aside: deque[Part] = deque()

    async def text() -> AsyncIterator[str]:
        async for part in parts:
            if isinstance(part, str):
                yield part
            else:
                aside.append(part)

    async with closing(edit(text())) as pieces:
        async for piece in pieces:
            while aside:
                yield aside.popleft()
            yield piece
    while aside:
        yield aside.popleft()


async def sentences(text: AsyncIterator[str]) -> AsyncIterator[str]:
    """The text sentence by sentence: for an edit that must see more than the edges of what a model streams."""
    cutter = Sentences()
    async for piece in text:
        for sentence in cutter.feed(piece):
            yield f"{sentence} "
    for sentence in cutter.flush():
        yield f"{sentence} "
