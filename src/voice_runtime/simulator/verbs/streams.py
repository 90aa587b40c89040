"""<Connect><Stream>: the call is carried by a media socket. <Start><Stream>: one gets a copy of its audio."""

from __future__ import annotations

from dataclasses import replace

from voice_runtime.simulator.fork import Fork
from voice_runtime.simulator.line_clock import LineClock
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.simulator.record import StreamRecord
from voice_runtime.simulator.stream import MediaStream, StreamEnd
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.wire.twiml import ConnectStream, StartStream

__all__ = ["perform_connect", "start_fork", "stop_fork"]

_PARAMETER_LIMIT = 500


def _parameters_allowed(verb: ConnectStream | StartStream, call: LiveCall) -> bool:
    for name, value in verb.parameters.items():
        if len(name) + len(value) >= _PARAMETER_LIMIT:
            size = len(name) + len(value)
            call.complain(ViolationCode.SCHEMA, f"<Parameter {name[:40]!r}> has {size} characters, not under 500")
            return False
    return True


async def perform_connect(verb: ConnectStream, base: str, call: LiveCall, *, more: bool) -> Document | None:
    """Returns the action, when there is one; else the next verb follows, if there is `more`."""
    if _parameters_allowed(verb, call):
        await _carry(verb, call, goes_on=more or bool(verb.action))
    return Document(verb.action, verb.method, base=base) if verb.action else None


def start_fork(verb: StartStream, call: LiveCall, sid: str = "") -> None:
    """<Start><Stream>, or the same by REST: runs beside what the call does, until it ends or is stopped by name."""
    if not _parameters_allowed(verb, call):
        return
    fork = Fork(verb, call, sid)
    if fork.name in call.forks:
        call.complain(ViolationCode.SCHEMA, f"a stream of the name {fork.name!r} runs already")
        return
    task = call.forks[fork.name] = call.owner.start("fork", fork.run())
    task.add_done_callback(lambda _: call.forks.pop(fork.name, None))


def stop_fork(name: str, call: LiveCall) -> None:
    """<Stop><Stream>. A stream that does not run is none to stop."""
    if task := call.forks.get(name):
        task.cancel()


async def _carry(verb: ConnectStream, call: LiveCall, *, goes_on: bool) -> None:
    def found(violation: Violation) -> None:
        # Closing the socket makes TwiML go on ("TwiML: Stream"). Where nothing follows, the caller is cut off.
        harmless = goes_on and violation.code is ViolationCode.SERVER_CLOSED
        call.violations.append(replace(violation, harmless=harmless))

    stream = MediaStream(verb, call.leg, call.handset, found)
    end = StreamEnd.STOPPED
    told = verb.status_callback, stream.sid, stream.name

    def started() -> LineClock:
        call.reports.stream(*told, "stream-started", method=verb.status_callback_method)
        call.under_way()
        return call.line

    try:
        end = await stream.run(call.network.auth_token, call.network.addresses, call.mischief, started)
    finally:
        call.streams.append(
            StreamRecord(
                sid=stream.sid,
                end=end,
                frames_sent=stream.frames_sent,
                frames_discarded=stream.frames_discarded,
                bytes_received=stream.playout.received_bytes,
                bytes_cleared=stream.playout.cleared_bytes,
                messages_rejected=stream.playout.rejected_messages,
            )
        )
        if end is StreamEnd.REFUSED:
            call.under_way()
            error = str(call.violations[-1].code.value)
            call.reports.stream(*told, "stream-error", error, method=verb.status_callback_method)
        else:
            call.reports.stream(*told, "stream-stopped", method=verb.status_callback_method)
