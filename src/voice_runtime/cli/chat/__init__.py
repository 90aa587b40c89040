"""`voice-runtime chat`: a call without sound, in the terminal."""

from __future__ import annotations

from voice_runtime.cli.chat.run import Chat, run_chat

__all__ = ["Chat", "run_chat"]
