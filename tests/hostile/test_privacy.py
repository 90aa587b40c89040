"""Nothing that is private reaches a log outside the fields that are marked as such, on any path, at any level."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from cli_world import OUR_NUMBER, TOKEN, Served, open_media, webhook
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from fakes.odd_carrier import OddCarrier

CALLER, FRIEND, KEYS = "+358401234567", "+358509876543", "470815926"
CALLER_SAYS, AGENT_SAYS, TEXTED = "my name is Kalevala Ukkonen", "your secret is Sampo", "meet me at the Pohjola mill"

PROGRAM = f"""
import logging, os
from voice_runtime import VoiceApp
from voice_runtime.mock.stt import MockStt

app = VoiceApp(tts="mock", stt=MockStt)
# Frames of a socket that is served by uvicorn are on its debug level, which `serve` does not let through.
untamed = os.environ.get("VOICE_FAST_SOCKETS") == "true" and (
    "uvicorn uvicorn.error uvicorn.access uvicorn.asgi twilio twilio.http_client urllib3 urllib3.connectionpool httpx"
    " httpcore asyncio websockets websockets.server voice_runtime multipart python_multipart"
).split()

@app.call()
async def answer(call):
    for name in untamed or ():
        logging.getLogger(name).setLevel(logging.DEBUG)
    await call.collect_digits(9, timeout=3)
    call.stt.inject({CALLER_SAYS!r})
    await call.listen()
    await call.say({AGENT_SAYS!r}, barge_in="never")
    try:
        await app.place_call(os.environ["FRIEND"])
    except Exception:
        logging.getLogger("program").exception("the friend is not called")
    if call.call_sid == "CA2":
        raise RuntimeError("a program may fail")

@app.sms
async def read(message):
    raise RuntimeError("this one too")
"""


@pytest.fixture
def carrier() -> Iterator[OddCarrier]:
    made = OddCarrier()
    told = f"The 'To' number {FRIEND} is not valid for {TOKEN}"
    body = json.dumps({"code": 21211, "message": told, "status": 400})
    made.answer = f"HTTP/1.1 400 Bad\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    yield made
    made.close()


def press(media: ClientConnection, keys: str) -> None:
    for digit in keys:
        dtmf = {"track": "inbound_track", "digit": digit}
        media.send(json.dumps({"event": "dtmf", "streamSid": "MZ1", "dtmf": dtmf}))


def to_its_end(media: ClientConnection) -> None:
    with pytest.raises(ConnectionClosed):
        while True:
            message = json.loads(media.recv(timeout=10))
            if message["event"] == "mark":
                media.send(json.dumps(message))


def without_marked_fields(line: str) -> str:
    fields = json.loads(line)
    return json.dumps({name: value for name, value in fields.items() if not name.startswith("private_")})


@pytest.mark.parametrize("fast", ["true", "false"])
def test_no_secret_number_key_or_word_is_in_the_log(tmp_path: Path, carrier: OddCarrier, fast: str) -> None:
    """Good and failing calls, refused strangers, texts, and a REST API that quotes what it was sent."""
    (tmp_path / "program.py").write_text(PROGRAM)
    own = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_API_BASE_URL": carrier.url,
        "TWILIO_PHONE_NUMBER": OUR_NUMBER,
        "FRIEND": FRIEND,  # a traceback quotes the program's own lines
        "VOICE_FAST_SOCKETS": fast,
        "VOICE_RECORD_DIR": str(tmp_path),
    }
    with Served(tmp_path, "program:app", "--log-level", "debug", **own) as served:
        for call_sid in ("CA1", "CA2"):
            with open_media(served, call_sid) as media:
                press(media, KEYS)
                media.send("not " + KEYS)
                media.send(json.dumps({"event": "odd", "words": CALLER_SAYS}))
                to_its_end(media)
        texted = {"From": CALLER, "To": OUR_NUMBER, "Body": TEXTED}
        webhook(served, "/sms", MessageSid="SM1", **texted)
        webhook(served, "/sms", **texted)
        webhook(served, "/sms/status", MessageSid="SM1", MessageStatus="failed", To=FRIEND)
        webhook(served, "/status", CallSid="CA9", CallStatus="completed", From=CALLER, To=OUR_NUMBER)
        webhook(served, "/incoming", From=CALLER, To=OUR_NUMBER)
        for stranger in ("/incoming", f"/sms?Body={quote(TEXTED)}&From={quote(CALLER)}", f"/status?Digits={KEYS}"):
            httpx.post(served.url + stranger, data=texted, trust_env=False)
            httpx.get(served.url + stranger, headers={"X-Twilio-Signature": "x"}, trust_env=False)
        served.terminate()
        code, rest = served.ended()
    lines = rest.splitlines()
    assert code == 0 and sum(json.loads(line)["event"] == "call ended" for line in lines) == 2
    open_text = "\n".join(map(without_marked_fields, lines))
    assert "a program may fail" in open_text and "21211" in open_text and CALLER in rest
    private = [TOKEN, CALLER[1:], FRIEND[1:], KEYS, "Kalevala", "Sampo", "Pohjola", "AXsi"]
    found = {
        word: [line for line in open_text.splitlines() if word in line][:2] for word in private if word in open_text
    }
    assert not found
    keyed = [json.loads(line) for line in lines if re.search(r'"(digit|text|words)"', line)]
    assert not keyed, "what is keyed one by one is not logged one by one either"


def test_recordings_are_nobody_elses(tmp_path: Path) -> None:
    """Readable and writable by the process alone, in a folder that others may read."""
    (tmp_path / "program.py").write_text(PROGRAM)
    folder = tmp_path / "recordings"
    folder.mkdir(mode=0o755)
    with Served(tmp_path, "program:app", VOICE_RECORD_DIR=str(folder)) as served:
        with open_media(served, "CA1") as media:
            media.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}))
        served.terminate()
        served.ended()
    (recording,) = folder.iterdir()
    assert recording.stat().st_mode & 0o777 == 0o600 and recording.stat().st_size > 0
