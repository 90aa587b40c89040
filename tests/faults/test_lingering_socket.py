"""A carrier that keeps the media socket open after the call."""

from __future__ import annotations

from voice_runtime import VoiceApp, VoiceSession
from voice_runtime.simulator import BadDay, listens
from voice_runtime.testing import PhoneTests


def test_who_keeps_a_socket_open_still_reads_it(phone_over_sockets: PhoneTests) -> None:
    """Until the server closes: the simulator's own reader of the stream gives way to the one that waits for that."""
    app = VoiceApp()

    @app.call()
    async def answer(call: VoiceSession) -> None:
        async for frame in call.audio():
            call.send_audio(frame)

    phone_over_sockets.options = {"settings": {"voice_media_timeout": 3.0}}
    phone_over_sockets.call(app, listens(1), bad_day=BadDay(keeps_socket_open=True))
    assert phone_over_sockets.errors() == ""
