"""Calls from webhook to ear, on virtual time: what handlers can do, and what callers hear."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from phone_system import phone_system

from voice_runtime import BlockingSession, CallHangupError, NothingHeardError, VoiceSession
from voice_runtime.audio import Wav, beep, detect_dtmf, read_wav, to_ulaw_8k
from voice_runtime.events import CallEnded, DtmfReceived, EndReason, Fault, PlaybackOutcome, UtteranceFinished
from voice_runtime.mock.stt import MockStt
from voice_runtime.mock.tts import MockTts
from voice_runtime.simulator import EndedBy, Line, Phone, listens


async def test_a_call_is_answered_heard_and_hung_up() -> None:
    """The caller hears the agent's words bit by bit, the agent the caller's, and the carrier has nothing to say."""
    log: list[str] = []
    stt = lambda: MockStt(script=[(1500, "forty two")])  # noqa: E731
    async with phone_system(stt=stt, tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            log.append(f"{call.caller_number} {call.called_number} {call.direction}")
            await call.say("your number")
            heard = await call.listen()
            said = await call.say(f"thanks {heard.text}")
            log.append(f"{heard.text} {said.outcome} {said.heard_text}")

        record = await system.call(listens(60))
    assert log == ["+358401234567 +358942721000 inbound", "forty two played thanks forty two"]
    assert MockTts.render("your number") in record.ear and MockTts.render("thanks forty two") in record.ear
    assert record.ended_by is EndedBy.REST and record.violations == ()


async def test_a_plain_function_answers_in_a_thread_with_the_same_names() -> None:
    """`def` blocks where `async def` awaits."""
    where: list[object] = []
    async with phone_system(stt=lambda: MockStt(script=[(1200, "yes")]), tts=MockTts()) as system:

        @system.app.call()
        def answer(call: BlockingSession) -> None:
            where.append(threading.current_thread() is threading.main_thread())
            call.say("one two")
            where.append(call.listen().text)
            where.append(call.collect_digits(2).text)
            call.play(beep(440, 100))
            call.hangup("done")

        async def caller(line: Line) -> None:
            await line.hear_out()
            line.press("12")
            await line.stay()

        record = await system.call(caller)
    assert where == [False, "yes", "12"]
    assert MockTts.render("one two") in record.ear and beep(440, 100) in record.ear


async def test_two_handlers_each_have_their_number() -> None:
    """A handler for one number does not answer the others; a number nobody answers is rejected."""
    async with phone_system(tts=MockTts()) as system:

        @system.app.call("+358942721000")
        async def sales(call: VoiceSession) -> None:
            await call.say("sales")

        @system.app.call("+358942721001")
        async def support(call: VoiceSession) -> None:
            await call.say("support")

        first = await system.call(listens(9), called="+358942721000")
        second = await system.call(listens(9), called="+358942721001")
        third = await system.call(listens(9), called="+358942729999")
    assert MockTts.render("sales") in first.ear and MockTts.render("support") in second.ear
    assert third.ended_by is EndedBy.REJECTED


async def test_keys_are_collected_up_to_the_terminator() -> None:
    """1 2 3 4 # is the number 1234, and the terminator is not part of it."""
    digits: list[str] = []
    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            result = await call.collect_digits(timeout=5)
            digits.append(f"{result.text} {result.end}")

        async def caller(line: Line) -> None:
            line.press("1234#")
            await line.stay()

        await system.call(caller)
    assert digits == ["1234 terminator"]


async def test_a_key_interrupts_and_what_was_heard_is_accounted_for() -> None:
    """The agent falls silent, and its account of what was heard agrees with the ear."""
    finished: list[UtteranceFinished] = []
    text = "a very long sentence that nobody wants to hear to its end because it goes on and on"
    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            call.on_event(lambda event: finished.append(event) if isinstance(event, UtteranceFinished) else None)
            said = await call.say(text)
            assert said.interrupted
            await call.say("ok")

        async def caller(line: Line) -> None:
            await line.wait_until_agent_speaks()
            await line.pause(1.5)
            line.press("1")
            await line.stay()

        record = await system.call(caller)
    ear = record.ear.lstrip(b"\xff")
    heard = next(n for n, (a, b) in enumerate(zip(ear, MockTts.render(text), strict=False)) if a != b) / 8
    assert finished[0].outcome is PlaybackOutcome.INTERRUPTED
    assert abs(finished[0].heard_ms - heard) <= 20  # a frame
    assert text.startswith(finished[0].heard_text) and finished[0].heard_text != text
    assert MockTts.render("ok") in record.ear


