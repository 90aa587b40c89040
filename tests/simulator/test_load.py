"""The load generator tells the truth about servers whose faults are known."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from fakes.twilio_application import PUBLIC, TOKEN, TONE, Application, Socket, echo, greet, serving
from voice_runtime.audio.measure import level_dbfs
from voice_runtime.audio.tones import beep
from voice_runtime.simulator.load import LoadPlan, LoadReport, ServerProbe, run_load
from voice_runtime.simulator.load.ear import Ear
from voice_runtime.simulator.load.stamps import StampFinder, stamped_frame

pytestmark = pytest.mark.alone

Answer = Callable[[Socket], Awaitable[None]]


async def load_on(
    application: Application, calls: int = 3, seconds: float = 0.6, speech: bytes = b"", pause: float = 3.0
) -> LoadReport:
    async with serving(application.asgi()) as address:
        plan = LoadPlan(f"{address}/voice", calls, seconds, 100, TOKEN, PUBLIC, speech=speech, pause=pause)
        return await run_load(plan, probe=ServerProbe(os.getpid()))


async def frames_of(call: Socket) -> bytes:
    return base64.b64decode((await call.until("media"))["media"]["payload"])


async def test_an_echo_is_measured_frame_by_frame() -> None:
    """Every call is set up by a signed webhook, and every frame but the last ones comes back, whole."""
    application = Application(echo)
    report = await load_on(application)
    assert not report.errors() and not report.early_ends() and not report.rejected()
    assert report.total("frames_sent") == 3 * 30
    assert report.total("frames_back") >= 3 * 25 and report.total("frames_lost") == 0
    assert {path for path, *_ in application.forms} == {"/voice"} and all(sign for *_, sign in application.forms)
    for stage in ("webhook", "handshake", "first_audio"):
        times = report.setup(stage)
        assert times is not None and times.count == 3
    assert report.server is not None and report.server.peak_bytes >= report.server.idle_bytes > 0


async def test_an_application_sees_a_call_as_twilio_makes_it() -> None:
    """connected, start, media with growing numbers, stop; and the handshake's signature."""
    application = Application(echo, parameters={"plan": "gold"})
    await load_on(application, calls=1, seconds=0.1)
    call = application.sockets[0]
    assert [message["event"] for message in call.received] == ["connected", "start", *["media"] * 5, "stop"]
    assert call.received[1]["start"]["customParameters"] == {"plan": "gold"}
    assert [message["sequenceNumber"] for message in call.received[1:]] == [str(n) for n in range(1, 8)]
    assert [message["media"]["timestamp"] for message in call.received[2:-1]] == ["0", "20", "40", "60", "80"]
    assert call.headers["x-twilio-signature"]


async def test_a_delay_of_30_ms_is_one_of_30_ms() -> None:
    """The added delay is what the server adds."""

    async def slow_echo(call: Socket) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        now = asyncio.get_running_loop().time

        async def send() -> None:
            while True:
                due, audio = await waiting.get()
                await asyncio.sleep(due - now())
                await call.play(audio)

        sending = asyncio.create_task(send())
        try:
            while True:
                audio = await frames_of(call)
                waiting.put_nowait((now() + 0.030, audio))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    report = await load_on(Application(slow_echo))
    delays = report.delays()
    assert delays is not None and 30 <= delays.p50 < 70
    assert report.total("late_frames") == delays.count


async def test_an_answer_is_measured_from_the_end_of_the_callers_speech() -> None:
    """Of a server that answers 100 ms after it: each utterance has its own."""

    async def answers(call: Socket) -> None:
        heard = b""
        while True:
            heard = heard[-160:] + await frames_of(call)
            if level_dbfs(heard[:160]) > -45 > level_dbfs(heard[160:]):
                await asyncio.sleep(0.08)  # the first frame of silence took 20 ms
                await call.play(TONE[:800])

    report = await load_on(Application(answers), calls=2, seconds=1.6, speech=beep(400, 300), pause=0.3)
    took = report.answers()
    assert took is not None and took.count == 4
    assert 98 <= took.p50 < 160
    assert report.delays() is None


async def test_dropped_audio_is_lost_and_a_gap_at_the_ear() -> None:
    """Three frames in ten that do not come back are counted, each time with a gap of their length."""

    async def drops(call: Socket) -> None:
        number = 0
        while True:
            audio = await frames_of(call)
            if number % 10 < 7:
                await call.play(audio)
            number += 1

    report = await load_on(Application(drops), calls=1, seconds=0.75)
    assert report.total("frames_lost") == 9
    holes = [gap for gap in report.gaps() if gap > 40]  # shorter ones are this machine's
    assert len(holes) >= 3


async def test_who_closes_early_is_seen() -> None:
    """The server's close is told apart from the caller's hang-up; marks were echoed to it, after the audio."""
    report = await load_on(Application(greet), seconds=2.0)
    assert dict(report.early_ends()) == {"the server closed the socket: 1000": 3}
    assert not report.errors()
    assert all(1.0 <= call.frames_sent / 50 < 1.9 for call in report.calls)


