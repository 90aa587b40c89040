"""What the command line asks for, checked as far as it can be before anything is dialled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voice_runtime.settings import Settings
from voice_runtime.simulator.destination import Destination

__all__ = ["Account", "Wanted"]


@dataclass(frozen=True, slots=True)
class Account:
    """The account that the carrier and the application agree on; None where the settings say it."""

    auth_token: str | None = None
    sid: str | None = None
    api_port: int = 0

    def checked(self) -> tuple[str, str]:
        """SID, or "" for the simulator's own, and token. Raises ValueError when there is no token."""
        settings = Settings()
        token = settings.twilio_auth_token.get_secret_value() if self.auth_token is None else self.auth_token
        if not token:
            raise ValueError(
                "requests are signed: give --auth-token or set TWILIO_AUTH_TOKEN; an application that does not check"
                " takes any"
            )
        return (settings.twilio_account_sid if self.sid is None else self.sid), token


@dataclass(frozen=True, slots=True)
class Wanted:
    """`url`: the voice webhook; "" to wait for calls of an application that needs none. `script`, `person`: or ""."""

    url: str
    account: Account = Account()
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    script: str = ""
    person: str = ""
    voice: str = "auto"
    listen: bool = False
    timeout: float | None = None
    calls: int = 1
    caller: str = "+358401234567"
    called: str = "+358942721000"
    bad_day: str = ""
    seed: int = 0
    record: Path | None = None
    picture: Path | None = None
    as_json: bool = False
    verbose: bool = False

    @property
    def typed(self) -> bool:
        """The caller says what somebody types."""
        return not self.script and not self.person

    def destination(self) -> Destination | None:
        """Where the application is. Raises ValueError with a sentence that says what is wrong."""
        if self.script and self.person:
            raise ValueError("--script and --person are both who is on the line: give one of them")
        if self.timeout is not None and not self.listen:
            raise ValueError("--timeout is how long to wait for calls: give --listen")
        if self.typed and self.calls > 1:
            raise ValueError("several calls at once need --script or --person: nobody can type for all of them")
        if not self.url:
            if self.listen:
                return None
            raise ValueError("whom to call? Give the address of a voice webhook, or --listen to be called")
        public = Settings().public_url if self.public_url is None else self.public_url
        found = Destination(self.url, public, frozenset(self.allowed_hosts))
        found.check_host(found.check(("http", "https")), "this is a simulated caller. If it is yours to call")
        return found
