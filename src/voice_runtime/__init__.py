"""voice-runtime: the call runtime for phone voice agents.

Names are imported when they are used: `import voice_runtime` brings neither FastAPI nor any vendor's SDK with it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_runtime.audio import AudioMixer as AudioMixer
    from voice_runtime.audio import mix_frames as mix_frames
    from voice_runtime.errors import CallHangupError as CallHangupError
    from voice_runtime.errors import CallNotAnsweredError as CallNotAnsweredError
    from voice_runtime.errors import MissingStreamUrlError as MissingStreamUrlError
    from voice_runtime.errors import NothingHeardError as NothingHeardError
    from voice_runtime.errors import VoiceRuntimeError as VoiceRuntimeError
    from voice_runtime.server.voice_app import VoiceApp as VoiceApp
    from voice_runtime.session import BargeIn as BargeIn
    from voice_runtime.session import BlockingSession as BlockingSession
    from voice_runtime.session import VoiceSession as VoiceSession
    from voice_runtime.settings import Settings as Settings
    from voice_runtime.stt import SttProvider as SttProvider
    from voice_runtime.stt import create_stt as create_stt
    from voice_runtime.stt import get_stt_class as get_stt_class
    from voice_runtime.transport import create_transport as create_transport
    from voice_runtime.transport import get_sms_transport as get_sms_transport
    from voice_runtime.tts import TtsProvider as TtsProvider
    from voice_runtime.tts import create_tts as create_tts

__version__ = "0.2.0"

_HOMES = {
    "AudioMixer": "recording",
    "BargeIn": "session",
    "BlockingSession": "session",
    "CallHangupError": "errors",
    "CallNotAnsweredError": "errors",
    "MissingStreamUrlError": "errors",
    "NothingHeardError": "errors",
    "Settings": "settings",
    "SttProvider": "stt",
    "TtsProvider": "tts",
    "VoiceApp": "server.voice_app",
    "VoiceRuntimeError": "errors",
    "VoiceSession": "session",
    "create_stt": "stt",
    "create_transport": "transport",
    "create_tts": "tts",
    "get_sms_transport": "transport",
    "get_stt_class": "stt",
    "mix_frames": "audio",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
