"""What must be true of a call to an agent, whatever happened in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from soak_batch import Log
from soak_talk_agents import PHRASES, Story
from soak_talk_plans import TalkPlan
from soak_talk_words import Words

from voice_runtime.agent.toolbox import RUNNING
from voice_runtime.audio.spelling import SpelledWord, read_spelling
from voice_runtime.events import (
    CallerTurnTaken,
    EndReason,
    FloorChanged,
    FloorState,
    PlaybackOutcome,
    ProviderSwitched,
    ToolFinished,
    ToolOutcome,
    ToolStarted,
    TurnMeasured,
    TurnOutcome,
    UtteranceFinished,
    UtteranceStarted,
)
from voice_runtime.llm import AgentItem, ToolItem, UserItem
from voice_runtime.simulator import CallRecord, EndedBy

__all__ = ["judge"]

LONGEST_SILENCE = 4.3
"""4 s at the ear; the speech of a double begins and ends with 0.1 s that are not loud."""
LONGEST_SILENCE_OF_TWO = 9.0
"""A slow brain and a dead voice together, and tools that may wait without a word: see docs/agent.md."""
RECOGNISED_SECONDS = 1.5
_QUIET_TOOLS = ("collect_digits", "send_digits", "transfer")
LONGEST_CALL_SECONDS = 150.0
APOLOGY = "i am sorry, something went wrong on our side. please call again."
"""What an application says whose handler has failed."""
_OURS = {
    word
    for phrase in (*PHRASES.all, APOLOGY, "please hold.", "which number?", "shall i?", "which size?", "pardon?")
    for word in phrase.split()
}


def judge(plan: TalkPlan, story: Story, record: CallRecord, log: Log) -> list[str]:
    """All that is wrong with it."""
    ends = [end for end in log.ends if end[0] == record.sid]
    heard = read_spelling(bytes(record.ear))
    return [
        *_ends(plan, story, record, ends),
        *_errors(plan, log.errors),
        *_speech(plan, story, heard),
        *_memory(plan, story, heard),
        *_silence(plan, story, record),
        *_turns(story),
        *_tools(story),
        *_callers_words(plan, story),
    ]


def of_type(story: Story, kind: type) -> Iterator[tuple[float, Any]]:
    return ((at, event) for at, event in story.events if isinstance(event, kind))


# -- the end -----------------------------------------------------------------------------------------------------------


def _ends(plan: TalkPlan, story: Story, record: CallRecord, ends: list[Any]) -> Iterator[str]:
    streamed = any(stream.frames_sent for stream in record.streams)
    if not int(streamed and not plan.broken) <= len(ends) <= 1:
        yield f"{len(ends)} ends of the call"
    if record.seconds > LONGEST_CALL_SECONDS:
        yield f"stuck: it lasted {record.seconds:.1f} s"
    if story.entered != story.left:
        yield f"hooks: {story.entered} enter, {story.left} exit"
    for _, reason, detail in ends:
        allowed = _reasons(plan, story, record)
        if EndReason(reason) not in allowed:
            yield f"reason {reason} ({detail}), ended by {record.ended_by}; it fits none of {sorted(allowed)}"
        elif reason == EndReason.PROVIDER_FAILED and not any(detail.startswith(one) for one in _to_blame(plan)):
            yield f"blamed on {detail!r}: {plan.brain=} {plan.voice=} {plan.ears=} {plan.hooks=}"


def _reasons(plan: TalkPlan, story: Story, record: CallRecord) -> set[EndReason]:
    allowed = {EndReason.MAX_DURATION}
    if record.ended_by is EndedBy.CALLER:
        allowed.add(EndReason.CALLER_HUNG_UP)
    if plan.broken:
        allowed |= {EndReason.CONNECTION_LOST, EndReason.SEND_STALLED, EndReason.CALLER_HUNG_UP}
    if plan.hooks == "enter_raises":
        allowed.add(EndReason.HANDLER_FAILED)
    if plan.hooks == "hangs_up" or plan.brain in ("tools", "circles", "chain"):
        allowed.add(EndReason.AGENT_HUNG_UP)
    if plan.brain in ("tools", "circles", "chain") or "transfer_to" in plan.limits:
        allowed.add(EndReason.TRANSFERRED)
    for limit, reason in (("max_turns", EndReason.MAX_TURNS), ("max_spend", EndReason.MAX_SPEND)):
        if limit in plan.limits:
            allowed.add(reason)
    if _to_blame(plan):
        allowed.add(EndReason.PROVIDER_FAILED)
    ended = story.events[-1][0] if story.events else 0.0
    quiet = min(plan.policy.get("silence", (10.0,))) * 3
    lately = any(ended - quiet < at < ended - 8.0 for at in story.sounded)
    if plan.lossy or not lately:
        allowed.add(EndReason.CALLER_SILENT)
    return allowed


def _to_blame(plan: TalkPlan) -> set[str]:
    """The kinds of providers that this plan does something to."""
    blamed = set()
    if plan.brain in ("stalls", "fails", "empty", "tardy", "tools", "circles", "chain"):
        blamed.add("brain")
    if plan.hooks in ("raises", "slow"):
        blamed |= {"brain", "user_turn"}  # what the hook of a turn raises counts as a failure
    if plan.voice not in ("good",):
        blamed.add("tts")
    if (
        plan.ears != "good"
        or plan.caller in ("mumbles", "mixed", "coughs", "interrupts")
        or plan.lossy
        or plan.day.jitter_ms
    ):
        blamed.add("stt")  # who mumbles again and again is not understood
    return blamed


def _errors(plan: TalkPlan, errors: list[str]) -> Iterator[str]:
    asked = ["a turn failed", "a line that was asked for could not be made"]
    if _to_blame(plan) & {"brain"}:
        asked.append("the brain failed")
    if plan.hooks == "enter_raises":
        asked += ["the handler of call", "agent.enter failed", "the apology failed too"]
    if "tts" in _to_blame(plan):
        asked += ["synthesis failed", "cannot be made beforehand", "not made beforehand"]
    if plan.ears != "good":
        asked += ["this call is deaf", "speech recognition did not start"]
    if plan.brain in ("tools", "circles", "chain"):
        asked += ["tool raises failed", "tool plain_raises failed", "one too many", "no transfer"]
    if plan.model == "fails":
        asked.append("end-of-turn")
    if plan.rest_faults:
        asked += ["not ended by REST", "no transfer"]
        if "disconnect" in plan.rest_faults:
            asked.append("ASGI callable returned without completing response")
    if "transfer_to" in plan.limits:
        asked.append("no transfer")
    for error, times in Counter(errors).items():
        if not any(words in error for words in asked):
            yield f"logged {times} times: {error}"


# -- speech ------------------------------------------------------------------------------------------------------------


def _cuts(story: Story) -> int:
    """How often something that was said was cut, or went on in another voice."""
    cut = sum(event.outcome is not PlaybackOutcome.PLAYED for _, event in of_type(story, UtteranceFinished))
    return cut + sum(event.kind == "tts" for _, event in of_type(story, ProviderSwitched))


def _speech(plan: TalkPlan, story: Story, heard: list[SpelledWord]) -> Iterator[str]:
    saying = 0
    for _, event in story.events:
        match event:
            case UtteranceStarted(utterance=number):
                if saying:
                    yield f"utterance {number} began while {saying} was said"
                saying = number
            case UtteranceFinished(utterance=number):
                if saying and number != saying:
                    yield f"utterance {number} ended while {saying} was said"
                saying = 0
            case _:
                pass
    whole = [word.text for word in heard if word.whole]
    unknown = [word for word in whole if word not in _OURS and Words.place(word) is None]
    if unknown and plan.hooks != "says":  # ready audio goes on in the middle of a word
        yield f"words that nobody said: {unknown}"
    places = [place for word in whole if (place := Words.place(word)) is not None]
    again = [place for place, times in Counter(places).items() if times > 1 and place[0] != "desk"]
    if len(again) > _cuts(story):
        yield f"heard twice, with {_cuts(story)} cuts: {again}"
    numbers = [number for source, number in places if source == "brain"]
    back = sum(later <= before for before, later in pairwise(numbers))
    if back > _cuts(story) and plan.hooks != "replies":  # which are made beside the answers
        yield f"out of order {back} times, with {_cuts(story)} cuts: {whole}"


def _memory(plan: TalkPlan, story: Story, heard: list[SpelledWord]) -> Iterator[str]:
    if plan.broken or plan.day.late_stop or plan.hooks == "enter_raises":
        return
    ear = [word.text for word in heard if word.whole and (Words.place(word.text) or ("",))[0] != "aside"]
    kept = " ".join(item.text for item in story.history if isinstance(item, AgentItem)).lower().split()
    codes = SequenceMatcher(None, kept, ear, autojunk=False).get_opcodes()
    off = [(kept[i1:i2], ear[j1:j2]) for tag, i1, i2, j1, j2 in codes if tag != "equal"]
    if sum(max(len(one), len(other)) for one, other in off) > _cuts(story):
        yield f"memory and ear differ, with {_cuts(story)} cuts: {off}"
    if any(isinstance(item, AgentItem) and not item.text for item in story.history):
        yield "an empty item of the agent is in the history"


def _silence(plan: TalkPlan, story: Story, record: CallRecord) -> Iterator[str]:
    if plan.broken or plan.hooks == "enter_raises":
        return
    sounds = sorted(
        (story.zero + span.start_ms / 1000, story.zero + span.end_ms / 1000)
        for span in (*record.timeline.agent, *record.timeline.caller)
    )
    longest, when = 0.0, 0.0
    for began, ended in _owed(story):
        at = began
        for start, stop in (*sounds, (ended, ended)):
            if stop <= at:
                continue
            gap = min(start, ended) - at
            if gap > longest:
                longest, when = gap, at - story.zero
            at = max(at, stop)
            if at >= ended:
                break
    quiet = plan.brain in ("slow", "tardy", "stalls", "endless", "tools", "circles", "chain") or plan.hooks == "slow"
    both = (quiet or plan.hooks == "raises") and plan.voice != "good"
    if longest > (LONGEST_SILENCE_OF_TWO if both else LONGEST_SILENCE):
        yield f"{longest:.1f} s of silence from {when:.1f} s on"


def _owed(story: Story) -> Iterator[tuple[float, float]]:
    """When it was the agent who was to sound."""
    since: float | None = None
    collecting = 0
    for at, event in story.events:
        if isinstance(event, ToolStarted | ToolFinished) and event.tool in (
            "collect_digits",
            "send_digits",
            "transfer",
        ):
            collecting += 1 if isinstance(event, ToolStarted) else -1
            owes = since is not None and not collecting
        elif isinstance(event, FloorChanged):
            owes = event.state in (FloorState.THINKING, FloorState.SPEAKING) and not collecting
        else:
            continue
        if owes and since is None:
            since = at
        elif not owes and since is not None:
            yield since, at
            since = None
    if since is not None:
        yield since, story.events[-1][0]


# -- turns, tools, words -----------------------------------------------------------------------------------------------


def _turns(story: Story) -> Iterator[str]:
    taken = [event.turn for _, event in of_type(story, CallerTurnTaken)]
    measured = [event for _, event in of_type(story, TurnMeasured)]
    count = Counter(event.turn for event in measured)
    if twice := [turn for turn, times in count.items() if times > 1]:
        yield f"turns measured twice: {twice}"
    if missing := [turn for turn in taken if not count[turn]]:
        yield f"turns taken and never measured: {missing}"
    if lost := [e.turn for e in measured if e.turn in taken and e.outcome is TurnOutcome.DISCARDED]:
        yield f"turns taken and discarded: {lost}"
    if made_up := [e.turn for e in measured if e.turn not in taken and e.outcome is TurnOutcome.COMPLETED]:
        yield f"turns completed and never taken: {made_up}"
    items = sum(isinstance(item, UserItem) for item in story.history)
    if not len(taken) <= items <= len(taken) + 1:
        yield f"{len(taken)} turns, {items} items of the caller"


def _tools(story: Story) -> Iterator[str]:
    started = Counter(event.number for _, event in of_type(story, ToolStarted))
    finished = Counter(event.number for _, event in of_type(story, ToolFinished))
    if started != finished or any(times > 1 for times in started.values()):
        yield f"tools: {sorted(started.elements())} started, {sorted(finished.elements())} finished"
    items = [item for item in story.history if isinstance(item, ToolItem)]
    if len(items) != len(started):
        yield f"{len(started)} tools were used, {len(items)} are in the history"
    if running := [item.name for item in items if item.result == RUNNING]:
        yield f"still running, says the history: {running}"
    done = [e for _, e in of_type(story, ToolFinished) if e.tool == "writes" and e.outcome is not ToolOutcome.REFUSED]
    runs = [run for run in story.runs if run.tool == "writes"]
    if len(runs) != len(done):
        yield f"writes: {len(runs)} runs, {len(done)} finished"
    if cut := [run for run in runs if not run.done]:
        yield f"writes: {len(cut)} of {len(runs)} did not come to their end"


def _callers_words(plan: TalkPlan, story: Story) -> Iterator[str]:
    kept = Counter(w for item in story.history if isinstance(item, UserItem) for w in item.text.split())
    if twice := [word for word, times in kept.items() if times > 1 and Words.place(word) is not None]:
        yield f"words of the caller in two items: {twice}"
    if not plan.hears or not story.events or plan.hooks == "enter_raises":
        return
    ended = story.events[-1][0]
    said = [(word, at) for text, at in story.said for word in text.split() if at < ended - RECOGNISED_SECONDS]
    if lost := [word for word, _ in said if Words.place(word) is not None and not kept[word]]:
        yield f"words of the caller that are in no item: {lost}"
