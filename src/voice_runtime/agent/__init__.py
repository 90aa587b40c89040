"""Agents: calls that are answered by conversation. The floor says who speaks, a brain says what."""

from __future__ import annotations

from voice_runtime.agent.agent import Agent
from voice_runtime.agent.budget import Budget
from voice_runtime.agent.conversation import Conversation
from voice_runtime.agent.edits import sentences
from voice_runtime.agent.form import Address, Form
from voice_runtime.agent.hand_off import HandOff
from voice_runtime.agent.manners import Limits, Phrases
from voice_runtime.agent.questions import Choice, Date, DigitCode, Question, Refusal, Refused, YesNo
from voice_runtime.agent.sounds import Sounds
from voice_runtime.agent.spend import Prices
from voice_runtime.agent.talk import ask

__all__ = [
    "Address",
    "Agent",
    "Budget",
    "Choice",
    "Conversation",
    "Date",
    "DigitCode",
    "Form",
    "HandOff",
    "Limits",
    "Phrases",
    "Prices",
    "Question",
    "Refusal",
    "Refused",
    "Sounds",
    "YesNo",
    "ask",
    "sentences",
]
