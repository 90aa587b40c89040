"""A call as text and as a stereo file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from voice_runtime.audio.frames import SILENCE_BYTE
from voice_runtime.audio.wav import WavWriter
from voice_runtime.simulator.notes import Annotation, NoteKind

__all__ = ["clock_time", "transcript", "write_stereo"]

_WHO = {
    NoteKind.TURN_END: "turn end",
    NoteKind.HANG_UP: "hang-up",
    NoteKind.DTMF: "key",
    NoteKind.INTERRUPTION: "barge-in",
}


def clock_time(seconds: float) -> str:
    """`mm:ss.mmm`."""
    milliseconds = round(max(0.0, seconds) * 1000)
    return f"{milliseconds // 60000:02d}:{milliseconds // 1000 % 60:02d}.{milliseconds % 1000:03d}"


def transcript(notes: Iterable[Annotation]) -> str:
    """One line per note, in order of time: when, who or what, and the words."""
    lines = []
    for note in sorted(notes, key=lambda note: note.at):
        text = " ".join(note.text.split())
        if note.outcome is not None:
            text += f" ({note.outcome}, {clock_time(note.until)})"
        lines.append(f"{clock_time(note.at)}  {_WHO.get(note.kind, note.kind.value):<12}  {text}".rstrip())
    return "\n".join(lines) + "\n" if lines else ""


def write_stereo(path: str | Path, left: bytes, right: bytes) -> None:
    """Two mu-law lanes as one mu-law WAV file; the shorter one ends in silence."""
    both = bytearray([SILENCE_BYTE]) * (2 * max(len(left), len(right)))
    both[0 : 2 * len(left) : 2] = left
    both[1 : 2 * len(right) : 2] = right
    with WavWriter(path, channels=2, encoding="ulaw") as writer:
        writer.write(bytes(both))
