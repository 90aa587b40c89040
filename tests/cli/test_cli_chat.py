"""`voice-runtime chat`: a call without sound, typed into a pipe or a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_world import CODE
from click.testing import Result
from typer.testing import CliRunner

from voice_runtime.cli import app

PROGRAM = """
import asyncio
from voice_runtime import VoiceApp
from voice_runtime.audio import beep
from voice_runtime.agent import Agent
from voice_runtime.turns.policy import FloorPolicy

LONG = "One is a number" + " and so is the next one" * 12 + "."

async def brain(turn):
    if "fail" in turn.text:
        raise ConnectionError("the model is gone")
    yield LONG if "count" in turn.text else f"I heard {turn.text or turn.keys}."

agent = Agent(brain, greeting="Hello!")
impatient = Agent(brain, greeting="Hello!", policy=FloorPolicy(silence=(0.1, 5.0)))
app = VoiceApp(stt="elevenlabs", tts="elevenlabs")
app.call()(agent)
two = VoiceApp()
two.call("+1")(agent)
two.call("+2")(agent)

class Broken(Agent):
    async def enter(self, call):
        raise KeyError("customer")

broken = Broken(brain)

class Unmade(Agent):
    def __init__(self):
        self.customers = {}

unmade = Unmade()

class Blocking(Agent):
    def enter(self, call):
        pass

blocking = Blocking(brain)

class Wrong(Agent):
    async def user_turn(self, call, turn):
        return 42

wrong = Wrong(brain)

def pieces(turn):
    yield "I heard something."

def whole(turn):
    return f"I heard {turn.text}."

async def nothing(turn):
    yield None

async def handler(call):
    await call.play(beep(ms=500))
    await call.say(f"{call.caller_number}?")
    heard = await call.listen()
    await call.say(f"Hi {heard}.")
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(PROGRAM)


def typed(text: str, *arguments: str) -> Result:
    """A chat, with what was typed in a pipe."""
    return CliRunner().invoke(app, ["chat", *arguments], input=text, catch_exceptions=False)


def said(result: Result) -> list[str]:
    """The lines without their times."""
    return [" ".join(line.split()[1:]) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(("target", "greeted"), [("desk:agent", True), ("desk", True), ("desk:brain", False)])
def test_an_agent_its_app_or_its_brain_answers_what_is_typed(target: str, greeted: bool) -> None:
    """Each line waits for the answer to the one before; at the end of the input, the caller hangs up."""
    result = typed("hi there\n:press 12#\n", target)
    assert result.exit_code == 0, result.output
    answers = ["caller hi there", "agent I heard hi there.", "key 1", "key 2", "key #", "agent I heard twelve."]
    assert said(result) == [*(["agent Hello!"] if greeted else []), *answers, "end caller_hung_up"]


def test_a_handler_that_is_no_agent_answers_too() -> None:
    """It listens and says, and is done."""
    result = typed("Ann\n", "desk:handler", "--from", "+15550001234")
    assert result.exit_code == 0, result.output
    assert said(result) == [
        "agent (0.5 s of sound)",
        "agent +15550001234?",
        "caller Ann",
        "agent Hi Ann.",
        "end handler_returned",
    ]


def test_a_brain_that_fails_is_one_line_and_an_apology() -> None:
    """No traceback, but the line of the program; the chat goes on, and its exit code knows."""
    result = typed("fail now\nthank you\n", "desk:agent")
    assert result.exit_code == 1, result.output
    assert said(result)[2:4] == [
        "error call CA-chat: a turn failed: brain: ConnectionError('the model is gone') (desk.py:12)",
        "agent I am sorry, I could not get an answer to that. Could you say it again?",
    ]
    assert "agent I heard thank you." in said(result) and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("desk:nothing", "brain: TypeError('a brain yields text, not NoneType')"),
        ("desk:wrong", "user_turn: TypeError('it returns the turn, text, a HandOff or None, not 42')"),
    ],
)
def test_what_a_brain_or_a_hook_may_not_return_is_named(target: str, why: str) -> None:
    """In words of the contract, and whose it was."""
    result = typed("hi\n", target)
    assert result.exit_code == 1
    assert f"error call CA-chat: a turn failed: {why}" in said(result)


