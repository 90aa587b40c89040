"""A whole phone system for one test: our application, the simulated carrier, and the time of the test's loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from pydantic import SecretStr

from voice_runtime import Settings, VoiceApp
from voice_runtime.testing import PhoneSystem, VirtualLoop
from voice_runtime.testing.phone_system import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_URL

__all__ = ["PUBLIC", "TOKEN", "PhoneSystem", "phone_system", "settings"]

PUBLIC, TOKEN = PUBLIC_URL, AUTH_TOKEN


def settings(**changes: Any) -> Settings:
    return Settings(
        **{
            "voice_public_url": PUBLIC,
            "twilio_account_sid": ACCOUNT_SID,
            "twilio_auth_token": SecretStr(TOKEN),
            "twilio_skip_signature_validation": False,
            "twilio_http_timeout": 2.0,
            **changes,
        }
    )


@contextlib.asynccontextmanager
async def phone_system(app: VoiceApp | None = None, **options: Any) -> AsyncIterator[PhoneSystem]:
    """Everything up, and everything down again: in process on virtual time, else over sockets.

    `options` go to the `VoiceApp`, `changes` to its settings.
    """
    changes = options.pop("changes", {})
    app = app or VoiceApp(settings=settings(**changes), **options)
    over_sockets = type(asyncio.get_running_loop()) is not VirtualLoop
    async with PhoneSystem(
        app, over_sockets=over_sockets, settings=changes, mock_speech=False, status_path=""
    ) as system:
        yield system
