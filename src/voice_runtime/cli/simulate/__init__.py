"""`voice-runtime simulate`: a telephone in the terminal, for any Twilio voice application."""

from __future__ import annotations

from voice_runtime.cli.simulate.run import run_simulate
from voice_runtime.cli.simulate.wanted import Account, Wanted

__all__ = ["Account", "Wanted", "run_simulate"]
