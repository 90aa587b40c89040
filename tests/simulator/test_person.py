"""People on the line, moved forward by hand: no network, no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from voice_runtime.audio.tones import beep, silence
from voice_runtime.errors import CallHangupError
from voice_runtime.simulator import Line
from voice_runtime.simulator.handset import Handset

FRAME = silence(20)


async def live(script: Callable[[Line], Awaitable[None]], ear: bytes) -> Handset:
    """Let `script` hear `ear`; then the call ends. Raises what the script raised."""
    handset = Handset(on_hang_up=lambda: None)
    person = asyncio.create_task(script(Line(handset)))
    for start in range(0, len(ear), 160):
        await asyncio.sleep(0)
        handset.hear(ear[start : start + 160])
        handset.tick()
    await asyncio.sleep(0)
    handset.close()
    await person
    return handset


async def test_a_person_waits_for_the_agent_and_answers() -> None:
    """After 700 ms of quiet, in the middle of a frame of nothing."""
    answer = beep(ms=200)

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks()
        await line.wait_until_agent_stops(quiet_ms=700)
        await line.say(answer, "yes")

    handset = await live(caller, silence(300) + beep(ms=500) + silence(1500))
    assert abs(handset.mouth.index(answer) / 8 - 1500) <= 40
    assert [note.text for note in handset.notes] == ["yes"]


async def test_a_person_interrupts() -> None:
    """So long after the agent began."""

    async def caller(line: Line) -> None:
        await line.interrupt_after(0.5, beep(ms=100))

    handset = await live(caller, silence(200) + beep(ms=1500))
    assert abs(handset.mouth.index(beep(ms=100)) / 8 - 700) <= 60


async def test_waiting_has_an_end() -> None:
    """With a message that says what was waited for."""

    async def caller(line: Line) -> None:
        await line.wait_until_agent_speaks(timeout=0.5)

    with pytest.raises(TimeoutError, match="the agent said nothing within 0.5 s"):
        await live(caller, silence(1000))


async def test_the_end_of_the_call_ends_every_wait() -> None:
    """Also one that is only begun after it."""

    async def caller(line: Line) -> None:
        with pytest.raises(CallHangupError):
            await line.stay()
        with pytest.raises(CallHangupError):
            await line.pause(1)

    handset = await live(caller, silence(100))
    assert len(handset.ear) == len(handset.mouth) == 800


async def test_keys_are_pressed_five_a_second() -> None:
    """`w` is half a second; a key that no telephone has is refused."""
    pressed = []
    handset = Handset(on_hang_up=lambda: None)
    line = Line(handset)
    line.press("1w2")
    for _ in range(60):
        if digit := handset.tick().digit:
            pressed.append((digit, round(handset.time - 0.02, 2)))
    assert pressed == [("1", 0.0), ("2", 0.7)]
    with pytest.raises(ValueError, match="no key 'x'"):
        line.press("1x")
