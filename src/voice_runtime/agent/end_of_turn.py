"""Asking a model whether the caller is done. One question at a time; nobody waits for a late answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from voice_runtime.agent.mouth import Start
from voice_runtime.llm import EndOfTurnModel, Turn
from voice_runtime.turns import events as on

__all__ = ["EndOfTurn"]

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0
"""How long an estimate may take; a caller who is done hears silence meanwhile."""


class EndOfTurn:
    """The questions of one call to `model`. Without a model, every answer is that there is none."""

    def __init__(self, model: EndOfTurnModel | None, tell: Callable[[on.Event], None], start: Start) -> None:
        self.model = model
        self._tell = tell
        self._start = start
        self._asking: asyncio.Task[None] | None = None

    def ask(self, request: int, turn: Turn) -> None:
        """Tell the floor how likely it is that `turn`, so far, is all. An older question is dropped."""
        if self._asking is not None:
            self._asking.cancel()
        if self.model is None:
            self._tell(on.EndOfTurnEstimated(request, None))
        else:
            self._asking = self._start("end-of-turn", self._estimate(self.model, request, turn))

    async def _estimate(self, model: EndOfTurnModel, request: int, turn: Turn) -> None:
        probability: float | None = None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                probability = min(max(float(await model(turn)), 0.0), 1.0)
        except TimeoutError:
            log.warning("the end-of-turn model takes longer than %g s", PATIENCE_SECONDS)
        except Exception:  # the program's own model: turns end without it, as they do when there is none
            log.exception("the end-of-turn model failed")
        self._tell(on.EndOfTurnEstimated(request, probability))
