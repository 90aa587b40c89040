"""Raw audio over real sockets: clients that stream, ten times as fast as in life."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

import pytest
from raw_client import TOKEN, Client, dial, raw_served, raw_settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent
from voice_runtime.audio import Resampler, decode_ulaw
from voice_runtime.audio.spelling import spell
from voice_runtime.clock import LoopClock
from voice_runtime.events import CallEnd, EndReason
from voice_runtime.llm import AgentItem, History, Item, Turn, UserItem
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.tasks import TaskOwner

LONG = "One is a number. Two is another number. Three comes after two. Four is the last of the numbers here."


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield LONG if "count" in turn.text else f"I heard {turn.text}."


class Remembering(Agent):
    """Keeps what each of its calls was."""

    def __init__(self, **options: object) -> None:
        super().__init__(brain, **options)  # type: ignore[arg-type]
        self.histories: list[list[Item]] = []
        self.ends: list[CallEnd | None] = []

    async def exit(self, call: VoiceSession, history: History) -> None:
        self.histories.append(list(history))
        self.ends.append(call.end)


def desk(agent: Agent, **changes: object) -> VoiceApp:
    app = VoiceApp(
        stt=MockStt, tts=MockTts(), clock=LoopClock(asyncio.get_running_loop()), settings=raw_settings(**changes)
    )
    app.call()(agent)
    return app


async def says(client: Client, text: str) -> None:
    """At the speed of speech, in pieces of an odd length, and a second of silence."""
    resampler = Resampler(8000, client.rate)
    pcm = resampler.process(decode_ulaw(spell(text))) + resampler.flush() + bytes(2 * client.rate)
    piece = client.rate // 8 + 1
    for start in range(0, len(pcm), piece):
        await client.socket.send(pcm[start : start + piece])
        await asyncio.sleep(piece / (2 * client.rate))


async def test_a_client_streams_and_is_told_what_happens() -> None:
    """Binary audio both ways, and beside it states, transcripts, turns and what the agent said."""
    agent = Remembering(greeting="Hello!")
    tasks = TaskOwner("test")
    async with raw_served(desk(agent)) as url, dial(url) as socket:
        client = Client(socket)
        listening = tasks.start("listen", client.listen())
        await socket.send(json.dumps({"type": "hello", "format": "pcm_s16le", "rate": 8000, "language": "en"}))
        await client.until(lambda: client.states[-1:] == ["listening"])
        await says(client, "two pizzas")
        await client.until(lambda: client.states[-1:] == ["listening"] and client.of("turn"))
        await socket.send(json.dumps({"type": "hangup"}))
        await listening
    assert client.told[0] | {"call": ""} == {"type": "ready", "call": "", "format": "pcm_s16le", "rate": 8000}
    assert client.heard() == "hello! i heard two pizzas."
    assert client.states == ["speaking", "listening", "thinking", "speaking", "listening", "ended"]
    assert {told["text"] for told in client.of("transcript")} == {"two", "two pizzas"}
    assert [told["text"] for told in client.of("transcript") if told["final"]] == ["two pizzas"]
    assert [(told["number"], told["text"]) for told in client.of("turn")] == [(1, "two pizzas")]
    assert [told["text"] for told in client.of("agent")] == ["Hello!", "I heard two pizzas."]
    assert (client.told[-1]["reason"], client.ended_with) == ("caller_hung_up", 1000)
    assert agent.histories == [[AgentItem("Hello!"), UserItem("two pizzas"), AgentItem("I heard two pizzas.")]]


@pytest.mark.parametrize("marks", [False, True], ids=["by the clock", "by its marks"])
async def test_a_client_interrupts(marks: bool) -> None:
    """It is told to clear what it plays, and the agent remembers what came out of its loudspeaker."""
    agent = Remembering(greeting="Hello!")
    tasks = TaskOwner("test")

    async def acknowledge(client: Client) -> None:
        for done in itertools.count():
            await client.until(lambda done=done: len(client.of("mark")) > done)
            name = client.of("mark")[done]["name"]
            await client.hear_out()
            await socket.send(json.dumps({"type": "mark", "name": name}))

    async with raw_served(desk(agent)) as url, dial(url) as socket:
        client = Client(socket, rate=24000)
        listening = tasks.start("listen", client.listen())
        await socket.send(json.dumps({"rate": 24000, "marks": marks}))
        if marks:
            tasks.start("acknowledge", acknowledge(client))
        await client.until(lambda: client.states[-1:] == ["listening"])
        await says(client, "count for me")
        await client.until(lambda: client.states[-1:] == ["speaking"])
        await asyncio.sleep(2.5)
        await says(client, "what about five")
        await client.until(lambda: "interrupted" in client.states and client.states[-1] == "listening")
        await socket.send(json.dumps({"type": "hangup"}))
        await listening
    await tasks.close()
    items = agent.histories[0]
    heard = client.heard_when_cleared[0].removeprefix("hello! ")
    counted = items[2]
    assert isinstance(counted, AgentItem) and counted.interrupted
    assert LONG.lower().startswith(heard) and heard
    assert abs(len(counted.text.split()) - len(heard.split())) <= 1
    assert items[3:] == [UserItem("what about five"), AgentItem("I heard what about five.")]
    told = [told["outcome"] for told in client.of("agent")]
    assert told == ["played", "interrupted", "played"]


async def test_two_clients_at_once() -> None:
    """Each has a call of its own, with its own handler: `to` says whose."""
    app = desk(Remembering(greeting="Front desk."))
    app.call("kitchen")(Remembering(greeting="The kitchen."))
    tasks = TaskOwner("test")
    async with raw_served(app) as url, dial(url) as one, dial(url) as other:
        clients = [Client(one, rate=16000), Client(other, rate=48000)]
        await one.send(json.dumps({"type": "hello"}))
        await other.send(json.dumps({"type": "hello", "rate": 48000, "agent": "kitchen"}))
        listening = [tasks.start("listen", client.listen()) for client in clients]
        for client in clients:
            await client.until(lambda client=client: client.states[-1:] == ["listening"])
            await says(client, "yes")
        for client in clients:
            await client.until(lambda client=client: client.of("turn") and client.states[-1] == "listening")
            await client.socket.send(json.dumps({"type": "hangup"}))
        await asyncio.wait(listening)
    assert [client.heard() for client in clients] == ["front desk. i heard yes.", "the kitchen. i heard yes."]


async def test_who_brings_no_token_is_not_let_in() -> None:
    """By header, query or subprotocol; without the setting, nobody; from a web page, only where that is allowed."""
    async with raw_served(desk(Remembering(greeting="Hi."), voice_raw_origins="https://good.example")) as url:
        for refused in (dial(url, token=""), dial(url, token="wrong"), dial(f"{url}?token=wrong", token="")):
            with pytest.raises(InvalidStatus) as status:
                await refused
            assert status.value.response.status_code == 403
        with pytest.raises(InvalidStatus) as status:
            await dial(url, origin=Origin("https://evil.example"))
        assert status.value.response.status_code == 403
        offered = [Subprotocol("voice.raw"), Subprotocol(f"bearer.{TOKEN}")]
        ways = [
            dial(url, origin=Origin("https://good.example")),
            dial(f"{url}?token={TOKEN}", token=""),
            dial(url, token="", subprotocols=offered),
        ]
        for way in ways:
            async with way as socket:
                await socket.send("{}")
                assert json.loads(await socket.recv())["type"] == "ready"
                assert socket.subprotocol == ("voice.raw" if way is ways[2] else None)
    async with raw_served(desk(Remembering(), voice_raw_token="")) as url:
        for token in (TOKEN, ""):
            with pytest.raises(InvalidStatus) as status:
                await dial(url, token)
            assert status.value.response.status_code == 403


async def test_a_hello_that_cannot_be_served_is_answered_with_why() -> None:
    """One clear error, and the socket is closed; so it is when nobody answers, or nothing comes."""
    app = VoiceApp(
        stt=MockStt,
        tts=MockTts(),
        clock=LoopClock(asyncio.get_running_loop()),
        settings=raw_settings(voice_start_timeout=1.0),
    )
    app.call("kitchen")(Remembering())
    async with raw_served(app) as url:
        for hello, why in (
            ('{"format": "flac"}', "Invalid enum value 'flac' - at `$.format`"),
            ('{"rate": 7}', "Invalid enum value 7 - at `$.rate`"),
            ('{"type": "hello", "to": "cellar"}', "nobody answers that name or number"),
            ("", "nothing came within 1 s"),
        ):
            async with dial(url) as socket:
                if hello:
                    await socket.send(hello)
                told = json.loads(await socket.recv())
                assert told == {"type": "error", "code": "bad_hello", "message": why}
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
                assert socket.close_code == 1008


async def test_garbage_in_text_is_complained_about_and_ends_nothing() -> None:
    """Before the call and in it; a client that sends nothing else is answered ten times."""
    tasks = TaskOwner("test")
    async with raw_served(desk(Remembering(greeting="Hello!"))) as url, dial(url) as socket:
        client = Client(socket, rate=16000)
        listening = tasks.start("listen", client.listen())
        for garbage in ("garbage", "[1]", '{"type": "what"}', "[" * 9000, '"' + "x" * 20000 + '"', '{"type": "mark"}'):
            await socket.send(garbage)
        await socket.send(bytes(640))  # audio: the call begins
        for garbage in ("{", '{"type": 5}', '{"type": "dtmf", "digit": "12"}', '{"type": "hello"}', "{", "{", "{"):
            await socket.send(garbage)
        await client.until(lambda: client.states[-1:] == ["listening"])
        await says(client, "still here")
        await client.until(lambda: client.of("turn") and client.states[-1] == "listening")
        await socket.send(json.dumps({"type": "hangup"}))
        await listening
    assert client.heard() == "hello! i heard still here."
    assert {told["code"] for told in client.of("error")} == {"bad_message"} and len(client.of("error")) == 10


async def test_clients_count_and_a_drain_ends_their_calls() -> None:
    """They have places like every call; a server that stops lets the sentence end, and says why."""
    agent = Remembering(greeting="Good evening to you.")
    app = desk(agent, voice_max_calls=1, voice_drain_message="We close now.")
    tasks = TaskOwner("test")
    async with raw_served(app) as url, dial(url) as socket:
        client = Client(socket, rate=16000)
        listening = tasks.start("listen", client.listen())
        await socket.send("{}")
        await client.until(lambda: client.states[-1:] == ["speaking"])
        with pytest.raises(InvalidStatus) as status:
            await dial(url)
        assert status.value.response.status_code == 403
        draining = tasks.start("drain", app.switchboard.drain(0.0))
        await listening
        assert await draining is False
    assert client.heard() == "good evening to you. we close now."
    assert (client.told[-1]["reason"], client.ended_with) == ("drained", 1000)
    assert agent.ends == [CallEnd(EndReason.DRAINED)]


async def test_a_client_that_mutes_its_microphone_is_understood() -> None:
    """It sends its words and then nothing: the recogniser hears silence, and knows that they are over."""
    tasks = TaskOwner("test")
    async with raw_served(desk(Remembering())) as url, dial(url) as socket:
        client = Client(socket)
        listening = tasks.start("listen", client.listen())
        await socket.send(json.dumps({"format": "mulaw"}))
        await socket.send(spell("hello"))
        await client.until(lambda: [told for told in client.of("transcript") if told["final"]])
        await socket.close()
        await listening


async def test_too_large_too_quiet_and_gone() -> None:
    """A large message is complained about, a client that says nothing is let go, and one that vanishes is noticed."""
    agent = Remembering()
    app = desk(agent, voice_raw_max_message_bytes=2048, voice_raw_idle_seconds=4.0)
    tasks = TaskOwner("test")
    async with raw_served(app) as url:
        async with dial(url) as socket:
            client = Client(socket)
            listening = tasks.start("listen", client.listen())
            await socket.send(json.dumps({"rate": 8000}))
            await socket.send(bytes(4000))
            await listening
        assert [told["code"] for told in client.of("error")] == ["bad_audio"]
        assert (client.told[-1]["reason"], client.ended_with) == ("connection_lost", 1000)
        async with dial(url) as socket:
            await socket.send("{}")
            await socket.recv()
            socket.transport.abort()
        async with asyncio.timeout(30):
            while len(agent.ends) < 2:  # noqa: ASYNC110 - the agent tells nobody
                await asyncio.sleep(0.1)
    # uvicorn calls a connection that is lost 1005, as it does a close without a code.
    details = [end.detail for end in agent.ends if end]
    assert details == ["nothing was received for 4 s", "the client closed the socket (1005)"]
