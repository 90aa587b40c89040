"""TwiML, both ways: verbs to a document that Twilio accepts, and (from `twiml_reader`) a document to verbs.

`render(verbs)` and `parse_twiml(document)` are each other's inverse. The functions at the end are the documents that a
server answers with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, assert_never
from urllib.parse import SplitResult, urlsplit

from voice_runtime.wire.twiml_attributes import changed_attributes
from voice_runtime.wire.twiml_reader import parse_twiml
from voice_runtime.wire.twiml_verbs import (
    DEFAULT_WAIT_URL,
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

__all__ = [
    "DEFAULT_WAIT_URL",
    "MAX_DOCUMENT_BYTES",
    "ConnectStream",
    "Dial",
    "DialConference",
    "DialTarget",
    "Gather",
    "Hangup",
    "MalformedTwiml",
    "Message",
    "Pause",
    "Play",
    "Record",
    "Redirect",
    "Reject",
    "Say",
    "StartStream",
    "StopStream",
    "Unknown",
    "Verb",
    "connect_stream",
    "dial",
    "empty",
    "hangup",
    "message",
    "parse_twiml",
    "redirect",
    "reject",
    "render",
    "say",
    "stream_url",
    "writable",
]

_SOCKET_SCHEMES = {"https": "wss", "http": "ws"}
_PARAMETER_LIMIT = 500  # name and value together must stay under it, https://www.twilio.com/docs/voice/twiml/stream
# What XML 1.0 has no way to write, escaped or not (https://www.w3.org/TR/xml/#charsets).
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A reader folds a bare carriage return, and in an attribute any white space, into something else.
_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ESCAPES = _TEXT_ESCAPES | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})


def render(verbs: Iterable[Verb]) -> str:
    """The document that does `verbs` one after another. Raises `ValueError` for what Twilio would refuse."""
    inside = "".join(_written(verb) for verb in verbs)
    document = f'<?xml version="1.0" encoding="UTF-8"?>{_element("Response", {}, inside)}'
    if (size := len(document.encode())) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"the TwiML document is {size} bytes; Twilio takes {MAX_DOCUMENT_BYTES} (error 11750)")
    return document


def _written(verb: Verb) -> str:
    match verb:
        case ConnectStream():
            return _written_connect(verb)
        case StartStream():
            return _element("Start", {}, _written_stream(verb))
        case StopStream():
            return _element("Stop", {}, _element("Stream", {"name": verb.name}))
        case Say():
            spoken = {"voice": verb.voice, "language": verb.language, "loop": _loop(verb.loop)}
            return _element("Say", spoken, _text(verb.text))
        case Play():
            if not verb.url and not verb.digits:
                raise ValueError("<Play> needs an address or digits")
            played = {"digits": verb.digits, "loop": _loop(verb.loop)}
            return _element("Play", played, _text(_web_url(verb.url, "<Play>")))
        case Pause():
            return _element("Pause", {"length": str(verb.length)})
        case Gather():
            return _element("Gather", changed_attributes(verb), "".join(map(_written, verb.prompts)), empty=True)
        case Record():
            return _element("Record", changed_attributes(verb), empty=True)
        case Hangup():
            return _element("Hangup", {})
        case Reject():
            if verb.reason not in ("rejected", "busy"):
                raise ValueError(f"<Reject> takes the reasons rejected and busy, not {verb.reason!r}")
            return _element("Reject", {"reason": verb.reason})
        case Redirect():
            if not verb.url:
                raise ValueError("<Redirect> without an address would fetch this document again, for ever")
            return _element("Redirect", {"method": verb.method}, _text(_web_url(verb.url, "<Redirect>")))
        case Dial():
            return _written_dial(verb)
        case Message():
            if not verb.body:
                raise ValueError("a message needs a body")
            return _element("Message", changed_attributes(verb, "body"), _text(verb.body))
        case Unknown():
            return verb.xml
        case MalformedTwiml():
            raise ValueError(f"cannot be written: {verb.reason}")
        case _:
            assert_never(verb)


def _written_connect(verb: ConnectStream) -> str:
    if verb.track != "inbound_track":
        raise ValueError(f"<Connect><Stream> hears only inbound_track, not {verb.track!r} (error 31941)")
    attributes = {
        "action": _web_url(verb.action, "the action of <Connect>"),
        "method": "" if verb.method == "POST" else verb.method,
    }
    return _element("Connect", attributes, _written_stream(verb))


def _written_stream(verb: ConnectStream | StartStream) -> str:
    for name, value in verb.parameters.items():
        if not name:
            raise ValueError("a stream <Parameter> needs a name")
        if len(name) + len(value) >= _PARAMETER_LIMIT:
            raise ValueError(
                f"the stream <Parameter> {name[:40]!r} is {len(name) + len(value)} characters;"
                f" name and value together must stay under {_PARAMETER_LIMIT}"
            )
    attributes = {
        "url": stream_url(verb.url),
        "name": verb.name,
        "statusCallback": _web_url(verb.status_callback, "statusCallback", absolute=True),
        "track": "" if verb.track == "inbound_track" else verb.track,
        "statusCallbackMethod": "" if verb.status_callback_method == "POST" else verb.status_callback_method,
    }
    inside = "".join(_element("Parameter", {"name": n, "value": v}, keep="value") for n, v in verb.parameters.items())
    return _element("Stream", attributes, inside)


def _written_dial(verb: Dial) -> str:
    if not verb.targets:
        raise ValueError("<Dial> needs somebody to dial")
    _web_url(verb.action, "the action of <Dial>")
    attributes = {
        "callerId": verb.caller_id,
        "timeout": str(verb.timeout),
        "action": verb.action,
        **changed_attributes(verb, "targets", "caller_id", "timeout", "action"),
    }
    return _element("Dial", attributes, "".join(map(_written_target, verb.targets)))


def _written_target(target: DialTarget | DialConference) -> str:
    if isinstance(target, DialConference):
        if not target.name.strip():
            raise ValueError("<Conference> needs a name")
        return _element("Conference", changed_attributes(target, "name"), _text(target.name.strip()), empty=True)
    if target.kind not in DIAL_NOUNS or not target.address.strip():
        raise ValueError(f"<Dial> cannot dial {target}")
    return _element(target.kind, changed_attributes(target, "address", "kind"), _text(target.address.strip()))


def _loop(times: int) -> str:
    return "" if times == 1 else str(times)


def _element(name: str, attributes: Mapping[str, str], inside: str = "", *, keep: str = "", empty: bool = False) -> str:
    """One element, its empty attributes left out, except `keep`; with `empty`, none is."""
    said = {key: value for key, value in attributes.items() if value or empty or key == keep}
    written = "".join(f' {key}="{_attribute(value)}"' for key, value in said.items())
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def _attribute(value: str) -> str:
    return _writable(value).translate(_ESCAPES)


def _text(value: str) -> str:
    return _writable(value).translate(_TEXT_ESCAPES)


def _writable(value: str) -> str:
    if found := _UNWRITABLE.search(value):
        raise ValueError(f"XML cannot carry the character {found.group()!r}")
    return value


def writable(value: str) -> str:
    """`value` without the characters that XML cannot carry."""
    return _UNWRITABLE.sub("", value)


def stream_url(url: str) -> str:
    """`url` as a stream wants it: wss:// (or ws://), absolute, with no query. Raises `ValueError`."""
    scheme, separator, rest = url.partition("://")
    normal = _SOCKET_SCHEMES.get(scheme.lower(), scheme) + separator + rest
    parts = _split(normal, "a stream url")
    if parts.scheme not in ("wss", "ws") or not parts.hostname:
        raise ValueError(f"a stream url is an absolute wss:// address, not {url!r}")
    if "?" in normal or "#" in normal:
        raise ValueError("a stream url takes no query and no fragment (error 31920): use parameters, or the path")
    if "@" in parts.netloc:
        raise ValueError("a stream url carries no user name or password")
    return normal


