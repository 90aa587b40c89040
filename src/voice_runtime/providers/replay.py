"""The caller's audio that no committed text covers yet, so that a new connection can be told it again."""

from __future__ import annotations

from collections import deque

__all__ = ["ReplayBuffer"]


class ReplayBuffer:
    """A bounded queue that remembers what it handed out until it is told to forget it.

    `add` at one end, `take` what was not sent yet; `rewind` makes everything unsent again, for a new connection.
    When it is full the oldest frame goes; `lost` counts the bytes that went without having been sent.
    """

    def __init__(self, seconds: float = 10.0, *, bytes_per_second: int = 8000) -> None:
        self.seconds = seconds
        self._limit = max(1, int(seconds * bytes_per_second))
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._sent = 0  # frames at the front that the present connection was given
        self.lost = 0

    def __len__(self) -> int:
        """Bytes held."""
        return self._size

    def add(self, frame: bytes) -> int:
        """Remember `frame`. Returns how many unsent bytes had to go for it."""
        self._frames.append(frame)
        self._size += len(frame)
        before = self.lost
        while self._size > self._limit and len(self._frames) > 1:
            self._drop_oldest()
        return self.lost - before

    def take(self, most: int = 1600) -> bytes | None:
        """The next unsent audio, `most` bytes joined at a time (one frame at least), or None when all was sent."""
        size = 0
        first = self._sent
        while self._sent < len(self._frames):
            following = len(self._frames[self._sent])
            if size and size + following > most:
                break
            size += following
            self._sent += 1
        if self._sent == first:
            return None
        return b"".join(self._frames[index] for index in range(first, self._sent))

    def rewind(self) -> None:
        """Nothing has been sent on the connection that begins now."""
        self._sent = 0

    def forget_sent(self, keep: int = 0) -> None:
        """A text covers what was sent, but for the last `keep` bytes."""
        sent_bytes = sum(len(self._frames[index]) for index in range(self._sent))
        while self._sent and sent_bytes - len(self._frames[0]) >= keep:
            sent_bytes -= len(self._frames[0])
            self._drop_oldest()

    def clear(self) -> None:
        self._frames.clear()
        self._size = self._sent = 0

    def _drop_oldest(self) -> None:
        frame = self._frames.popleft()
        self._size -= len(frame)
        if self._sent:
            self._sent -= 1
        else:
            self.lost += len(frame)
