"""Phone calls without a phone company: two voice processes talk to each other, audio, marks and all.

Each side is called as Twilio would call it. What one side's agent says is played out in real time and is what the other
side's caller says. Signed with TWILIO_AUTH_TOKEN when it is set, as a server that checks signatures wants it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, assert_never

import httpx

from voice_runtime.audio.frames import FRAME_BYTES, FRAME_INTERVAL, SILENCE_BYTE, SILENCE_FRAME
from voice_runtime.errors import CarrierRefusedError
from voice_runtime.settings import Settings
from voice_runtime.tasks import TaskOwner
from voice_runtime.wire.media import (
    Clear,
    Connected,
    Malformed,
    Mark,
    MarkBody,
    Media,
    MediaBody,
    MediaFormat,
    PlayMedia,
    SetMark,
    Start,
    StartBody,
    Stop,
    StopBody,
    Unknown,
    decode_from_server,
    encode_to_server,
)
from voice_runtime.wire.signature import sign
from voice_runtime.wire.twiml import parse_twiml
from voice_runtime.wire.twiml_verbs import ConnectStream, Reject, Verb

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["FakeWsBridge", "cleanup_bridges", "create_text_relay", "initiate_mock_call", "is_mock_transport"]

log = logging.getLogger(__name__)

ACCOUNT_SID: Final = "ACMOCK_00000000"
CALLER: Final = "+358400000000"
REQUEST_SECONDS: Final = 10.0
SEND_SECONDS: Final = 2.0
"""A server that reads nothing for so long is given up."""
STOP_SECONDS: Final = 5.0
JITTER_FRAMES: Final = 3
"""How far the two sides' clocks may be apart before a word has a gap: 60 ms."""
EAR_FRAMES: Final = 50
"""Audio that waits to be said to the server; beyond a second the oldest goes."""
MISSED_SECONDS: Final = 1.0
"""After a longer sleep of this machine, the time that passed is not made up for."""


class _Playout:
    """What Twilio does with a server's audio and marks: one queue, played in order at 8000 bytes a second."""

    def __init__(self) -> None:
        self._queue: deque[bytes | str] = deque()

    def audio(self, payload: bytes) -> None:
        if payload:
            self._queue.append(payload)

    def mark(self, name: str) -> list[str]:
        """The marks to echo now: this one, when there is nothing before it."""
        if not self._queue:
            return [name]
        self._queue.append(name)
        return []

    def clear(self) -> list[str]:
        """Drop the audio; the marks to echo now are all that were pending, as Twilio does it."""
        marks = [item for item in self._queue if isinstance(item, str)]
        self._queue.clear()
        return marks

    def tick(self) -> tuple[bytes, list[str]]:
        """The next 20 ms, silence where there is nothing, and the marks reached by then."""
        heard, marks = bytearray(), []
        while self._queue:
            item = self._queue[0]
            if isinstance(item, str):
                marks.append(item)
            elif (room := FRAME_BYTES - len(heard)) < len(item):
                heard += item[:room]
                self._queue[0] = item[room:]
                break
            else:
                heard += item
            self._queue.popleft()
        return bytes(heard).ljust(FRAME_BYTES, bytes([SILENCE_BYTE])), marks


