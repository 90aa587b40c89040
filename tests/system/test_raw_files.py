"""Raw audio as whole files over real sockets: a file goes in, and a file comes back."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator

import pytest
from raw_client import dial, raw_served, raw_settings
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.agent import Agent, Limits
from voice_runtime.audio import Resampler, WavWriter, decode_ulaw, read_wav, to_ulaw_8k
from voice_runtime.audio.spelling import read_spelling, spell
from voice_runtime.clock import LoopClock
from voice_runtime.handler import Handler
from voice_runtime.llm import AgentItem, History, Item, Turn, UserItem
from voice_runtime.mock import MockStt, MockTts


def app_of(handler: Handler) -> VoiceApp:
    clock = LoopClock(asyncio.get_running_loop())
    app = VoiceApp(stt=MockStt, tts=MockTts(), clock=clock, settings=raw_settings())
    app.call()(handler)
    return app


def spoken(text: str, rate: int = 16000) -> bytes:
    resampler, file = Resampler(8000, rate), io.BytesIO()
    with WavWriter(file, rate=rate, encoding="pcm16") as wav:
        wav.write(resampler.process(decode_ulaw(spell(text))) + resampler.flush())
    return file.getvalue()


async def asks(socket: ClientConnection, text: str, rate: int = 16000) -> str:
    await socket.send(spoken(text, rate))
    answer = await socket.recv()
    assert isinstance(answer, bytes), answer
    wav = read_wav(answer)
    assert (wav.rate, wav.channels, wav.encoding) == (rate, 1, "pcm16")
    return " ".join(word.text for word in read_spelling(to_ulaw_8k(wav)))


async def brain(turn: Turn) -> AsyncIterator[str]:
    yield f"I heard {turn.text}. "
    if "long" in turn.text:
        yield "This is the first sentence of many. Here is the second one, and it goes on. And this is the last one."


async def test_a_file_in_a_file_out() -> None:
    """Each question gets one answer, whole, and nothing else; the agent remembers all of it as heard."""
    remembered: list[Item] = []

    class Remembering(Agent):
        async def exit(self, call: VoiceSession, history: History) -> None:
            remembered.extend(history)

    async with raw_served(app_of(Remembering(brain, greeting="Hello!"))) as url:
        async with dial(url) as socket:
            assert await asks(socket, "two pizzas") == "hello! i heard two pizzas."
            assert await asks(socket, "a long one", 24000) == (
                "i heard a long one. this is the first sentence of many. here is the second one, and it goes on. "
                "and this is the last one."
            )
            assert await asks(socket, "that is all") == "i heard that is all."
    assert [item.text for item in remembered if isinstance(item, UserItem)] == [
        "two pizzas",
        "a long one",
        "that is all",
    ]
    assert not any(item.interrupted for item in remembered if isinstance(item, AgentItem))


async def test_a_plain_handler_answers_files() -> None:
    """It needs no agent: what it says after it has listened is the answer."""

    async def echo(call: VoiceSession) -> None:
        while True:
            heard = await call.listen()
            await call.say(f"You said {heard.text}.")

    async with raw_served(app_of(echo)) as url, dial(url) as socket:
        assert await asks(socket, "one") == "you said one."
        assert await asks(socket, "two") == "you said two."


async def test_what_is_no_file_is_complained_about() -> None:
    """The call goes on; nobody gets an answer to nothing."""
    async with raw_served(app_of(Agent(brain))) as url, dial(url) as socket:
        await socket.send(json.dumps({"mode": "simple"}))
        for data in (b"RIFF", b"noise", b"RIFF\0\0\0\0WAVE"):
            await socket.send(data)
            told = json.loads(await socket.recv())
            assert (told["type"], told["code"]) == ("error", "bad_audio")
        assert await asks(socket, "still here") == "i heard still here."


async def test_the_last_answer_comes_before_the_end() -> None:
    """An agent that has had enough says goodbye in the file, and the socket is closed."""
    async with raw_served(app_of(Agent(brain, limits=Limits(max_turns=1)))) as url, dial(url) as socket:
        assert await asks(socket, "one") == "i heard one."
        assert (await asks(socket, "two")).endswith("goodbye.")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000
