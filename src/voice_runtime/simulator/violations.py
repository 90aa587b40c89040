"""What an application did wrong on a stream, under the numbers Twilio's console would show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Violation", "ViolationCode"]


class ViolationCode(IntEnum):
    """Error and warning codes of Media Streams and TwiML, https://www.twilio.com/docs/api/errors."""

    CONCURRENCY_LIMIT = 10004
    DOCUMENT_FETCH_FAILED = 11200
    TWIML_UNREACHABLE = 11205
    TOO_MANY_REDIRECTS = 11215
    BODY_TOO_LARGE = 11750
    INVALID_TWIML = 12100
    SCHEMA = 12200
    INVALID_CONTENT_TYPE = 12300
    DIAL_IN_WHISPER = 13201
    INVALID_NUMBER = 13223
    GATHER_NESTING = 13320
    INVALID_SAY = 13520
    CONFERENCE_FULL = 16020
    DUPLICATE_LABEL = 16025
    INVALID_PARAMETER = 20001
    """A REST parameter that Twilio takes for something else than was meant, or for nothing."""
    NO_AMD_CALLBACK = 21262
    NO_RESPONSE = 31901
    CONNECTION_REFUSED = 31902
    BROKEN_PIPE = 31903
    TLS_FAILED = 31910
    HANDSHAKE_REFUSED = 31920
    SERVER_CLOSED = 31921
    SCHEME_NOT_SUPPORTED = 31922
    MALFORMED_URL = 31923
    PROTOCOL_ERROR = 31924
    READS_TOO_SLOWLY = 31930
    QUEUE_FULL = 31931
    BAD_TRACK = 31941
    BINARY_FRAME = 31950
    INVALID_MESSAGE = 31951
    SUSPECT_AUDIO = 1
    """Not Twilio, which plays it: a payload that is empty, or begins with a file's header and is heard as a crack."""
    NOT_SIMULATED = 0
    """Not Twilio: the application asked for something that this simulator does not do."""


@dataclass(frozen=True, slots=True)
class Violation:
    """`at`: seconds on the call's line; 0 when the line was not open yet.

    `harmless`: Twilio logs it, but it is what its documentation tells one to do.
    """

    at: float
    code: ViolationCode
    detail: str
    harmless: bool = False
