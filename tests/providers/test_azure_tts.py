"""Azure synthesis through the real SDK, against the service's protocol on loopback."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes.azure import FakeAzure
from fakes.line import Line
from fakes.stalls import stalls_longer_than
from voice_runtime.errors import TtsError
from voice_runtime.providers.azure_tts import AzureTTS
from voice_runtime.tts import SpeechPart
from voice_runtime.turns.heard import WordTime

PATIENCE_S = 30.0


@pytest.fixture
async def tts(azure: FakeAzure) -> AsyncIterator[AzureTTS]:
    made = AzureTTS("key", endpoint=azure.synthesis, timeout=3.0)
    yield made
    await made.aclose()


async def say(tts: AzureTTS, text: str = "hi") -> bytes:
    return b"".join([chunk async for chunk in tts.synthesize(text)])


def speaking(tts: AzureTTS, line: Line, stop: threading.Event | None = None) -> asyncio.Task[dict[str, Any]]:
    return asyncio.create_task(asyncio.to_thread(tts.speak, "hi", line, stop))


async def test_a_stream_asks_for_native_mu_law_and_for_its_voice(tts: AzureTTS, azure: FakeAzure) -> None:
    audio = asyncio.create_task(say(tts))
    session = await azure.session()
    ssml = await session.begin_speech()
    for part in range(5):
        await session.send_speech(bytes([part]) * 160)
    await session.end_turn()
    assert await audio == b"".join(bytes([part]) * 160 for part in range(5))
    assert '"outputFormat":"raw-8khz-8bit-mono-mulaw"' in session.sent["synthesis.context"]
    assert "name='fi-FI-NooraNeural'" in ssml


async def test_markup_in_the_text_is_spoken_and_not_obeyed(tts: AzureTTS, azure: FakeAzure) -> None:
    audio = asyncio.create_task(say(tts, "5 < 6 & <break time='9s'/>"))
    session = await azure.session()
    ssml = await session.begin_speech()
    await session.send_speech(b"x" * 160)
    await session.end_turn()
    await audio
    assert "5 &lt; 6 &amp; &lt;break" in ssml
    assert "<break" not in ssml


async def test_the_last_of_the_audio_is_not_lost_and_the_connection_serves_again(
    tts: AzureTTS, azure: FakeAzure
) -> None:
    """4.3 item 31. The SDK's result overtakes its last audio events; seen with every second utterance."""
    session = None
    for round_ in range(12):
        audio = asyncio.create_task(say(tts))
        session = session or await azure.session()
        await session.begin_speech()
        for part in range(3):
            await session.send_speech(bytes([round_ * 3 + part]) * 160)
        await session.end_turn()
        assert await audio == b"".join(bytes([round_ * 3 + part]) * 160 for part in range(3))
    assert azure.handshakes == 1


async def test_calls_that_speak_at_once_do_not_wait_for_one_another(tts: AzureTTS, azure: FakeAzure) -> None:
    first, second = asyncio.create_task(say(tts)), asyncio.create_task(say(tts))
    for session in (await azure.session(), await azure.session()):
        await session.begin_speech()
        await session.send_speech(b"x" * 160)
        await session.end_turn()
    assert await first == await second == b"x" * 160


async def test_closing_the_iterator_stops_the_vendor(tts: AzureTTS, azure: FakeAzure) -> None:
    audio = tts.synthesize("a long story")
    first = asyncio.ensure_future(anext(audio))
    session = await azure.session()
    await session.begin_speech()
    await session.send_speech(b"x" * 160)
    await first
    started = time.monotonic()
    await audio.aclose()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 2.5, "its time-out would have ended it as well"
    await asyncio.wait_for(session.closed.wait(), PATIENCE_S)


@pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (429, "rate_limited"), (503, "failed")])
async def test_a_refusal_is_an_error_with_a_reason(tts: AzureTTS, azure: FakeAzure, status: int, reason: str) -> None:
    azure.refuse_with = status
    with pytest.raises(TtsError) as raised:
        await say(tts)
    assert (raised.value.provider, raised.value.reason) == ("azure", reason)


async def test_a_cut_in_the_middle_is_an_error(tts: AzureTTS, azure: FakeAzure) -> None:
    audio = asyncio.create_task(say(tts))
    session = await azure.session()
    await session.begin_speech()
    await session.send_speech(b"x" * 160)
    session.cut()
    with pytest.raises(TtsError):
        await audio


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_silent_service_is_a_time_out(azure: FakeAzure, blocking: bool) -> None:
    tts = AzureTTS("key", endpoint=azure.synthesis, timeout=0.1)
    if blocking:
        assert "timeout" in str((await speaking(tts, Line()))["error"])
    else:
        with pytest.raises(TtsError) as raised:
            await say(tts)
        assert raised.value.reason == "timeout"
    await asyncio.wait_for((await azure.session()).closed.wait(), PATIENCE_S)


async def test_a_failure_is_reported_and_not_called_speech() -> None:
    """4.3 item 29."""
    tts = AzureTTS("key", endpoint="ws://127.0.0.1:9/nobody")
    errors: list[str] = []
    tts.on_error = errors.append
    line = Line()
    result = await speaking(tts, line)
    (error,) = errors
    assert error.startswith("azure_synthesis_failed: azure: network: ConnectionFailure")
    assert result == {"last_spoken": "hi", "error": error}
    assert line.marks == []


