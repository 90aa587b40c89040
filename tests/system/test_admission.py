"""Who is let in, what the others hear, and how a server stops: by the phone, and by what the carrier posts."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from phone_system import PUBLIC, TOKEN, PhoneSystem, phone_system
from pydantic import ValidationError
from test_security import media_socket, start
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voice_runtime import Settings, VoiceSession
from voice_runtime.events import EndReason, PlaybackOutcome, UtteranceFinished
from voice_runtime.mock.tts import MockTts
from voice_runtime.simulator import EndedBy, Line, listens
from voice_runtime.wire.signature import sign
from voice_runtime.wire.twiml import ConnectStream, Dial, DialTarget, Hangup, Pause, Play, Redirect, Reject, Say, Verb
from voice_runtime.wire.twiml import parse_twiml as parse

OURS = "+358942721000"


def sid(number: int) -> str:
    return f"CA{number:032x}"


class Webhooks:
    """What the carrier posts, signed. Without an HTTP library: 500 requests at once are to be our work, not its."""

    def __init__(self, system: PhoneSystem) -> None:
        self._port = int(system.url.rpartition(":")[2])

    async def incoming(self, call_sid: str, path: str = "/incoming") -> tuple[Verb, ...]:
        form = {"CallSid": call_sid, "From": "+358401234567", "To": OURS, "Direction": "inbound"}
        return tuple(parse(await self._post(path, form)))

    async def status(self, call_sid: str, status: str = "completed") -> None:
        await self._post("/status", {"CallSid": call_sid, "CallStatus": status})

    async def load(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(await self._request("GET", "/readyz", "", b""))
        return loaded

    async def _post(self, path: str, form: dict[str, str]) -> str:
        return await self._request("POST", path, sign(TOKEN, PUBLIC + path, form.items()), urlencode(form).encode())

    async def _request(self, method: str, path: str, signature: str, body: bytes) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Twilio-Signature: {signature}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            return (await reader.read()).partition(b"\r\n\r\n")[2].decode()
        finally:
            writer.close()


def answers(system: PhoneSystem) -> list[VoiceSession]:
    """Everybody is answered, and stays."""
    calls: list[VoiceSession] = []

    @system.app.call()
    async def answer(call: VoiceSession) -> None:
        calls.append(call)
        await call.wait_ended()

    return calls


def url_of(verbs: tuple[Verb, ...]) -> str:
    (stream,) = verbs
    assert isinstance(stream, ConnectStream), verbs
    return stream.url


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.005)


# -- places ------------------------------------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.real_time
async def test_of_250_callers_at_once_exactly_as_many_get_a_stream_as_there_are_places() -> None:
    """Each webhook is sent twice, in any order, as after a time-out: a call has one place all the same."""
    async with phone_system(changes={"voice_max_calls": 100}) as system:
        carrier = Webhooks(system)
        answers(system)
        sids = [sid(number) for number in range(250)] * 2  # 500 connections: the server bears 512 that wait
        random.Random(7).shuffle(sids)
        said = await asyncio.gather(*(carrier.incoming(each) for each in sids))
        streams = [each for each, verbs in zip(sids, said, strict=True) if isinstance(verbs[0], ConnectStream)]
        refused = [each for each, verbs in zip(sids, said, strict=True) if verbs == (Reject("busy"),)]
        assert len(set(streams)) == 100 and len(streams) == 200, "both answers of a call are the same"
        assert len(set(refused)) == 150 and set(refused).isdisjoint(streams)
        load = await carrier.load()
        assert (load["status"], load["calls"], load["promised"]) == ("full", 100, 100)
        await asyncio.gather(*(carrier.status(each) for each in set(streams)))
        load = await carrier.load()
        assert (load["status"], load["calls"], load["promised"]) == ("ready", 0, 0)


async def test_a_place_comes_back_however_a_call_fails_to_begin() -> None:
    """No socket; one that says nothing, dies or is another call's; two sockets; one too late: all places are free."""
    changes = {"voice_max_calls": 1, "voice_token_seconds": 0.3, "voice_start_timeout": 0.1}
    async with phone_system(changes=changes) as system:
        carrier = Webhooks(system)
        calls, places = answers(system), system.app.switchboard.places

        async def connected(number: int) -> str:
            return url_of(await carrier.incoming(sid(number)))

        async def free() -> None:
            await until(lambda: places.taken == 0)
            assert places.promised == 0 and places.readiness == "ready"

        late = await connected(1)
        await free()  # its socket did not come
        with pytest.raises(InvalidStatus):
            await media_socket(system, late, sign(TOKEN, late))
        await free()  # it came too late

        url = await connected(2)
        async with media_socket(system, url, sign(TOKEN, url)) as socket:  # says nothing
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        await free()

        url = await connected(3)
        async with media_socket(system, url, sign(TOKEN, url)) as socket:  # dies before `start`
            socket.transport.abort()
        await free()

        url = await connected(4)
        async with media_socket(system, url, sign(TOKEN, url)) as socket:
            await start(socket, sid(99))  # not its call
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        await free()

        url = await connected(5)
        async with media_socket(system, url, sign(TOKEN, url)) as socket:
            with pytest.raises(InvalidStatus):
                await media_socket(system, url, sign(TOKEN, url))  # comes twice
            await start(socket, sid(5))
            await until(lambda: len(calls) == 1)
            assert (await carrier.incoming(sid(6)))[0] == Reject("busy")
            await connected(5)  # the webhook of the living call once more: it has its place
            assert places.taken == 1
        await free()

        await connected(7)
        await carrier.status(sid(7), "canceled")  # gone while it rang
        await free()


