"""Who gets in: real signatures do, behind a proxy too; forged, unsigned, replayed and foreign ones do not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from phone_system import PUBLIC, TOKEN, PhoneSystem, phone_system
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from voice_runtime import VoiceSession
from voice_runtime.simulator import listens
from voice_runtime.wire.signature import sign
from voice_runtime.wire.twiml import ConnectStream, parse_twiml

FORM = {"CallSid": "CA" + "1" * 32, "From": "+3581", "To": "+3582", "Direction": "inbound", "FromCity": ""}


async def incoming(system: PhoneSystem, *, url: str = f"{PUBLIC}/incoming", **changes: Any) -> httpx.Response:
    """Ask for TwiML as the carrier would; `changes` spoil it."""
    headers = {"X-Twilio-Signature": sign(TOKEN, url, FORM.items())} | changes.pop("headers", {})
    async with httpx.AsyncClient(verify=False) as client:  # plain http: no certificates to load
        return await client.post(f"{system.url}/incoming", data=FORM | changes, headers=headers)


async def stream_url(system: PhoneSystem) -> str:
    """The address of the media socket in the TwiML."""
    (verb,) = parse_twiml((await incoming(system)).text)
    assert isinstance(verb, ConnectStream)
    return verb.url


def media_socket(system: PhoneSystem, url: str, signature: str | None) -> connect:
    local = url.replace(PUBLIC.replace("https", "wss"), system.url.replace("http", "ws"))
    headers = {} if signature is None else {"X-Twilio-Signature": signature}
    return connect(local, additional_headers=headers, compression=None, ping_interval=None)


async def start(socket: ClientConnection, call_sid: str = FORM["CallSid"]) -> None:
    await socket.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": {"callSid": call_sid}}))


def answering(system: PhoneSystem) -> list[str | None]:
    """A handler that notes which calls it was given."""
    calls: list[str | None] = []

    @system.app.call()
    async def answer(call: VoiceSession) -> None:
        calls.append(call.call_sid)
        await call.wait_ended()

    return calls


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"X-Twilio-Signature": "forged"}},
        {"headers": {"X-Twilio-Signature": ""}},
        {"headers": {"X-Twilio-Signature": sign("another token", f"{PUBLIC}/incoming", FORM.items())}},
        {"To": "+999"},
        {"FromCity": "Helsinki"},
        {"url": "https://another.example.com/incoming"},
    ],
)
async def test_a_webhook_that_is_not_the_carriers_gets_nothing(changes: dict[str, Any]) -> None:
    """A forged, empty or foreign signature, or one field changed: 403, and no TwiML."""
    async with phone_system() as system:
        answering(system)
        response = await incoming(system, **changes)
    assert (response.status_code, response.text) == (403, "Refused.\n")


async def test_without_an_auth_token_nothing_is_let_in() -> None:
    """Fail closed: a server that cannot check refuses."""
    async with phone_system(changes={"twilio_auth_token": ""}) as system:
        answering(system)
        assert (await incoming(system)).status_code == 403


async def test_a_media_socket_is_refused_before_it_is_accepted() -> None:
    """No signature, a forged one, no token, a made-up token: HTTP 403 instead of 101."""
    async with phone_system() as system:
        calls = answering(system)
        good = await stream_url(system)
        plain = good.rpartition("/")[0]
        other = good[:-2] + ("BA" if good.endswith("AA") else "AA")
        for url, signature in [
            (good, None),
            (good, "forged"),
            (good, sign("another token", good)),
            (plain, sign(TOKEN, plain)),
            (plain + "/x", sign(TOKEN, plain + "/x")),
            (other, sign(TOKEN, other)),
        ]:
            with pytest.raises(InvalidStatus) as refused:
                await media_socket(system, url, signature)
            assert refused.value.response.status_code == 403
    assert calls == []


async def test_a_token_works_once() -> None:
    """The second socket with the same token is refused before acceptance; the first one does not notice."""
    async with phone_system() as system:
        calls = answering(system)
        url = await stream_url(system)
        async with media_socket(system, url, sign(TOKEN, url)) as first:
            await start(first)
            with pytest.raises(InvalidStatus):
                await media_socket(system, url, sign(TOKEN, url))
            await asyncio.sleep(0.05)
            assert calls == [FORM["CallSid"]] and first.state.name == "OPEN"


async def test_a_token_is_good_for_its_own_call_only() -> None:
    """A socket that starts another call than the token was made for is closed, and no handler hears of it."""
    async with phone_system() as system:
        calls = answering(system)
        url = await stream_url(system)
        async with media_socket(system, url, sign(TOKEN, url)) as socket:
            await start(socket, "CA" + "2" * 32)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    assert calls == []


async def test_a_token_expires() -> None:
    """Minutes after the webhook it opens nothing."""
    async with phone_system(changes={"voice_token_seconds": 0.05}) as system:
        answering(system)
        url = await stream_url(system)
        await asyncio.sleep(0.1)
        with pytest.raises(InvalidStatus):
            await media_socket(system, url, sign(TOKEN, url))


@pytest.mark.parametrize(
    "signed",
    [
        lambda url: url,
        lambda url: url + "/",
        lambda url: url.replace("example.com", "example.com:443"),
        lambda url: url.replace("example.com", "example.com:443") + "/",
    ],
)
async def test_every_form_in_which_twilio_may_sign_a_socket_is_let_in(signed: Any) -> None:
    """With and without a trailing slash, with and without the port."""
    async with phone_system() as system:
        calls = answering(system)
        url = await stream_url(system)
        async with media_socket(system, url, sign(TOKEN, signed(url))) as socket:
            await start(socket)
            await asyncio.sleep(0.05)
            assert len(calls) == 1


@pytest.mark.parametrize("public", [PUBLIC + "/", "wss://voice.example.com", "https://voice.example.com/"])
async def test_the_public_address_may_be_written_in_any_form(public: str) -> None:
    """VOICE_PUBLIC_URL with a slash at its end, or as wss://, means the same server."""
    async with phone_system(changes={"voice_public_url": public}) as system:
        answering(system)
        record = await system.call(listens(0.5))
    assert record.violations == () and len(record.streams) == 1


