"""Twilio's own SDK, sent to the simulated API."""

from __future__ import annotations

import asyncio

from twilio.rest import Client

from fakes.twilio_application import TOKEN
from voice_runtime.simulator import Carrier


async def sdk(carrier: Carrier, address: str) -> Client:
    """Twilio's own client, unmodified but for where its API is."""
    client = await asyncio.to_thread(Client, carrier.rest.account_sid, TOKEN)
    client.api.base_url = address
    return client
