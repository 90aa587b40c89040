"""What is measured, written and drawn of a call."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from voice_runtime.audio.tones import beep, silence
from voice_runtime.audio.wav import read_wav
from voice_runtime.events import MarkOutcome
from voice_runtime.simulator import Annotation, CallPicture, NoteKind, Timeline, draw
from voice_runtime.simulator.report import transcript, write_stereo

# The agent speaks for 1 s, the caller answers after 0.5 s, the agent 0.8 s after that; then the caller interrupts it.
EAR = beep(ms=1000) + silence(2300) + beep(ms=1200) + silence(3000)
MOUTH = silence(1500) + beep(ms=1000) + silence(1800) + beep(ms=900) + silence(2300)


def test_latency_is_from_the_last_of_the_caller_to_the_first_of_the_agent() -> None:
    """And only where the agent had been quiet."""
    assert [response.latency_ms for response in Timeline.of(EAR, MOUTH).responses()] == [800]


def test_an_interruption_lasts_until_the_ear_is_silent() -> None:
    """Measured at the ear, not at the server."""
    (barge_in,) = Timeline.of(EAR, MOUTH).barge_ins()
    assert (barge_in.at_ms, barge_in.latency_ms) == (4300, 200)


def test_an_agent_that_answers_soon_was_silent_before() -> None:
    """Its answer is a turn of its own: it comes after the caller's words, or after a `clear`."""
    ear = beep(ms=1200) + silence(500) + beep(ms=1000)
    for said in (400, 1500):  # the answer comes when the caller has ended; in the middle of the caller's words
        mouth = silence(1000) + beep(ms=said) + silence(1000)
        notes = [Annotation(NoteKind.CLEAR, 1.19, 1.19, "clear")] if said > 500 else []
        (barge_in,) = Timeline.of(ear, mouth, notes).barge_ins()
        assert (barge_in.at_ms, barge_in.latency_ms) == (1000, 200)
    (barge_in,) = Timeline.of(beep(ms=5000), mouth, notes[:0]).barge_ins()
    assert barge_in.latency_ms == 4000  # it did not give way


def test_an_interruption_that_works_at_once_is_one() -> None:
    """Within the caller's first 20 ms, as on virtual time."""
    (barge_in,) = Timeline.of(beep(ms=1000) + silence(900), silence(1000) + beep(ms=900)).barge_ins()
    assert barge_in.latency_ms == 0


def test_gaps_are_holes_in_speech_and_not_the_pauses_between_turns() -> None:
    """Of 120 ms, in the middle of a word."""
    ear = beep(ms=500) + silence(120) + beep(ms=500) + silence(1500) + beep(ms=300)
    timeline = Timeline.of(ear, silence(100))
    assert [(gap.start_ms, gap.end_ms) for gap in timeline.agent_gaps()] == [(500, 620)]
    assert [(round(hole.start_ms, -1), round(hole.end_ms, -1)) for hole in timeline.dropouts()] == [(500, 620)]


def test_a_silent_call_has_no_timeline() -> None:
    """Nor has one without any audio."""
    for audio in (b"", silence(1000)):
        timeline = Timeline.of(audio, audio)
        assert (timeline.caller, timeline.agent, timeline.annotations(), timeline.agent_gaps()) == ((), (), [], [])


def test_the_transcript_is_in_order_of_time() -> None:
    """One line each, whatever is in the words."""
    notes = [
        Annotation(NoteKind.AGENT, 61.5, 62, "Good\nday"),
        Annotation(NoteKind.CALLER, 0.25, 1, "Hello"),
        Annotation(NoteKind.MARK, 1, 2.5, "m1", MarkOutcome.CLEARED),
    ]
    assert transcript(notes) == (
        "00:00.250  caller        Hello\n"
        "00:01.000  mark          m1 (cleared, 00:02.500)\n"
        "01:01.500  agent         Good day\n"
    )


def test_the_stereo_file_has_the_caller_on_the_left(tmp_path: Path) -> None:
    """The shorter lane ends in silence."""
    write_stereo(tmp_path / "call.wav", b"\x01\x02\x03\x04", b"\x05\x06")
    wav = read_wav(tmp_path / "call.wav")
    assert (wav.channel(0), wav.channel(1)) == (b"\x01\x02\x03\x04", b"\x05\x06\xff\xff")


def test_the_picture_is_well_formed_whatever_the_words() -> None:
    """Words, latency, interruption and marks are in it; what XML cannot carry is not."""
    notes = [
        Annotation(NoteKind.CALLER, 1.5, 2.5, 'a < b & "c"\x00'),
        Annotation(NoteKind.AGENT, 0, 1, "word " * 200),
        Annotation(NoteKind.MARK, 0, 1, "greeting", MarkOutcome.PLAYED),
        Annotation(NoteKind.TURN_END, 2.7, 2.7, ""),
        Annotation(NoteKind.DTMF, 99, 99, "#"),
    ]
    text = "".join(ElementTree.fromstring(draw(CallPicture(EAR, MOUTH, notes, "T & <t>"))).itertext())
    for expected in ("T & <t>", 'a < b & "c"', "800 ms", "silent in 200 ms", "greeting · played", "…", "#"):
        assert expected in text


def test_an_empty_call_can_be_drawn() -> None:
    """It has an axis, and nothing on it."""
    assert ElementTree.fromstring(draw(CallPicture(b"", b""))).tag.endswith("svg")