async def test_behind_a_trusted_proxy_the_forwarded_host_counts() -> None:
    """Without VOICE_PUBLIC_URL, X-Forwarded-Host says what was requested, if and only if the proxy is trusted."""
    for trusted, streams in ((True, 1), (False, 0)):
        changes = {"voice_public_url": "", "voice_stream_url": "", "voice_trust_forwarded": trusted}
        async with phone_system(changes=changes) as system:
            answering(system)
            if trusted:
                record = await system.call(listens(0.5))
                assert len(record.streams) == streams
            else:
                headers = {"X-Forwarded-Host": "voice.example.com", "X-Forwarded-Proto": "https"}
                assert (await incoming(system, headers=headers)).status_code == 403


async def test_opting_out_is_explicit_and_lets_anybody_in() -> None:
    """TWILIO_SKIP_SIGNATURE_VALIDATION and VOICE_REQUIRE_TOKEN=false: an unsigned socket at /voice is a call."""
    changes = {"twilio_skip_signature_validation": True, "voice_require_token": False}
    async with phone_system(changes=changes) as system:
        calls = answering(system)
        async with connect(system.url.replace("http", "ws") + "/voice", compression=None) as socket:
            await start(socket)
            await asyncio.sleep(0.05)
    assert calls == [FORM["CallSid"]]


async def test_a_huge_webhook_is_refused() -> None:
    """64 kB are enough for any form of the carrier."""
    async with phone_system() as system, httpx.AsyncClient() as client:
        response = await client.post(f"{system.url}/incoming", content=b"a=" + b"x" * 200_000)
        assert response.status_code == 413


async def test_a_socket_that_never_starts_is_closed() -> None:
    """A stranger with a valid token cannot hold a place for ever."""
    async with phone_system(changes={"voice_start_timeout": 0.1, "voice_max_calls": 1}) as system:
        answering(system)
        url = await stream_url(system)
        async with media_socket(system, url, sign(TOKEN, url)) as socket:
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert system.app.switchboard.places.readiness == "ready"


async def test_when_all_places_are_taken_the_caller_hears_a_busy_tone() -> None:
    """The call over the limit is rejected as busy; the one that lives is not touched."""
    async with phone_system(changes={"voice_max_calls": 1}) as system:
        answering(system)
        living = asyncio.create_task(system.call(listens(4)))
        await asyncio.sleep(0.15)
        second = await system.call(listens(1))
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{system.url}/readyz")).json()["status"] == "full"
            assert (await client.get(f"{system.url}/healthz")).json() == {"status": "ok", "calls": 1}
        first = await living
    assert second.status == "busy" and second.streams == ()
    assert first.ended_by == "caller" and first.violations == ()


async def test_a_call_that_was_promised_a_place_is_taken_even_in_a_drain() -> None:
    """TwiML answered just before the server began to drain still leads to a call; the next caller hears busy."""
    async with phone_system() as system:
        calls = answering(system)
        url = await stream_url(system)
        draining = asyncio.create_task(system.app.switchboard.drain(5))
        await asyncio.sleep(0)
        assert (await system.call(listens(1))).ended_by == "rejected"
        async with media_socket(system, url, sign(TOKEN, url)) as socket:
            await start(socket)
            await asyncio.sleep(0.05)
            assert calls == [FORM["CallSid"]] and not draining.done()
            await socket.send('{"event":"stop","streamSid":"MZ1"}')
        assert await draining
