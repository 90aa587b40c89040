"""What a call costs, by prices that the program gives, and when that is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import astuple, dataclass

from voice_runtime.events import CallEvent, TokensUsed, UtteranceFinished
from voice_runtime.session import VoiceSession

__all__ = ["Prices", "Spend"]


@dataclass(frozen=True, slots=True)
class Prices:
    """In any currency: for 1000 tokens that the brain reports (`Usage`), for 1000 characters given to synthesis, for a
    minute of the call, and for a minute of recognition.
    """

    input_tokens: float = 0.0
    output_tokens: float = 0.0
    characters: float = 0.0
    call_minute: float = 0.0
    stt_minute: float = 0.0

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0:
            raise ValueError("a price is 0 or more")

    @property
    def free(self) -> bool:
        """Whether nothing costs anything."""
        return not any(astuple(self))


class Spend:
    """Adds up one call. `on_limit` is called once, when `limit` is reached; time alone may do that."""

    def __init__(self, call: VoiceSession, prices: Prices, limit: float, on_limit: Callable[[], None]) -> None:
        self._call = call
        self._prices = prices
        self._limit = limit
        self._on_limit = on_limit
        self._used = 0.0  # for anything but time
        hears = call.stt is not None or call.stt_factory is not None
        self._per_second = (prices.call_minute + (prices.stt_minute if hears else 0.0)) / 60
        self._timer: asyncio.TimerHandle | None = None
        self._unlisten = call.on_event(self._happened)
        self._look()

    @property
    def total(self) -> float:
        return self._used + self._per_second * self._call.elapsed()

    def close(self) -> None:
        """Look no more."""
        self._unlisten()
        if self._timer is not None:
            self._timer.cancel()

    def _happened(self, event: CallEvent) -> None:
        prices = self._prices
        match event:
            case TokensUsed(input_tokens=input_tokens, output_tokens=output_tokens):
                cost = prices.input_tokens * input_tokens + prices.output_tokens * output_tokens
            case UtteranceFinished(characters=characters):
                cost = prices.characters * characters
            case _:
                return
        self._used += cost / 1000
        self._look()

    def _look(self) -> None:
        """Is it enough? If not, look again when time will have made it so."""
        if self._timer is not None:
            self._timer.cancel()
        if (left := self._limit - self.total) <= 1e-9:
            self.close()
            self._on_limit()
        elif self._per_second:
            self._timer = asyncio.get_running_loop().call_later(left / self._per_second, self._look)
