"""What every agent on a phone may do, as the caller has it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from agent_world import Remembering, desk, ear, says

from voice_runtime import VoiceSession
from voice_runtime.agent.builtin_tools import collect_digits, hang_up, send_digits, send_sms, transfer_to
from voice_runtime.audio.tones import detect_dtmf
from voice_runtime.errors import CarrierError
from voice_runtime.events import EndReason
from voice_runtime.llm import AgentItem, ToolItem, Turn, UserItem
from voice_runtime.simulator import CallRecord, EndedBy, Line, Menu, Phone, ivr
from voice_runtime.testing import PhoneSystem, PhoneTests, ScriptedBrain, UseTool
from voice_runtime.transports.twilio_transport import TwilioTransport


def test_hang_up_waits_until_the_goodbye_was_heard(phone: PhoneTests) -> None:
    """Whether the goodbye comes before the tool or after it; a brain that has none says the agent's own."""

    async def after(turn: Turn) -> AsyncIterator[str]:
        await turn.tools.call("hang_up", "{}")
        yield "It was a pleasure. Goodbye!"

    async def before(turn: Turn) -> AsyncIterator[str]:
        yield "It was a pleasure. Goodbye!"
        await turn.tools.call("hang_up", "")

    async def without(turn: Turn) -> AsyncIterator[str]:
        await turn.tools.call("hang_up", "")
        if turn.text == "never":
            yield ""

    async def caller(line: Line) -> None:
        await says(line, "that is all")
        await line.stay()

    for brain, words in (
        (after, "it was a pleasure. goodbye!"),
        (before, "it was a pleasure. goodbye!"),
        (without, "thank you for calling. goodbye."),
    ):
        agent = Remembering(brain, tools=[hang_up])
        record = phone.call(desk(agent), caller)
        assert ear(record) == words
        assert record.ended_by is not EndedBy.CALLER
        assert agent.end is not None and agent.end.reason is EndReason.AGENT_HUNG_UP


def test_a_caller_who_interrupts_the_goodbye_stays(phone: PhoneTests) -> None:
    """There was one more thing."""

    async def brain(turn: Turn) -> AsyncIterator[str]:
        if "pizza" in turn.text:
            yield "One pizza."
        else:
            await turn.tools.call("hang_up", "{}")
            yield "It was a pleasure to talk to you, and have a very nice day. Goodbye!"

    async def caller(line: Line) -> None:
        await says(line, "that is all")
        await line.wait_until_agent_speaks()
        await line.pause(1.0)
        await says(line, "wait one pizza please")
        await line.hear_out()

    agent = Remembering(brain, tools=[hang_up])
    record = phone.call(desk(agent), caller)
    assert record.ended_by is EndedBy.CALLER
    assert ear(record).endswith("one pizza.")


def test_digits_are_collected_and_are_no_part_of_a_turn(phone: PhoneTests) -> None:
    """The prompt is heard to its end, and no filler after it; keys that come early count."""

    async def brain(turn: Turn) -> AsyncIterator[str]:
        yield "Please key in your number, and then the hash key."
        number = await turn.tools.call("collect_digits", "{}")
        yield f"Thank you: {' '.join(number)}."

    async def caller(line: Line) -> None:
        await says(line, "where is it")
        await line.wait_until_agent_speaks()
        line.press("4")
        await line.hear_out()
        await line.pause(3.0)
        line.press("2")
        await line.pause(3.0)
        line.press("7#")
        await line.hear_out()

    agent = Remembering(brain, tools=[collect_digits])
    record = phone.call(desk(agent), caller)
    assert ear(record) == "please key in your number, and then the hash key. thank you: four two seven."
    assert [item for item in agent.remembered if isinstance(item, ToolItem | UserItem)] == [
        UserItem("where is it"),
        ToolItem("collect_digits", "{}", "427"),
    ]


def test_a_caller_who_presses_nothing(phone: PhoneTests) -> None:
    """The model is told; a caller who speaks instead has the next turn."""

    async def brain(turn: Turn) -> AsyncIterator[str]:
        if turn.history:
            yield "Then tell me your name."
            return
        yield "Please key in your number."
        yield (await turn.tools.call("collect_digits", '{"max_digits": 3}')).replace("The caller", "You")

    async def waits(line: Line) -> None:
        await says(line, "where is it")
        await line.hear_out()
        await line.pause(10.0)
        await line.hear_out()

    async def speaks(line: Line) -> None:
        await says(line, "where is it")
        await line.hear_out()
        await says(line, "i have no number")
        await line.hear_out()

    record = phone.call(desk(Remembering(brain, tools=[collect_digits])), waits)
    assert ear(record) == "please key in your number. you pressed no key."
    agent = Remembering(brain, tools=[collect_digits])
    assert ear(phone.call(desk(agent), speaks)) == "please key in your number. then tell me your name."
    assert agent.remembered[-2:] == [UserItem("i have no number"), AgentItem("Then tell me your name.")]


