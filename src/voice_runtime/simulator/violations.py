"""What an application did wrong on a stream, under the numbers Twilio's console would show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

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

    @property
    def meaning(self) -> str:
        """One sentence on what the application did, without a full stop."""
        return _MEANINGS[self]


@dataclass(frozen=True, slots=True)
class Violation:
    """`at`: seconds on the call's line; 0 when the line was not open yet.

    `harmless`: Twilio logs it, but it is what its documentation tells one to do.
    """

    at: float
    code: ViolationCode
    detail: str
    harmless: bool = False


_MEANINGS: Final = {
    ViolationCode.CONCURRENCY_LIMIT: "more calls at once than the account may have",
    ViolationCode.DOCUMENT_FETCH_FAILED: "the webhook answered with an error",
    ViolationCode.TWIML_UNREACHABLE: "the webhook could not be reached, or took longer than 15 s",
    ViolationCode.TOO_MANY_REDIRECTS: "the webhook redirects more than 10 times",
    ViolationCode.BODY_TOO_LARGE: "a document of more than 64 kB",
    ViolationCode.INVALID_TWIML: "what the webhook answered is no TwiML",
    ViolationCode.SCHEMA: "a verb that there is not, or an attribute out of its limits",
    ViolationCode.INVALID_CONTENT_TYPE: "neither XML nor plain text nor audio",
    ViolationCode.DIAL_IN_WHISPER: "<Dial> in the document of somebody who was dialled",
    ViolationCode.INVALID_NUMBER: "<Dial> of something that is no number",
    ViolationCode.GATHER_NESTING: "a verb inside <Gather> that cannot be there",
    ViolationCode.INVALID_SAY: "<Say> of more than 4096 characters",
    ViolationCode.CONFERENCE_FULL: "the conference has as many participants as it may",
    ViolationCode.DUPLICATE_LABEL: "the conference has a participant of that label",
    ViolationCode.INVALID_PARAMETER: "a REST parameter that is silently taken for something else",
    ViolationCode.NO_AMD_CALLBACK: "asynchronous answering machine detection, and nobody to tell",
    ViolationCode.NO_RESPONSE: "the media socket did not answer the handshake",
    ViolationCode.CONNECTION_REFUSED: "the media socket's connection was refused",
    ViolationCode.BROKEN_PIPE: "the media socket's connection broke",
    ViolationCode.TLS_FAILED: "TLS failed",
    ViolationCode.HANDSHAKE_REFUSED: "the media socket answered with something else than 101",
    ViolationCode.SERVER_CLOSED: "the server closed the media socket",
    ViolationCode.SCHEME_NOT_SUPPORTED: "media sockets are wss://",
    ViolationCode.MALFORMED_URL: "the address of the media socket is none",
    ViolationCode.PROTOCOL_ERROR: "the server broke the WebSocket protocol",
    ViolationCode.READS_TOO_SLOWLY: "the server does not read what it is sent",
    ViolationCode.QUEUE_FULL: "more than ten minutes of audio wait",
    ViolationCode.BAD_TRACK: "a bidirectional stream takes inbound_track only",
    ViolationCode.BINARY_FRAME: "messages on a media socket are text",
    ViolationCode.INVALID_MESSAGE: "no JSON, an unknown event, a field missing or too many, another stream's id",
    ViolationCode.SUSPECT_AUDIO: "not Twilio, which plays it: an empty payload, or the header of a file",
    ViolationCode.NOT_SIMULATED: "Twilio may do this; the simulator does not",
}
