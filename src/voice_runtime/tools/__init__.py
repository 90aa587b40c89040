"""What a brain may do beside talking: the contract of a set of tools, and functions as tools."""

from __future__ import annotations

from voice_runtime.errors import ToolError
from voice_runtime.tools.contract import NO_TOOLS, Toolset, ToolSpec
from voice_runtime.tools.tool import OnBargeIn, Tool, tool

__all__ = ["NO_TOOLS", "OnBargeIn", "Tool", "ToolError", "ToolSpec", "Toolset", "tool"]
