"""Was it right? What the agent understood against what was said, what the ear heard against what was to be said."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voice_runtime.audio import bytes_to_ms
from voice_runtime.cli.demo.agent import PROMPTS
from voice_runtime.cli.demo.caller import KEYED, SAID
from voice_runtime.events import CallEnd, CallEvent, DtmfReceived, EndReason, FinalTranscript, UtteranceFinished
from voice_runtime.llm import AgentItem, Item, ToolItem
from voice_runtime.simulator import CallRecord, EndedBy
from voice_runtime.turns.sentences import Sentences
from voice_runtime.turns.verbalise import language_for, verbalise

__all__ = ["Check", "judge"]

HEARD_TOLERANCE_MS = 250.0
"""How far our account of what was heard of an interrupted utterance may be off: network, and the carrier's buffer."""
BARGE_IN_LIMIT_MS = 500.0
USED = [("track_parcel", {"number": "7216"}), ("change_day", {"day": "friday", "code": "4711"}), ("hang_up", {})]
"""The tools that the caller's wishes take, and what they have to be told."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that had to be right."""

    what: str
    passed: bool
    detail: str


def judge(
    record: CallRecord,
    events: Sequence[CallEvent],
    remembered: Sequence[Item],
    end: CallEnd | None,
    render: Callable[[str], bytes],
) -> list[Check]:
    """`render` synthesises a text again, independently of the call: the ear must have heard just that."""
    utterances = [event for event in events if isinstance(event, UtteranceFinished)]
    used = [(item.name, json.loads(item.arguments)) for item in remembered if isinstance(item, ToolItem)]
    understood = [event.text for event in events if isinstance(event, FinalTranscript)]
    keyed = "".join(event.digit for event in events if isinstance(event, DtmfReceived))
    said = list(SAID.values())
    checks = [
        Check(
            "every word of the caller was understood", understood == said, f"{len(understood)} of {len(said)} pieces"
        ),
        Check("every key was understood", keyed == KEYED, keyed),
        Check("the tools did what was asked", used == USED, ", ".join(name for name, _ in used)),
        *_heard(record.ear, utterances, render),
        _remembered(remembered, utterances),
        _barge_in(record),
        Check("the carrier found nothing to complain of", not record.violations, _list(record.violations)),
        Check(
            "the agent hung up, at the carrier first",
            record.ended_by is EndedBy.REST and end is not None and end.reason is EndReason.AGENT_HUNG_UP,
            f"ended by {record.ended_by}, reason {end.reason if end else 'unknown'}",
        ),
    ]
    return checks


def _remembered(remembered: Sequence[Item], utterances: Sequence[UtteranceFinished]) -> Check:
    memory = [(item.text, item.interrupted) for item in remembered if isinstance(item, AgentItem)]
    heard = [(utterance.heard_text, utterance.outcome != "played") for utterance in utterances]
    return Check("the agent remembers what was heard, and no more", memory == heard, f"{len(memory)} utterances")


def _heard(ear: bytes, utterances: Sequence[UtteranceFinished], render: Callable[[str], bytes]) -> list[Check]:
    """Every utterance must be in the ear's recording bit by bit, without a gap, as far as it was not interrupted."""
    whole, cut = 0, []
    at = 0
    for utterance in utterances:
        audio = (
            render(utterance.text) if utterance.text == PROMPTS["greeting"] else _in_sentences(utterance.text, render)
        )
        if utterance.outcome == "played":
            found = ear.find(audio, at)
            if found >= 0:
                whole += 1
                at = found + len(audio)
        else:
            heard = _longest_start(ear, audio, at)
            off = bytes_to_ms(heard) - utterance.heard_ms
            at = max(at, ear.find(audio[:heard], at) + heard)
            cut.append(
                Check("the account of the interrupted one is true", abs(off) < HEARD_TOLERANCE_MS, f"{off:+.0f} ms")
            )
    played = sum(utterance.outcome == "played" for utterance in utterances)
    return [
        Check("every utterance was heard bit by bit, no gap", whole == played > 0, f"{whole} of {played}"),
        Check("one utterance was interrupted", len(cut) == 1, f"{len(cut)}"),
        *cut,
    ]


def _in_sentences(text: str, render: Callable[[str], bytes]) -> bytes:
    """As an answer is spoken: each sentence by itself, as soon as there is one."""
    cutter = Sentences()
    return b"".join(
        render(verbalise(sentence, language_for("en")).text) for sentence in [*cutter.feed(text), *cutter.flush()]
    )


def _longest_start(ear: bytes, audio: bytes, at: int) -> int:
    """How many bytes of the beginning of `audio` are in the ear, in one piece."""
    low, high = 0, len(audio)
    while low < high:
        middle = (low + high + 1) // 2
        if ear.find(audio[:middle], at) >= 0:
            low = middle
        else:
            high = middle - 1
    return low


def _barge_in(record: CallRecord) -> Check:
    silent = [barge_in.latency_ms for barge_in in record.timeline.barge_ins()]
    good = bool(silent) and silent[0] <= BARGE_IN_LIMIT_MS
    return Check(
        "the agent fell silent when it was interrupted", good, f"after {silent[0]:.0f} ms" if silent else "never"
    )


def _list(things: Sequence[object]) -> str:
    return ", ".join(str(thing) for thing in things) or "none"
