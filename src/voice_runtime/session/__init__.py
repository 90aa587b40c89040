"""A call and everything that belongs to it alone."""

from __future__ import annotations

import os

from voice_runtime.audio.frames import FRAME_BYTES
from voice_runtime.errors import CallHangupError, CallNotAnsweredError, MissingStreamUrlError
from voice_runtime.session.blocking import BlockingSession
from voice_runtime.session.hearing import Transcript
from voice_runtime.session.hub import EventStream
from voice_runtime.session.media_line import Mixer
from voice_runtime.session.speaking import BargeIn, Utterance
from voice_runtime.session.voice_session import VoiceSession

__all__ = [
    "FRAME_BYTES",
    "BargeIn",
    "BlockingSession",
    "CallHangupError",
    "CallNotAnsweredError",
    "EventStream",
    "MissingStreamUrlError",
    "Mixer",
    "Transcript",
    "Utterance",
    "VoiceSession",
]


def __getattr__(name: str) -> int:
    if name == "VOICE_SERVER_PORT":  # a constant in 0.1, frozen at import; read when asked for here
        return int(os.environ.get("VOICE_SERVER_PORT") or "8080")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
