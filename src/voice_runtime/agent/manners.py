"""What an agent says of its own accord, and how long it puts up with what."""

from __future__ import annotations

from dataclasses import dataclass

from voice_runtime.agent.spend import Prices

__all__ = ["Limits", "Phrases"]


@dataclass(frozen=True, slots=True)
class Phrases:
    """Said as they are. `fillers`: one after the other while an answer takes its time, then `apology`, and the turn is
    given up. `holding`: while a tool takes its time, once a turn. `still_there`: to a caller who says nothing; of fewer
    phrases than prompts, the last is said again. `unheard`: to one who spoke, and no words came of it. `goodbye` ends a
    call, `failed_goodbye` one that cannot go on, and `transfer` one that goes on with somebody else for that reason.
    `voicemail`: for an answering machine; "": it hears nothing.
    """

    fillers: tuple[str, ...] = ("One moment, please.", "I am still looking into it.")
    apology: str = "I am sorry, I could not get an answer to that. Could you say it again?"
    still_there: tuple[str, ...] = ("Are you still there?", "I cannot hear you. Are you still there?")
    goodbye: str = "Thank you for calling. Goodbye."
    failed_goodbye: str = "I am sorry, something is wrong on our side. Please call again later. Goodbye."
    transfer: str = "I am sorry, something is wrong on our side. I am connecting you to somebody who can help."
    holding: str = "Let me have a look."
    voicemail: str = ""
    unheard: str = "I am sorry, I did not understand you. Could you say it again?"

    @property
    def all(self) -> tuple[str, ...]:
        """What may be needed when nothing else works comes first."""
        last = (self.voicemail, self.holding, self.unheard, *self.still_there, self.goodbye)
        return (self.apology, self.failed_goodbye, self.transfer, *self.fillers, *last)


@dataclass(frozen=True, slots=True)
class Limits:
    """`patience`: seconds of silence that a caller who waits for the agent hears at most, before the next filler or the
    apology. `failures`: so many turns in a row that fail end the call. `max_turns`, `max_seconds`: a turn or a moment
    later, the agent says goodbye; None: no limit of its own. `tool_calls`: of one turn. `max_spend`: a call may cost so
    much, by `prices`, before the goodbye. `transfer_to`: a number (E.164) or SIP address where callers go
    when the agent cannot go on, instead of the failed goodbye.
    """

    patience: float = 2.0
    failures: int = 2
    max_turns: int | None = None
    max_seconds: float | None = None
    tool_calls: int = 10
    max_spend: float | None = None
    prices: Prices = Prices()
    transfer_to: str = ""

    def __post_init__(self) -> None:
        if self.patience <= 0 or self.failures < 1:
            raise ValueError("patience must be more than 0, and failures 1 or more")
        if self.max_spend is not None and (self.max_spend <= 0 or self.prices.free):
            raise ValueError("max_spend must be more than 0, and needs prices")
