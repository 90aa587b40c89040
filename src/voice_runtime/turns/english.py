"""How English is spoken: phone numbers and codes digit by digit, money, dates, times, measures, addresses on the web.

Each rule is a pattern and what is said for it; the first rule that matches at a place counts. Whether a plain number is
a quantity, a year or a code is told by its form and by the words around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from voice_runtime.turns.numerals import LONGEST_QUANTITY, amount, cardinal, digits, ordinal, year
from voice_runtime.turns.spoken import Replacement

__all__ = ["English"]

_NUMBER: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*"
_MONTHS: Final = "January February March April May June July August September October November December".split()
_MONTH: Final = "|".join([*_MONTHS, r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"])
_HALF: Final = r"(?:[ap]m\b|[ap]\.m\b(?:\.(?=\s+\S))?)"  # a last full stop ends the sentence as well
_CURRENCIES: Final = {
    "$": ("dollar", "cent"),
    "€": ("euro", "cent"),
    "£": ("pound", "pence"),
    "USD": ("dollar", "cent"),
    "EUR": ("euro", "cent"),
    "GBP": ("pound", "pence"),
    "¥": ("yen", ""),
    "JPY": ("yen", ""),
    "₹": ("rupee", "paisa"),
    "INR": ("rupee", "paisa"),
    "CHF": ("Swiss franc", "centime"),
}
_UNCOUNTED: Final = ("yen", "pence", "paisa")
_CURRENCY: Final = "|".join(re.escape(sign) for sign in _CURRENCIES)
_SCALES: Final = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "bn": "billion", "B": "billion"}
_UNITS: Final = {
    "km/h": "kilometer per hour",
    "mph": "mile per hour",
    "km": "kilometer",
    "cm": "centimeter",
    "mm": "millimeter",
    "kg": "kilogram",
    "mg": "milligram",
    "ml": "milliliter",
    "kWh": "kilowatt hour",
    "kW": "kilowatt",
    "GB": "gigabyte",
    "MB": "megabyte",
    "TB": "terabyte",
    "°C": "degree Celsius",
    "°F": "degree Fahrenheit",
    "°": "degree",
    "lbs": "pound",
    "lb": "pound",
    "oz": "ounce",
    "ft": "foot",
    "mi": "mile",
    "min": "minute",
    "hrs": "hour",
    "hr": "hour",
    "h": "hour",
    "sec": "second",
    "ms": "millisecond",
    "m": "meter",
    "g": "gram",
    "l": "liter",
    "L": "liter",
    "%": "percent",
}
_UNIT: Final = "|".join(re.escape(unit) for unit in _UNITS)
_FRACTIONS: Final = {
    "1/2": "one half",
    "1/3": "one third",
    "2/3": "two thirds",
    "1/4": "one quarter",
    "3/4": "three quarters",
}
_CODE_WORDS = re.compile(
    r"(?:code|pin|order|number|account|reference|ref|confirmation|booking|id|zip|postcode|extension|ext|flight|ticket|case"
    r"|card|policy|invoice|tracking|passcode|password|otp|ending in|ends in|#|no\.)\W*(?:(?:is|was|of|number)\W+)?$",
    re.IGNORECASE,
)
_YEAR_WORDS = re.compile(r"\b(?:in|since|by|until|till|year|from|of|before|after|during|©)\W+$", re.IGNORECASE)
_QUANTITY = re.compile(
    r"\s+(?!and\b|or\b|is\b|was\b|to\b|in\b|on\b|at\b|for\b|as\b)[a-z]+s\b"
)  # "482913 people" is "6000 apples"


class English:
    """The rules, in order."""

    def replacements(self, text: str) -> Iterable[Replacement]:
        at = 0
        while at < len(text):
            found = _ANY.search(text, at)
            if found is None or found.lastgroup is None:
                return
            spoken = _SAY[found.lastgroup](found, text)
            yield Replacement(found.start(), found.end(), spoken)
            at = max(found.end(), at + 1)


def _email_or_web(found: re.Match[str], text: str) -> str:
    plain = re.sub(r"^https?://(www\.)?", "", found.group().rstrip("/"))
    signs = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", "+": "plus", ":": "colon"}
    words = [signs.get(part, part) for part in re.split(r"([.@/\-_+:?=&#~%]|\d+)", plain) if part]
    return " ".join(digits(word) if word.isdecimal() else word for word in words)


def _phone(found: re.Match[str], text: str) -> str:
    number = found.group()
    groups = ", ".join(digits(group) for group in re.findall(r"\d+", number))
    return f"plus {groups}" if number.startswith("+") else groups


def _code(found: re.Match[str], text: str) -> str:
    return " ".join(digits(char) if char.isdecimal() else char for char in found.group() if char.isalnum())


def _date(month: int, day: int, in_year: str | None) -> str:
    return f"{_MONTHS[month - 1]} {ordinal(day)}" + (f", {year(int(in_year))}" if in_year else "")


def _iso_date(found: re.Match[str], text: str) -> str:
    written_year, month, day = found.group().split("-")
    return _date(int(month), int(day), written_year)


def _us_date(found: re.Match[str], text: str) -> str:
    month, day, written_year = found.group().split("/")
    return _date(int(month), int(day), written_year)


def _month_day(found: re.Match[str], text: str) -> str:
    name, day, in_year = re.findall(r"[A-Za-z]+|\d+", found.group())[0], *_two(re.findall(r"\d+", found.group()))
    month = next(number for number, full in enumerate(_MONTHS, 1) if full.startswith(name[:3]))
    return _date(month, int(day), in_year)


def _two(numbers: list[str]) -> tuple[str, str | None]:
    return numbers[0], numbers[1] if len(numbers) > 1 else None


def _time(found: re.Match[str], text: str) -> str:
    hour, minute = _two(re.findall(r"\d+", found.group()))
    half = re.search(r"([ap])\.?m", found.group(), re.IGNORECASE)
    words = [cardinal(int(hour))]
    if minute is not None and int(minute):
        words.append(f"oh {cardinal(int(minute))}" if int(minute) < 10 else cardinal(int(minute)))
    elif half is None:
        words.append("o'clock" if 0 < int(hour) <= 12 else "hundred")
    return " ".join([*words, f"{half[1].lower()} m"] if half else words)


def _money(found: re.Match[str], text: str) -> str:
    sign = re.search(_CURRENCY, found.group())
    number = re.search(_NUMBER, found.group())
    assert sign is not None and number is not None  # the pattern has both
    unit, part = _CURRENCIES[sign.group()]
    scale = re.search(r"(?:\d\s?)(k|K|m|M|bn|B|thousand|million|billion|trillion)\b", found.group())
    if scale is not None:
        return f"{amount(number.group())} {_SCALES.get(scale[1], scale[1])} {_plural(unit, 2)}"
    whole, _, parts = number.group().replace(",", "").partition(".")
    if len(whole) > LONGEST_QUANTITY:
        return f"{amount(number.group())} {_plural(unit, 2)}"
    units, cents = int(whole), int(parts.ljust(2, "0")[:2]) if parts else 0
    words = [] if not units and cents else [f"{cardinal(units)} {_plural(unit, units)}"]
    if cents:
        words.append(f"{cardinal(cents)} {_plural(part or 'cent', cents)}")
    return " and ".join(words)


def _plural(unit: str, count: int) -> str:
    if count == 1 or unit in _UNCOUNTED:
        return "penny" if unit == "pence" and count == 1 else unit
    return unit + "s"


def _measure(found: re.Match[str], text: str) -> str:
    numbers = re.findall(_NUMBER, found.group())
    unit = _UNITS[re.search(rf"(?:{_UNIT})$", found.group()).group()]  # type: ignore[union-attr]  # it ends in one
    said = " to ".join(amount(number) for number in numbers)
    if numbers != ["1"] and unit != "percent":
        head, *rest = unit.split(" ", 1)
        unit = " ".join(["feet" if head == "foot" else head if "hour" in rest else f"{head}s", *rest])
        unit = unit.replace("kilowatt hour", "kilowatt hours")
    return f"{said} {unit}"


def _range(found: re.Match[str], text: str) -> str:
    first, second = re.findall(_NUMBER, found.group())
    years = all(len(number) == 4 and number.isdecimal() and 1500 <= int(number) <= 2099 for number in (first, second))
    return f"{year(int(first))} to {year(int(second))}" if years else f"{amount(first)} to {amount(second)}"


def _plain(found: re.Match[str], text: str) -> str:
    number, before = found.group(), text[: found.start()]
    if not number.isdecimal():
        return amount(number)
    if len(number) >= 3 and _CODE_WORDS.search(before):
        return digits(number)
    if len(number) >= 5 and not (len(number) < 7 and _QUANTITY.match(text, found.end())):
        return digits(number)
    if len(number) > 1 and number[0] == "0":
        return digits(number)
    is_year = len(number) == 4 and (
        1900 <= int(number) <= 2099 or (1100 <= int(number) <= 2199 and _YEAR_WORDS.search(before))
    )
    if is_year and not _QUANTITY.match(text, found.end()):
        return year(int(number))
    return cardinal(int(number))


_Say = Callable[[re.Match[str], str], str]
_EDGE: Final = r"(?<![\w.,])"
_RULES: Final[tuple[tuple[str, str, _Say], ...]] = (
    ("email", r"(?<!\w)[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _email_or_web),
    ("web", r"(?<!\w)(?:https?://|www\.)[^\s<>\"')]*[^\s<>\"').,;:!?]", _email_or_web),
    ("iso", _EDGE + r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b", _iso_date),
    ("slashes", _EDGE + r"(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/\d{4}\b", _us_date),
    ("monthday", rf"\b(?:{_MONTH}) (?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?\b(?!:)(?:,? \d{{4}}\b)?", _month_day),
    (
        "time",
        _EDGE + rf"(?:(?:[01]?\d|2[0-3]):[0-5]\d(?![:\d])(?: ?{_HALF})?|(?:1[0-2]|[1-9]) ?{_HALF})",
        _time,
    ),
    (
        "money",
        rf"(?<!\w)(?:{_CURRENCY})\s?(?:{_NUMBER})(?:\s?(?:k|K|m|M|bn|B)\b| (?:thousand|million|billion|trillion)\b)?"
        rf"|{_EDGE}(?:{_NUMBER})\s?(?:€|(?:USD|EUR|GBP|JPY|INR|CHF)\b)",
        _money,
    ),
    (
        "phone",
        r"(?<![\w+])\+\d[\d ().-]{5,}\d|(?<!\w)\(\d{3}\) ?\d{3}[ .-]?\d{4}\b|(?<![\w-])\d{3}[ .-]\d{3}[ .-]\d{4}\b"
        r"|(?<![\w-])\d{3,4}(?:[ -]\d{3,4}){2,3}\b|(?<![\w-])\d{3}-\d{4}\b",
        _phone,
    ),
    (
        "code",
        r"(?<![\w-])(?![A-Z]{3,}-\d\d?\b)(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])(?=(?:-?[A-Z0-9]){5,})[A-Z0-9]+(?:-[A-Z0-9]+)*(?![\w-])",
        _code,
    ),
    ("measure", _EDGE + rf"(?:{_NUMBER})(?:\s?[–-]\s?(?:{_NUMBER}))?\s?(?:{_UNIT})(?!\w)", _measure),
    ("fraction", _EDGE + r"(?:1/2|1/3|2/3|1/4|3/4)(?![\w/])", lambda found, text: _FRACTIONS[found.group()]),
    ("ordinal", r"(?<![\w.,])\d{1,4}(?:st|nd|rd|th)\b", lambda found, text: ordinal(int(found.group()[:-2]))),
    ("range", _EDGE + rf"(?:{_NUMBER})\s?–\s?(?:{_NUMBER})(?![\w-])|{_EDGE}\d{{1,4}}-\d{{1,4}}(?![\w-])", _range),
    ("hash", r"(?<!\w)#(?=\d)", lambda found, text: "number "),
    ("minus", r"(?<!\S)-(?=\d)", lambda found, text: "minus "),
    ("plain", rf"(?<![\w.])(?<!\d,)(?:{_NUMBER})(?!\w)", _plain),
    ("and", r"(?<=\s)&(?=\s)", lambda found, text: "and"),
    ("plus", r"(?<=\s)\+(?=\s)", lambda found, text: "plus"),
    ("equals", r"(?<=\s)=(?=\s)", lambda found, text: "equals"),
    ("times", r"(?<=\s)[×*](?=\s)", lambda found, text: "times"),
)
_ANY = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern, _ in _RULES))
_SAY: Final[dict[str, _Say]] = {name: say for name, _, say in _RULES}
