"""A caller who says nothing: prompts in stages, then a goodbye."""

from __future__ import annotations

from voice_runtime.turns.commands import Command, GiveUpOnCaller, PromptSilentCaller

__all__ = ["Silence"]


class Silence:
    """For how long the caller has said nothing, and what was done about it. Noise is silence."""

    def __init__(self) -> None:
        self._stage = 0
        self._since: float | None = None

    def broken(self) -> None:
        """The caller said or keyed in something."""
        self._stage, self._since = 0, None

    def agent_speaks(self) -> None:
        """Nobody is expected to say anything before that is over."""
        self._since = None

    def wait(self, stages: tuple[float, ...], now: float) -> float | None:
        """Nobody speaks, from `now` on if not before. Seconds until something is to be done; None: nothing any more."""
        self._since = now if self._since is None else self._since
        return None if self._stage >= len(stages) else self._since + stages[self._stage] - now

    def lasted(self, stages: tuple[float, ...], now: float) -> Command:
        """The wait is over."""
        self._stage, self._since = self._stage + 1, now
        return PromptSilentCaller(self._stage) if self._stage < len(stages) else GiveUpOnCaller()
