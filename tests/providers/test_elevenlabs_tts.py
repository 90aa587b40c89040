"""ElevenLabs synthesis through the real SDK, against an HTTP server on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes.elevenlabs import FakeSpeech
from fakes.line import Line
from voice_runtime.errors import TtsError
from voice_runtime.providers import elevenlabs_tts
from voice_runtime.providers.elevenlabs_tts import ElevenLabsTTS
from voice_runtime.tts import SpeechPart
from voice_runtime.turns.heard import WordTime

PATIENCE_S = 30.0


@pytest.fixture
async def tts(speech: FakeSpeech) -> AsyncIterator[ElevenLabsTTS]:
    made = ElevenLabsTTS(api_key="key", base_url=speech.url, timeout=2.0)
    yield made
    await made.aclose()
    if made._client is not None:
        made._client._client_wrapper.httpx_client.httpx_client.close()


async def say(tts: ElevenLabsTTS, text: str = "hi") -> bytes:
    return b"".join([chunk async for chunk in tts.synthesize(text)])


async def speak(tts: ElevenLabsTTS, line: Line, stop: threading.Event | None = None) -> dict[str, Any]:
    return await asyncio.to_thread(tts.speak, "hi", line, stop)


async def test_a_stream_asks_for_native_mu_law(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    assert await say(tts, "hello") == b"\x10" * 160 + b"\x20" * 160
    request = await speech.request()
    assert request.path == "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM/stream"
    assert request.query == {"output_format": "ulaw_8000"}
    assert request.headers["xi-api-key"] == "key"
    assert request.body == {"text": "hello", "model_id": "eleven_multilingual_v2"}


async def test_one_connection_serves_many_utterances(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    """4.3 item 31: 0.1 made a client and a connection per utterance."""
    for _ in range(3):
        await say(tts)
    assert (len(speech.requests), speech.connections) == (3, 1)


async def test_nothing_to_say_asks_for_nothing(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    assert await say(tts, "") == b""
    assert speech.requests == []


async def test_closing_the_iterator_closes_the_connection(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    speech.endless, speech.pause_s = b"\x33" * 160, 0.01
    audio = tts.synthesize("a long story")
    assert await anext(audio)
    request = await speech.request()
    await audio.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(request.abandoned.wait(), PATIENCE_S)


async def test_cancelling_the_reader_closes_the_connection(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    speech.endless, speech.pause_s = b"\x33" * 160, 0.01
    task = asyncio.create_task(say(tts))
    request = await speech.request()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(request.abandoned.wait(), PATIENCE_S)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "auth"), (402, "quota"), (429, "rate_limited"), (404, "bad_request"), (500, "failed")],
)
async def test_a_refusal_is_an_error_with_a_reason(
    tts: ElevenLabsTTS, speech: FakeSpeech, status: int, reason: str
) -> None:
    speech.status = status
    with pytest.raises(TtsError, match="fake_refusal") as raised:
        await say(tts)
    assert (raised.value.provider, raised.value.reason) == ("elevenlabs", reason)
    assert raised.value.__cause__ is not None


async def test_a_cut_connection_is_an_error(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    speech.cut_after = 1
    with pytest.raises(TtsError) as raised:
        await say(tts)
    assert raised.value.reason == "network"


async def test_a_silent_service_is_a_time_out(speech: FakeSpeech) -> None:
    speech.pause_s = 30.0
    tts = ElevenLabsTTS(api_key="key", base_url=speech.url, timeout=0.1)
    with pytest.raises(TtsError) as raised:
        await say(tts)
    assert raised.value.reason == "timeout"
    await tts.aclose()


async def test_blocking_speech(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    line = Line()
    assert await speak(tts, line) == {"last_spoken": "hi"}
    assert b"".join(line.heard) == b"".join(line.tapped) == b"\x10" * 160 + b"\x20" * 160
    assert line.marks == [("tts_complete", 30.0)]
    assert (await speech.request()).query == {"output_format": "ulaw_8000"}


async def test_a_barge_in_stops_reading_and_hangs_up_on_the_service(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    speech.endless, speech.pause_s = b"\x33" * 160, 0.01
    line, stop = Line(), threading.Event()
    line.on_audio = stop.set
    assert (await speak(tts, line, stop))["interrupted"] is True
    assert line.marks == []
    await asyncio.wait_for((await speech.request()).abandoned.wait(), PATIENCE_S)


async def test_a_blocking_failure_is_told_once(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    speech.status = 401
    errors: list[str] = []
    tts.on_error = errors.append
    result = await speak(tts, Line())
    (error,) = errors
    assert error.startswith("elevenlabs_tts_failed: HTTP 401")
    assert result == {"last_spoken": "hi", "error": error}


async def test_the_environment_is_read_when_it_speaks(speech: FakeSpeech, monkeypatch: pytest.MonkeyPatch) -> None:
    """4.1 item 7."""
    tts = ElevenLabsTTS()
    monkeypatch.setenv("ELEVENLABS_API_KEY", "late")
    monkeypatch.setenv("ELEVENLABS_BASE_URL", speech.url)
    monkeypatch.setenv("ELEVENLABS_VOICE_ID", "voice")
    monkeypatch.setenv("ELEVENLABS_MODEL", "model")
    await say(tts)
    await tts.aclose()
    request = await speech.request()
    assert (request.headers["xi-api-key"], request.body["model_id"]) == ("late", "model")
    assert request.path.endswith("/voice/stream")
    assert elevenlabs_tts.ELEVENLABS_VOICE_ID == "voice"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        elevenlabs_tts.NO_SUCH_NAME  # type: ignore[attr-defined]  # noqa: B018


async def test_it_works_again_after_aclose_and_aclose_twice_is_harmless(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    await say(tts)
    await tts.aclose()
    await tts.aclose()
    assert await say(tts)
    assert speech.connections == 2


async def parts(tts: ElevenLabsTTS, text: str) -> list[SpeechPart]:
    return [part async for part in tts.synthesize_timed(text)]


def characters(text: str, at: float, each: float = 0.125) -> list[tuple[str, float, float]]:
    return [(char, at + number * each, at + (number + 1) * each) for number, char in enumerate(text)]


async def test_word_times_come_before_the_audio_in_which_words_end(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    """From the times of the characters of the text as it was given; a word may go on in the next chunk."""
    speech.alignments = [characters("It is $5, to", 0.0), characters("day.", 1.5)]
    first, second = speech.chunks
    assert await parts(tts, "It is $5, today.") == [
        WordTime(2, 0.25),
        WordTime(5, 0.625),
        WordTime(8, 1.0),
        first,
        WordTime(15, 1.875),
        second,
    ]
    request = await speech.request()
    assert request.path == "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM/stream/with-timestamps"
    assert request.query == {"output_format": "ulaw_8000"}
    assert request.body == {"text": "It is $5, today.", "model_id": "eleven_multilingual_v2"}


async def test_without_alignment_there_is_the_audio(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    """It is null for some models and chunks; another text's is not believed."""
    assert await parts(tts, "hello") == speech.chunks
    speech.alignments = [characters("<other>", 0.0)]
    assert await parts(tts, "hello") == speech.chunks


async def test_word_times_can_be_left_out(speech: FakeSpeech) -> None:
    tts = ElevenLabsTTS(api_key="key", base_url=speech.url, timeout=2.0, word_times=False)
    got = await parts(tts, "hello")
    assert b"".join(part for part in got if isinstance(part, bytes)) == b"".join(speech.chunks)
    assert not any(isinstance(part, WordTime) for part in got)
    assert (await speech.request()).path.endswith("/stream")
    await tts.aclose()


async def test_a_timed_stream_fails_and_closes_like_any(tts: ElevenLabsTTS, speech: FakeSpeech) -> None:
    speech.endless, speech.pause_s = b"\x33" * 160, 0.01
    audio = tts.synthesize_timed("a long story")
    assert await anext(audio)
    await audio.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for((await speech.request()).abandoned.wait(), PATIENCE_S)
    speech.status = 429
    with pytest.raises(TtsError, match="fake_refusal") as refused:
        await parts(tts, "hello")
    speech.status, speech.cut_after = 200, 1
    with pytest.raises(TtsError) as cut:
        await parts(tts, "hello")
    assert (refused.value.reason, cut.value.reason) == ("rate_limited", "network")
