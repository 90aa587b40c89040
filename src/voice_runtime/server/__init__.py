"""The edge: webhooks and media sockets over FastAPI. The only part of the package that knows a web framework."""

from __future__ import annotations

from voice_runtime.server.app import create_app
from voice_runtime.server.mount import register_voice_websocket
from voice_runtime.server.voice_app import VoiceApp

__all__ = ["VoiceApp", "create_app", "register_voice_websocket"]
