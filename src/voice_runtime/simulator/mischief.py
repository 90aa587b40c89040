"""The bad day of one call: whom it happens to, and when. Everything that is chance is drawn from one seeded Random."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Final, TypeAlias

from voice_runtime.simulator.bad_day import BadDay
from voice_runtime.simulator.bad_socket import BadSocket
from voice_runtime.simulator.pace import Pace
from voice_runtime.simulator.stream_socket import Refused, SocketEnded, StreamSocket
from voice_runtime.tasks import TaskOwner

__all__ = ["Mischief"]

Again: TypeAlias = Callable[[], Awaitable[StreamSocket]]

_MOST_LATE: Final = 3.0
_INTRUDER_SECONDS: Final = 5.0


class Mischief:
    """`owner` has what outlives the call: sockets that stay open, a `stop` that comes late."""

    def __init__(self, day: BadDay, random: Random, pace: Pace, owner: TaskOwner) -> None:
        self.day = day
        self._random, self._pace, self._owner = random, pace, owner
        self._replay: Callable[[], Awaitable[None]] | None = None

    def on_socket(self, socket: StreamSocket, again: Again, note: Callable[[str], None]) -> StreamSocket:
        """The socket as the stream gets it. `again` opens another one to the same address; it raises `Refused`."""
        if not self.day.of_the_socket:
            return socket
        bad = BadSocket(socket, self.day, self._random, self._pace, self._owner)
        intruder = _Intruder(bad.opening, again, note, self._pace)
        self._replay = partial(intruder.come, "a replayed socket")
        if self.day.duplicate_socket_after is not None:
            self._owner.start("duplicate", self._duplicate(self.day.duplicate_socket_after, intruder))
        return bad

    async def _duplicate(self, after: float, intruder: _Intruder) -> None:
        await self._pace.sleep(after)
        await intruder.come("a second socket")

    async def after_the_call(self) -> None:
        """The call and its callbacks are over."""
        if self.day.replays_socket and self._replay is not None:
            await self._replay()

    async def elapse(self, seconds: float) -> None:
        await self._pace.sleep(seconds)

    def deliveries(self) -> tuple[float, ...]:
        """How a status callback fares: when it is made, in seconds from its turn. 0 is in its turn."""
        day, chance = self.day, self._random.random
        if chance() < day.lost_callbacks:
            return ()
        first = self._random.uniform(0.1, _MOST_LATE) if chance() < day.late_callbacks else 0.0
        return (first, first) if chance() < day.doubled_callbacks else (first,)


class _Intruder:
    """Opens a socket that is not due to anybody, and notes what came of it."""

    def __init__(self, opening: list[str], again: Again, note: Callable[[str], None], pace: Pace) -> None:
        self._opening, self._again, self._note, self._pace = opening, again, note, pace

    async def come(self, who: str) -> None:
        try:
            other = await self._again()
        except Refused as refused:
            self._note(f"{who} was refused: {refused.detail}")
            return
        try:
            async with asyncio.timeout(_INTRUDER_SECONDS / self._pace.speed):
                for message in self._opening:
                    await other.send(message)
                while True:
                    await other.receive()
        except SocketEnded as ended:
            self._note(f"{who} was ended: {ended.detail}")
        except TimeoutError:
            self._note(f"{who} lives")
        finally:
            other.abort()
