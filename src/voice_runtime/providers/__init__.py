"""The speech vendors. Import a vendor by name (`create_stt("azure")`), not from here; here are 0.1's protocol names."""

from __future__ import annotations

from voice_runtime.stt import SttProvider
from voice_runtime.tts import TtsProvider

__all__ = ["SttProvider", "TtsProvider"]
