"""What the fixtures `phone` and `phone_over_sockets` are: phone calls from plain functions, and a protocol lint."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from starlette.types import ASGIApp

from voice_runtime.errors import ConfigurationError
from voice_runtime.events import EndReason
from voice_runtime.server.voice_app import VoiceApp
from voice_runtime.simulator import CallRecord, Phone, Script, ViolationCode
from voice_runtime.testing.phone_system import PhoneSystem
from voice_runtime.testing.simulated_time import ScaledLoop, VirtualLoop, run
from voice_runtime.testing.talk_ends import PhoneEnd
from voice_runtime.testing.talking import Talk, agent_of

__all__ = ["Expected", "PhoneTests"]

__tracebackhide__ = True  # pytest: a failing test shows its own lines

T = TypeVar("T")
Expected: TypeAlias = ViolationCode | EndReason
"""What a test may expect to go wrong: something the carrier would log, or `EndReason.HANDLER_FAILED`."""

_LONGEST_SCENARIO = 4 * 3600.0
_HANDLERS = "voice_runtime.switchboard"


class PhoneTests:
    """Runs calls to applications, each in a phone system of its own, and remembers what went wrong in them.

    On virtual time, in process; or, with a `speed`, over real sockets at so many times the speed of life.
    """

    def __init__(self, *, speed: float | None = None) -> None:
        self.speed = speed
        self.options: dict[str, Any] = {}
        """Further options of every `PhoneSystem`: `auth_token`, `path`, ..."""
        self.records: list[CallRecord] = []
        self._expected: set[Expected] = set()
        self._log = _Failures()

    # -- calls ---------------------------------------------------------------------------------------------------------

    def call(self, app: ASGIApp, caller: Script, from_: str = "", **options: Any) -> CallRecord:
        """Somebody rings `app`, from the number `from_`; returns when the call is over. `options`: of `Carrier.call`.

        Raises what the caller's script raised.
        """
        return self.calls(app, caller, **options, **({"caller": from_} if from_ else {}))[0]

    def calls(self, app: ASGIApp, *callers: Script, **options: Any) -> list[CallRecord]:
        """All of them ring at once."""
        if isinstance(app, VoiceApp) and not app.answers:
            raise ConfigurationError("The VoiceApp answers no calls.", remedy="@app.call() does.")

        async def scenario(system: PhoneSystem) -> list[CallRecord]:
            return await asyncio.gather(*(system.call(caller, **options) for caller in callers))

        return self.run(scenario, app)

    def place(
        self, app: ASGIApp, to: str, answering: Script | Phone, from_: str = "", *, detect_machine: bool = False
    ) -> CallRecord:
        """`app` dials `to`, where somebody answers, or does not."""

        async def scenario(system: PhoneSystem) -> CallRecord:
            return await system.place(to, answering, from_, detect_machine=detect_machine)

        return self.run(scenario, app)

    def run(self, scenario: Callable[[PhoneSystem], Awaitable[T]], app: ASGIApp) -> T:
        """Anything else: `scenario` has the whole system, and the simulated time that is everybody's."""

        async def whole() -> T:
            system = PhoneSystem(app, over_sockets=self.speed is not None, **self.options)
            try:
                async with asyncio.timeout(_LONGEST_SCENARIO) as limit, system:
                    return await scenario(system)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                hours = _LONGEST_SCENARIO / 3600
                raise TimeoutError(f"the test did not end within {hours:g} hours of simulated time") from error
            finally:
                self.records += system.records

        if inspect.iscoroutinefunction(app) and len(inspect.signature(app).parameters) == 1:
            raise TypeError(f"{app.__name__} is a handler: give the VoiceApp that has it, not the function")
        speed = self.speed
        with self._log:
            return run(whole(), VirtualLoop if speed is None else lambda: ScaledLoop(speed))

    def talk(self, target: object) -> Talk:
        """Talk to an agent on the phone, as `voice_runtime.testing.talk` does in text.

        Of a `VoiceApp`, its one agent is taken, with the speech of doubles.
        """
        speed = self.speed
        runner = asyncio.Runner(loop_factory=VirtualLoop if speed is None else lambda: ScaledLoop(speed))
        end = PhoneEnd(self.records.append, over_sockets=speed is not None, **self.options)
        return Talk(agent_of(target), end, runner, around=self._log)

    # -- the lint ------------------------------------------------------------------------------------------------------

    def expect(self, *problems: Expected) -> None:
        """These may happen in this test."""
        self._expected.update(problems)

    def problems(self) -> list[str]:
        """What went wrong that was not expected."""
        found = [
            f"{violation.code.value} {violation.code.name} at {violation.at:.2f} s of call {record.sid[-6:]}: "
            f"{violation.detail}"
            for record in self.records
            for violation in record.faults
            if violation.code not in self._expected
        ]
        if EndReason.HANDLER_FAILED not in self._expected:
            found += self._log.of_handlers
        return found

    def errors(self) -> str:
        """The errors that were logged while calls were made, with their tracebacks."""
        return "\n".join(self._log.all)

    def transcripts(self) -> str:
        return "\n".join(f"call {record.sid[-6:]}\n{record.transcript()}" for record in self.records)


class _Failures(logging.Handler):
    """Keeps what is logged as an error, while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.all: list[str] = []
        self.of_handlers: list[str] = []

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        trace = "".join(traceback.format_exception(error)) if error is not None else ""
        self.all.append(f"{record.name}: {record.getMessage()}\n{trace}")
        if record.name == _HANDLERS and error is not None:
            self.of_handlers.append(f"{record.getMessage()}: {error!r}")