async def test_an_utterance_can_be_uninterruptible() -> None:
    """barge_in="never": keys and words wait."""
    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            said = await call.say("this must be heard", barge_in="never")
            assert not said.interrupted

        async def caller(line: Line) -> None:
            await line.wait_until_agent_speaks()
            line.press("1")
            await line.stay()

        record = await system.call(caller)
    assert MockTts.render("this must be heard") in record.ear


async def test_keypad_tones_reach_the_other_side() -> None:
    """send_digits plays tones that a decoder at the other end understands."""
    async with phone_system() as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.send_digits("42#")

        record = await system.call(listens(9))
    assert detect_dtmf(record.ear) == "42#"


async def test_what_was_queued_is_heard_before_the_handlers_return_hangs_up() -> None:
    """Nothing is cut: audio that was not waited for is still played out."""
    audio = MockTts.render("played after the handler is done")
    async with phone_system() as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            call.send_audio(audio)

        record = await system.call(listens(60))
    assert audio in record.ear


async def test_the_caller_hangs_up_and_everything_that_waits_is_told() -> None:
    """`listen` raises, events end, `on_disconnected` is called once, and the reason names the caller."""
    log: list[object] = []
    told = threading.Event()
    async with phone_system(stt=MockStt) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            call.on_disconnected = lambda end: (log.append(end.reason), told.set())  # type: ignore[func-returns-value]
            events = call.events()
            with pytest.raises(CallHangupError):
                await call.listen()
            log.extend(event.end.fault for event in [e async for e in events] if isinstance(event, CallEnded))
            with pytest.raises(CallHangupError):
                await call.say("too late")

        record = await system.call(listens(1))
        assert await asyncio.to_thread(told.wait, 5)
    assert sorted(map(str, log)) == ["caller", "caller_hung_up"]
    assert record.ended_by is EndedBy.CALLER
    assert Fault.CALLER is EndReason.CALLER_HUNG_UP.fault


