"""Offline recognition, with the real engine in its real process, fed faster than real time."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import voice_runtime.simulator
from voice_runtime.audio import read_wav
from voice_runtime.cli.demo.agent import GRAMMAR  # what the demo's caller is understood by
from voice_runtime.errors import SttError
from voice_runtime.providers import pocketsphinx_stt
from voice_runtime.providers.pocketsphinx_stt import PocketsphinxStt
from voice_runtime.providers.pocketsphinx_worker import Refused, vocabulary
from voice_runtime.stt import SttFailure, SttFault

CLIPS = Path(voice_runtime.simulator.__file__).parent / "clips"
ROWS = re.findall(r"^\| ([a-z0-9-]+) \| (.+?) \| [\d.]+ \|$", (CLIPS / "README.md").read_text(), re.MULTILINE)
SAID = dict(ROWS)
QUIET = b"\xff" * 8000


def clip(name: str) -> bytes:
    return read_wav(CLIPS / f"{name}.wav").data


class Call:
    """A provider with an ear on every callback."""

    def __init__(self, stt: PocketsphinxStt) -> None:
        self.stt = stt
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.log: list[tuple[str, str]] = []
        self._news = asyncio.Event()
        stt.on_committed = lambda text: self._note("committed", text)
        stt.on_recognizing = lambda text: self._note("partial", text)
        stt.on_speech_started = lambda: self._note("speech", "")
        stt.on_error = lambda fault: self._note("error", fault)

    def _note(self, what: str, text: str) -> None:
        self.log.append((what, text))
        self._news.set()

    def play(self, *names: str) -> None:
        for name in names:
            self.hear(QUIET + clip(name) + QUIET)

    def hear(self, audio: bytes, size: int = 160) -> None:
        for start in range(0, len(audio), size):
            self.queue.put_nowait(audio[start : start + size])

    async def until(self, what: str, count: int = 1) -> list[str]:
        while len(found := [text for kind, text in self.log if kind == what]) < count:
            self._news.clear()
            await self._news.wait()
        return found

    @property
    def committed(self) -> list[str]:
        return [text for kind, text in self.log if kind == "committed"]

    async def hang_up(self) -> list[str]:
        """End of audio; returns what was understood of the whole call."""
        self.queue.put_nowait(None)
        await self.stt._flushed.wait()
        return self.committed


@asynccontextmanager
async def on_call(stt: PocketsphinxStt | None = None) -> AsyncIterator[Call]:
    call = Call(stt or PocketsphinxStt(grammar=GRAMMAR))
    await call.stt.start(call.queue)
    try:
        yield call
    finally:
        await call.stt.stop()


def pid_of(stt: PocketsphinxStt) -> int:
    assert stt._worker is not None
    return stt._worker.pid


async def replaced(call: Call, pid: int) -> None:
    """Wait until another worker is there, or none will come."""
    while not call.log and (call.stt._worker is None or call.stt._worker.pid == pid):  # noqa: ASYNC110
        await asyncio.sleep(0.005)  # a process has no event to wait for


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_every_clip_is_understood_exactly_in_one_call() -> None:
    names = [name for name in SAID if name != "off-topic"]
    async with on_call() as call:
        call.play(*names)

        assert await call.hang_up() == [SAID[name] for name in names]
        assert len(await call.until("speech")) == len(names)
        assert call.stt.dropped_frames == 0


@pytest.mark.parametrize("name", [name for name in SAID if name != "off-topic"])
async def test_each_clip_is_understood_exactly_by_itself(name: str) -> None:
    async with on_call() as call:
        call.play(name)

        assert await call.hang_up() == [SAID[name]]


async def test_speech_start_comes_early_and_the_text_right_after_the_silence() -> None:
    async with on_call(PocketsphinxStt(grammar=GRAMMAR, silence_ms=600)) as call:
        call.hear(clip("hello")[:2400])  # 0.3 s, of which flite begins with some silence
        await call.until("speech")
        call.hear(clip("hello")[2400:] + b"\xff" * 5600)  # and 0.7 s of silence

        assert await call.until("committed") == [SAID["hello"]]


async def test_partial_texts_lead_to_the_whole() -> None:
    async with on_call() as call:
        call.play("hello")
        await call.hang_up()

        kinds = [kind for kind, _ in call.log]
        assert kinds[0] == "speech" and kinds[-1] == "committed"
        partials = await call.until("partial")
        assert 2 <= len(partials) <= 16 and SAID["hello"].startswith(partials[0].split()[0])


@pytest.mark.parametrize("rubbish", ["off-topic", "noise", "click", "tone"])
async def test_what_is_not_in_the_grammar_is_no_command(rubbish: str) -> None:
    rng = random.Random(7)
    audio = {
        "off-topic": lambda: clip("off-topic"),
        "noise": lambda: rng.randbytes(8000),
        "click": lambda: rng.randbytes(160),
        "tone": lambda: (b"\x90" * 8 + b"\x10" * 8) * 500,
    }[rubbish]()
    async with on_call() as call:
        call.hear(QUIET + audio + QUIET)
        call.play("yes")

        assert await call.hang_up() == ["yes"]


async def test_while_speaking_texts_are_dropped_but_the_barge_in_is_reported() -> None:
    async with on_call() as call:
        call.stt.set_speaking(True)
        call.play("yes", "hello")
        await call.hang_up()

        assert [kind for kind, _ in call.log] == ["speech", "speech"]


async def test_after_speaking_texts_are_dropped_for_a_moment_only() -> None:
    async with on_call(PocketsphinxStt(grammar=GRAMMAR, echo_discard_s=60)) as call:
        call.stt.set_speaking(True)
        call.stt.set_speaking(False)
        call.play("yes")
        assert await call.hang_up() == []
    async with on_call(PocketsphinxStt(grammar=GRAMMAR, echo_discard_s=0)) as call:
        call.stt.set_speaking(True)
        call.stt.set_speaking(False)
        call.play("yes")
        assert await call.hang_up() == ["yes"]


async def test_a_killed_worker_is_replaced_and_no_word_is_lost() -> None:
    async with on_call() as call:
        call.play("yes")
        await call.until("committed")
        half = len(clip("hello")) // 2
        call.hear(QUIET + clip("hello")[:half])
        await call.until("speech", 2)
        first = pid_of(call.stt)
        os.kill(first, signal.SIGKILL)
        call.hear(clip("hello")[half:] + QUIET)

        assert await call.hang_up() == ["yes", SAID["hello"]]
        assert len(await call.until("speech")) == 2, "the replay is not new speech"
        assert not alive(first)


async def test_a_worker_that_keeps_dying_is_one_error_and_a_clean_stop() -> None:
    async with on_call() as call:
        for _ in range(pocketsphinx_stt.RESTARTS + 1):
            pid = pid_of(call.stt)
            os.kill(pid, signal.SIGKILL)
            await replaced(call, pid)
        (fault,) = await call.until("error")
        call.play("yes")
        call.queue.put_nowait(None)

    assert isinstance(fault, SttFault)
    assert (fault.failure, fault.provider) == (SttFailure.CRASHED, "pocketsphinx")
    assert [kind for kind, _ in call.log] == ["error"]


async def test_a_frozen_worker_costs_old_audio_never_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocketsphinx_stt, "BACKLOG_BYTES", 32_000)
    monkeypatch.setattr(pocketsphinx_stt, "STALL_S", 0.1)
    async with on_call() as call:
        pid = pid_of(call.stt)
        os.kill(pid, signal.SIGSTOP)
        for _ in range(125):
            call.hear(b"\xff" * 1600)
            await asyncio.sleep(0)
        await replaced(call, pid)
        assert call.stt.dropped_frames > 0
        call.play("yes")
        await call.until("committed")

    assert call.committed == ["yes"]
    assert not alive(pid)


async def test_stop_leaves_no_process_and_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocketsphinx_stt, "FLUSH_S", 10)  # a busy machine is not what is tested
    async with on_call() as call:
        call.play("yes")
        pid = pid_of(call.stt)

    assert call.committed == ["yes"], "what was still being decoded is not lost"
    assert not alive(pid)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await call.stt.stop()


async def test_stop_ends_a_worker_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocketsphinx_stt, "FLUSH_S", 0.05)
    monkeypatch.setattr(pocketsphinx_stt, "GRACE_S", 0.05)
    async with on_call() as call:
        pid = pid_of(call.stt)
        os.kill(pid, signal.SIGSTOP)
        call.hear(b"\xff" * 200_000, 1600)
        await asyncio.sleep(0)

    assert not alive(pid)


async def test_it_can_be_started_again() -> None:
    stt = PocketsphinxStt(grammar=GRAMMAR)
    for name in ("yes", "no"):
        async with on_call(stt) as call:
            call.play(name)
            assert await call.hang_up() == [name]


async def test_a_prewarmed_worker_is_the_one_that_listens() -> None:
    stt = PocketsphinxStt(grammar=GRAMMAR)
    await stt.prewarm()
    pid = pid_of(stt)
    async with on_call(stt) as call:
        assert pid_of(stt) == pid
        call.play("yes")
        assert await call.hang_up() == ["yes"]
    await stt.prewarm()
    unused = pid_of(stt)
    await stt.stop()
    assert not alive(unused)


@pytest.mark.parametrize("size", [1, 7, 159, 1000])
async def test_audio_may_come_in_pieces_of_any_length(size: int) -> None:
    async with on_call() as call:
        call.queue.put_nowait(b"")
        call.hear(QUIET + clip("yes") + QUIET, size)
        call.queue.put_nowait(b"")

        assert await call.hang_up() == ["yes"]


async def test_two_calls_at_once_hear_their_own_words() -> None:
    async with on_call() as one, on_call() as two:
        one.play("yes", "order-7216")
        two.play("no", "change-to-friday")

        assert await one.hang_up() == ["yes", SAID["order-7216"]]
        assert await two.hang_up() == ["no", SAID["change-to-friday"]]


async def test_the_vocabulary_changes_within_a_call_even_within_an_utterance() -> None:
    async with on_call(PocketsphinxStt(grammar="#JSGF V1.0; grammar g; public <a> = yes | no;")) as call:
        call.play("yes")
        await call.until("committed")
        call.hear(QUIET + clip("where-is-my-parcel")[:8000])
        await call.until("speech", 2)
        await call.stt.set_grammar(GRAMMAR)
        call.hear(clip("where-is-my-parcel")[8000:] + QUIET)
        await call.until("committed", 2)
        await call.stt.set_hints(["Goodbye!", "change the delivery to Friday"])
        call.play("change-to-friday")
        await call.until("committed", 3)
        await call.stt.set_keyphrases({"goodbye": 1e-10})
        call.play("thank-you-goodbye")

        assert await call.hang_up() == ["yes", SAID["where-is-my-parcel"], SAID["change-to-friday"], "goodbye"]


async def test_a_change_of_vocabulary_survives_the_worker() -> None:
    async with on_call(PocketsphinxStt(grammar="#JSGF V1.0; grammar g; public <a> = yes;")) as call:
        os.kill(pid_of(call.stt), signal.SIGKILL)
        await call.stt.set_grammar("#JSGF V1.0; grammar g; public <a> = no;")
        call.play("no")

        assert await call.hang_up() == ["no"]


async def test_a_change_of_vocabulary_after_the_end_of_recognition_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocketsphinx_stt, "RESTARTS", 0)
    async with on_call() as call:
        os.kill(pid_of(call.stt), signal.SIGKILL)
        await call.until("error")
        with pytest.raises(SttError, match="nobody listens"):
            await call.stt.set_grammar(GRAMMAR)


async def test_the_worker_ends_with_its_server() -> None:
    command = (sys.executable, "-P", str(pocketsphinx_stt.WORKER))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()  # what the kernel does when the server dies

    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda stt: stt.set_grammar("this is no grammar"), "grammar"),
        (lambda stt: stt.set_grammar("#JSGF V1.0; grammar g; public <a> = xyzzyx;"), "no pronunciation of xyzzyx"),
        (lambda stt: stt.set_hints([]), "no words"),
    ],
)
async def test_an_unusable_vocabulary_is_refused_and_the_old_one_stays(
    change: Callable[[PocketsphinxStt], Awaitable[None]], complaint: str
) -> None:
    async with on_call() as call:
        with pytest.raises(SttError, match=complaint) as caught:
            await change(call.stt)
        call.play("yes")

        assert await call.hang_up() == ["yes"]
    assert caught.value.reason == "bad_request"


async def test_an_unusable_grammar_is_an_error_of_start() -> None:
    stt = PocketsphinxStt(grammar="#JSGF V1.0; grammar g; public <a> = <missing>;")
    with pytest.raises(SttError):
        await stt.start(asyncio.Queue())
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await stt.stop()


async def test_words_of_ones_own_are_understood() -> None:
    grammar = "#JSGF V1.0; grammar g; public <a> = jess | nope;"
    async with on_call(PocketsphinxStt(grammar=grammar, words={"jess": "Y EH S", "nope": "N OW P"})) as call:
        call.play("yes")

        assert await call.hang_up() == ["jess"]


async def test_dictation_understands_some_english() -> None:
    async with on_call(PocketsphinxStt()) as call:
        call.play("yes-that-is-right")

        (text,) = await call.hang_up()
    assert "right" in text


async def test_a_failing_callback_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async with on_call() as call:
        call.stt.on_speech_started = fail
        call.play("yes", "no")

        assert await call.hang_up() == ["yes", "no"]
    assert "callback" in caplog.text


async def test_without_the_package_start_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SttError, match=r"pip install 'voice-runtime\[local\]'"):
        await PocketsphinxStt().start(asyncio.Queue())


def test_only_one_vocabulary_may_be_given() -> None:
    with pytest.raises(ValueError, match="only one"):
        PocketsphinxStt(grammar=GRAMMAR, hints=["yes"])


def test_the_words_of_a_grammar_are_found() -> None:
    grammar = """#JSGF V1.0 UTF-8 en;
    // a comment
    /* another
       one */
    grammar com.example.g; import <com.example.other.*>;
    public <a> = /0.5/ yes {YES} | /1e-3/ (no | don't) <b>+ [please];
    """
    assert vocabulary("grammar", grammar) == {"yes", "no", "don't", "please"}
    assert vocabulary("keyphrases", "oh mighty computer /1e-20/\nstop /1/") == {"oh", "mighty", "computer", "stop"}
    with pytest.raises(Refused):
        vocabulary("grammar", "#JSGF V1.0; grammar g; public <a> = <b>;")


async def test_who_hears_the_end_of_speech_need_not_wait_for_silence() -> None:
    """`finalise` ends the utterance: the text comes although not enough silence has."""
    async with on_call(PocketsphinxStt(grammar=GRAMMAR, silence_ms=3000)) as call:
        call.hear(QUIET + clip("hello"))
        await call.until("speech")
        while not call.queue.empty():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        call.stt.finalise()
        assert await call.until("committed") == [SAID["hello"]]
