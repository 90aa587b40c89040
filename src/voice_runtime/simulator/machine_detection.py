"""Answering machine detection on a live call: listens to the callee, tells the application."""

from __future__ import annotations

from collections.abc import Mapping

from voice_runtime.events import AnsweredBy
from voice_runtime.simulator.amd import Detector, Thresholds
from voice_runtime.simulator.handset import Spoken
from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document, MachineDetection
from voice_runtime.simulator.parameters import Form
from voice_runtime.simulator.violations import ViolationCode

__all__ = ["detect", "detect_beside", "detection_wanted"]


def detection_wanted(fields: Mapping[str, str]) -> MachineDetection | None:
    """What the fields of a new call (or participant) say about it ("Call resource", "Participant resource")."""
    mode = fields.get("MachineDetection", "")
    if mode not in ("Enable", "DetectMessageEnd"):
        return None
    prefix = "AsyncAmdStatusCallback" if fields.get("AsyncAmdStatusCallback") else "AmdStatusCallback"
    return MachineDetection(
        Thresholds(
            message_end=mode == "DetectMessageEnd",
            timeout=1000 * int(fields.get("MachineDetectionTimeout") or 30),
            speech=int(fields.get("MachineDetectionSpeechThreshold") or 2400),
            speech_end=int(fields.get("MachineDetectionSpeechEndThreshold") or 1200),
            silence=int(fields.get("MachineDetectionSilenceTimeout") or 5000),
        ),
        asynchronous=fields.get("AsyncAmd") == "true" or "AmdStatusCallback" in fields,
        callback=Document(fields.get(prefix, ""), fields.get(f"{prefix}Method", "POST")),
    )


async def detect(detection: MachineDetection, call: LiveCall) -> Form:
    """Who answered, as the application is told. The callee hears what the call does meanwhile, if anything."""
    detector = Detector(detection.thresholds)
    verdict = AnsweredBy.UNKNOWN

    def listen(spoken: Spoken, at: float) -> bool:
        nonlocal verdict
        decided = detector.feed(spoken.audio)
        verdict = decided or verdict
        return decided is not None

    await call.line.listen(listen)
    call.network.rest.calls[call.leg.call_sid].answered_by = verdict.value
    return [("AnsweredBy", verdict.value), ("MachineDetectionDuration", str(detector.elapsed_ms))]


async def detect_beside(detection: MachineDetection, call: LiveCall) -> None:
    """The same while TwiML goes on; then the callback is told, whose answer is no TwiML."""
    if not detection.callback.url:
        call.complain(ViolationCode.NO_AMD_CALLBACK, "AsyncAmd without AsyncAmdStatusCallback")
    form = await detect(detection, call)
    if detection.callback.url:
        known = [("AccountSid", call.leg.account_sid), ("CallSid", call.leg.call_sid)]
        call.reports.tell(detection.callback.url, [*known, *form], detection.callback.method)
