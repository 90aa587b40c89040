"""The pytest plugin, as a user's tests meet it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ("-p", "voice_runtime.testing.plugin")  # does nothing where the package is installed with its entry points
APP = '''
import pytest
from voice_runtime import VoiceApp
from voice_runtime.simulator import listens, ViolationCode
from voice_runtime.events import EndReason

def app_that(work):
    app = VoiceApp()
    app.call()(work)
    return app

async def speaks(call):
    await call.say("hello")

async def breaks(call):
    raise ZeroDivisionError("in the handler")

async def rogue(scope, receive, send):
    """An application of another make, which sends a field too many."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/xml")]})
        xml = b'<Response><Connect><Stream url="wss://voice.example.com/m"/></Connect><Hangup/></Response>'
        await send({"type": "http.response.body", "body": xml})
    elif scope["type"] == "websocket":
        import json
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        sid = json.loads((await receive())["text"])["streamSid"]
        await send({"type": "websocket.send", "text": json.dumps({"event": "clear", "streamSid": sid, "why": 1})})
        while (await receive())["type"] != "websocket.disconnect":
            pass
'''


def outcome(pytester: pytest.Pytester, body: str) -> pytest.RunResult:
    pytester.makepyfile(APP + body)
    return pytester.runpytest_inprocess(*PLUGIN, "-p", "no:randomly", "-p", "no:asyncio")


def test_a_test_passes_when_all_is_well(pytester: pytest.Pytester) -> None:
    """No pytest-asyncio, no configuration."""
    body = "def test_it(phone):\n    assert phone.call(app_that(speaks), listens(5)).timeline.agent\n"
    outcome(pytester, body).assert_outcomes(passed=1)


def test_a_violation_fails_the_test_and_is_named(pytester: pytest.Pytester) -> None:
    """The test itself fails, not its teardown; expected, it does not."""
    body = """
def test_not_expected(phone):
    phone.call(rogue, listens(1))

def test_expected(phone):
    phone.expect(ViolationCode.INVALID_MESSAGE)
    phone.call(rogue, listens(1))
"""
    result = outcome(pytester, body)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*31951 INVALID_MESSAGE at 0.* s of call *", "*phone: transcripts*"])


def test_a_handler_that_fails_is_seen(pytester: pytest.Pytester) -> None:
    """The failure has the handler's traceback, also when the test failed of something else."""
    body = """
def test_lint(phone):
    phone.call(app_that(breaks), listens(5))

def test_assertion(phone):
    phone.expect(EndReason.HANDLER_FAILED)
    assert not phone.call(app_that(breaks), listens(5))
"""
    result = outcome(pytester, body)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*the handler of call * failed: ZeroDivisionError('in the handler')*"])
    assert result.stdout.str().count('raise ZeroDivisionError("in the handler")') >= 2


def test_the_scripts_errors_are_the_tests(pytester: pytest.Pytester) -> None:
    """A caller who waits in vain fails the test with their own TimeoutError."""
    body = """
async def waits(call):
    await call.wait_ended()

def test_it(phone):
    async def caller(line):
        await line.hear_out(timeout=3)
    phone.call(app_that(waits), caller)
"""
    result = outcome(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*TimeoutError: the agent said nothing within 3*"])


def test_what_a_script_raises_is_told_once_and_where(pytester: pytest.Pytester) -> None:
    """The lines of the test and of the script, none of ours, and no second traceback below."""
    body = """
async def waits(call):
    await call.wait_ended()

def test_it(phone):
    async def caller(line):
        raise LookupError("no such order")
    phone.call(app_that(waits), caller)
"""
    shown = outcome(pytester, body).stdout.str()
    assert shown.count("E       LookupError: no such order") == 1 and "Traceback" not in shown
    assert "voice_runtime/" not in shown and len(shown.splitlines()) < 50, shown


def test_an_app_that_answers_no_calls_cannot_be_called(pytester: pytest.Pytester) -> None:
    """Nothing would be tested."""
    body = """
def test_it(phone):
    phone.call(VoiceApp(), listens(1.0))
"""
    result = outcome(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ConfigurationError: The VoiceApp answers no calls. @app.call() does.*"])


def test_who_does_not_use_it_does_not_pay() -> None:
    """Loaded for every test run, it imports none of the package's work."""
    heavy = {"fastapi", "httpx", "numpy", "twilio", "asyncio", "voice_runtime.simulator", "voice_runtime.settings"}
    code = "import pytest, sys; before = set(sys.modules); import voice_runtime.testing.plugin"
    code += f"; print({heavy} & (set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


def test_a_parameter_of_the_same_name_is_none_of_ours(pytester: pytest.Pytester) -> None:
    """`phone` may be a test's own word; and a fixture of the test's may hand ours on."""
    body = """
@pytest.mark.parametrize("phone", ["+15550001234", None])
def test_own(phone):
    assert phone != ""

@pytest.fixture
def telephone(request):
    return request.getfixturevalue("phone")

def test_handed_on(telephone):
    telephone.call(rogue, listens(1))
"""
    result = outcome(pytester, body)
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*31951 INVALID_MESSAGE at 0.* s of call *"])


def test_it_is_there_when_the_package_is_installed(tmp_path: Path) -> None:
    """pytest finds the plugin by the package's entry point; the ini option is its own."""
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    installed = tmp_path / "voice_runtime-0.dist-info"  # what pip writes, of this tree and not of an older one
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: voice-runtime\nVersion: 0\n")
    lines = [f"{name} = {where}\n" for name, where in entry_points.items()]
    (installed / "entry_points.txt").write_text("[pytest11]\n" + "".join(lines))
    (tmp_path / "pytest.ini").write_text("[pytest]\nphone_speed = 20\n")
    body = "def test_it({0}):\n    assert {0}.call(app_that(speaks), listens(5)).timeline.agent\n"
    (tmp_path / "test_calls.py").write_text(APP + body.format("phone"))
    (tmp_path / "test_sockets.py").write_text(APP + body.format("phone_over_sockets"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
