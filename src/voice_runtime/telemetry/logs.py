"""One way out for every log line, structlog's and the standard library's: stderr, as plain text or as JSON.

Marked fields: what a caller said, numbers and keys are logged only under names that begin with `private_`, such as
`private_caller`, so that a log pipeline can drop, mask or restrict them by name. They are kept here, unless
`redact_private` puts a short hash in their place. It is keyed with a secret of this process: equal values look equal
within one run, and nobody can find a phone number by hashing all of them.

Never printed, at any level: media tokens, which are keys to a call (uvicorn logs every socket's path, and its
WebSocket library every frame).
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from voice_runtime.errors import ConfigurationError

__all__ = ["LEVELS", "PRIVATE", "configure_logging"]

LEVELS: Final = ("debug", "info", "warning", "error")
PRIVATE: Final = "private_"
"""Names of fields that hold what a stranger said or who they are begin with this."""

# Their info and debug lines are chatter: request lines with account and number, frames, paths with tokens.
_TAMED: Final = (
    *("asyncio", "hpack", "httpcore", "httpcore2", "httpx", "httpx2"),
    *("multipart", "openai", "python_multipart", "twilio", "urllib3"),
)
_SERVER: Final = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "websockets")

# A media token: the version octet and the first claim, base64url (voice_runtime.wire.tokens).
_TOKEN: Final = re.compile(r"AXsi[A-Za-z0-9_-]{40,}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def configure_logging(level: str = "info", json: bool = False, *, redact_private: bool = False) -> None:
    """Send all logs of this process to stderr, one line or one JSON object each. Calling it again changes the form.

    Handlers of the root logger that print to stdout or stderr are replaced: every line is said once. Others, such as
    files, stay. Raises `ConfigurationError` for a level that is none of `LEVELS`.
    """
    if level.lower() not in LEVELS:
        raise ConfigurationError(f"{level!r} is not a log level.", remedy=f"Use one of {', '.join(LEVELS)}.")
    threshold = getattr(logging, level.upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True) if json else _local_time(),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a logger at module level must follow a second configuration
    )
    handler = _Stderr()
    handler.setFormatter(_Formatter(processors=_rendering(json, redact_private), foreign_pre_chain=shared))
    root = logging.getLogger()
    for other in list(root.handlers):
        if _prints(other):
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(threshold)
    _tame(threshold)


def _tame(threshold: int) -> None:
    for name in (*_TAMED, *_SERVER):
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in _SERVER:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True  # uvicorn's own configuration prints by itself
    # Raised and not unplugged: a logger without handlers prints its warnings by itself.
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL + 1)


def _prints(handler: logging.Handler) -> bool:
    """Whether `handler` writes to the terminal. Exactly these types: a FileHandler is a StreamHandler too."""
    if type(handler) is logging.StreamHandler:
        return handler.stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler, _Stderr)


class _Stderr(logging.StreamHandler[TextIO]):
    """Whatever stderr is when a line is written, as `logging.lastResort` does it: it may be replaced at any time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        raise AttributeError("this handler always writes to stderr")


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        # The finished text, so that no field, argument or traceback can carry a token out.
        return _TOKEN.sub("[media token]", super().format(record))


# -- processors -------------------------------------------------------------------------------------------------------


def _rendering(json: bool, redact_private: bool) -> list[Processor]:
    steps: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_colour]
    if redact_private:
        steps.append(_redactor())
    if json:
        return [*steps, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    plain = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )
    return [*steps, _one_entry, plain]


def _local_time() -> Processor:
    return structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False)


def _without_colour(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn's second copy of its text
    return event


def _one_entry(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What a stranger sent must not look like a line of ours, nor steer a terminal: values are quoted, text is not."""
    text = _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], str(event.get("event", "")))
    event["event"] = text.replace("\n", "\n    ")
    return event


def _redactor() -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    key = secrets.token_bytes(16)

    def digest(value: Any) -> str:
        said = str(value).encode("utf-8", "surrogatepass")
        return "#" + hashlib.blake2s(said, key=key, digest_size=5).hexdigest()

    def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        for name, value in event.items():
            if name.startswith(PRIVATE) and value not in (None, ""):
                event[name] = digest(value)
        return event

    return redact
