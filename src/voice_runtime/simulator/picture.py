"""stub"""

__all__ = ["CallPicture", "draw"]


class CallPicture: ...


def draw() -> None: ...
