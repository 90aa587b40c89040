"""TwiML to verbs, for whoever plays the carrier."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.etree import ElementTree
from xml.parsers import expat

from voice_runtime.wire.twiml_verbs import (
    DIAL_NOUNS,
    MAX_DOCUMENT_BYTES,
    ConnectStream,
    Dial,
    DialTarget,
    Hangup,
    MalformedTwiml,
    Message,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
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
            return [MalformedTwiml(f"the document is {len(encoded)} bytes (error 11750)")]
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
    url = stream.get("url", "")
    if not url:
        return MalformedTwiml("<Connect><Stream> without a url")
    return ConnectStream(
        url=url,
        parameters={p.get("name", ""): p.get("value", "") for p in stream.findall("Parameter") if p.get("name")},
        status_callback=stream.get("statusCallback", ""),
        name=stream.get("name", ""),
        action=element.get("action", ""),
        track=stream.get("track", "inbound_track"),
    )


def _read_say(element: ElementTree.Element) -> Verb:
    # Inside may be SSML (<break>, <prosody>): what is left of it is what is said.
    text = "".join(element.itertext()).strip()
    return Say(text, element.get("voice", ""), element.get("language", ""), _whole(element, "loop", 1))


def _read_dial(element: ElementTree.Element) -> Verb:
    targets = [DialTarget((noun.text or "").strip(), noun.tag) for noun in element if noun.tag in DIAL_NOUNS]
    if not targets and (number := _inside(element)):
        targets = [DialTarget(number)]
    if not targets:
        return _unknown(element)
    return Dial(tuple(targets), element.get("callerId", ""), _whole(element, "timeout", 30), element.get("action", ""))


def _read_message(element: ElementTree.Element) -> Verb:
    body = element.find("Body")
    text = element.text if body is None else body.text
    return Message(text or "", element.get("to", ""))


def _inside(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


def _whole(element: ElementTree.Element, name: str, default: int) -> int:
    value = element.get(name, "")
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else default


_READERS: Mapping[str, Callable[[ElementTree.Element], Verb]] = {
    "Connect": _read_connect,
    "Say": _read_say,
    "Play": lambda e: Play(_inside(e), e.get("digits", ""), _whole(e, "loop", 1)),
    "Pause": lambda e: Pause(_whole(e, "length", 1)),
    "Hangup": lambda _: Hangup(),
    "Reject": lambda e: Reject(e.get("reason", "rejected")),
    "Redirect": lambda e: Redirect(_inside(e), e.get("method", "POST")),
    "Dial": _read_dial,
    "Message": _read_message,
    "Sms": _read_message,
}