async def test_blocking_speech(tts: AzureTTS, azure: FakeAzure) -> None:
    line = Line()
    result = speaking(tts, line)
    session = await azure.session()
    await session.begin_speech()
    await session.send_speech(b"a" * 160)
    await session.send_speech(b"b" * 160)
    await session.end_turn()
    assert await result == {"last_spoken": "hi"}
    assert b"".join(line.heard) == b"".join(line.tapped) == b"a" * 160 + b"b" * 160
    assert line.marks == [("tts_complete", 30.0)]


@pytest.mark.parametrize("how", ["barge-in", "hang-up"])
async def test_nobody_listening_stops_the_vendor_at_once(tts: AzureTTS, azure: FakeAzure, how: str) -> None:
    """4.3 item 30: 0.1 waited for the end of the synthesis and pulled all of it."""
    line, stop, heard = Line(), threading.Event(), threading.Event()
    line.on_audio = heard.set
    result = speaking(tts, line, stop)
    session = await azure.session()
    await session.begin_speech()
    await session.send_speech(b"a" * 160)
    await asyncio.to_thread(heard.wait, PATIENCE_S)
    started = time.monotonic()
    if how == "barge-in":
        stop.set()
    else:
        line.is_disconnected = True
    assert await result == {"last_spoken": "hi", "interrupted" if how == "barge-in" else "call_disconnected": True}
    assert time.monotonic() - started < 2.5, "its time-out would have ended it as well"
    await asyncio.wait_for(session.closed.wait(), PATIENCE_S)
    assert line.heard == [b"a" * 160]


async def test_ending_an_utterance_blocks_the_loop_in_no_way(azure: FakeAzure) -> None:
    """The SDK closes a connection when its last Python object goes, and takes its time: not on the loop's thread."""

    async def speak() -> None:
        tts = AzureTTS("key", endpoint=azure.synthesis)
        for how in ("ended", "failed", "closed"):
            audio = tts.synthesize(how)
            first = asyncio.ensure_future(anext(audio))
            session = azure.sessions[-1] if how == "failed" else await azure.session()
            await session.begin_speech()
            await session.send_speech(b"x" * 160)
            await first
            if how == "ended":
                await session.end_turn()
                assert [chunk async for chunk in audio] == []
            elif how == "failed":
                session.cut()
                with pytest.raises(TtsError):
                    await anext(audio)
            del first
            await audio.aclose()  # type: ignore[attr-defined]
            del audio
        await tts.aclose()

    assert not await stalls_longer_than(0.3, speak)


async def test_nothing_to_say_asks_for_nothing(tts: AzureTTS, azure: FakeAzure) -> None:
    assert await say(tts, "") == b""
    assert azure.handshakes == 0


async def test_a_missing_key_names_the_variable() -> None:
    with pytest.raises(TtsError, match="AZURE_SPEECH_KEY"):
        await say(AzureTTS())


def test_the_environment_is_read_at_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "late")
    monkeypatch.setenv("AZURE_TTS_VOICE", "voice")
    tts = AzureTTS()
    assert (tts._subscription_key, tts._region, tts._voice_name) == ("late", "westeurope", "voice")


async def timed(tts: AzureTTS, text: str) -> list[SpeechPart]:
    return [part async for part in tts.synthesize_timed(text)]


async def test_word_times_of_the_service_are_those_of_the_text(tts: AzureTTS, azure: FakeAzure) -> None:
    """Each with its end in the text as it was given, escaped signs or not; all of them, round after round."""
    session = None
    for _ in range(10):
        parts = asyncio.create_task(timed(tts, "a & b's, so it is."))
        session = session or await azure.session()
        await session.begin_speech()
        await session.send_words(("a", 0.1, 0.1), ("&", 0.25, 0.25), ("b's", 0.5, 0.25))
        await session.send_words((",", 0.75, 0.1), kind="PunctuationBoundary")
        await session.send_speech(b"x" * 8000)
        await session.send_words(("so", 1.0, 0.25), ("it", 1.25, 0.25), ("is", 1.5, 0.25))
        await session.send_speech(b"y" * 8000)
        await session.end_turn()
        got = await parts
        assert [part for part in got if isinstance(part, bytes)] == [b"x" * 8000, b"y" * 8000]
        words = [part for part in got if not isinstance(part, bytes)]
        ends = ((1, 0.2), (3, 0.5), (7, 0.75), (11, 1.25), (14, 1.5), (17, 1.75))
        assert words == [WordTime(end, seconds) for end, seconds in ends]


@pytest.mark.parametrize("asked", [False, True])
async def test_without_word_times_there_is_the_audio(azure: FakeAzure, asked: bool) -> None:
    """They can be left out; and a service that tells none, or without a duration, costs no word of audio."""
    tts = AzureTTS("key", endpoint=azure.synthesis, timeout=3.0, word_times=asked)
    parts = asyncio.create_task(timed(tts, "hello there"))
    session = await azure.session()
    await session.begin_speech()
    if asked:
        await session.send_words(("hello", 0.0, 0.0), ("elsewhere", 0.5, 0.25))
    await session.send_speech(b"x" * 160)
    await session.end_turn()
    assert await parts == [b"x" * 160]
    assert f'"wordBoundaryEnabled":{str(asked).lower()}' in session.sent["synthesis.context"]
    await tts.aclose()
