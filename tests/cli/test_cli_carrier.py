"""`call`, `hangup`, `calls` and `sms`, against a simulated Twilio over loopback."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_world import OUR_NUMBER, PUBLIC, World
from click.testing import Result

from voice_runtime.simulator import Line, Phone, listens, person, waits_for_hang_up
from voice_runtime.simulator.rest import CallStatus, Fault, FaultKind

ALICE = "+358401234567"
Run = Callable[..., Result]

PROGRAM = """
from voice_runtime import VoiceApp

app = VoiceApp(tts="mock")
seen = []

@app.status
def status(report):
    seen.append(report.status)

@app.call()
async def answer(call):
    await call.say("Hi")

async def stays(call):
    await call.wait_ended()

async def who(call):
    await call.hangup(call.answered_by)

async def fails(call):
    raise RuntimeError("no")
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)


def test_a_call_is_placed_for_the_server_elsewhere(run: Run, world: World) -> None:
    """The number on stdout, or JSON; the carrier is told of every change."""
    world.carrier.phones[ALICE] = Phone(outcome=CallStatus.BUSY)
    plain, as_json = run("call", ALICE), run("call", ALICE, "--from", "+15559", "--json")
    first, second = world.carrier.rest.calls.values()
    assert (plain.exit_code, plain.stdout) == (0, first.sid + "\n")
    assert json.loads(as_json.stdout) == {"call_sid": second.sid, "to": ALICE, "status": "queued"}
    assert (first.from_, second.from_, first.url) == (OUR_NUMBER, "+15559", f"{PUBLIC}/incoming")
    assert first.events == ("initiated", "ringing", "answered", "completed")


def test_a_call_is_carried_to_its_end(run: Run, world: World) -> None:
    """Progress on stderr, the result on stdout; the program's own status hook hears of it too."""
    world.carrier.phones[ALICE] = Phone(waits_for_hang_up(), rings=0.5)
    result = run("call", ALICE, "program", "--json")
    outcome = json.loads(result.stdout)
    assert result.exit_code == 0, result.stderr
    assert (outcome["ok"], outcome["answered"], outcome["reason"]) == (True, True, "handler_returned")
    said = result.stderr.splitlines()
    assert [line.split(":")[0] for line in said] == ["queued", "dialling", "ringing", "answered", "ended"]


def test_a_call_that_the_person_ends_is_fine_too(run: Run, world: World) -> None:
    """Bare handlers serve as well."""
    world.carrier.phones[ALICE] = Phone(listens(3.0), rings=0.1)
    result = run("call", ALICE, "program:stays", "--json")
    assert (result.exit_code, json.loads(result.stdout)["reason"]) == (0, "caller_hung_up")


def test_the_program_is_told_who_answered(run: Run, world: World) -> None:
    """When it gets the call, that is known."""
    world.carrier.phones[ALICE] = person("hi", rings=0.1)
    result = run("call", ALICE, "program:who", "--detect-machine", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["why"].startswith("agent_hung_up (human)")


@pytest.mark.parametrize("outcome", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED])
def test_a_call_that_nobody_answers_is_exit_code_1(run: Run, world: World, outcome: CallStatus) -> None:
    """With the carrier's word for it."""
    world.carrier.phones[ALICE] = Phone(rings=0.1, outcome=outcome)
    result = run("call", ALICE, "program", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["status"], told["answered"]) == (1, str(outcome), False)
    assert result.stderr.splitlines()[-1] == f"ended: {outcome}"


def test_a_call_whose_handler_fails_is_exit_code_1(run: Run, world: World) -> None:
    """Answered, but not ended well."""
    world.carrier.phones[ALICE] = Phone(waits_for_hang_up(), rings=0.1)
    result = run("call", ALICE, "program:fails", "--json", "--log-level", "error")
    assert (result.exit_code, json.loads(result.stdout)["reason"]) == (1, "handler_failed")


def test_a_signal_hangs_up(run: Run, world: World) -> None:
    """At the carrier, and the command ends with 1."""
    talking = threading.Event()

    async def person(line: Line) -> None:
        talking.set()
        await line.stay()

    def interrupt() -> None:
        talking.wait(30)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    world.carrier.phones[ALICE] = Phone(person, rings=0.1)
    thread = threading.Thread(target=interrupt)
    thread.start()
    result = run("call", ALICE, "program:stays", "--json")
    thread.join()
    (known,) = world.carrier.rest.calls.values()
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (1, False)
    assert known.status == CallStatus.COMPLETED


def test_a_refusal_is_one_line(run: Run, world: World) -> None:
    """Of the carrier, with its number."""
    world.carrier.rest.fail_always(Fault(FaultKind.STATUS, status=400, code=21219))
    for arguments in (("call", ALICE), ("call", ALICE, "program"), ("sms", ALICE, "hi"), ("calls",), ("hangup", "CA1")):
        result = run(*arguments, *(("--log-level", "error") if arguments[0] == "call" else ()))
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("voice-runtime: ") and "21219" in line


def test_hangup_ends_the_call(run: Run, world: World) -> None:
    """Also one that is over already; one that nobody knows is an error."""
    known = world.carrier.rest.add_call(ALICE, OUR_NUMBER)
    world.carrier.rest.set_status(known, CallStatus.IN_PROGRESS)
    assert run("hangup", known.sid).exit_code == 0
    assert known.status == CallStatus.COMPLETED
    assert json.loads(run("hangup", known.sid, "--json").stdout) == {"call_sid": known.sid, "status": "completed"}
    assert run("hangup", "CA0").exit_code == 1
    assert run("hangup", "../x").exit_code == 2


def test_calls_are_listed_newest_first(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one status, or not more than wanted."""
    rest = world.carrier.rest
    made = [rest.add_call(ALICE, OUR_NUMBER) for _ in range(3)]
    for call in made[:2]:
        rest.set_status(call, CallStatus.IN_PROGRESS)
    made[0].started, made[1].started = time.time() - 60, time.time() - 5
    rows = json.loads(run("calls", "--json").stdout)
    assert [row["call_sid"] for row in rows] == [made[2].sid, made[1].sid, made[0].sid]
    rows = json.loads(run("calls", "--json", "--status", "in-progress", "--limit", "1").stdout)
    assert [row["call_sid"] for row in rows] == [made[1].sid]
    monkeypatch.setenv("COLUMNS", "160")
    assert made[1].sid in run("calls").stdout
    assert "No calls" in run("calls", "--status", "busy").stderr


def test_a_message_is_sent(run: Run, world: World) -> None:
    """From our number, or another."""
    plain, as_json = run("sms", ALICE, "hello"), run("sms", ALICE, "again", "--from", "+15559", "--json")
    first, second = world.carrier.rest.messages.values()
    assert (plain.exit_code, first.body, first.from_) == (0, "hello", OUR_NUMBER)
    assert first.sid in plain.stderr
    assert (json.loads(as_json.stdout)["message_sid"], second.from_) == (second.sid, "+15559")
