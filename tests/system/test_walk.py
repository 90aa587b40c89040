"""Found by walking around the server: what must neither stop calls nor hold it up."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from phone_system import PUBLIC, TOKEN, phone_system, settings

from voice_runtime import VoiceSession
from voice_runtime.errors import ConfigurationError
from voice_runtime.server import VoiceApp, gate
from voice_runtime.server.gate import Gate, Refused
from voice_runtime.transports.twilio_ws import TwilioStream
from voice_runtime.wire.signature import sign
from voice_runtime.wire.twiml import ConnectStream, parse_twiml


class WallClock:
    def __init__(self) -> None:
        self.now = 1e9

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


async def quiet(call: VoiceSession) -> None:
    await call.wait_ended()


async def test_a_caller_id_that_xml_cannot_carry_is_still_a_call() -> None:
    """Control characters are left out of the number; everything else is escaped."""
    form = {"CallSid": "CA" + "1" * 32, "From": 'sip:\x01"/><Say>\uffff', "To": "+3582", "Direction": "inbound"}
    async with phone_system() as system, httpx.AsyncClient() as client:
        system.app.call()(quiet)
        headers = {"X-Twilio-Signature": sign(TOKEN, f"{PUBLIC}/incoming", form.items())}
        response = await client.post(f"{system.url}/incoming", data=form, headers=headers)
        (verb,) = parse_twiml(response.text)
        assert isinstance(verb, ConnectStream) and verb.parameters["voice-runtime.from"] == 'sip:"/><Say>'


def test_a_clock_that_jumped_ahead_and_was_set_back_stops_no_calls() -> None:
    """Tokens made afterwards are good, once; those that have expired stay so."""
    clock = WallClock()
    guard = Gate(settings(), clock)
    old = guard.mint("CA1")
    clock.now += 3600
    guard.spend(guard.mint("CA2"))
    clock.now -= 3600
    new = guard.mint("CA3")
    assert guard.spend(new).call_sid == "CA3"
    for token in (new, old):
        with pytest.raises(Refused):
            guard.spend(token)


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger who sends half a request gets an answer and loses the connection."""
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.1)
    async with phone_system() as system:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2]))
        writer.write(b"POST /incoming HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nCallSid=")
        try:
            async with asyncio.timeout(5):
                answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_stranger_who_leaves_half_way_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """And not a traceback of sixty lines, as often as they like."""
    async with phone_system() as system:
        _, writer = await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2]))
        writer.write(b"POST /incoming HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nCallSid=")
        await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)
    assert not [record for record in caplog.records if record.exc_info]
    assert "POST /incoming refused: the peer left" in caplog.text


@pytest.mark.parametrize(
    "public", ["voice.example.com", "https://u:p@voice.example.com", "https://voice.example.com/?x"]
)
def test_a_public_address_that_no_stream_can_have_is_known_at_the_start(public: str) -> None:
    """And not from the first caller, who would hear an application error. It may hold a password: it is not quoted."""
    app = VoiceApp(settings=settings(voice_public_url=public))
    with pytest.raises(ConfigurationError, match="VOICE_PUBLIC_URL") as refused:
        app.api  # noqa: B018
    assert "u:p" not in str(refused.value)


async def test_the_scheme_of_the_public_address_may_be_in_capitals() -> None:
    """A stranger's socket is refused, and not an error of ours."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    async with phone_system(changes={"voice_public_url": PUBLIC.replace("https", "HTTPS")}) as system:
        with pytest.raises(InvalidStatus) as refused:
            await connect(system.url.replace("http", "ws") + "/voice/x", additional_headers={"X-Twilio-Signature": "x"})
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("rate", ["\u00b2", "9" * 5000, -1, "8000"])
async def test_a_sample_rate_that_is_no_number_costs_no_call(rate: object) -> None:
    """What a digit is, Unicode and `int` see differently; nobody needs the rate: it is always 8 kHz."""

    class Socket:
        async def receive(self) -> str:
            start = {"callSid": "CA1", "mediaFormat": {"sampleRate": rate}}
            return json.dumps({"event": "start", "streamSid": "MZ1", "start": start})

    assert (await TwilioStream(Socket()).open(1.0)).sample_rate == 8000  # type: ignore[arg-type]
