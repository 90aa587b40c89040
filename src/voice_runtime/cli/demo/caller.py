"""The caller of the demo, with a recorded synthetic voice (`simulator/clips`): what is said, and when."""

from __future__ import annotations

from pathlib import Path

import voice_runtime.simulator
from voice_runtime.simulator import Line

__all__ = ["KEYED", "SAID", "caller"]

CLIPS = Path(voice_runtime.simulator.__file__).parent / "clips"

SAID = {
    "hello": "hello i want to know where my parcel is",
    "order-7216": "seven two one six",
    "yes-that-is-right": "yes that is right",
    "change-to-friday": "change the delivery to friday",
    "no-thank-you": "no thank you",
}
"""Every clip the caller plays, in order, with its words: what recognition has to understand."""

KEYED = "4711#"


async def caller(line: Line) -> None:
    """Interrupt the greeting, then answer each question when it has been asked."""
    first, *rest = SAID
    await line.interrupt_after(2.5, CLIPS / f"{first}.wav", SAID[first])
    for name in rest:
        await line.hear_out()
        await line.say(CLIPS / f"{name}.wav", SAID[name])
        if name == "change-to-friday":
            await line.hear_out()
            line.press(KEYED)
    await line.stay()
