"""What became of the calls: for people, for programs, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voice_runtime.cli.simulate.screen import Screen, told
from voice_runtime.simulator import Annotation, CallPicture, CallRecord, EndedBy, NoteKind, Violation, draw
from voice_runtime.simulator.report import clock_time, transcript
from voice_runtime.simulator.rest import CallStatus

__all__ = ["Outcome", "write_files"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All calls; `failures`: what a script, or somebody who types, expected in vain; `account`: REST's violations."""

    records: tuple[CallRecord, ...]
    failures: tuple[str, ...] = ()
    account: tuple[Violation, ...] = ()

    @property
    def clean(self) -> bool:
        bad = [record for record in self.records if record.faults or _failed(record)]
        return bool(self.records) and not bad and not self.failures and not self.account

    def show(self, screen: Screen, *, transcripts: bool) -> None:
        for record in self.records:
            if transcripts:
                screen.say(f"\n{transcript(note for note in _notes(record) if screen.wants(note))}")
            screen.say(_summary(record), "bold red" if _failed(record) else "bold")
            for line in _measured(record):
                screen.say(f"  {line}")
            for violation in record.violations:
                screen.say(f"  {clock_time(violation.at)}  {told(violation)}", "red" * (violation in record.faults))
        for violation in self.account:
            screen.say(f"REST: {told(violation)}", "red")
        for failure in self.failures:
            screen.say(f"failed: {failure}", "bold red")
        if not self.records:
            screen.say("there was no call", "bold red")

    def facts(self) -> dict[str, Any]:
        """For programs. Times in seconds, or as the names say."""
        return {
            "ok": self.clean,
            "calls": [_facts(record) for record in self.records],
            "failures": list(self.failures),
            "rest_violations": [_violation(violation) for violation in self.account],
        }


def write_files(records: tuple[CallRecord, ...], recording: Path | None, picture: Path | None) -> list[Path]:
    """The files that were asked for, numbered when there are several calls. Raises OSError."""
    written = []
    for number, record in enumerate(records, start=1):
        suffix = f"-{number}" if len(records) > 1 else ""
        if recording is not None:
            written.append(recording.with_stem(recording.stem + suffix))
            record.write_wav(written[-1])
        if picture is not None:
            written.append(picture.with_stem(picture.stem + suffix))
            shown = tuple(note for note in _notes(record) if note.kind is not NoteKind.LATENCY)
            written[-1].write_text(draw(CallPicture(record.ear, record.mouth, shown)), encoding="utf-8")
    return written


def _failed(record: CallRecord) -> bool:
    """A call that the application did not answer, or lost. What a phone of ours does is no failure."""
    return record.ended_by in (EndedBy.FAILED, EndedBy.REJECTED) or record.status is CallStatus.FAILED


def _notes(record: CallRecord) -> list[Annotation]:
    """What the carrier noted, what was heard and said, and how fast the agent answered and fell silent."""
    timeline, words = record.timeline, record.heard
    spoken = words.utterances()
    if not words:
        for span in timeline.agent_turns:
            text = f"({span.duration_ms / 1000:.1f} s of sound)"
            spoken.append(Annotation(NoteKind.AGENT, span.start_ms / 1000, span.end_ms / 1000, text))
    return sorted([*record.notes, *spoken, *timeline.annotations()], key=lambda note: note.at)


def _summary(record: CallRecord) -> str:
    return f"{record.sid}: {record.status.value}, {record.seconds:.1f} s, ended by: {record.ended_by.value}"


def _measured(record: CallRecord) -> list[str]:
    timeline, lines = record.timeline, []
    if answers := timeline.responses():
        lines.append(f"the agent answered after {', '.join(f'{answer.latency_ms:.0f}' for answer in answers)} ms")
    if barge_ins := timeline.barge_ins():
        lines.append(f"interrupted, it was silent after {', '.join(f'{b.latency_ms:.0f}' for b in barge_ins)} ms")
    if record.message:
        lines.append(f"left on the machine: {record.message}")
    if gaps := timeline.agent_gaps():
        longest = max(gap.duration_ms for gap in gaps)
        lines.append(f"pauses in its speech of more than 60 ms: {len(gaps)}, the longest {longest:.0f} ms")
    if dropouts := timeline.dropouts():
        lines.append(f"digital silence inside its speech: {len(dropouts)} times")
    return lines


def _facts(record: CallRecord) -> dict[str, Any]:
    timeline = record.timeline
    return {
        "sid": record.sid,
        "direction": record.direction,
        "status": record.status.value,
        "ended_by": record.ended_by.value,
        "seconds": round(record.seconds, 2),
        "response_ms": [round(found.latency_ms) for found in timeline.responses()],
        "barge_in_ms": [round(found.latency_ms) for found in timeline.barge_ins()],
        "message": record.message,
        "gap_ms": [round(found.duration_ms) for found in timeline.agent_gaps()],
        "dropout_ms": [round(found.duration_ms) for found in timeline.dropouts()],
        "violations": [_violation(found) for found in record.violations],
        "transcript": [
            {"at": round(note.at, 3), "until": round(note.until, 3), "kind": note.kind.value, "text": note.text}
            for note in _notes(record)
        ],
    }


def _violation(violation: Violation) -> dict[str, Any]:
    code = violation.code
    return {
        "at": round(violation.at, 3),
        "code": code.value,
        "name": code.name,
        "detail": violation.detail,
        "meaning": code.meaning,
    }
