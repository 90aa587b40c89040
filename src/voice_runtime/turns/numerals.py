"""English words for numbers."""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST_QUANTITY", "amount", "cardinal", "digits", "ordinal", "year"]

LONGEST_QUANTITY: Final = 15
"""Digits; more are said one by one."""
_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS: Final = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES: Final = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def digits(text: str) -> str:
    """One by one: "415" is "four one five". What is no digit is left out."""
    return " ".join(_SMALL[int(char)] for char in text if char.isdecimal())


def cardinal(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _TENS[tens] + (f"-{_SMALL[rest]}" if rest else "")
    scale, name = next((scale, name) for scale, name in _SCALES if number >= scale)
    count, rest = divmod(number, scale)
    return f"{cardinal(count)} {name}" + (f" {cardinal(rest)}" if rest else "")


def ordinal(number: int) -> str:
    words = cardinal(number)
    at = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[at:]
    if last in _ORDINALS:
        return words[:at] + _ORDINALS[last]
    return words[:at] + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """1999 is "nineteen ninety-nine", 2005 "two thousand five", 2026 "twenty twenty-six"."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def amount(written: str) -> str:
    """A number as it is written: "1,250", "3.5", "1.2.3", "007"."""
    whole, *parts = written.replace(",", "").split(".")
    a_code = len(whole) > LONGEST_QUANTITY or (len(whole) > 1 and whole[0] == "0")
    first = digits(whole) if a_code else cardinal(int(whole or 0))
    if len(parts) == 1:
        return f"{first} point {digits(parts[0])}"
    return " point ".join([first, *(amount(part) for part in parts)])
