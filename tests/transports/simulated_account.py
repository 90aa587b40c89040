"""What the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from voice_runtime.settings import Settings
from voice_runtime.simulator.rest import RestState

__all__ = ["OUR_NUMBER", "Account"]

OUR_NUMBER = "+15550001111"


@dataclass
class Account:
    """The simulated account, and the address it answers at."""

    state: RestState
    url: str

    def settings(self, **changes: object) -> Settings:
        return Settings(
            **{
                "twilio_account_sid": self.state.account_sid,
                "twilio_auth_token": SecretStr(self.state.auth_token),
                "twilio_phone_number": OUR_NUMBER,
                "twilio_api_base_url": self.url,
                **changes,
            }
        )
