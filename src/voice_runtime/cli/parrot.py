"""Who answers when nobody was named: says who it is, then gives back what the caller says."""

from __future__ import annotations

from voice_runtime import __version__
from voice_runtime.audio import beep
from voice_runtime.errors import NothingHeardError
from voice_runtime.session import VoiceSession

__all__ = ["parrot"]

ECHO_DELAY_FRAMES = 25
"""Half a second: nearer to the voice, an echo disturbs speaking."""
_GREETING = f"Hello. This is voice runtime, version {__version__}. "


async def parrot(call: VoiceSession) -> None:
    """Repeats what was said where speech recognition and synthesis are set up; otherwise echoes the sound of it.

    Without a voice, a beep says that the line is open.
    """
    speaks, hears = call.tts is not None, call.stt_factory is not None
    if speaks:
        await call.say(_GREETING + ("Say something and I repeat it." if hears else "You will hear your own voice."))
    else:
        await call.play(beep())
    if speaks and hears:
        await _repeat(call)
    else:
        await _echo(call)


async def _repeat(call: VoiceSession) -> None:
    while True:
        try:
            heard = await call.listen()
        except NothingHeardError:
            await call.say("I did not hear anything. Goodbye.")
            return
        await call.say(f"You said: {heard.text}")


async def _echo(call: VoiceSession) -> None:
    waiting: list[bytes] = []
    async for frame in call.audio():
        waiting.append(frame)
        if len(waiting) > ECHO_DELAY_FRAMES:
            call.send_audio(waiting.pop(0))
