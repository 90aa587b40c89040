"""Talk to an agent by files: `python raw_simple.py question.wav answer.wav`."""

import asyncio
import os
import sys
from pathlib import Path

from websockets.asyncio.client import connect


async def ask(address: str, token: str, *questions: bytes) -> list[bytes]:
    answers = []
    async with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as voice:
        for question in questions:
            await voice.send(question)
            answer = await voice.recv()
            assert isinstance(answer, bytes), answer  # a text says what is wrong with the file
            answers.append(answer)
    return answers


if __name__ == "__main__":
    address = os.environ.get("VOICE_RAW_URL", "ws://127.0.0.1:8080/voice/raw")
    [heard] = asyncio.run(ask(address, os.environ["VOICE_RAW_TOKEN"], Path(sys.argv[1]).read_bytes()))
    Path(sys.argv[2]).write_bytes(heard)
