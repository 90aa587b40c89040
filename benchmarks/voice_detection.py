"""What voice detection costs for many calls at once: processor time beside that of the bare model, and memory."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from importlib import resources
from itertools import cycle
from statistics import median

import numpy as np

from benchmarks.table import Row, each
from voice_runtime import VoiceSession
from voice_runtime.audio import read_wav, to_ulaw_8k
from voice_runtime.providers.silero_vad import CHUNK, CONTEXT, RATE, SileroModel, SileroVad
from voice_runtime.session.voice import CallerVoice
from voice_runtime.testing import run

CALLS = 64
FRAME = 160
SECONDS = 10
MANY = 2000
LIMIT = 25


class Nobody:
    """Listens to a detector."""

    def voice_started(self, voiced: float) -> None: ...
    def voice_stopped(self, silence: float) -> None: ...
    def detection_failed(self, reason: str) -> None:
        raise RuntimeError(reason)


def rows(rounds: int) -> list[Row]:
    speech, silence = _speech(), b"\xff" * RATE * SECONDS
    # In turns: what else the machine does hits all of them.
    took = [(_detection(_in_turns(speech)), _detection(speech), _bare_model()) for _ in range(rounds)]
    calls, spoken, bare = ([one[index] for one in took] for index in range(3))
    what = f"Voice detection, {CALLS} calls: processor time for 32 ms of each"
    slow = median(bare) > LIMIT
    doubt = f"the bare model alone takes {median(bare):.1f} µs now: the machine is slow, or busy" if slow else ""
    return [
        Row(what + ", callers speak half of the time", median(calls), " µs", LIMIT, each(calls), doubt),
        Row(what + ", all speak at once", median(spoken), " µs", None, f"the bare model: {median(bare):.1f} µs"),
        Row(what + ", all are silent", _detection(silence), " µs"),
        Row("Voice detection: memory per call", _memory_of_a_process() / 1000, " kB", 20),
    ]


def _speech() -> bytes:
    clips = resources.files("voice_runtime.simulator") / "clips"
    said = b"".join(to_ulaw_8k(read_wav(str(clips / f"{name}.wav"))) for name in ("order-6312", "where-is-my-parcel"))
    return (said * 10)[: RATE * SECONDS]


def _in_turns(speech: bytes) -> bytes:
    """Two seconds of the caller's, two of the agent's."""
    turn = 2 * RATE
    return b"".join(speech[at : at + turn] + b"\xff" * turn for at in range(0, len(speech), turn))


def _detection(audio: bytes) -> float:
    """Microseconds of all threads for 32 ms of one call; simulated time, so that nothing else is waited for."""

    async def calls() -> float:
        vad = SileroVad()
        await vad.start()
        # Each call is somewhere else in the audio, and in a chunk.
        ears = [(vad.detector(Nobody()), audio[at:] + audio[:at]) for at in range(0, CALLS * 517, 517)]
        for index, (detector, _) in enumerate(ears):
            detector.feed(b"\xff" * (index * 4))
        began = time.process_time()
        for start in range(0, len(audio), FRAME):
            for detector, heard in ears:
                detector.feed(heard[start : start + FRAME])
            await asyncio.sleep(FRAME / RATE)
        await asyncio.sleep(0.1)
        spent = time.process_time() - began
        await vad.aclose()
        return spent

    return run(calls()) / (CALLS * len(audio) / CHUNK) * 1e6


def _bare_model(times: int = 300) -> float:
    """The same, of onnxruntime alone, with all calls in each run."""
    model = SileroModel()
    inputs = np.random.default_rng(0).standard_normal((CALLS, CONTEXT + CHUNK)).astype(np.float32) * 0.1
    state = np.zeros((2, CALLS, 128), np.float32)
    began = time.process_time()
    for _ in range(times):
        _, state = model.run(inputs, state)
    return (time.process_time() - began) / times / CALLS * 1e6


def _memory_of_a_process() -> float:
    """In a fresh one: what others have freed would be used again, and not be seen."""
    asked = "from benchmarks.voice_detection import _memory, _speech, run; print(run(_memory(_speech())))"
    return float(subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout)


async def _memory(speech: bytes) -> float:
    """Bytes of resident memory that a call adds which has spoken."""
    vad = SileroVad()
    await vad.start()
    session = VoiceSession()
    speech = speech[: RATE * 2]
    voices: list[CallerVoice] = []
    sizes = []
    for _ in range(2):  # the first ones warm the allocator up
        for _ in range(MANY):
            voices.append(CallerVoice(session, vad))
        for start in cycle(range(0, len(speech), FRAME)):
            for voice in voices[-MANY:]:
                voice.feed(bytes(bytearray(speech[start : start + FRAME])))
            await asyncio.sleep(FRAME / RATE)
            if start + FRAME >= len(speech):
                break
        gc.collect()
        sizes.append(_resident())
    await vad.aclose()
    return (sizes[1] - sizes[0]) / MANY


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096
