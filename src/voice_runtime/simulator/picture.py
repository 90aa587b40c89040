"""A call as a picture: who spoke when, what was said, how quickly the agent answered and fell silent. SVG, by hand."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

import numpy as np

from voice_runtime.audio.frames import SAMPLE_RATE
from voice_runtime.audio.g711 import decode_ulaw
from voice_runtime.events import MarkOutcome
from voice_runtime.simulator.notes import Annotation, NoteKind
from voice_runtime.simulator.timeline import Timeline

__all__ = ["CallPicture", "draw"]

_WIDTH: Final = 1600
_HEIGHT: Final = 656
_LEFT: Final = 112
_RIGHT: Final = 40
_CALLER_Y: Final = 220  # middle of the caller's lane
_AGENT_Y: Final = 396
_LANE: Final = 52  # half the height of a lane
_LATENCY_Y: Final = 308  # between the lanes
_MARK_Y: Final = 550
_AXIS_Y: Final = 456
_BARGE_Y: Final = 96
_CHARACTER: Final = 0.57  # of the font size, on average
_BOLD: Final = 0.68
_KEY_WIDTH: Final = 20.0
_LATENCY_LIMIT_MS: Final = 1000.0

_INK, _GREY, _RULE, _PAPER = "#1f2933", "#66727f", "#d5dbe1", "#ffffff"
_CALLER, _CALLER_TINT = "#1a6fb5", "#e3f0fa"
_AGENT, _AGENT_TINT = "#2b7a4b", "#e4f4ea"
_RED, _AMBER = "#c62828", "#b26a00"
_MARKS = {MarkOutcome.PLAYED: _AGENT, MarkOutcome.CLEARED: _RED}


@dataclass(frozen=True, slots=True)
class CallPicture:
    """`ear`, `mouth`: what the caller heard and said, mu-law. Latencies and interruptions are measured if not given."""

    ear: bytes
    mouth: bytes
    annotations: Sequence[Annotation] = ()
    title: str = "A call"
    subtitle: str = ""

    @property
    def seconds(self) -> float:
        return max(len(self.ear), len(self.mouth), SAMPLE_RATE // 10) / SAMPLE_RATE


def draw(picture: CallPicture) -> str:
    """The SVG document."""
    return _Canvas(picture).svg()


@dataclass(slots=True)
class _Rows:
    """Keeps texts of one area apart: each goes to the first row in which there is room for it."""

    count: int
    ends: list[float] = field(default_factory=list)

    def place(self, left: float, right: float) -> int:
        while len(self.ends) < self.count:
            self.ends.append(-1e9)
        for row, end in enumerate(self.ends):
            if left >= end + 8:
                self.ends[row] = right
                return row
        row = min(range(self.count), key=lambda index: self.ends[index])
        self.ends[row] = max(right, self.ends[row])
        return row


class _Canvas:
    def __init__(self, picture: CallPicture) -> None:
        self._picture = picture
        self._timeline = Timeline.of(picture.ear, picture.mouth, picture.annotations)
        self._scale = (_WIDTH - _LEFT - _RIGHT) / picture.seconds
        given = list(picture.annotations)
        for kind in (NoteKind.LATENCY, NoteKind.INTERRUPTION):
            if not any(note.kind is kind for note in given):
                given += [note for note in self._timeline.annotations() if note.kind is kind]
        self._notes = sorted(given, key=lambda note: note.at)
        self._out: list[str] = []

    def svg(self) -> str:
        self._out = []
        self._frame()
        self._axis()
        for y, audio, spans, colour, tint in (
            (_CALLER_Y, self._picture.mouth, self._timeline.caller, _CALLER, _CALLER_TINT),
            (_AGENT_Y, self._picture.ear, self._timeline.agent, _AGENT, _AGENT_TINT),
        ):
            for span in spans:
                left, right = self._x(span.start_ms / 1000), self._x(span.end_ms / 1000)
                self._rect(left, y - _LANE, right - left, 2 * _LANE, tint, radius=4)
            self._wave(audio, y, colour)
        self._turn_ends()
        self._latencies()
        self._interruptions()
        # Last: the halo of the letters is what keeps them readable where a line crosses.
        self._words(NoteKind.CALLER, _CALLER_Y - _LANE - 12, _CALLER, lines=3, upwards=True)
        self._words(NoteKind.AGENT, _AXIS_Y + 38, _AGENT, lines=4, upwards=False)
        self._marks()
        self._legend()
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"'
        style = "font-family=\"'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif\""
        return "\n".join([f'{head} height="{_HEIGHT}" {style}>', *self._out, "</svg>"]) + "\n"

    # -- the stage ----------------------------------------------------------------------------------------------------

    def _frame(self) -> None:
        self._rect(0, 0, _WIDTH, _HEIGHT, _PAPER)
        self._text(24, 38, self._picture.title, size=22, weight="bold")
        if self._picture.subtitle:
            self._text(24, 62, self._picture.subtitle, size=14, colour=_GREY)
        for y, name, who, colour in (
            (_CALLER_Y, "Caller", "mouth", _CALLER),
            (_AGENT_Y, "Agent", "at the ear", _AGENT),
        ):
            self._rect(_LEFT, y - _LANE, _WIDTH - _LEFT - _RIGHT, 2 * _LANE, "#f7f9fa", radius=4)
            self._text(24, y - 2, name, size=17, colour=colour, weight="bold")
            self._text(24, y + 16, who, size=12, colour=_GREY)

    def _axis(self) -> None:
        step = next((s for s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600) if s * self._scale >= 56), 1800)
        tick = 0
        while tick * step <= self._picture.seconds + 1e-9:
            x = self._x(tick * step)
            self._line(x, _CALLER_Y - _LANE, x, _AXIS_Y, _RULE)
            self._text(x, _AXIS_Y + 15, f"{tick * step:g} s", size=12, colour=_GREY, anchor="middle")
            tick += 1
        self._line(_LEFT, _AXIS_Y, _WIDTH - _RIGHT, _AXIS_Y, _GREY)

    def _wave(self, ulaw: bytes, y: float, colour: str) -> None:
        """Loudest sample per pixel, and the mean in a stronger shade."""
        columns = int(self._picture.seconds * self._scale)
        samples = np.abs(np.frombuffer(decode_ulaw(ulaw), dtype="<i2").astype(np.float64)) / 32768
        length = max(1, round(self._picture.seconds * SAMPLE_RATE))
        samples = np.pad(samples, (0, max(0, length - len(samples))))
        edges = np.linspace(0, len(samples), columns + 1).astype(int)[:-1]
        peaks = np.maximum.reduceat(samples, edges)
        means = np.sqrt(np.add.reduceat(samples**2, edges) / np.maximum(1, np.diff(np.append(edges, len(samples)))))
        loudest = max(0.2, float(peaks.max()))
        for heights, opacity in ((peaks, 0.35), (means, 0.9)):
            tall = heights / loudest * (_LANE - 4)
            above = " ".join(f"{_LEFT + i},{y - h:.1f}" for i, h in enumerate(tall))
            below = " ".join(f"{_LEFT + i},{y + h:.1f}" for i, h in reversed(list(enumerate(tall))))
            self._out.append(f'<polygon points="{above} {below}" fill="{colour}" fill-opacity="{opacity}"/>')
        self._line(_LEFT, y, _WIDTH - _RIGHT, y, colour, width=0.6)

    # -- what happened ------------------------------------------------------------------------------------------------

    def _words(self, kind: NoteKind, y: float, colour: str, *, lines: int, upwards: bool) -> None:
        """The words of each turn beside its lane, wrapped to the room there is until the next turn."""
        spoken = [note for note in self._notes if note.kind is kind and note.text]
        # The last words of a call have room of their own: they begin further left, and the ones before end there.
        lefts = [min(self._x(note.at), _WIDTH - _RIGHT - 120.0) for note in spoken]
        for note, left, end in zip(spoken, lefts, [*lefts[1:], _WIDTH - _RIGHT], strict=False):
            room = int((end - left - 14) / (13 * _CHARACTER))
            wrapped = textwrap.wrap(f"“{note.text}”", min(max(room, 6), 46), max_lines=lines, placeholder=" …”")
            for number, line in enumerate(wrapped):
                row = number - len(wrapped) + 1 if upwards else number
                self._text(left, y + 16 * row, line, size=13, colour=colour, halo=True)

    def _turn_ends(self) -> None:
        for note in self._of(NoteKind.TURN_END):
            x = self._x(note.at)
            self._line(x, _CALLER_Y - _LANE, x, _CALLER_Y + _LANE + 12, _AMBER, width=1.5, dash="2 3")
            self._out.append(f'<circle cx="{x:.1f}" cy="{_CALLER_Y + _LANE + 12}" r="3.5" fill="{_AMBER}"/>')
            if note.text:
                self._text(x + 7, _CALLER_Y + _LANE + 16, note.text, size=11, colour=_AMBER, halo=True)
        self._keys()

    def _keys(self) -> None:
        """Keys pressed in quick succession share a label, which begins where the first was pressed."""
        runs: list[tuple[float, str]] = []
        last = -math.inf
        for note in sorted(self._of(NoteKind.DTMF), key=lambda note: note.at):
            x = self._x(note.at)
            if x - last < _KEY_WIDTH:
                runs[-1] = (runs[-1][0], runs[-1][1] + note.text)
            else:
                runs.append((x, note.text))
            last = x
        for x, keys in runs:
            wide = len(keys) * _KEY_WIDTH / 2 + 8
            self._rect(x - 4, _CALLER_Y - 11, wide, 20, _CALLER, radius=4)
            self._text(x - 4 + wide / 2, _CALLER_Y + 4, keys, size=13, colour=_PAPER, anchor="middle", weight="bold")

    def _latencies(self) -> None:
        for note in self._of(NoteKind.LATENCY):
            left, right = self._x(note.at), self._x(note.until)
            slow = (note.until - note.at) * 1000 > _LATENCY_LIMIT_MS
            colour = _AMBER if slow else _INK
            self._line(left, _CALLER_Y + _LANE, left, _LATENCY_Y + 6, colour)
            self._line(right, _LATENCY_Y - 6, right, _AGENT_Y - _LANE, colour)
            self._line(left, _LATENCY_Y, right, _LATENCY_Y, colour, width=2.5)
            middle, half = (left + right) / 2, len(note.text) * 14 * _BOLD / 2 + 9
            at = middle if right - left > 2 * half + 6 else right + half + 4
            at = min(at, _WIDTH - _RIGHT - half)
            self._rect(at - half, _LATENCY_Y - 12, 2 * half, 24, _PAPER, radius=12, stroke=colour)
            self._text(at, _LATENCY_Y + 5, note.text, size=14, colour=colour, anchor="middle", weight="bold")

    def _interruptions(self) -> None:
        rows = _Rows(2)
        for note in self._of(NoteKind.INTERRUPTION):
            x, silent = self._x(note.at), self._x(note.until)
            self._rect(x, _AGENT_Y - _LANE, max(1.0, silent - x), 2 * _LANE, _RED, opacity=0.18)
            self._line(silent, _AGENT_Y - _LANE, silent, _AGENT_Y + _LANE, _RED, width=1.2, dash="4 3")
            label = f"interrupts · {note.text}"
            wide = len(label) * 13 * _BOLD
            left = x + 7 if x + wide < _WIDTH - _RIGHT else x - 7 - wide
            y = _BARGE_Y + 18 * rows.place(left, left + wide)
            self._line(x, y - 12, x, _AGENT_Y + _LANE, _RED, width=2.5)
            self._text(
                x + 7 if left > x else x - 7,
                y,
                label,
                size=13,
                colour=_RED,
                weight="bold",
                halo=True,
                anchor="start" if left > x else "end",
            )

    def _marks(self) -> None:
        marks = self._of(NoteKind.MARK) + self._of(NoteKind.CLEAR)
        if not marks:
            return
        self._text(24, _MARK_Y + 22, "Marks", size=13, colour=_GREY, weight="bold")
        rows = _Rows(3)
        for note in sorted(marks, key=lambda note: note.until):
            x = self._x(note.until)
            clear = note.kind is NoteKind.CLEAR
            colour = _RED if clear else _MARKS.get(note.outcome or MarkOutcome.PLAYED, _GREY)
            outcome = f" · {note.outcome}" if note.outcome else ""
            label = textwrap.shorten(note.text, 28, placeholder="…") + outcome
            wide = len(label) * 11 * _CHARACTER + 8
            left = x + 4 if x + wide < _WIDTH - _RIGHT else x - wide
            row = rows.place(min(left, x), max(left + wide, x))
            self._line(x, _AXIS_Y - 6, x, _AXIS_Y + 6, colour, width=2)
            self._line(x, _MARK_Y + 12 + 16 * row, x, _MARK_Y + 24 + 16 * row, colour, width=2)
            self._text(left, _MARK_Y + 22 + 16 * row, label, size=11, colour=colour)

    def _legend(self) -> None:
        entries = [("speech", _CALLER_TINT, "box"), ("speech", _AGENT_TINT, "box")]
        kinds = {note.kind for note in self._notes}
        if NoteKind.TURN_END in kinds:
            entries.append(("turn end decided", _AMBER, "dot"))
        if NoteKind.LATENCY in kinds:
            entries.append(("caller silent → agent heard", _INK, "bar"))
        if NoteKind.INTERRUPTION in kinds:
            entries.append(("caller interrupts → agent silent", _RED, "bar"))
        if NoteKind.MARK in kinds:
            entries += [("mark played", _AGENT, "tick"), ("mark cleared", _RED, "tick")]
        entries = [("caller speaks", *entries[0][1:]), ("agent heard", *entries[1][1:]), *entries[2:]]
        x, y = float(_LEFT), _HEIGHT - 18
        self._line(24, y - 24, _WIDTH - _RIGHT, y - 24, _RULE)
        for text, colour, shape in entries:
            match shape:
                case "box":
                    self._rect(x, y - 11, 18, 14, colour, radius=3, stroke=_RULE)
                case "dot":
                    self._out.append(f'<circle cx="{x + 9:.1f}" cy="{y - 4}" r="4" fill="{colour}"/>')
                case "bar":
                    self._line(x, y - 4, x + 18, y - 4, colour, width=3)
                case _:
                    self._line(x + 9, y - 11, x + 9, y + 3, colour, width=2.5)
            self._text(x + 25, y, text, size=12, colour=_GREY)
            x += 25 + len(text) * 12 * _CHARACTER + 30

    # -- ink ----------------------------------------------------------------------------------------------------------

    def _of(self, kind: NoteKind) -> list[Annotation]:
        return [note for note in self._notes if note.kind is kind]

    def _x(self, seconds: float) -> float:
        return _LEFT + min(max(0.0, seconds), self._picture.seconds) * self._scale

    def _rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        radius: float = 0,
        stroke: str = "",
        opacity: float = 1,
    ) -> None:
        edge = f' stroke="{stroke}"' if stroke else ""
        self._out.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}"'
            f' fill="{fill}" fill-opacity="{opacity}"{edge}/>'
        )

    def _line(
        self, x1: float, y1: float, x2: float, y2: float, stroke: str, *, width: float = 1, dash: str = ""
    ) -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._out.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
            f' stroke="{stroke}" stroke-width="{width}"{dashed}/>'
        )

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int,
        colour: str = _INK,
        anchor: str = "start",
        weight: str = "normal",
        halo: bool = False,
    ) -> None:
        outline = f' stroke="{_PAPER}" stroke-width="4" paint-order="stroke" stroke-linejoin="round"' if halo else ""
        clean = escape("".join(char for char in text if char.isprintable()))
        self._out.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
            f' font-weight="{weight}"{outline}>{clean}</text>'
        )
