"""A carrier's REST API that answers whatever the test wants, byte for byte."""

from __future__ import annotations

import socket
import threading

__all__ = ["OddCarrier"]


class OddCarrier:
    """Answers every request with `answer`, byte for byte, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name="odd-carrier", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            with line:
                line.settimeout(2)
                try:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        if not (more := line.recv(65536)):
                            break
                        head += more
                    line.sendall(self.answer)
                except OSError:
                    continue

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(5)
