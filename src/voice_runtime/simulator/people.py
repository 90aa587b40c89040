"""Who may answer when an application dials: people, machines, nobody. Each is a `Phone`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from voice_runtime.audio.spelling import spell
from voice_runtime.audio.tones import beep as beep_tone
from voice_runtime.simulator.hearing import Hearing
from voice_runtime.simulator.notes import NoteKind
from voice_runtime.simulator.person import Line, Voice
from voice_runtime.simulator.phone_book import Phone
from voice_runtime.simulator.rest import CallStatus
from voice_runtime.simulator.script import Script

__all__ = ["answering_machine", "busy", "call_screening", "no_answer", "person", "unreachable"]

_BREATH: Final = 0.4  # seconds between picking up and the first word
_GREETING: Final = "Hello, I cannot come to the phone right now. Please leave a message after the tone."
_SCREENING: Final = "Hello. Please say your name, and why you are calling."
_STAY: Final = 600.0


def person(script: Script | str = "hello?", *, rings: float = 1.0, voice: Voice = spell) -> Phone:
    """Somebody who picks up and does what the script says: a string is said, and then they stay on the line."""
    return Phone(_greets(script) if isinstance(script, str) else script, rings, voice=voice)


def _greets(words: str) -> Script:
    async def answers(line: Line) -> None:
        await line.pause(_BREATH)
        await line.say(words)
        await line.stay(_STAY)

    return answers


def answering_machine(
    greeting: str = _GREETING,
    beep: bool = True,
    seconds: float = 60.0,
    *,
    silence: float = 4.0,
    rings: float = 1.0,
    voice: Voice = spell,
) -> Phone:
    """Greets, beeps (400 ms of 1000 Hz) and records: the message is `CallRecord.message`.

    Hangs up after `silence` seconds without a sound, or when the message has `seconds`.
    """

    async def machine(line: Line) -> None:
        await line.pause(_BREATH)
        await line.say(greeting)
        if beep:
            await line.pause(0.6)
            await line.play(beep_tone(1000, 400), "(beep)")
        line.note("", NoteKind.BEEP)
        began = last_sound = line.time

        def full() -> bool:
            nonlocal last_sound
            if line.agent_speaks:
                last_sound = line.time
            return line.time - last_sound >= silence or line.time - began >= seconds

        await line.until(full)

    return Phone(machine, rings, voice=voice)


def call_screening(
    human: Script | str = "hello?",
    *,
    asks: str = _SCREENING,
    accepts: Callable[[str], bool] = lambda reply: True,
    patience: float = 8.0,
    rings: float = 1.0,
    voice: Voice = spell,
) -> Phone:
    """A robot asks who is calling and why. When `accepts(reply)`, the human comes to the phone; else it hangs up.

    `reply`: the words that were heard, in lower case; "" of real speech. Nothing within `patience` seconds is refused.
    """
    comes = _greets(human) if isinstance(human, str) else human

    async def robot(line: Line) -> None:
        await line.pause(_BREATH)
        hearing = Hearing(line.ear, len(line.ear))
        await line.say(asks)
        try:
            await line.hear_out(quiet_ms=1500, timeout=patience)
            accepted = accepts(hearing.heard.text)
        except TimeoutError:
            accepted = False
        if not accepted:
            line.note("the call is screened out")
            await line.say("The person you are calling is not available. Goodbye.")
            return
        await line.say("Thank you. Please stay on the line.")
        await line.pause(2.0)
        line.note("the human comes to the phone")
        await comes(line)

    return Phone(robot, rings, voice=voice)


def busy() -> Phone:
    """A line that is in use: the call ends at once with the status busy."""
    return Phone(outcome=CallStatus.BUSY)


def no_answer() -> Phone:
    """Rings until the application gives up."""
    return Phone(rings=math.inf, outcome=CallStatus.NO_ANSWER)


def unreachable() -> Phone:
    """A number that does not exist, or a network that is down: the call fails."""
    return Phone(outcome=CallStatus.FAILED)
