"""Event loops for tests whose subject is the network."""

from __future__ import annotations

from voice_runtime.testing import VirtualLoop

__all__ = ["NetworkLoop"]


class NetworkLoop(VirtualLoop):
    """Virtual time over real sockets, whose both ends live on this loop: the speed of the machine is not in it."""
