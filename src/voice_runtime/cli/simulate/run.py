"""Brings the carrier up, makes the calls or waits for them, shows what happens, and says how it went."""

from __future__ import annotations

import asyncio
import socket

from rich.console import Console

from voice_runtime.cli.loopback import open_door, serving, url_of
from voice_runtime.cli.output import FAILED, USAGE, give_up, say, show_json
from voice_runtime.cli.serving import loop_factory
from voice_runtime.cli.signals import on_signals
from voice_runtime.cli.simulate.casting import Cast, cast_for
from voice_runtime.cli.simulate.outcome import Outcome, write_files
from voice_runtime.cli.simulate.screen import Screen
from voice_runtime.cli.simulate.switches import parse_bad_day
from voice_runtime.cli.simulate.wanted import Wanted
from voice_runtime.simulator import Carrier, rest_app
from voice_runtime.simulator.call import PhoneCall
from voice_runtime.simulator.destination import Destination
from voice_runtime.simulator.onlooker import Onlooker
from voice_runtime.simulator.parameters import ACCOUNT_SID
from voice_runtime.tasks import TaskOwner

__all__ = ["run_simulate"]

_LOOK_SECONDS = 0.04


def run_simulate(wanted: Wanted) -> int:
    """Returns the exit code: 0 when every call came about and nothing was found wrong."""
    screen = Screen(Console(stderr=wanted.as_json, highlight=False), verbose=wanted.verbose)
    try:
        destination = wanted.destination()
        sid, token = wanted.account.checked()
        cast = cast_for(wanted, screen)
        bad_day = parse_bad_day(wanted.bad_day)
        door = open_door(wanted.account.api_port)
    except ValueError as error:
        give_up(f"{error}.", USAGE)
    except OSError as error:
        give_up(f"--api-port {wanted.account.api_port}: {error.strerror}.", USAGE)
    with door, asyncio.Runner(loop_factory=loop_factory()) as runner:
        addresses = {} if destination is None else destination.addresses
        carrier = Carrier(token, account_sid=sid or ACCOUNT_SID, addresses=addresses, bad_day=bad_day, seed=wanted.seed)
        outcome = runner.run(_Simulation(wanted, carrier, cast, screen).run(destination, door))
    outcome.show(screen, transcripts=wanted.calls == 1 or wanted.verbose)
    if wanted.as_json:
        show_json(outcome.facts())
    try:
        for path in write_files(outcome.records, wanted.record, wanted.picture):
            say(f"written: {path}")
    except OSError as error:
        give_up(f"{error.filename}: {error.strerror}.", FAILED)
    return 0 if outcome.clean else FAILED


class _Simulation:
    def __init__(self, wanted: Wanted, carrier: Carrier, cast: Cast, screen: Screen) -> None:
        self._wanted = wanted
        self._carrier = carrier
        self._cast = cast
        self._screen = screen
        self._owner = TaskOwner("simulate")
        self._followed: list[asyncio.Task[None]] = []
        self._enough = asyncio.Event()
        """As many calls as wanted have begun, or somebody pressed Ctrl-C."""

    async def run(self, destination: Destination | None, door: socket.socket) -> Outcome:
        carrier = self._carrier
        carrier.on_call = self._begun
        if self._wanted.listen:
            carrier.any_phone = self._cast.phone  # before the first request can come
        async with serving(rest_app(carrier.rest), door):
            with on_signals(self._stop):
                self._announce(url_of(door), destination)
                self._cast.start()
                if destination is not None and not self._wanted.listen:
                    for _ in range(self._wanted.calls):
                        carrier.dial_in(
                            destination.announced_url,
                            self._cast.phone.script,
                            caller=self._wanted.caller,
                            called=self._wanted.called,
                        )
                await self._called()
                carrier.any_phone = None
                if self._followed:
                    await asyncio.wait(self._followed)
            await carrier.close()
        await self._owner.close()
        return Outcome(tuple(carrier.records), tuple(self._cast.failures), tuple(carrier.rest.violations))

    def _announce(self, api: str, destination: Destination | None) -> None:
        say, sid = self._screen.say, self._carrier.rest.account_sid
        say(f"the account, for the application: TWILIO_API_BASE_URL={api} TWILIO_ACCOUNT_SID={sid}", "dim")
        if self._wanted.listen:
            say("waiting for the application to place a call; Ctrl-C ends this")
        elif destination is not None:
            as_known = destination.announced_url
            say(f"calling {destination.url}" + (f" as {as_known}" if as_known != destination.url else ""))
        if self._cast.hint:
            say(self._cast.hint, "dim")

    async def _called(self) -> None:
        """Until all calls have begun, or nobody waits for them any more."""
        try:
            async with asyncio.timeout(self._wanted.timeout if self._wanted.listen else None):
                await self._enough.wait()
        except TimeoutError:
            begun, calls = len(self._followed), self._wanted.calls
            self._screen.say(f"{begun} of {calls} calls came within {self._wanted.timeout:g} s", "bold red")

    def _begun(self, call: PhoneCall) -> None:
        self._followed.append(self._owner.start("follow", self._follow(call)))
        if len(self._followed) >= self._wanted.calls:
            self._enough.set()

    async def _follow(self, call: PhoneCall) -> None:
        """Show the call, to its end. Of several at once only the summary is shown."""
        over = self._owner.start("over", self._carrier.finished(call))
        onlooker = Onlooker(call) if self._wanted.calls == 1 else None
        while not over.done():
            await asyncio.wait({over}, timeout=_LOOK_SECONDS)
            for happening in onlooker.look() if onlooker is not None else ():
                self._screen.show(happening)
        for happening in onlooker.close() if onlooker is not None else ():
            self._screen.show(happening)

    def _stop(self) -> None:
        self._enough.set()
        for call in list(self._carrier.calls.values()):
            call.hang_up()