def test_a_function_of_a_turn_is_a_brain() -> None:
    """It need not stream."""
    assert "agent I heard hi." in said(typed("hi\n", "desk:whole"))


def test_a_hook_that_fails_ends_the_chat() -> None:
    """With what it raised, once; the apology, and an exit code."""
    result = typed("", "desk:broken")
    assert result.exit_code == 1, result.output
    assert result.stdout.count("failed: KeyError: 'customer' (desk.py:") == 1
    assert said(result)[-1] == "end handler_failed" and "Traceback" not in result.output


def test_the_agent_is_talked_over() -> None:
    """At the pace of speech, one can."""
    result = typed("count for me\n:interrupt stop it\n", "desk:agent", "--slowly", "-v")
    assert result.exit_code == 0, result.output
    lines = said(result)
    assert any(line.startswith("agent One") and line.endswith("-") for line in lines), result.output
    assert "agent I heard stop it." in lines and "state speaking" in lines
    assert any(line.startswith("turn interrupted, first sound after") for line in lines)


def test_for_programs() -> None:
    """On stdout, all that happened; a line that cannot be done is an error, and the chat goes on."""
    result = typed(":hear\n:mumble 1\n:bogus\nhi\n", "desk:agent", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert not told["ok"] and told["end"]["reason"] == "caller_hung_up"
    kinds = [(line["kind"], line["text"]) for line in told["transcript"] if line["kind"] in ("error", "agent")]
    assert kinds == [
        ("agent", "Hello!"),
        ("error", ":mumble 1: there is no sound in a chat; `voice-runtime simulate` has it"),
        ("error", ":bogus: there is no :bogus; :help shows what there is"),
        ("agent", "I heard hi."),
    ]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("nope:agent", "There is no module nope"),
        ("desk:nix", "The module desk has no nix. It has desk:agent, desk:app"),
        ("desk:LONG", "desk:LONG is a str, and neither a VoiceApp, an agent, a brain nor a function of a call."),
        ("desk:Broken", "desk:Broken is the class Broken, and neither"),
        ("desk:pieces", "desk:pieces: pieces is a plain generator: make it `async def`"),
        ("desk:unmade", "desk:unmade: The __init__ of Unmade does not call that of Agent."),
        ("desk:blocking", "desk:blocking: Blocking.enter is a plain `def`. Hooks are `async def`."),
        ("desk:two", "desk:two answers +1, +2, each in its own way: name the agent itself."),
    ],
)
def test_what_cannot_be_talked_to_is_told_in_a_line(target: str, why: str) -> None:
    """Before anything is asked."""
    result = typed("hi\n", target)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"voice-runtime: {why}") and result.stderr.count("\n") == 1


def test_a_silent_caller_is_only_asked_when_that_is_wanted() -> None:
    """Typing takes its time."""
    assert "Are you still there?" in typed(":pause 0.3\n", "desk:impatient", "--silence").stdout
    assert said(typed(":pause 0.3\n", "desk:impatient")) == ["agent Hello!", "end caller_hung_up"]


def test_ctrl_c_hangs_up(tmp_path: Path) -> None:
    """Politely: the agent's call ends, and so does the command."""
    chat = subprocess.Popen(
        [sys.executable, "-B", "-c", CODE, "chat", "desk:agent"],
        cwd=tmp_path,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert chat.stdin is not None and chat.stdout is not None
    chat.stdin.write("hi\n")
    for line in chat.stdout:
        if "I heard hi." in line:
            break
    chat.send_signal(signal.SIGINT)
    shown, errors = chat.communicate(timeout=30)
    assert (chat.returncode, errors) == (0, "")
    assert "caller_hung_up" in shown
