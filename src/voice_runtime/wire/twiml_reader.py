"""TwiML to verbs, for whoever plays the carrier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.etree import ElementTree
from xml.parsers import expat

from voice_runtime.wire.twiml_attributes import read_attributes, whole
from voice_runtime.wire.twiml_verbs import (
    DIAL_NOUNS,
    MAX_DOCUMENT_BYTES,
    ConnectStream,
    Dial,
    DialConference,
    DialTarget,
    Gather,
    Hangup,
    MalformedTwiml,
    Message,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
    StartStream,
    StopStream,
    Unknown,
    Verb,
)

__all__ = ["parse_twiml"]

_MAX_DEPTH = 16  # TwiML nests four deep


def parse_twiml(xml: str) -> list[Verb]:
    """The verbs of a document, in order. Never raises: what is no TwiML comes out as `MalformedTwiml`.

    Document type declarations, and with them every entity but XML's own five, are refused.
    """
    try:
        encoded = xml.encode()
        if len(encoded) > MAX_DOCUMENT_BYTES:
            return [MalformedTwiml(f"the document is {len(encoded)} bytes (error 11750)", 11750)]
        root = _tree(encoded)
    except (expat.ExpatError, ValueError) as error:
        return [MalformedTwiml(str(error))]
    if root.tag != "Response":
        return [MalformedTwiml(f"the document is a <{root.tag}>, not a <Response>")]
    return [_read(element) for element in root]


def _tree(document: bytes) -> ElementTree.Element:
    builder = ElementTree.TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError(f"elements nest deeper than {_MAX_DEPTH}")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise ValueError("the document has a document type declaration")

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.Parse(document, True)
    return builder.close()


def _read(element: ElementTree.Element) -> Verb:
    reader = _READERS.get(element.tag)
    return reader(element) if reader is not None else _unknown(element)


def _unknown(element: ElementTree.Element) -> Unknown:
    element.tail = None
    return Unknown(element.tag, ElementTree.tostring(element, encoding="unicode"))


def _read_connect(element: ElementTree.Element) -> Verb:
    stream = element.find("Stream")
    if stream is None:
        return _unknown(element)
    if not stream.get("url"):
        return MalformedTwiml("<Connect><Stream> without a url")
    return read_attributes(
        ConnectStream,
        stream,
        parameters=_parameters(stream),
        action=element.get("action", ""),
        method=element.get("method", "POST"),
    )


def _read_start(element: ElementTree.Element) -> Verb:
    stream = element.find("Stream")
    if stream is None:
        return _unknown(element)
    if not stream.get("url"):
        return MalformedTwiml("<Start><Stream> without a url")
    return read_attributes(StartStream, stream, parameters=_parameters(stream))


def _read_stop(element: ElementTree.Element) -> Verb:
    stream = element.find("Stream")
    return _unknown(element) if stream is None else StopStream(stream.get("name", ""))


def _parameters(stream: ElementTree.Element) -> dict[str, str]:
    return {p.get("name", ""): p.get("value", "") for p in stream.findall("Parameter") if p.get("name")}


def _read_say(element: ElementTree.Element) -> Verb:
    # Inside may be SSML (<break>, <prosody>): what is left of it is what is said.
    text = "".join(element.itertext()).strip()
    return Say(text, element.get("voice", ""), element.get("language", ""), whole(element.get("loop", ""), 1))


def _read_gather(element: ElementTree.Element) -> Verb:
    return read_attributes(Gather, element, prompts=tuple(map(_read, element)))


def _read_dial(element: ElementTree.Element) -> Verb:
    targets: list[DialTarget | DialConference] = []
    for noun in element:
        if noun.tag in DIAL_NOUNS:
            targets.append(read_attributes(DialTarget, noun, address=_inside(noun), kind=noun.tag))
        elif noun.tag == "Conference":
            targets.append(read_attributes(DialConference, noun, name=_inside(noun)))
    if not targets and (number := _inside(element)):
        targets = [DialTarget(number)]
    return read_attributes(Dial, element, targets=tuple(targets)) if targets else _unknown(element)


def _read_message(element: ElementTree.Element) -> Verb:
    body = element.find("Body")
    text = element.text if body is None else body.text
    return read_attributes(Message, element, body=text or "")


def _inside(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


_READERS: Mapping[str, Callable[[ElementTree.Element], Verb]] = {
    "Connect": _read_connect,
    "Start": _read_start,
    "Stop": _read_stop,
    "Say": _read_say,
    "Play": lambda e: Play(_inside(e), e.get("digits", ""), whole(e.get("loop", ""), 1)),
    "Pause": lambda e: Pause(whole(e.get("length", ""), 1)),
    "Gather": _read_gather,
    "Record": lambda e: read_attributes(Record, e),
    "Hangup": lambda _: Hangup(),
    "Reject": lambda e: Reject(e.get("reason", "rejected")),
    "Redirect": lambda e: Redirect(_inside(e), e.get("method", "POST")),
    "Dial": _read_dial,
    "Message": _read_message,
    "Sms": _read_message,
}
