"""Which calls are recorded or listened in on, as the settings say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from voice_runtime.recording import AudioMixer
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings

__all__ = ["recording_of"]


def recording_of(settings: Settings) -> Callable[[VoiceSession], AudioMixer] | None:
    """Makes each call's recording (VOICE_RECORD_DIR) and loudspeaker (VOICE_MONITOR); None when neither is asked for.

    Makes the folder, so that a wrong one is known at the start. Raises OSError.
    """
    folder = Path(settings.voice_record_dir) if settings.voice_record_dir else None
    if folder is None and not settings.voice_monitor:
        return None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def recording(session: VoiceSession) -> AudioMixer:
        # The carrier's id of the call, but never a path that a stranger could choose.
        name = re.sub(r"[^A-Za-z0-9_-]", "_", session.call_sid or session.stream_sid or "call")[:64]
        return AudioMixer(None if folder is None else folder / f"{name}.wav", monitor=settings.voice_monitor)

    return recording
