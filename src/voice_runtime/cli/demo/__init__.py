"""A phone call from end to end, offline: the delivery line answers, a caller with a recorded voice rings it."""

from __future__ import annotations

from voice_runtime.cli.demo.stage import run_demo

__all__ = ["run_demo"]
