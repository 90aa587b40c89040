"""Which calls are recorded or listened in on, as the settings say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from voice_runtime.clock import Clock, SystemClock
from voice_runtime.errors import ConfigurationError
from voice_runtime.recording import AudioMixer
from voice_runtime.session import VoiceSession
from voice_runtime.settings import Settings

__all__ = ["recording_of"]


def recording_of(settings: Settings, clock: Clock | None = None) -> Callable[[VoiceSession], AudioMixer] | None:
    """Makes each call's recording (VOICE_RECORD_DIR) and loudspeaker (VOICE_MONITOR); None when neither is asked for.

    Makes the folder, so that a wrong one is known before the first call. Raises `ConfigurationError`.
    """
    folder = Path(settings.voice_record_dir) if settings.voice_record_dir else None
    if folder is None and not settings.voice_monitor:
        return None
    try:
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what people said is nobody else's
    except OSError as error:
        raise ConfigurationError(
            f"VOICE_RECORD_DIR is {folder}, which is no folder one can write to: {error.strerror}.",
            remedy="Name another one, or make it writable.",
        ) from error
    # Beside a recording, a missing player is a warning; without one there would be nothing at all.
    now = (clock or SystemClock()).monotonic
    monitor = (None if folder is not None else True) if settings.voice_monitor else False

    def recording(session: VoiceSession) -> AudioMixer:
        # The carrier's id of the call, but never a path that a stranger could choose.
        name = re.sub(r"[^A-Za-z0-9_-]", "_", session.call_sid or session.stream_sid or "call")[:64]
        if folder is None:
            return AudioMixer(monitor=monitor, clock=now)
        path = folder / f"{name}.wav"
        if path.exists():  # a second stream of the same call
            path = folder / f"{name}-{re.sub('[^A-Za-z0-9]', '_', session.stream_sid or '')[:64]}.wav"
        path.touch(mode=0o600)  # the folder may be one that others read
        return AudioMixer(path, monitor=monitor, clock=now)

    return recording