class FakeWsBridge:
    """One side of a mock call: a media socket opened as Twilio opens it, in a thread with a loop of its own.

    It plays out what the server sends, echoes marks when the audio before them was played, honours `clear`, and says to
    the server what the other side's agent says (`pair`), or nothing.
    """

    def __init__(self, call_sid: str | None = None) -> None:
        self._call_sid = call_sid or _call_sid()
        self._stream_sid = f"MZ{secrets.token_hex(4)}"
        self._auth_token = ""
        self._playout = _Playout()
        self._ear: deque[bytes] | None = None
        self._sequence = 0
        self._peer: FakeWsBridge | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """The call has not ended yet."""
        return self._thread is not None and self._thread.is_alive()

    def pair(self, other: FakeWsBridge) -> None:
        """Make this and `other` the two sides of one call: each hears the other, and they end together."""
        self._peer, other._peer = other, self

    def start(self, ws_url: str, parameters: Mapping[str, str] | None = None) -> None:
        """Open the media socket at `ws_url` and carry the call, in the background. Returns at once."""
        if self.alive:
            raise RuntimeError("this bridge carries a call already")
        self._auth_token = Settings().twilio_auth_token.get_secret_value()
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop, ws_url, dict(parameters or {})), name=f"mock-{self._stream_sid}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Hang up; on return the call is over. Safe to call twice, and before `start`."""
        self._ask_to_stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)

    def _ask_to_stop(self) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._stopping.set)
        except RuntimeError:
            log.debug("mock call %s is over already", self._call_sid)

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop, url: str, parameters: dict[str, str]) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._carry(url, parameters))

    async def _carry(self, url: str, parameters: dict[str, str]) -> None:
        """The call from its first message to its last."""
        tasks = TaskOwner(f"mock-{self._stream_sid}")
        stopping = tasks.start("stop", self._stopping.wait())
        try:
            dialling = tasks.start("dial", self._dial(url))
            await asyncio.wait({dialling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not dialling.done() or (socket := dialling.result()) is None:
                return
            async with socket:
                talking = tasks.start("talk", self._talk(socket, parameters))
                await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not talking.done():
                    await self._send(socket, Stop(self._stop_body(), self._stream_sid, self._next()))
                await tasks.close()
            if self._peer is not None:
                self._peer._ask_to_stop()
        finally:
            await tasks.close()

    async def _dial(self, url: str) -> ClientConnection | None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        headers = {"X-Twilio-Signature": sign(self._auth_token, url)} if self._auth_token else {}
        try:
            return await connect(
                url,
                additional_headers=headers,
                open_timeout=REQUEST_SECONDS,
                close_timeout=1,
                compression=None,
                proxy=None,
            )
        except (WebSocketException, OSError, TimeoutError) as error:
            log.error("mock call %s: %s did not take the media socket: %s", self._call_sid, url, error)
            return None

    async def _talk(self, socket: ClientConnection, parameters: dict[str, str]) -> None:
        """Both directions, until the server closes the socket."""
        body = StartBody(ACCOUNT_SID, self._stream_sid, self._call_sid, ["inbound"], MediaFormat(), parameters)
        await self._send(socket, Connected())
        await self._send(socket, Start(body, self._stream_sid, self._next()))
        log.info("mock call %s: media flows, stream %s", self._call_sid, self._stream_sid)
        speaking = TaskOwner(f"mock-{self._stream_sid}-speak")
        speaking.start("speak", self._speak(socket))
        try:
            async for message in socket:
                await self._hear(socket, message)
        except _closed() as closed:
            log.warning("mock call %s: the socket broke: %s", self._call_sid, closed)
        finally:
            await speaking.close()
        log.info("mock call %s: the server ended it", self._call_sid)

    async def _hear(self, socket: ClientConnection, message: str | bytes) -> None:
        """One message of the server."""
        read = decode_from_server(message)
        match read:
            case PlayMedia():
                self._playout.audio(read.media.payload)
            case SetMark():
                await self._echo(socket, self._playout.mark(read.mark.name))
            case Clear():
                await self._echo(socket, self._playout.clear())
            case Malformed():
                log.warning("mock call %s: malformed message: %s", self._call_sid, read.reason)
            case Unknown():
                log.warning("mock call %s: Twilio knows no event %r", self._call_sid, read.event)
            case _:
                assert_never(read)

    async def _speak(self, socket: ClientConnection) -> None:
        """Every 20 ms: play out the next of the server's audio, say the next of the other side's."""
        now = asyncio.get_running_loop().time
        self._ear = ear = deque([SILENCE_FRAME] * JITTER_FRAMES, maxlen=EAR_FRAMES)
        due, chunk = now(), 0
        while True:
            if now() - due > MISSED_SECONDS:
                due = now()
            await asyncio.sleep(due - now())
            due += FRAME_INTERVAL
            played, marks = self._playout.tick()
            if self._peer is not None:
                self._peer._listen(played)
            await self._echo(socket, marks)
            frame = ear.popleft() if ear else SILENCE_FRAME
            chunk += 1
            body = MediaBody(frame, "inbound", str(chunk), str((chunk - 1) * 20))
            if not await self._send(socket, Media(body, self._stream_sid, self._next())):
                return

    def _listen(self, frame: bytes) -> None:
        """The other side plays this, in its own thread. Before our media flows there is no ear to hear it."""
        if self._ear is not None:
            self._ear.append(frame)

    async def _echo(self, socket: ClientConnection, names: list[str]) -> None:
        for name in names:
            # The codec has a type of its own for the marks it reads; written, they are the same.
            mark = Mark(MarkBody(name), self._stream_sid, self._next())  # type: ignore[arg-type]
            await self._send(socket, mark)

    async def _send(self, socket: ClientConnection, message: Connected | Start | Media | Mark | Stop) -> bool:
        """False when the server is gone, or reads nothing."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await socket.send(encode_to_server(message))
        except _closed():
            return False
        except TimeoutError:
            log.error("mock call %s: the server reads nothing", self._call_sid)
            self._stopping.set()
            return False
        return True

    def _next(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    def _stop_body(self) -> StopBody:
        return StopBody(ACCOUNT_SID, self._call_sid)


# The calls to be ended by `cleanup_bridges`, which takes no argument: 0.1's API is why this is global.
_active_bridges: list[FakeWsBridge] = []


def initiate_mock_call(target_url: str, caller_url: str | None = None) -> str:
    """Have the process at `target_url` called by the one at `caller_url` (default: VOICE_STREAM_URL); returns a SID.

    Does what Twilio would: asks `<target>/incoming`, opens the media socket that its TwiML names (`<target>/voice` when
    the answer names none), and the caller's own `/voice`. Raises `httpx.HTTPError` when the webhook fails, and
    `CarrierRefusedError` when it rejects the call. `cleanup_bridges` ends the call.
    """
    settings = Settings()
    call_sid = _call_sid()
    target = target_url.rstrip("/")
    verbs = _incoming(f"{target}/incoming", call_sid, settings)
    if verbs and isinstance(verbs[0], Reject):
        raise CarrierRefusedError(f"{target} rejected the mock call: {verbs[0].reason}")
    stream = next((verb for verb in verbs if isinstance(verb, ConnectStream)), ConnectStream(f"{target}/voice"))
    own = caller_url or settings.public_url
    _active_bridges[:] = [bridge for bridge in _active_bridges if bridge.alive]
    callee = FakeWsBridge(call_sid=call_sid)
    caller = FakeWsBridge(call_sid=call_sid) if own else None
    if caller is not None:
        callee.pair(caller)
    callee.start(_socket_url(stream.url), stream.parameters)
    _active_bridges.append(callee)
    if caller is not None:
        caller.start(_socket_url(own.rstrip("/") + settings.voice_media_path))
        _active_bridges.append(caller)
    else:
        log.warning("neither caller_url nor VOICE_STREAM_URL: the mock call has one side only")
    return call_sid


def _incoming(url: str, call_sid: str, settings: Settings) -> list[Verb]:
    """Tell the webhook about the call. An answer that is no TwiML, such as a program's own JSON, is no verbs."""
    form = {
        "AccountSid": ACCOUNT_SID,
        "CallSid": call_sid,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": CALLER,
        "To": settings.twilio_phone_number,
    }
    token = settings.twilio_auth_token.get_secret_value()
    headers = {"X-Twilio-Signature": sign(token, url, form.items())} if token else {}
    response = httpx.post(url, data=form, headers=headers, timeout=REQUEST_SECONDS)
    response.raise_for_status()
    return parse_twiml(str(response.text))


def create_text_relay(peer_url: str) -> Callable[[str], None]:
    """What `MockTts(on_spoken=...)` can call so that the peer's `MockStt` hears it: posts to `<peer>/test/inject`.

    The peer's not taking it is logged, not raised.
    """
    url = f"{peer_url.rstrip('/')}/test/inject"

    def relay(text: str) -> None:
        token = Settings().twilio_auth_token.get_secret_value()
        client = httpx.Client(timeout=REQUEST_SECONDS)
        try:
            if token:
                body = json.dumps({"text": text}).encode()
                # Of what is no form Twilio signs the address alone, which carries the hash of the body.
                signed = f"{url}?bodySHA256={hashlib.sha256(body).hexdigest()}"
                headers = {"Content-Type": "application/json", "X-Twilio-Signature": sign(token, signed)}
                response = client.post(signed, content=body, headers=headers)
            else:
                response = client.post(url, json={"text": text})
            response.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.error("the text was not relayed to %s: %s", url, error)
        finally:
            client.close()

    return relay


def cleanup_bridges() -> None:
    """End every mock call of this process; on return their threads are gone."""
    ending, _active_bridges[:] = list(_active_bridges), []
    for bridge in ending:
        bridge.stop()


def is_mock_transport() -> bool:
    """Whether TRANSPORT=mock: calls are to be placed with `initiate_mock_call`."""
    return Settings().transport.strip().lower() == "mock"


def _call_sid() -> str:
    return f"CAMOCK_{secrets.token_hex(4)}"


def _socket_url(url: str) -> str:
    for web, socket in (("https://", "wss://"), ("http://", "ws://")):
        if url.startswith(web):
            return socket + url.removeprefix(web)
    return url


def _closed() -> type[Exception]:
    from websockets.exceptions import ConnectionClosed

    return ConnectionClosed