async def test_refusals_have_their_reason() -> None:
    """What did not become a call says at which step, in Twilio's numbers."""
    refused = await load_on(Application(echo, refuse=True))
    assert dict(refused.errors()) == {"socket: the handshake was refused HTTP 403 (31920)": 3}
    rejected = await load_on(Application(echo, twiml="<Response><Reject/></Response>"))
    assert dict(rejected.errors()) == {"webhook: the TwiML has no <Connect><Stream>, but <Reject>": 3}
    elsewhere = '<Response><Connect><Stream url="wss://agent.example.org/media"/></Connect></Response>'
    (reason,) = (await load_on(Application(echo, twiml=elsewhere))).errors()
    assert "agent.example.org is not this machine" in reason and "--allow-host agent.example.org" in reason


async def test_messages_that_twilio_would_not_take_are_counted() -> None:
    """An extra field is none of Twilio's."""

    async def talkative(call: Socket) -> None:
        await call.send("media", media={"payload": base64.b64encode(TONE).decode()}, track="outbound")
        await echo(call)

    report = await load_on(Application(talkative))
    assert sum(report.rejected().values()) == 3


async def test_our_own_lateness_is_reported() -> None:
    """A load that does not keep its own time says that its numbers are spoiled."""

    async def hogs(call: Socket) -> None:
        while True:
            await frames_of(call)
            until = asyncio.get_running_loop().time() + 0.019
            while asyncio.get_running_loop().time() < until:
                pass

    report = await load_on(Application(hogs), calls=2)
    assert "the load came late itself" in report.own.spoiled
    assert replace(report.own, lag_p99_ms=1.0, cpu_share=0.2).spoiled == ""
    assert "bottleneck" in replace(report.own, lag_p99_ms=1.0, cpu_share=0.99).spoiled


def test_only_this_machine_gets_load() -> None:
    """Another host has to be allowed by name; its address, a webhook without a token and nonsense are refused."""
    for url in ("https://voice.example.com/incoming", "ws://192.0.2.1/voice"):
        with pytest.raises(ValueError, match="--allow-host"):
            LoadPlan(url, auth_token="x")
    for url in ("ws://127.0.0.9:80/", "ws://[::1]/", "ws://localhost/"):
        LoadPlan(url)
    LoadPlan("ws://voice.example.com/", allowed_hosts=frozenset({"voice.example.com"}))
    with pytest.raises(ValueError, match="TWILIO_AUTH_TOKEN"):
        LoadPlan("http://localhost/incoming")
    for url in ("localhost:8080", "ftp://localhost/", "http://[::1/", "http://localhost:port/"):
        with pytest.raises(ValueError, match="is no address"):
            LoadPlan(url, auth_token="x")
    with pytest.raises(ValueError, match="more than 0"):
        LoadPlan("ws://localhost/", calls=0)


def test_signatures_are_for_the_public_address() -> None:
    """The webhook and the socket are those that the application believes to have."""
    plan = LoadPlan("http://127.0.0.1:8080/incoming", auth_token="x", public_url="https://voice.example.com/")
    assert plan.announced_url == "https://voice.example.com/incoming"
    assert plan.addresses.locate("wss://voice.example.com/voice/t").url == "ws://127.0.0.1:8080/voice/t"
    bare = LoadPlan("ws://127.0.0.1:8080/voice", public_url="https://voice.example.com")
    assert bare.announced_url == "wss://voice.example.com/voice"
    assert bare.addresses.locate(bare.announced_url).url == "ws://127.0.0.1:8080/voice"


@pytest.mark.parametrize("size", [1, 7, 160, 161, 800])
def test_frames_are_known_again_however_they_are_cut(size: int) -> None:
    """The number of each frame is found in any chunking of the stream, after bits of something else too."""
    numbers = [0, 1, 63, 64, 4095, 4096, 200_000]
    audio = b"\xff" * 5 + b"".join(map(stamped_frame, numbers))
    finder = StampFinder()
    found = [n for at in range(0, len(audio), size) for n in finder.feed(audio[at : at + size])]
    assert found == numbers


def test_the_ear_plays_as_the_carrier_does() -> None:
    """A gap is a hole with sound on both sides; a pause, a clear and quiet audio are none; marks come when reached."""
    ear = Ear()
    ear.media(TONE, 10.0)  # until 11.0
    assert not ear.mark("one", 10.0) and ear.due(10.99) == [] and ear.due(11.0) == ["one"]
    ear.media(TONE, 11.05)  # 50 ms late, until 12.05
    assert [round(gap, 3) for gap in ear.gaps] == [0.05]
    ear.media(TONE, 13.0)  # 950 ms: the next turn
    assert not ear.mark("two", 13.5) and ear.clear(13.5) == ["two"]
    ear.media(TONE, 13.6)  # after a clear
    ear.media(b"\xff" * 800, 14.7)  # quiet after the hole
    assert len(ear.gaps) == 1
    assert ear.mark("three", 15.0)
    assert ear.most_queued == pytest.approx(1.0)
