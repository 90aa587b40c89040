"""What is said to an agent, by it and to its tools is in no log line, at any level: secrets are planted."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from agent_world import Remembering, desk, ear, says

from fakes.openai_service import OpenAiService, calls
from fakes.openai_service import says as writes
from fakes.twilio_application import serving
from voice_runtime.agent import Limits
from voice_runtime.agent.builtin_tools import collect_digits, send_sms, transfer_to
from voice_runtime.errors import ToolError
from voice_runtime.llm import ToolItem, Turn
from voice_runtime.providers.openai_brain import OpenAiBrain
from voice_runtime.simulator import Line
from voice_runtime.telemetry import configure_logging
from voice_runtime.telemetry.logs import PRIVATE
from voice_runtime.testing import PhoneTests
from voice_runtime.tools import ToolSpec, tool

CALLER, DESK = "+358407654321", "+358409998887"
SAID, ANSWERED, ARGUMENT, RESULT, REFUSED, MADE_UP = "sampo", "louhi", "vainamoinen", "pohjola", "kullervo", "aino"
KEYS, API_KEY = "90210", "sk-lemminkainen"
SECRETS = [CALLER[1:], DESK[1:], SAID, ANSWERED, ARGUMENT, RESULT, REFUSED, MADE_UP, KEYS, API_KEY]


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[list[dict[str, object]]]:
    """All lines of all loggers at level debug, as JSON; logging is handed back as it was."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in tuple(logging.root.manager.loggerDict))]
    before = [(one, one.level, one.propagate, list(one.handlers)) for one in loggers]
    configure_logging("debug", json=True)
    lines: list[dict[str, object]] = []
    try:
        yield lines
    finally:
        lines += [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
        for one, level, propagate, handlers in before:
            one.setLevel(level)
            one.propagate, one.handlers[:] = propagate, handlers
        structlog.reset_defaults()
        assert lines and _leaks(lines) == {}
        chatter = [line for line in lines if str(line["logger"]).startswith(("http", "openai"))]
        assert {line["level"] for line in chatter} <= {"warning"}, "each request would be a line"


def _leaks(lines: list[dict[str, object]]) -> dict[str, str]:
    """The secrets that are outside marked fields, each with a line; lines of the test's own telephone are not ours."""
    ours = [line for line in lines if not str(line.get("logger")).startswith("voice_runtime.simulator")]
    texts = [json.dumps({name: told for name, told in line.items() if not name.startswith(PRIVATE)}) for line in ours]
    return {secret: text[:300] for secret in SECRETS for text in texts if secret in text.lower()}


@tool(status="Looking for {name}")
async def find(name: str) -> dict[str, str]:
    return {"place": RESULT}


@tool
def refuse(name: str) -> str:
    raise ToolError(f"No {REFUSED} for {name}.")


@tool(status="{nothing} for {name}", timeout=0.5, holding="")
def odd(name: str) -> object:
    class Odd:
        def __str__(self) -> str:
            return RESULT

    return Odd()


async def brain(turn: Turn) -> AsyncIterator[str]:
    if turn.text.startswith("fail"):
        yield f"the {ANSWERED} "
        raise ConnectionError("the model is gone")
    argument = json.dumps({"name": ARGUMENT})
    for name in ("find", "refuse", "odd", MADE_UP, f"{MADE_UP}.{CALLER}"):
        await turn.tools.call(name, argument)
    await turn.tools.call("find", json.dumps({ARGUMENT: [ARGUMENT]}))
    await turn.tools.call("send_sms", json.dumps({"text": f"{ANSWERED} {RESULT}"}))
    yield f"The {ANSWERED} is here. Key it in."
    await turn.tools.call("collect_digits", "{}")
    yield f"Thank you for {SAID}."


def test_no_secret_of_a_whole_call_is_logged(phone: PhoneTests, logged: list[dict[str, object]]) -> None:
    """Words, keys, numbers, arguments and results of tools that work, refuse, do not exist; a brain that breaks."""

    async def caller(line: Line) -> None:
        await line.hear_out()
        await says(line, f"where is the {SAID}")
        await line.wait_until_agent_speaks()
        await line.hear_out()
        line.press(KEYS + "#")
        await line.pause(2.0)
        await line.hear_out()
        line.press(KEYS)
        await says(line, f"fail for {SAID}")
        await line.hear_out()
        await says(line, f"fail for {SAID}")
        await line.hear_out()

    agent = Remembering(
        brain,
        greeting=f"Hello, {SAID}!",
        tools=[find, refuse, odd, collect_digits, send_sms, transfer_to(desk=DESK)],
        limits=Limits(transfer_to=DESK),
    )
    record = phone.call(desk(agent), caller, from_=CALLER)
    assert ANSWERED in ear(record)
    used = [item for item in agent.remembered if isinstance(item, ToolItem)]
    assert {ARGUMENT in item.arguments for item in used[:5]} == {True} and KEYS in [item.result for item in used]


async def test_no_secret_of_a_models_service_is_logged(
    monkeypatch: pytest.MonkeyPatch, logged: list[dict[str, object]]
) -> None:
    """Its SDK would log every request with the conversation in it; nor is the key."""

    class Tools:
        specs = (ToolSpec("find", "Find somebody.", {"type": "object", "properties": {"name": {}}}),)

        async def call(self, name: str, arguments: str) -> str:
            return RESULT

    service = OpenAiService()
    service.answers += [
        calls(("find", json.dumps({"name": ARGUMENT}))),
        writes(f"The {ANSWERED}."),
        writes("x", finish=None),
    ]
    async with serving(service.asgi()) as url:
        monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
        made = OpenAiBrain("small", base_url=f"{url}/v1")
        assert [part async for part in made(Turn(SAID, KEYS, tools=Tools()))] == [f"The {ANSWERED}."]
        with pytest.raises(Exception, match="ended before"):
            [part async for part in made(Turn(SAID, KEYS, tools=Tools()))]
        await made.aclose()
    logging.getLogger("openai").warning("%s", "seen")  # lines do come
