"""The pytest plugin: `phone` for calls on virtual time in process, `phone_over_sockets` for calls on real sockets.

Plain functions, no asyncio needed. A test fails when the carrier would have logged an error or a warning, or when the
handler failed, unless it said `phone.expect(...)`. pytest loads this for every project that has the package installed:
it imports nothing of it until a fixture is used.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from voice_runtime.testing.phone_tests import PhoneTests

__all__ = ["phone", "phone_over_sockets", "pytest_addoption", "pytest_runtest_call"]

_PHONES = pytest.StashKey["list[PhoneTests]"]()
"""Those of a test, whatever it or its fixtures call them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("phone_speed", "How many times as fast as life phone_over_sockets is.", default="10")


@pytest.fixture
def phone(request: pytest.FixtureRequest) -> PhoneTests:
    """Calls into your application: virtual time, one process, no network."""
    from voice_runtime.testing.phone_tests import PhoneTests

    return _linted(request, PhoneTests())


@pytest.fixture
def phone_over_sockets(request: pytest.FixtureRequest) -> PhoneTests:
    """The same calls over real HTTP and real WebSockets, ten times as fast as life (ini option `phone_speed`)."""
    from voice_runtime.testing.phone_tests import PhoneTests

    return _linted(request, PhoneTests(speed=float(request.config.getini("phone_speed"))))


def _linted(request: pytest.FixtureRequest, one: PhoneTests) -> PhoneTests:
    request.node.stash.setdefault(_PHONES, []).append(one)
    return one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """The lint, as a part of the test itself: what it finds is a failure, not an error of a fixture."""
    phones = item.stash.setdefault(_PHONES, [])
    try:
        result = yield
    except BaseException:
        _tell(item, phones, "problems", "errors", "transcripts")
        raise
    if problems := [problem for one in phones for problem in one.problems()]:
        _tell(item, phones, "errors", "transcripts")
        pytest.fail("the carrier's side of the calls:\n  " + "\n  ".join(problems), pytrace=False)
    return result


def _tell(item: pytest.Item, phones: list[PhoneTests], *titles: str) -> None:
    """What is known of the calls, below the failure; errors, unless pytest shows what is logged by itself."""
    shown_anyway = item.config.pluginmanager.hasplugin("logging-plugin")
    for one in phones:
        told = {
            "problems": "\n".join(one.problems()),
            "errors": "" if shown_anyway else one.errors(),
            "transcripts": one.transcripts(),
        }
        for title, text in told.items():
            if text and title in titles:
                item.add_report_section("call", f"phone: {title}", text)
