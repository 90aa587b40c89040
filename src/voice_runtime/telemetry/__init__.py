"""What the process says about itself: logs, and later metrics and traces."""

from __future__ import annotations

from voice_runtime.telemetry.logs import LEVELS, configure_logging

__all__ = ["LEVELS", "configure_logging"]