async def test_silence_is_an_error_the_handler_can_catch() -> None:
    """`listen(timeout)` raises NothingHeardError."""
    async with phone_system(stt=MockStt, tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            try:
                await call.listen(timeout=1)
            except NothingHeardError:
                await call.say("are you there")

        record = await system.call(listens(60))
    assert MockTts.render("are you there") in record.ear


async def test_words_said_before_they_are_asked_for_are_kept() -> None:
    """What the caller says over the agent is what the next `listen` returns."""
    heard: list[str] = []
    stt = lambda: MockStt(script=[(500, "first"), (700, "second")])  # noqa: E731
    async with phone_system(stt=stt, tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.say("a longer sentence that is spoken meanwhile", barge_in="never")
            heard.extend([(await call.listen()).text, (await call.listen()).text])

        await system.call(listens(60))
    assert heard == ["first", "second"]


async def test_two_calls_share_nothing() -> None:
    """Two calls at once: neither a frame, nor an event, nor the other's failure crosses over."""
    keys: dict[str, list[str]] = {}
    async with phone_system(tts=MockTts(), apology="sorry") as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            mine = keys.setdefault(call.caller_number or "", [])
            call.on_event(lambda event: mine.append(event.digit) if isinstance(event, DtmfReceived) else None)
            await call.say(f"hello {call.caller_number}")
            if call.caller_number == "+1":
                raise ZeroDivisionError("this handler is broken")
            await asyncio.sleep(3)
            await call.say(f"bye {call.caller_number}")

        async def caller(line: Line) -> None:
            await line.stay()

        async def presser(line: Line) -> None:
            await line.hear_out()
            line.press("77")
            await line.stay()

        broken, fine = await asyncio.gather(system.call(caller, caller="+1"), system.call(presser, caller="+2"))
    assert keys == {"+1": [], "+2": ["7", "7"]}
    assert MockTts.render("hello +1") in broken.ear and MockTts.render("sorry") in broken.ear
    assert MockTts.render("hello +2") in fine.ear and MockTts.render("bye +2") in fine.ear
    assert MockTts.render("hello +2") not in broken.ear and MockTts.render("hello +1") not in fine.ear


async def test_fifty_calls_at_once_each_hear_their_own_words() -> None:
    """One process, fifty callers: every ear has its own words without a gap, and nobody else's."""

    def words(number: int) -> str:
        return f"{number:02d}" * 8

    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.say(words(int(call.caller_number or "")))

        records = await asyncio.gather(*(system.call(listens(20), caller=f"+{n}") for n in range(50)))
    rendered = [MockTts.render(words(n)) for n in range(50)]
    for n, record in enumerate(records):
        assert record.ear.count(rendered[n]) == 1
        assert record.faults == ()


async def test_a_call_is_placed_and_the_handler_gets_it() -> None:
    """`place_call` dials through the REST API; when it is answered, the call is like any other, but outbound."""
    seen: list[str] = []
    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            seen.append(f"{call.direction} {call.called_number}")
            await call.say("this is a call for you")

        system.carrier.phones["+358509999999"] = Phone(listens(30), rings=0.2)
        sid = await system.app.place_call("+358509999999", "+358942721000")
        record = await system.carrier.finished(sid)
    assert seen == ["outbound +358509999999"]
    assert MockTts.render("this is a call for you") in record.ear


async def test_a_call_is_recorded_in_stereo(tmp_path: Path) -> None:
    """VOICE_RECORD_DIR: caller left, agent right, what was sent and not what was taken back."""
    async with phone_system(tts=MockTts(), changes={"voice_record_dir": str(tmp_path)}) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.say("hello there")

        async def caller(line: Line) -> None:
            await line.say(beep(500, 400))
            await line.stay()

        record = await system.call(caller)
    recording = read_wav(tmp_path / f"{record.sid}.wav")
    left, right = (to_ulaw_8k(Wav(8000, 1, "ulaw", recording.data[side::2])) for side in (0, 1))
    assert recording.channels == 2
    assert beep(500, 400) in left and MockTts.render("hello there") in right


async def test_keys_pressed_during_the_prompt_count() -> None:
    """The key that interrupts a prompt is the first of the number; keys from before the prompt are not."""
    got: list[str] = []
    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            await call.say("press something", barge_in="never")
            await asyncio.sleep(1)
            await call.say("your code please")
            got.append((await call.collect_digits(3)).text)
            answer = await call.listen_or_collect(2, timeout=5)
            got.append(str(answer.text))

        async def caller(line: Line) -> None:
            await line.wait_until_agent_speaks()
            line.press("9")
            await line.wait_until_agent_stops(quiet_ms=500)
            await line.wait_until_agent_speaks()
            line.press("123")
            await line.wait_until_keys_pressed()
            await line.pause(1)
            line.press("45")
            await line.stay()

        await system.call(caller)
    assert got == ["123", "45"]


async def test_the_hash_key_after_the_last_digit_means_nothing() -> None:
    """With a fixed length, a # out of habit neither interrupts what is said next nor answers it."""
    got: list[object] = []
    async with phone_system(tts=MockTts()) as system:

        @system.app.call()
        async def answer(call: VoiceSession) -> None:
            got.append((await call.collect_digits(2)).text)
            got.append((await call.say("thank you very much")).interrupted)
            got.append((await call.collect_digits(1)).text)

        async def caller(line: Line) -> None:
            line.press("12#")
            await line.hear_out(quiet_ms=300)
            line.press("#")
            line.press("7")
            await line.stay()

        await system.call(caller)
    assert got == ["12", False, ""]
