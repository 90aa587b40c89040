"""What a random agent does with a call, and what a random person does on the line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from voice_runtime import BlockingSession, CallHangupError, NothingHeardError, VoiceSession
from voice_runtime.events import EndReason, FinalTranscript
from voice_runtime.mock import MockTts
from voice_runtime.simulator import Line

__all__ = ["AGENTS", "BLOCKING_AGENTS", "ENDS", "PEOPLE", "Person"]

WORDS = "where is my parcel today please number seven and one yes no thank you goodbye".split()
Agent = Callable[[VoiceSession, Random], Awaitable[None]]
Person = Callable[[Line, Random], Awaitable[None]]


def sentence(chance: Random, most: int = 6) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(chance.randint(1, most)))


# -- agents ------------------------------------------------------------------------------------------------------------


async def echo(call: VoiceSession, chance: Random) -> None:
    async for frame in call.audio():
        call.send_audio(frame)


async def converses(call: VoiceSession, chance: Random) -> None:
    for _ in range(chance.randint(1, 4)):
        await call.say(sentence(chance))
        try:
            await call.listen(timeout=chance.uniform(0.5, 8))
        except NothingHeardError:
            await call.say("pardon")


async def collects(call: VoiceSession, chance: Random) -> None:
    await call.say(sentence(chance), barge_in="keys")
    digits = await call.collect_digits(chance.choice([None, 1, 4]), timeout=chance.uniform(0.5, 6))
    await call.say(" ".join(digits.text) or "nothing")


async def words_or_keys(call: VoiceSession, chance: Random) -> None:
    for _ in range(2):
        await call.play(MockTts.render(sentence(chance)))
        await call.listen_or_collect(4, timeout=chance.uniform(0.5, 5))
    await call.send_digits("1w2")


async def lectures(call: VoiceSession, chance: Random) -> None:
    for _ in range(3):
        await call.say(sentence(chance, 30), barge_in=chance.choice(["never", "keys", "words", "speech"]))


async def returns(call: VoiceSession, chance: Random) -> None:
    call.send_audio(MockTts.render(sentence(chance)))


async def raises(call: VoiceSession, chance: Random) -> None:
    if chance.random() < 0.5:
        await call.say(sentence(chance))
    await asyncio.sleep(chance.uniform(0, 3))
    raise ZeroDivisionError("as planned")


async def raises_stop(call: VoiceSession, chance: Random) -> None:
    await asyncio.sleep(chance.uniform(0, 1))
    raise asyncio.CancelledError("as planned")


async def slow(call: VoiceSession, chance: Random) -> None:
    await asyncio.sleep(chance.uniform(1, 15))
    await call.say("at last")


async def hangs_up(call: VoiceSession, chance: Random) -> None:
    """In the middle of its sentence."""
    speaking = asyncio.ensure_future(call.say(sentence(chance, 30)))
    await asyncio.sleep(chance.uniform(0, 2))
    await call.hangup()
    await asyncio.gather(speaking, return_exceptions=True)


async def concludes(call: VoiceSession, chance: Random) -> None:
    speaking = asyncio.ensure_future(call.say(sentence(chance)))
    await asyncio.sleep(chance.uniform(0, 1))
    try:
        await call.conclude("goodbye")
    finally:
        await asyncio.gather(speaking, return_exceptions=True)


async def interrupts_itself(call: VoiceSession, chance: Random) -> None:
    for _ in range(chance.randint(1, 6)):
        speaking = asyncio.ensure_future(call.say(sentence(chance, 20), barge_in="never"))
        await asyncio.sleep(chance.uniform(0, 0.6))
        call.interrupt()
        await asyncio.wait({speaking})
        speaking.exception()


async def many_marks(call: VoiceSession, chance: Random) -> None:
    for number in range(20):
        call.send_audio(b"\x55" * chance.randint(1, 3000))
        waiting = asyncio.ensure_future(call.mark(f"m{number}", timeout=chance.uniform(0.01, 5)))
        if chance.random() < 0.5:
            await asyncio.wait({waiting})
        if chance.random() < 0.1:
            call.interrupt()


async def watches(call: VoiceSession, chance: Random) -> None:
    async for event in call.events(timeout=chance.uniform(2, 8)):
        if isinstance(event, FinalTranscript):
            await call.say(event.text or "pardon")


async def clings(call: VoiceSession, chance: Random) -> None:
    """Goes on for a while when the call is over."""
    try:
        await call.say(sentence(chance, 20))
        await call.wait_ended()
    except CallHangupError:
        await asyncio.sleep(chance.uniform(0, 8))
        raise


async def forever(call: VoiceSession, chance: Random) -> None:
    while True:
        await call.say(sentence(chance), barge_in="never")


async def broken_voice(call: VoiceSession, chance: Random) -> None:
    call.tts = MockTts(**chance.choice([{"fail_after_ms": 100}, {"stall_after_ms": 100}]))
    async with asyncio.timeout(10):
        await call.say(sentence(chance, 10))


def blocks(call: BlockingSession, chance: Random) -> None:
    for _ in range(2):
        call.say(sentence(chance))
        try:
            call.listen(timeout=chance.uniform(0.5, 4))
        except NothingHeardError:
            call.collect_digits(2, timeout=1)


def blocks_and_hangs_up(call: BlockingSession, chance: Random) -> None:
    call.play(MockTts.render(sentence(chance)))
    call.hangup()


def blocks_and_raises(call: BlockingSession, chance: Random) -> None:
    call.say(sentence(chance))
    raise StopIteration("as planned")


_RETURNED, _HUNG_UP, _FAILED = EndReason.HANDLER_RETURNED, EndReason.AGENT_HUNG_UP, EndReason.HANDLER_FAILED
AGENTS: dict[str, Agent] = {
    agent.__name__: agent
    for agent in (
        echo, converses, collects, words_or_keys, lectures, returns, raises, raises_stop, slow, hangs_up, concludes,
        interrupts_itself, many_marks, watches, clings, forever, broken_voice,
    )
}  # fmt: skip
BLOCKING_AGENTS: dict[str, Callable[[BlockingSession, Random], None]] = {
    agent.__name__: agent for agent in (blocks, blocks_and_hangs_up, blocks_and_raises)
}
ENDS: dict[str, set[EndReason]] = {
    **dict.fromkeys([*AGENTS, *BLOCKING_AGENTS], {_RETURNED}),
    **dict.fromkeys(["echo", "clings", "forever"], {EndReason.MAX_DURATION}),
    **dict.fromkeys(["raises", "raises_stop", "blocks_and_raises"], {_FAILED}),
    **dict.fromkeys(["hangs_up", "concludes", "blocks_and_hangs_up"], {_HUNG_UP}),
    "broken_voice": {_RETURNED, _FAILED},
}
"""How a call ends when the agent ends it, or nobody does."""


# -- people ------------------------------------------------------------------------------------------------------------


async def listens(line: Line, chance: Random) -> None:
    await line.pause(chance.uniform(0.2, 20))


async def gone_at_once(line: Line, chance: Random) -> None:
    await line.pause(chance.choice([0, 0.001, 0.02, 0.1]))


async def talks(line: Line, chance: Random) -> None:
    for _ in range(chance.randint(1, 4)):
        await line.hear_out(timeout=10)
        await line.say(sentence(chance))


async def talks_over(line: Line, chance: Random) -> None:
    for _ in range(3):
        await line.interrupt_after(chance.uniform(0, 1.5), sentence(chance, 3), timeout=8)


async def presses(line: Line, chance: Random) -> None:
    for _ in range(3):
        await line.pause(chance.uniform(0, 3))
        line.press("".join(chance.choice("0123456789*#") for _ in range(chance.randint(1, 5))))
    await line.stay(10)


async def cuts_off(line: Line, chance: Random) -> None:
    await line.wait_until_agent_speaks(8)
    await line.pause(chance.uniform(0, 0.5))


async def mumbles(line: Line, chance: Random) -> None:
    await line.mumble(chance.uniform(0.5, 4))
    await line.pause(chance.uniform(0, 4))


async def stays(line: Line, chance: Random) -> None:
    await line.stay(100)


def patient(person: Person) -> Person:
    """Waits in vain and then hangs up."""

    async def bears_it(line: Line, chance: Random) -> None:
        try:
            await person(line, chance)
        except TimeoutError:
            line.note("gave up")

    return bears_it


PEOPLE: dict[str, Person] = {
    person.__name__: patient(person)
    for person in (listens, gone_at_once, talks, talks_over, presses, cuts_off, mumbles, stays)
}
