"""Two programs written against 0.1 run as they stand, in processes of their own, on calls of the simulated carrier."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from telephone import AUTH_TOKEN, serving

from voice_runtime.mock.tts import MockTts
from voice_runtime.simulator import Carrier, EndedBy, Line, Phone, rest_app
from voice_runtime.simulator.rest import CallStatus

PROGRAMS = Path(__file__).parent / "programs"
PUBLIC = "https://voice.example.com"
ALICE, OURS = "+358401234567", "+358942721000"


class World:
    """A carrier, its REST API, and one program on this machine.

    The people live faster than the program, which knows nothing of it: what it says is to be shorter than the second
    that is sent ahead, or they hear gaps.
    """

    def __init__(self, carrier: Carrier, port: int, environment: dict[str, str]) -> None:
        self.carrier = carrier
        self.port = port
        self._environment = environment

    async def run(self, program: str, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            str(PROGRAMS / program),
            *arguments,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def listening(self) -> None:
        """Wait until the program's server is up."""
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return

    async def hears(self, text: str) -> None:
        """Have the program's mock recogniser hear `text`, as soon as there is one."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            for _ in range(200):
                if (await client.post("/test/inject", json={"text": text})).json()["taken"]:
                    return
                await asyncio.sleep(0.01)
        raise AssertionError("recognition was never started")


@asynccontextmanager
async def world(speed: float) -> AsyncIterator[World]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with (
        Carrier(AUTH_TOKEN, addresses={PUBLIC: f"http://127.0.0.1:{port}"}, speed=speed) as carrier,
        serving(rest_app(carrier.rest)) as api,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "STT_PROVIDER": "mock",
            "TTS_PROVIDER": "mock",
            "TWILIO_ACCOUNT_SID": carrier.rest.account_sid,
            "TWILIO_API_BASE_URL": api,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_PHONE_NUMBER": OURS,
            "VOICE_MAX_LOOP_LAG_MS": "0",
            "VOICE_SERVER_PORT": str(port),
            "VOICE_STREAM_URL": PUBLIC.replace("https", "wss"),
        }
        yield World(carrier, port, environment)


async def finished(program: asyncio.subprocess.Process) -> tuple[list[str], str]:
    """What it printed, line by line, and what it complained of."""
    async with asyncio.timeout(20):
        out, err = await program.communicate()
    assert program.returncode == 0, err.decode()
    return out.decode().splitlines(), err.decode()


async def test_the_quick_example_of_0_1_runs_unchanged() -> None:
    """It places the call by REST, is called back, speaks, and hears: recognition starts although it came late."""
    async with world(speed=4) as w:

        async def alice(line: Line) -> None:
            await line.hear_out(200)
            await w.hears("White, please.")
            await line.stay()

        w.carrier.phones[ALICE] = Phone(alice, rings=0.1)
        program = await w.run("quick_example.py")
        said, complaints = await finished(program)
        (sid,) = w.carrier.rest.calls
        record = await w.carrier.finished(sid)
    assert said == ["answered", "{'last_spoken': 'Red or white?', 'interrupted': False}", "heard ['White, please.']"]
    assert complaints == ""
    assert MockTts.render("Red or white?") in record.ear
    assert (record.direction, record.status) == ("outbound-api", CallStatus.COMPLETED)


async def test_the_consumer_of_0_1_answers_one_call_after_the_other() -> None:
    """With its own /incoming, a subclass, a hook, a barge-in, and `reset()`; each call is ended by REST."""
    async with world(speed=4) as w:

        def caller(order: str, *, interrupting: bool) -> Callable[[Line], Awaitable[None]]:
            async def script(line: Line) -> None:
                await line.wait_until_agent_speaks()
                if interrupting:
                    await w.hears("stop")
                else:
                    await line.wait_until_agent_stops(200)
                    await w.hears(order)
                await line.stay()

            return script

        program = await w.run("consumer.py", "2")
        await w.listening()
        records = [
            await w.carrier.call(f"{PUBLIC}/incoming", caller("cake", interrupting=interrupting), called=OURS)
            for interrupting in (True, False)
        ]
        said, complaints = await finished(program)
    assert said == [
        f"call 0 {records[0].sid} stop True True",
        f"call 1 {records[1].sid} cake False True",
        "down 1",
    ]
    assert complaints == ""
    for record, words in zip(records, ("stop!", "cake!"), strict=True):
        assert MockTts.render(words) in record.ear
        assert (record.status, record.ended_by, record.violations) == (CallStatus.COMPLETED, EndedBy.REST, ())
    heard_out = [MockTts.render("Tea, pie or cake") in record.ear for record in records]
    assert heard_out == [False, True]


@pytest.mark.parametrize("program", sorted(path.name for path in PROGRAMS.glob("*.py")))
def test_the_programs_use_what_0_1_had(program: str) -> None:
    """Not a name of ours is in them: that is their point."""
    source = (PROGRAMS / program).read_text()
    for ours in ("VoiceApp", "BlockingSession", "Settings", "SKIP_SIGNATURE", ".mark(", ".say(", ".play("):
        assert ours not in source
