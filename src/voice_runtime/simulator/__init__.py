"""A Twilio to test applications with: it calls them, and is called by them, over real HTTP and real WebSockets."""

from voice_runtime.simulator.bad_day import BadDay
from voice_runtime.simulator.carrier import Carrier
from voice_runtime.simulator.hearing import Heard
from voice_runtime.simulator.ivr import Menu, ivr
from voice_runtime.simulator.notes import Annotation, NoteKind
from voice_runtime.simulator.people import (
    answering_machine,
    busy,
    call_screening,
    no_answer,
    person,
    unreachable,
)
from voice_runtime.simulator.person import Line, Voice
from voice_runtime.simulator.phone_book import Phone
from voice_runtime.simulator.picture import CallPicture, draw
from voice_runtime.simulator.playout import Playout
from voice_runtime.simulator.record import CallRecord, EndedBy
from voice_runtime.simulator.rest import rest_app
from voice_runtime.simulator.script import Script, listens, presses, talks, waits_for_hang_up
from voice_runtime.simulator.timeline import Timeline
from voice_runtime.simulator.violations import Violation, ViolationCode
from voice_runtime.simulator.yaml_script import load_script

__all__ = [
    "Annotation",
    "BadDay",
    "CallPicture",
    "CallRecord",
    "Carrier",
    "EndedBy",
    "Heard",
    "Line",
    "Menu",
    "NoteKind",
    "Phone",
    "Playout",
    "Script",
    "Timeline",
    "Violation",
    "ViolationCode",
    "Voice",
    "answering_machine",
    "busy",
    "call_screening",
    "draw",
    "ivr",
    "listens",
    "load_script",
    "no_answer",
    "person",
    "presses",
    "rest_app",
    "talks",
    "unreachable",
    "waits_for_hang_up",
]