# -- what the others hear ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overflow, message, verbs",
    [
        ("busy", "", [Reject("busy")]),
        ("message", "", [Say("All our lines are busy. Please call again later."), Hangup()]),
        ("message", "Olemme <suljettu> & lomalla.", [Say("Olemme <suljettu> & lomalla."), Hangup()]),
        ("message", "https://example.com/full.mp3", [Play("https://example.com/full.mp3"), Hangup()]),
        ("+358501112222", "", [Dial((DialTarget("+358501112222"),))]),
        (OURS, "", [Reject("busy")]),  # it would be sent on to itself, for ever
        (
            "queue",
            "Hold on.",
            [Say("Hold on."), Pause(10), Redirect(f"{PUBLIC}/incoming?attempt=1")],
        ),
    ],
)
async def test_a_call_without_a_place_gets_the_configured_answer(
    overflow: str, message: str, verbs: list[Verb]
) -> None:
    """When all are taken, and in a drain alike."""
    changes = {"voice_max_calls": 1, "voice_overflow": overflow, "voice_overflow_message": message}
    async with phone_system(changes=changes) as system:
        carrier = Webhooks(system)
        answers(system)
        await carrier.incoming(sid(1))
        assert list(await carrier.incoming(sid(2))) == verbs
        await carrier.status(sid(1))
        await system.app.switchboard.drain(0)
        assert list(await carrier.incoming(sid(2))) == verbs


@pytest.mark.parametrize("overflow", ["Busy", "later", "0401234567", "+0123456", "sip:me@example.com"])
def test_an_answer_that_there_is_not_is_refused_at_the_start(overflow: str) -> None:
    """And not when the first caller finds no place."""
    with pytest.raises(ValidationError, match="busy, message, queue"):
        Settings(voice_overflow=overflow)


async def test_who_waits_in_the_queue_gets_the_place_that_becomes_free() -> None:
    """The caller hears the message, asks again, and is connected when the other call is over."""
    changes = {"voice_max_calls": 1, "voice_overflow": "queue", "voice_overflow_message": "Hold on."}
    async with phone_system(changes=changes, tts=MockTts()) as system:
        carrier = Webhooks(system)
        heard: list[str] = []

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.say("hello")
            heard.append(str(call.call_sid))

        await carrier.incoming(sid(1))
        waiting = system.carrier.dial_in(f"{PUBLIC}/incoming", listens(60))
        await until(lambda: len(system.carrier.rest.calls) > 0 and bool(system.app.switchboard.places.promised))
        await asyncio.sleep(0.2)
        await carrier.status(sid(1))
        record = await system.carrier.finished(waiting)
    assert heard == [record.sid] and record.faults == ()
    asked = [request.url for request in record.requests if "/incoming" in request.url]
    assert asked[0] == f"{PUBLIC}/incoming" and asked[1:] == [
        f"{PUBLIC}/incoming?attempt={number}" for number in range(1, len(asked))
    ]
    assert len(asked) > 1


async def test_nobody_waits_in_the_queue_for_ever() -> None:
    """After the last try the caller is told to call later; a made-up count is none."""
    changes = {"voice_max_calls": 1, "voice_overflow": "queue", "voice_overflow_attempts": 2}
    async with phone_system(changes=changes) as system:
        carrier = Webhooks(system)
        answers(system)
        await carrier.incoming(sid(1))
        assert (await carrier.incoming(sid(2), "/incoming?attempt=1"))[-1] == Redirect(f"{PUBLIC}/incoming?attempt=2")
        assert (await carrier.incoming(sid(2), "/incoming?attempt=2"))[-1] == Hangup()
        for odd in ("x", "-1", "", "%00", "9" * 400):
            assert isinstance((await carrier.incoming(sid(2), f"/incoming?attempt={odd}"))[-1], Redirect)


