"""Twilio's REST API for simulated calls: `rest_app` serves the account that a `RestState` is."""

from voice_runtime.simulator.rest.app import rest_app
from voice_runtime.simulator.rest.faults import FAULTS, Fault, FaultKind
from voice_runtime.simulator.rest.shapes import API_VERSION
from voice_runtime.simulator.rest.simulated_call import ENDED, CallStatus, SimulatedCall
from voice_runtime.simulator.rest.simulated_conference import (
    ConferenceStatus,
    ParticipantStatus,
    SimulatedConference,
    SimulatedParticipant,
)
from voice_runtime.simulator.rest.simulated_message import MessageStatus, SimulatedMessage
from voice_runtime.simulator.rest.simulated_number import SimulatedNumber
from voice_runtime.simulator.rest.simulated_recording import RecordingStatus, SimulatedRecording, SimulatedStream
from voice_runtime.simulator.rest.state import Limits, RestRequest, RestState
from voice_runtime.simulator.rest.telephony import CallUpdate, NoTelephony, Telephony

__all__ = [
    "API_VERSION",
    "ENDED",
    "FAULTS",
    "CallStatus",
    "CallUpdate",
    "ConferenceStatus",
    "Telephony",
    "Fault",
    "FaultKind",
    "Limits",
    "MessageStatus",
    "NoTelephony",
    "ParticipantStatus",
    "RecordingStatus",
    "RestRequest",
    "RestState",
    "SimulatedCall",
    "SimulatedConference",
    "SimulatedMessage",
    "SimulatedNumber",
    "SimulatedParticipant",
    "SimulatedRecording",
    "SimulatedStream",
    "rest_app",
]