def _web_url(url: str, where: str, *, absolute: bool = False) -> str:
    if not url:
        return ""
    parts = _split(url, where)
    if parts.scheme not in (("http", "https") if absolute else ("http", "https", "")):
        raise ValueError(f"{where} takes an http(s) address, not {url!r}")
    if parts.scheme and not parts.hostname:
        raise ValueError(f"{where} takes an address with a host, not {url!r}")
    if "_" in (parts.hostname or ""):
        raise ValueError(f"{where}: Twilio calls no host with an underscore in its name: {parts.hostname}")
    return url


def _split(url: str, where: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{where} must be plain ASCII without blanks: {url!r}")
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError("port 0")
    except ValueError as error:
        raise ValueError(f"{where} is not an address: {url!r} ({error})") from error
    return parts


# -- the documents a server answers with ------------------------------------------------------------------------------


def connect_stream(
    url: str,
    *,
    parameters: Mapping[str, str] | None = None,
    status_callback: str = "",
    name: str = "",
    action: str = "",
    after: Iterable[Verb] = (),
) -> str:
    """Open the media socket at `url` (https:// and http:// are taken for wss:// and ws://); then go on with `after`."""
    stream = ConnectStream(url, dict(parameters or {}), status_callback, name, action)
    return render([stream, *after])


def say(text: str, *, voice: str = "", language: str = "", loop: int = 1) -> str:
    """Have Twilio speak `text`, then hang up."""
    return render([Say(text, voice, language, loop)])


def hangup() -> str:
    return render([Hangup()])


def reject(reason: Literal["rejected", "busy"] = "rejected") -> str:
    """Do not answer: the call costs nothing, the caller hears a busy tone or a "not in service" message."""
    return render([Reject(reason)])


def redirect(url: str, *, method: str = "POST") -> str:
    """Go on with the TwiML that `url` answers."""
    return render([Redirect(url, method)])


def dial(to: str, *, caller_id: str = "", timeout: int = 30, action: str = "") -> str:
    """Connect the caller to `to`: a number, `sip:...` or `client:...`. With `action`, what follows comes from there."""
    if to.startswith("client:"):
        target = DialTarget(to.removeprefix("client:"), "Client")
    else:
        target = DialTarget(to, "Sip" if to.startswith(("sip:", "sips:")) else "Number")
    return render([Dial((target,), caller_id, timeout, action)])


def message(body: str, *, to: str = "") -> str:
    """Answer a text message with a text message."""
    return render([Message(body, to)])


def empty() -> str:
    """Nothing to do: the answer to a status callback, or to a text message that needs none."""
    return render([])