@pytest.mark.alone
@pytest.mark.real_time
async def test_a_loop_that_lags_takes_no_new_call_and_the_live_one_goes_on() -> None:
    """A handler blocks the loop: the next caller hears busy, the one who is here is not touched; then all is well."""
    changes = {"voice_max_loop_lag_ms": 500.0}
    async with phone_system(changes=changes, tts=MockTts()) as system:
        carrier = Webhooks(system)
        ready, seen = asyncio.Event(), asyncio.Event()

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.say("hello")
            ready.set()
            await call.wait_ended()

        async def caller(line: Line) -> None:
            await seen.wait()

        living = asyncio.create_task(system.call(caller))
        await ready.wait()
        time.sleep(2.0)  # noqa: ASYNC251 - what is tested
        assert await carrier.incoming(sid(1)) == (Reject("busy"),)
        load = await carrier.load()
        assert load["status"] == "lagging" and load["loop_lag_worst_ms"] > 500
        await until(lambda: system.app.switchboard.places.readiness == "ready")
        assert isinstance((await carrier.incoming(sid(2)))[0], ConnectStream)
        seen.set()
        record = await living
    assert record.ended_by is EndedBy.CALLER and record.faults == ()


# -- stopping ----------------------------------------------------------------------------------------------------------

LONG = "this is the sentence that is being said when the time for draining is up and it goes on for a while"


@pytest.mark.parametrize("goodbye", ["", "we must stop here goodbye"])
async def test_at_the_end_of_a_drain_the_sentence_is_finished_and_the_goodbye_said(goodbye: str) -> None:
    """Both are heard whole, nothing after them, and the call is ended by REST, as drained."""
    sentences: list[UtteranceFinished] = []
    ends: list[EndReason] = []
    async with phone_system(tts=MockTts(), changes={"voice_drain_message": goodbye}) as system:
        speaking = asyncio.Event()

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            call.on_event(lambda event: sentences.append(event) if isinstance(event, UtteranceFinished) else None)
            call.on_disconnected = lambda end: ends.append(end.reason)
            speaking.set()
            while True:
                await call.say(LONG)

        ringing = asyncio.create_task(system.call(listens(600)))
        await speaking.wait()
        await asyncio.sleep(0.05)
        assert await system.app.switchboard.drain(0) is False
        record = await ringing
        await until(lambda: bool(ends))
    assert record.ended_by is EndedBy.REST and record.violations == () and ends == [EndReason.DRAINED]
    assert {sentence.outcome for sentence in sentences} == {PlaybackOutcome.PLAYED}
    assert sentences[0].text == LONG and sentences[-1].text == (goodbye or LONG)
    assert MockTts.render(LONG) in record.ear
    before, last, after = record.ear.rpartition(MockTts.render(goodbye or LONG))
    assert last and not after.strip(b"\xff")


async def test_a_sentence_without_end_is_cut_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stops within bounds, whatever the agent still has to say."""
    monkeypatch.setattr("voice_runtime.switchboard.LAST_WORDS_SECONDS", 0.2)
    async with phone_system(tts=MockTts()) as system:
        speaking = asyncio.Event()

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            speaking.set()
            await call.say(" ".join([LONG] * 50))

        ringing = asyncio.create_task(system.call(listens(600)))
        await speaking.wait()
        await system.app.switchboard.drain(0)
        record = await ringing
    assert record.ended_by is EndedBy.REST


async def test_readiness_turns_red_at_once_and_says_why() -> None:
    """503 and `draining` from the moment of the signal, with calls alive; the process counts as alive."""
    async with phone_system() as system, httpx.AsyncClient() as client:
        carrier = Webhooks(system)
        calls = answers(system)
        url = url_of(await carrier.incoming(sid(1)))
        async with media_socket(system, url, sign(TOKEN, url)) as socket:
            await start(socket, sid(1))
            await until(lambda: len(calls) == 1)
            draining = asyncio.create_task(system.app.switchboard.drain(30))
            await asyncio.sleep(0)
            ready = await client.get(system.url + "/readyz")
            assert (ready.status_code, ready.json()["status"], ready.json()["calls"]) == (503, "draining", 1)
            assert (await client.get(system.url + "/healthz")).status_code == 200
            await socket.send(json.dumps({"event": "stop", "streamSid": "MZ1"}))
            assert await draining is True
