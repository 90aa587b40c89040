"""Programs as users write them, for the type checker: `mypy --strict` must accept this file. Nothing here is run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import assert_never, assert_type

from fastapi import FastAPI
from pydantic import BaseModel

from voice_runtime import (
    BargeIn,
    BlockingSession,
    CallHangupError,
    CallNotAnsweredError,
    MissingStreamUrlError,
    NothingHeardError,
    Settings,
    SttProvider,
    TtsProvider,
    VoiceApp,
    VoiceRuntimeError,
    VoiceSession,
    create_stt,
    create_transport,
    create_tts,
    get_sms_transport,
    get_stt_class,
    mix_frames,
)
from voice_runtime.agent import (
    Agent,
    Budget,
    Choice,
    Date,
    DigitCode,
    Form,
    HandOff,
    Limits,
    Phrases,
    Prices,
    Refused,
    YesNo,
    ask,
)
from voice_runtime.errors import CarrierError, ProviderError, SttError, TtsError
from voice_runtime.events import (
    CallConnected,
    CallEnd,
    CallEnded,
    CallEvent,
    Direction,
    DtmfReceived,
    EndReason,
    Fault,
    FinalTranscript,
    MarkOutcome,
    MarkResolved,
    PartialTranscript,
    PlaybackOutcome,
    ProviderFailed,
    SpeechStarted,
    TurnMeasured,
    UtteranceFinished,
    UtteranceStarted,
)
from voice_runtime.handler import Handler
from voice_runtime.llm import AgentItem, HandOffItem, History, Part, ToolItem, Turn, Usage, UserItem, messages
from voice_runtime.mock import MockStt, MockTts
from voice_runtime.providers import SttProvider as OldSttProvider
from voice_runtime.recording import AudioMixer
from voice_runtime.server.webhooks import CallStatus
from voice_runtime.session import Transcript, Utterance
from voice_runtime.simulator import CallRecord, Carrier, Line, Phone, listens, presses, talks
from voice_runtime.stt import SttFault, SttWithSpeechStart
from voice_runtime.stt_tee import SttTee
from voice_runtime.testing import Fail, PhoneTests, ScriptedBrain, TalkTurn, UseTool, Wait, talk
from voice_runtime.transport import CallControl, CarrierTransport, SmsTransport
from voice_runtime.transports.twilio_call import (
    TwilioRegion,
    build_route_stream_xml,
    build_stream_twiml,
    hangup_call,
    initiate_outbound_call,
)
from voice_runtime.transports.twilio_sms import InboundSms, SmsStatus, send_sms
from voice_runtime.tts import SpeechSink, StreamingTts
from voice_runtime.turns.digits import Digits, DigitsEnd


def use(*values: object) -> None:
    """Something is done with them."""


# -- an application ----------------------------------------------------------------------------------------------------

app = VoiceApp(stt="elevenlabs", tts=lambda: MockTts(), settings=Settings(voice_public_url="https://voice.example.com"))


@app.call()
async def answer(call: VoiceSession) -> None:
    greeting = await call.say("Hello!", barge_in=BargeIn.SPEECH)
    assert_type(greeting, Utterance)
    assert_type(greeting.outcome, PlaybackOutcome)
    try:
        heard = await call.listen(timeout=5.0)
    except NothingHeardError as error:
        assert_type(error.timeout, float)
        return
    assert_type(heard, Transcript)
    keyed = await call.collect_digits(4, terminator="#", between=3.0)
    assert_type(keyed, Digits)
    assert_type(keyed.end, DigitsEnd)
    call.prompted()
    either = await call.listen_or_collect(max_digits=4, timeout=5.0)
    assert_type(either, Transcript | Digits)
    use(either.end if isinstance(either, Digits) else either.at)
    await call.play("hold.wav", barge_in="keys")
    await call.play(b"\xff" * 160)
    await call.send_digits("1w2")
    assert_type(await call.mark("checkpoint"), MarkOutcome)
    async for frame in call.audio():
        call.send_audio(frame)
    async for event in call.events(timeout=10.0):
        use(describe(event))
    stop_listening = call.on_event(lambda event: None)
    stop_listening()
    await call.hangup("done")
    assert_type(await call.wait_ended(), CallEnd)


@app.call("+15550001111")
def answer_blocking(call: BlockingSession) -> None:
    assert_type(call.say("Hello!"), Utterance)
    assert_type(call.listen(), Transcript)
    assert_type(call.collect_digits(max_digits=1), Digits)
    assert_type(call.listen_or_collect(1), Transcript | Digits)
    for frame in call.audio():
        call.send_audio(frame)
    call.session.set_mixer(None)
    call.hangup()


class Desk:
    """An object may be a handler too."""

    async def __call__(self, call: VoiceSession) -> None:
        await call.say("Hello!")


app.call("+15550002222")(Desk())
handler: Handler = answer
blocking_handler: Handler = answer_blocking


@app.status
async def status(status: CallStatus) -> None:
    use(status.call_sid, status.status, status.terminal, status.fields.get("CallDuration"))


@app.sms
def sms(message: InboundSms) -> str:
    return f"{message.from_} wrote {message.body}"


@app.sms_status
def sms_status(status: SmsStatus) -> None:
    use(status.message_sid, status.error_code)


def describe(event: CallEvent) -> str:
    match event:
        case CallConnected() | SpeechStarted():
            return f"{event.at}"
        case DtmfReceived(at, digit):
            return f"{at} {digit}"
        case PartialTranscript(at, text) | FinalTranscript(at, text):
            return f"{at} {text}"
        case UtteranceStarted(at, number, text):
            return f"{at} {number} {text}"
        case UtteranceFinished():
            assert_type(event.heard_ms, float)
            return event.heard_text
        case MarkResolved(_, name, outcome):
            return f"{name} {explain(outcome)}"
        case ProviderFailed(_, kind, provider, reason, detail):
            return f"{kind} {provider} {reason} {detail}"
        case TurnMeasured(latency_ms=latency_ms, stages=stages):
            assert_type(latency_ms, float | None)
            return " ".join(f"{time.stage} {time.owner} {time.ms:.0f}" for time in stages)
        case CallEnded(_, end):
            assert_type(end.reason, EndReason)
            assert_type(end.fault, Fault)
            return end.detail
        case _:
            return ""


def explain(outcome: MarkOutcome) -> str:
    match outcome:
        case MarkOutcome.PLAYED:
            return "heard"
        case MarkOutcome.CLEARED | MarkOutcome.DISCONNECTED | MarkOutcome.RESET | MarkOutcome.TIMED_OUT:
            return "not heard"
        case _:
            assert_never(outcome)


@dataclass(eq=False)
class CustomerCall(VoiceSession):
    """A session with more in it."""

    customer: str = ""


with_sessions_of_its_own = VoiceApp(session=CustomerCall, tts="espeak", apology="Sorry.")


async def outbound() -> None:
    sid: str = await app.place_call("+15551234567", from_="+15550001111")
    carrier = app.carrier
    assert_type(carrier, CarrierTransport | None)
    if carrier is not None:
        await carrier.hang_up(sid)
    await app.switchboard.drain(30.0)


# -- an agent ----------------------------------------------------------------------------------------------------------


async def brain(turn: Turn) -> AsyncIterator[str]:
    for message in messages(turn):
        yield message["content"]


async def brain_with_tools(turn: Turn) -> AsyncIterator[Part]:
    yield ToolItem("find", '{"order": 42}', "Thursday")
    yield Usage(input_tokens=120, output_tokens=8)
    yield "On Thursday."


class Receptionist(Agent):
    async def user_turn(self, call: VoiceSession, turn: Turn) -> Turn:
        return replace(turn, text=turn.text.title())

    async def exit(self, call: VoiceSession, history: History) -> None:
        for item in history:
            match item:
                case UserItem(text, keys):
                    use(text, keys)
                case AgentItem(text, interrupted):
                    use(text, interrupted)
                case ToolItem(name, arguments, result):
                    use(name, arguments, result)
                case HandOffItem(agent, to):
                    use(agent, to)
                case _:
                    assert_never(item)


AT_MOST = Limits(max_turns=20, max_spend=1.0, prices=Prices(call_minute=0.01))


class Order:
    def __init__(self, call: VoiceSession) -> None:
        self.number = 0


def order_of(call: VoiceSession) -> Order:
    return Order(call)


class OrderDesk(Agent[Order]):
    async def enter(self, call: VoiceSession) -> HandOff | None:
        assert_type(self.context_of(call), Order)
        return HandOff(receptionist, keep_history=3)

    async def user_turn(self, call: VoiceSession, turn: Turn) -> str | None:
        return "What else?" if turn.text else None


class Basket(BaseModel):
    pizzas: int


async def asking(call: VoiceSession, order: Order) -> None:
    number = await ask(call, DigitCode("Your number?", length=4))
    assert_type(number, str | Refused)
    assert_type(await ask(call, YesNo("Really?")), bool | Refused)
    assert_type(await ask(call, Date("When?", today=date.today())), date | Refused)
    assert_type(await ask(call, Choice("Which?", options={"small": 1})), int | Refused)
    basket = await ask(call, Form("What would you like?", Basket, brain))
    if isinstance(basket, Refused):
        use(basket.why, basket.said)
    else:
        assert_type(basket, Basket)
        order.number = basket.pizzas


receptionist = Receptionist(brain, budget=Budget(4000, summarise=brain))
assert_type(Agent(brain, context=Order), Agent[Order])
assert_type(Agent(brain, context=order_of), Agent[Order])
app.call("+15550004444")(OrderDesk(brain, context=lambda call: Order(call)))
app.call("+15550002222")(Agent(brain, greeting="Hello!", limits=AT_MOST))
app.call("+15550003333")(Receptionist(brain_with_tools, phrases=Phrases(goodbye="Bye."), language="de-DE"))


async def streaming(call: VoiceSession) -> None:
    said = await call.say(brain(Turn("hello")), barge_in=BargeIn.NEVER)
    assert_type(said, Utterance)


# -- providers ---------------------------------------------------------------------------------------------------------


class MyStt:
    def __init__(self) -> None:
        self.on_committed: Callable[[str], None] | None = None
        self.on_recognizing: Callable[[str], None] | None = None
        self.on_error: Callable[[str], None] | None = None
        self.on_speech_started: Callable[[], None] | None = None

    def set_speaking(self, speaking: bool) -> None: ...

    async def start(self, inbound_queue: asyncio.Queue[bytes | None]) -> None:
        raise SttError("mine", "auth", remedy="Set MY_KEY.")

    async def stop(self) -> None: ...


class MyTts:
    def __init__(self) -> None:
        self.on_error: Callable[[str], None] | None = None

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        if not text:
            raise TtsError("mine", "bad_request")
        yield b"\xff" * 160

    def speak(self, text: str, session: SpeechSink, stop_event: threading.Event | None = None) -> dict[str, object]:
        if not session.is_disconnected:
            session.put_outbound_sync(b"\xff" * 160)
            session.send_mark_and_wait("tts_complete", timeout=30.0)
        return {"last_spoken": text}


class MyCarrier:
    async def place_call(
        self, to: str, *, from_: str = "", twiml: str = "", url: str = "", status_callback: str = ""
    ) -> str:
        raise CarrierError("no line", status=503)

    async def hang_up(self, call_sid: str) -> None: ...


an_stt: SttProvider = MyStt()
an_stt_that_says_when: SttWithSpeechStart = MyStt()
a_voice: StreamingTts = MyTts()
a_blocking_voice: TtsProvider = MyTts()
a_carrier: CarrierTransport = MyCarrier()
a_control: CallControl = a_carrier
two_ears: SttProvider = SttTee(primary=MyStt(), secondary=MockStt())
mine = VoiceApp(stt=MyStt, tts=MyTts(), carrier=MyCarrier())
by_name: tuple[SttProvider, TtsProvider, CarrierTransport, SmsTransport] = (
    create_stt("azure", language_code="en-GB"),
    create_tts("azure", voice_name="en-GB-SoniaNeural"),
    create_transport("twilio"),
    get_sms_transport(),
)


def on_error(fault: str) -> None:
    if isinstance(fault, SttFault):
        use(fault.failure, fault.provider)


# -- a test with the simulator -----------------------------------------------------------------------------------------


async def caller(line: Line) -> None:
    await line.interrupt_after(1.0, "hello")
    await line.hear_out()
    line.press("1234#")
    await line.stay()


async def ring() -> None:
    async with Carrier("secret", addresses={"https://voice.example.com": "http://127.0.0.1:8080"}, speed=10) as carrier:
        carrier.phones["+15551234567"] = Phone(presses("1"), rings=2.0)
        record = await carrier.call("https://voice.example.com/incoming", caller)
        assert_type(record, CallRecord)
        await carrier.call("https://voice.example.com/incoming", talks("hello"))
        await carrier.finished(carrier.dial_in("https://voice.example.com/incoming", listens(1.0)))
        use(record.transcript(), record.faults, record.timeline.responses())


# -- a program for 0.1 -------------------------------------------------------------------------------------------------


def program_for_0_1() -> None:
    from voice_runtime.transports.twilio_ws import register_voice_websocket

    session = VoiceSession()
    stt_class = get_stt_class("elevenlabs")
    session.stt_factory = lambda: stt_class(language_code="en")

    def wire(stt: OldSttProvider) -> None:
        stt.on_committed = use
        stt.on_error = on_error

    session.on_stt_ready = wire
    session.on_disconnected = lambda end: use(end.reason)
    web = FastAPI()
    region = TwilioRegion(api_host="api.dublin.ie1.twilio.com", account_sid="AC0", auth=("SK0", "secret"))
    register_voice_websocket(web, session, hangup_regions=(region,))
    mixer = AudioMixer("call.wav", monitor=False)
    session.set_mixer(mixer)
    try:
        session.wait_for_ws_connect(timeout=30.0)
    except CallNotAnsweredError as error:
        assert_type(error.timeout, float)
    except (CallHangupError, MissingStreamUrlError, ProviderError, VoiceRuntimeError):
        raise
    result = create_tts("elevenlabs").speak("Hello.", session, threading.Event())
    use(result["last_spoken"])
    session.put_outbound_sync(b"\xff" * 160)
    session.send_mark_and_wait("end", timeout=10.0)
    session.request_clear_buffer()
    session.clear_inbound()
    session.request_disconnect()
    session.reset()
    assert session.direction is Direction.INBOUND
    use(build_stream_twiml("wss://host"), build_route_stream_xml("wss://host", "token"), mix_frames(b"", b""))
    hangup_call(initiate_outbound_call("+15551234567"), regions=(region,))
    use(send_sms("+15551234567", "Hello")["message_sid"])


def a_test_of_an_agent(phone: PhoneTests) -> None:
    brain = ScriptedBrain("Hello.", ["One moment.", Wait(0.5), Fail()], on={"order": UseTool("find", {"number": 1})})
    for call in (talk(Agent(brain)), phone.talk(Agent(brain)), talk(brain, speed=1.0, pace=500)):
        with call:
            call.say("hello", hear_out=False)
            assert_type(call.turns, tuple[TalkTurn, ...])
            assert_type(call.turns[0].latency_ms, float | None)
            assert_type(call.wait_ended(), CallEnd)