def test_digits_are_sent_as_tones(phone: PhoneTests) -> None:
    """The other side hears the keys, and nothing the model makes up."""
    refused: list[str] = []

    async def brain(turn: Turn) -> AsyncIterator[str]:
        yield "One moment."
        refused.append(await turn.tools.call("send_digits", '{"digits": "ABC; hello"}'))
        await turn.tools.call("send_digits", '{"digits": "12w#"}')
        yield "Done."

    async def caller(line: Line) -> None:
        await says(line, "press one two please")
        await line.hear_out()

    record = phone.call(desk(Remembering(brain, tools=[send_digits])), caller)
    assert "The arguments are wrong: digits" in refused[0]
    assert detect_dtmf(record.ear) == "12#"
    assert ear(record).startswith("one moment.") and ear(record).endswith("done.")


def test_a_menu_is_gone_through_without_a_word(phone: PhoneTests) -> None:
    """Who presses a key for a machine need not say anything; there is nothing to apologise for."""

    async def sales(line: Line) -> None:
        await line.say("sales, how can i help")
        await line.hear_out(quiet_ms=2000)

    keys = UseTool("send_digits", {"digits": "1"})
    brain = ScriptedBrain(on={"press one": keys, "how can": "i want a parcel."})
    menu = ivr(Menu("welcome. for sales press one.", {"1": sales}))
    record = phone.place(desk(Remembering(brain, tools=[send_digits])), "+15550001234", menu)
    assert ear(record) == "i want a parcel." and "menu: 1" in record.transcript()


def test_a_caller_is_transferred(phone: PhoneTests) -> None:
    """The announcement is heard first; then somebody else answers, and the call is theirs."""

    async def brain(turn: Turn) -> AsyncIterator[str]:
        assert turn.tools.specs[0].parameters["properties"]["to"] == {"const": "sales", "type": "string"}
        yield "I am connecting you."
        await turn.tools.call("transfer", '{"to": "sales"}')

    async def caller(line: Line) -> None:
        await says(line, "sales please")
        await line.hear_out()
        await line.hears("this is sales")

    async def sales(line: Line) -> None:
        await says(line, "this is sales")
        await line.stay()

    async def scenario(system: PhoneSystem) -> CallRecord:
        system.phones["+15551230001"] = Phone(sales)
        return await system.call(caller)

    agent = Remembering(brain, tools=[transfer_to(sales="+15551230001")])
    record = phone.run(scenario, desk(agent))
    assert ear(record).startswith("i am connecting you.") and "this is sales" in ear(record)
    assert agent.end is not None and agent.end.reason is EndReason.TRANSFERRED


def test_a_text_message_goes_to_the_caller(phone: PhoneTests) -> None:
    """From the number that was called."""

    async def brain(turn: Turn) -> AsyncIterator[str]:
        yield await turn.tools.call("send_sms", '{"text": "Your order: 42"}')

    async def caller(line: Line) -> None:
        await says(line, "text it to me")
        await line.hear_out()

    async def scenario(system: PhoneSystem) -> CallRecord:
        record = await system.call(caller)
        sent.extend(message.body for message in system.carrier.rest.messages.values())
        return record

    sent: list[str] = []
    record = phone.run(scenario, desk(Remembering(brain, tools=[send_sms])))
    assert ear(record) == "the text message was sent."
    assert sent == ["Your order: 42"]


def test_a_transfer_that_the_carrier_refuses(phone: PhoneTests) -> None:
    """The model is told, the conversation goes on, and the call ends as what it was."""

    class Refusing(TwilioTransport):
        async def transfer(self, call_sid: str, to: str) -> None:
            raise CarrierError("no line")

    async def brain(turn: Turn) -> AsyncIterator[str]:
        yield "I am connecting you."
        yield await turn.tools.call("transfer", '{"to": "sales"}')

    async def caller(line: Line) -> None:
        await says(line, "sales please")
        await line.hear_out(quiet_ms=2000)

    class Desk(Remembering):
        async def enter(self, call: VoiceSession) -> None:
            call.carrier = Refusing()

    agent = Desk(brain, tools=[transfer_to(sales="+15551230001", support="sip:help@example.com")])
    record = phone.call(desk(agent), caller)
    assert ear(record) == "i am connecting you. the call could not be transferred."
    assert agent.end is not None and agent.end.reason is EndReason.CALLER_HUNG_UP
