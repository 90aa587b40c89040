"""Runs a load: dials at the rate that was asked for, keeps the lines' time, and sums up."""

from __future__ import annotations

import asyncio
import gc
import ssl
import time
from collections.abc import Callable
from time import perf_counter
from typing import Final

from voice_runtime.simulator.load.dialling import Dialled, dial
from voice_runtime.simulator.load.line import PhoneLine
from voice_runtime.simulator.load.measures import CallMeasure, LoadReport, OwnLoad, percentile
from voice_runtime.simulator.load.plan import LoadPlan
from voice_runtime.simulator.load.probe import ServerProbe, ServerUse
from voice_runtime.simulator.load.wheel import Wheel
from voice_runtime.tasks import TaskOwner

__all__ = ["run_load"]

_LOOK_SECONDS: Final = 0.1


async def run_load(
    plan: LoadPlan,
    *,
    probe: ServerProbe | None = None,
    progress: Callable[[int, int], None] | None = None,
    tls: ssl.SSLContext | None = None,
) -> LoadReport:
    """Play `plan`. `progress` is told ten times a second how many calls are up and how many are over.

    Several may run at once in one loop: give those that begin beside others a `tls`, for making one takes time.
    """
    owner = TaskOwner("load")
    tls = tls or ssl.create_default_context()
    collected = gc.isenabled()
    if collected:
        gc.collect()
        gc.disable()  # a collection of ours would look like a stall of the server
    run = _Run(plan, probe, tls)
    try:
        watching = owner.start("watch", run.watch(progress))
        calls = [owner.start(f"call-{number}", run.call(number)) for number in range(plan.calls)]
        measures = await asyncio.gather(*calls)
        watching.cancel()
        return run.report(tuple(measures))
    finally:
        run.wheel.stop()
        await owner.close()
        if collected:
            gc.enable()


class _Run:
    def __init__(self, plan: LoadPlan, probe: ServerProbe | None, tls: ssl.SSLContext) -> None:
        self.wheel = Wheel()
        self._plan = plan
        self._probe = probe
        self._tls = tls
        self._began, self._began_cpu = perf_counter(), time.process_time()
        self._dialled = 0
        self._lines: list[PhoneLine] = []
        self._over = 0
        self._idle_bytes = self._peak_bytes = probe.memory_bytes() if probe else 0
        self._steady: list[tuple[float, float, int]] = []  # time, CPU seconds, frames sent: while all calls are up

    async def call(self, number: int) -> CallMeasure:
        await asyncio.sleep(self._began + number / self._plan.ramp - perf_counter())
        dialled = await dial(self._plan, self._tls, number)
        self._dialled += 1
        if (line := dialled.line) is not None:
            self._lines.append(line)
            line.begin()
            self.wheel.join(line.tick)
            await line.ended
        self._over += 1
        return _measure(dialled)

    async def watch(self, progress: Callable[[int, int], None] | None) -> None:
        while True:
            if self._probe is not None:
                self._look(self._probe)
            if progress is not None:
                progress(len(self._lines) - self._over, self._over)
            await asyncio.sleep(_LOOK_SECONDS)

    def _look(self, probe: ServerProbe) -> None:
        try:
            cpu, memory = probe.cpu_seconds(), probe.memory_bytes()
        except OSError:
            return  # it is gone: the calls say so
        self._peak_bytes = max(self._peak_bytes, memory)
        if self._dialled == self._plan.calls and not self._over:
            self._steady.append((perf_counter(), cpu, sum(line.sent for line in self._lines)))

    def report(self, calls: tuple[CallMeasure, ...]) -> LoadReport:
        seconds = perf_counter() - self._began
        lags = sorted(self.wheel.lateness)
        own = OwnLoad(
            cpu_share=(time.process_time() - self._began_cpu) / seconds,
            lag_p99_ms=percentile(lags, 0.99) * 1000 if lags else 0.0,
            lag_max_ms=lags[-1] * 1000 if lags else 0.0,
        )
        return LoadReport(calls, seconds, own, self._server_use())

    def _server_use(self) -> ServerUse | None:
        if self._probe is None or len(self._steady) < 2:
            return None
        (began, cpu_before, sent_before), (ended, cpu_after, sent_after) = self._steady[0], self._steady[-1]
        cpu = cpu_after - cpu_before
        call_seconds = (sent_after - sent_before) / 50
        return ServerUse(
            cpu_ms_per_call_second=cpu / call_seconds * 1000 if call_seconds else 0.0,
            cpu_share=cpu / (ended - began),
            idle_bytes=self._idle_bytes,
            peak_bytes=self._peak_bytes,
            calls=len(self._lines),
        )


def _measure(dialled: Dialled) -> CallMeasure:
    line = dialled.line
    if line is None:
        return CallMeasure(
            _ms(dialled.webhook_seconds), None, None, 0, 0, 0, 0, (), (), (), 0.0, (), (), (), error=dialled.error
        )
    first = line.ear.first_at
    last = max((index for index, times in enumerate(line.returned) if times), default=-1)
    return CallMeasure(
        webhook_ms=_ms(dialled.webhook_seconds),
        handshake_ms=_ms(dialled.handshake_seconds),
        first_audio_ms=None if first is None else (first - line.began_at) * 1000,
        frames_sent=line.sent,
        frames_back=len(line.delays),
        frames_lost=line.returned[: last + 1].count(0),
        frames_discarded=line.discarded,
        delays_ms=[delay * 1000 for delay in line.delays],
        answers_ms=[answer * 1000 for answer in line.ear.answers],
        gaps_ms=[gap * 1000 for gap in line.ear.gaps],
        most_queued_ms=line.ear.most_queued * 1000,
        clears_at=line.clears,
        marks_at=line.marks,
        rejected=line.rejected,
        closed_early=line.closed_early,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
