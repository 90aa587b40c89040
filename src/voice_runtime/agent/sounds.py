"""What is heard of an agent beside its voice: a background, and a sound while it thinks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from voice_runtime.audio import Wav, read_wav, to_ulaw_8k
from voice_runtime.audio.background import Background, looped
from voice_runtime.errors import ConfigurationError
from voice_runtime.session import VoiceSession

__all__ = ["Sounds", "ThinkingSound"]

Source: TypeAlias = bytes | str | Path | Wav


@dataclass(eq=False)
class Sounds:
    """Mu-law bytes (8 kHz), the path of a WAV file, or a `Wav`; each is looped. Volumes: 0.1 is 20 dB quieter.

    `background` goes on through speech and silence. `thinking` begins when the agent has thought for `thinking_after`
    seconds, and is gone before its first word. Both are read once, for all calls.
    """

    background: Source | None = None
    volume: float = 0.1
    thinking: Source | None = None
    thinking_volume: float = 0.3
    thinking_after: float = 0.3
    _loops: tuple[bytes | None, bytes | None] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises `ConfigurationError` for a file that is not there, before the first caller finds out."""
        for source in (self.background, self.thinking):
            if isinstance(source, str | Path) and not Path(source).is_file():
                raise ConfigurationError(f"There is no file {source}.", remedy=f"Its path is taken from {Path.cwd()}.")

    async def for_call(self) -> Background | None:
        """None without any sound. Raises what reading a file raises: `OSError`, `AudioFormatError`."""
        if self.background is None and self.thinking is None:
            return None
        if self._loops is None:
            self._loops = await asyncio.to_thread(self._load)
        return Background(*self._loops)

    def _load(self) -> tuple[bytes | None, bytes | None]:
        return _loop(self.background, self.volume), _loop(self.thinking, self.thinking_volume)


def _loop(source: Source | None, volume: float) -> bytes | None:
    if source is None:
        return None
    if not isinstance(source, bytes):
        source = to_ulaw_8k(source if isinstance(source, Wav) else read_wav(source))
    return looped(source, volume)


class ThinkingSound:
    """Has the thinking sound of one call begin a while after the thinking."""

    def __init__(self, call: VoiceSession, after: float) -> None:
        self._call = call
        self.after = after
        self._timer: asyncio.TimerHandle | None = None

    def thinks(self, thinks: bool) -> None:
        """Whether the agent thinks, and says nothing."""
        if thinks and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.after, self._call.stream.think, True)
        elif not thinks and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._call.stream.think(False)
