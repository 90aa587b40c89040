"""What a request says, read as Twilio reads it. Whatever it would refuse raises `Refusal`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from voice_runtime.simulator.rest.refusal import Refusal

__all__ = ["Asked", "Fields", "is_address"]


class Fields:
    """A form, or the query of a GET. Where a name is repeated, the last one counts."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs = tuple(pairs)
        self._last = dict(self.pairs)

    def __contains__(self, name: str) -> bool:
        return name in self._last

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def get(self, name: str, default: str = "") -> str:
        return self._last.get(name, default)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.pairs if key == name)

    def as_dict(self) -> dict[str, str]:
        return dict(self._last)

    # -- checked ------------------------------------------------------------------------------------------------------

    def address(self, name: str, code: int) -> str:
        """A telephone number, `sip:` or `client:` address."""
        value = self.get(name).strip()
        if not is_address(value):
            raise Refusal(code, f"The '{name}' number {value} is not a valid phone number")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.get(name)
        if name not in self or value == "":
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high):
            raise Refusal.invalid(f"{name} must be a whole number from {low} to {high}")
        return int(value)

    def one_of(self, name: str, allowed: Collection[str], default: str = "") -> str:
        value = self.get(name) or default
        if value and value not in allowed:
            raise Refusal.invalid(f"{name} {value!r} is not one of {', '.join(sorted(allowed))}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        return self.one_of(name, ("true", "false"), str(default).lower()) == "true"

    def url(self, name: str, code: int) -> str:
        """An absolute http(s) address, or "". "Call resource": the host has no underscore."""
        value = self.get(name)
        if value and not _is_web_address(value):
            raise Refusal(code, f"{name} {value} is not a valid URL")
        return value

    def method(self, name: str, default: str = "POST") -> str:
        return self.one_of(name, ("GET", "POST"), default)

    def instant(self, name: str) -> float:
        """A date, or a date and time, of UTC; in Unix seconds."""
        try:
            at = datetime.fromisoformat(self.get(name))
        except ValueError:
            raise Refusal.invalid(f"{name} {self.get(name)!r} is not a date") from None
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()

    def covers(self, name: str, at: float | None) -> bool:
        """Whether `at` meets the filters `name`, `name<` and `name>`. The first means that whole day."""
        for suffix in ("", "<", ">"):
            if f"{name}{suffix}" not in self:
                continue
            limit = self.instant(f"{name}{suffix}")
            if at is None:
                return False
            day = 0 <= at - limit < 86400
            if not (day if not suffix else at <= limit if suffix == "<" else at >= limit):
                return False
        return True


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:  # "http://[": half of an IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in str(parts.hostname)


def is_address(value: str) -> bool:
    number = value.removeprefix("+")
    return value.startswith(("sip:", "client:")) or (number.isascii() and number.isdigit() and len(number) <= 15)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was let in. `names`: what the path names (`sid`, ...). `region`: where it was asked."""

    path: str
    names: dict[str, str]
    fields: Fields
    region: str

    def not_found(self) -> Refusal:
        return Refusal.not_found(self.path)
