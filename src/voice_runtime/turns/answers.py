"""What a caller answered to a plain question, from their words: digits, yes or no, a date, a choice. English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final

from voice_runtime.turns.numerals import cardinal, ordinal, year

__all__ = ["choice_in", "date_in", "digits_in", "says_any", "yes_or_no"]

_YES: Final = frozenset(
    "yes yeah yep yup yah correct right sure ok okay exactly absolutely certainly definitely indeed fine true".split()
)
_NO: Final = frozenset("no nope nah not wrong incorrect false never dont isnt".split())
_OH: Final = frozenset(("oh", "o"))
_TIMES: Final = {"double": 2, "triple": 3}
_NUMBERS: Final = {cardinal(number).replace("-", " "): number for number in range(100)}
_DAYS: Final = {
    words.replace("-", " "): number for number in range(1, 32) for words in (cardinal(number), ordinal(number))
}
_YEARS: Final = {year(number).replace("-", " "): number for number in range(1900, 2101)}
_MONTHS: Final = {
    name: number
    for number, long in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
    for name in (long, long[:3])
}
_WEEKDAYS: Final = {
    name: number for number, name in enumerate("monday tuesday wednesday thursday friday saturday sunday".split())
}
_UNITS: Final = {"day": 1, "days": 1, "week": 7, "weeks": 7}


def digits_in(text: str) -> str:
    """ "four one double five" and "41 55" are "4155", "twenty three" is "23"; other words are left out."""
    found = ""
    words = _words(text)
    at, times = 0, 1
    while at < len(words):
        word = words[at]
        at += 1
        if word in _TIMES:
            times = _TIMES[word]
            continue
        said = ""
        if word.isdecimal() and word.isascii():
            said = word
        elif word in _OH:
            said = "0"
        elif " ".join(words[at - 1 : at + 1]) in _NUMBERS and at < len(words):
            said = str(_NUMBERS[" ".join(words[at - 1 : at + 1])])
            at += 1
        elif word in _NUMBERS:
            said = str(_NUMBERS[word])
        found += said * times
        times = 1
    return found


def yes_or_no(text: str) -> bool | None:
    """None: neither, or both. "Not right" and "that isn't it" are no."""
    words = set(_words(text.replace("'", "")))
    no = bool(words & _NO)
    plain_yes = bool(words & _YES) and not (no and words & {"not", "isnt", "dont"})
    if no == plain_yes:
        return None
    return plain_yes


def choice_in(text: str, options: Sequence[str]) -> int | None:
    """The number, from 0, of the one option whose words were said, or "two", "the second one".

    None: none, or many."""
    words = _words(text)
    said = [at for at, option in enumerate(options) if set(_words(option)) <= set(words)]
    if len(said) > 1:  # "large" is in "extra large", too
        longest = max(len(_words(options[at])) for at in said)
        said = [at for at in said if len(_words(options[at])) == longest]
    if not said:
        numbers = {number for at, word in enumerate(words) if (number := _day(word)) and _counts(words, at)}
        said = [number - 1 for number in numbers if number <= len(options)]
    return said[0] if len(said) == 1 else None


def says_any(text: str, phrases: Iterable[str]) -> bool:
    """Whether one of the phrases was said, as whole words."""
    said = f" {' '.join(_words(text))} "
    return any(f" {' '.join(_words(phrase))} " in said for phrase in phrases)


def date_in(text: str, today: date, *, past: bool = False) -> date | None:
    """The day that was said. Without a year it is the next such day, with `past` the last one.

    "tomorrow", "next friday", "in two weeks", "the third of march", "May 5th 2027", "2027-05-05".
    """
    try:
        return _date_in(text, today, past)
    except ValueError:  # the 31st of February
        return None


def _date_in(text: str, today: date, past: bool) -> date | None:
    if iso := re.search(r"\b(\d{4})-(\d\d)-(\d\d)\b", text):
        return date(int(iso[1]), int(iso[2]), int(iso[3]))
    words = _words(text)
    said = f" {' '.join(words)} "
    for phrase, days in ((" day after tomorrow ", 2), (" tomorrow ", 1), (" today ", 0), (" yesterday ", -1)):
        if phrase in said:
            return today + timedelta(days)
    if counted := re.search(r" in (.+?) (days?|weeks?) ", said):
        count = 1 if counted[1] in ("a", "one") else _number(counted[1])
        return None if count is None else today + timedelta(count * _UNITS[counted[2]])
    month_at = next((at for at, word in enumerate(words) if word in _MONTHS), None)
    if month_at is None:
        weekday = next((_WEEKDAYS[word] for word in words if word in _WEEKDAYS), None)
        if weekday is None:
            return None
        ahead = (weekday - today.weekday() - 1) % 7 + 1
        return today + timedelta(ahead - 7 if past else ahead)
    return _of_month(words, month_at, today, past)


def _of_month(words: list[str], month_at: int, today: date, past: bool) -> date | None:
    """ "the third of march twenty twenty six", "march 3rd 2026" """
    month = _MONTHS[words[month_at]]
    before = [word for word in words[:month_at] if word not in ("the", "of", "on")]
    after = [word for word in words[month_at + 1 :] if word not in ("the", "of")]
    day = _day(" ".join(before[-2:])) or (_day(before[-1]) if before else None)
    if day is None:
        taken = next((count for count in (2, 1) if _day(" ".join(after[:count])) is not None), 0)
        # "march twenty twenty six" is no day; "march third twenty twenty six" is
        day, after = _day(" ".join(after[:taken])), after[taken:]
    if day is None:
        return None
    which = _year(after)
    if which is not None:
        return date(which, month, day)
    found = date(today.year, month, day)
    if past and found > today:
        return date(today.year - 1, month, day)
    return date(today.year + 1, month, day) if not past and found < today else found


def _year(words: list[str]) -> int | None:
    for count in range(min(len(words), 5), 0, -1):
        phrase = " ".join(words[:count])
        if phrase in _YEARS:
            return _YEARS[phrase]
        if count == 1 and len(phrase) == 4 and phrase.isdecimal():
            return int(phrase)
    return None


def _day(phrase: str) -> int | None:
    if phrase in _DAYS:
        return _DAYS[phrase]
    written = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", phrase)
    return int(written[1]) if written and 1 <= int(written[1]) <= 31 else None


def _counts(words: list[str], at: int) -> bool:
    """Whether the word is a number there: in "the blue one" it is none."""
    return words[at] not in _NUMBERS or len(words) == 1 or (at > 0 and words[at - 1] in ("number", "option"))


def _number(phrase: str) -> int | None:
    return int(phrase) if phrase.isdecimal() else _NUMBERS.get(phrase)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().replace("-", " "))
