"""Functions as tools: what a model is shown of them, and what becomes of the arguments that it writes."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from voice_runtime.tools import NO_TOOLS, OnBargeIn, Tool, tool
from voice_runtime.tools.docstring import read_docstring
from voice_runtime.tools.signature import BadArguments, Signature


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Order(BaseModel):
    """An order."""

    pizza: str
    size: Size = Size.SMALL


class Shop:
    """Something of the application's own."""


def order(
    shop: Shop | None,
    schema: Annotated[int, Field(ge=1, description="how many")],
    size: Size | None = None,
    when: Literal["now", "later"] = "now",
    extras: list[str] = [],  # noqa: B006
    note=None,  # type: ignore[no-untyped-def]
) -> object:
    """Order pizzas.

    At once.

    :param schema: not this
    :param when: the moment,
        roughly
    :return: a number
    """
    return shop, schema, size, when, extras, note


def test_a_signature_becomes_a_schema() -> None:
    """Types, defaults, descriptions; no names that pydantic could mind; nothing of what is injected."""
    signature = Signature(order, frozenset({Shop}))
    properties = signature.schema["properties"]
    assert signature.description == "Order pizzas.\n\nAt once."
    assert list(properties) == ["schema", "size", "when", "extras", "note"]
    assert properties["schema"] == {"type": "integer", "minimum": 1, "description": "how many"}
    assert properties["when"]["description"] == "the moment, roughly"
    assert properties["when"]["enum"] == ["now", "later"]
    assert signature.schema["$defs"]["Size"]["enum"] == ["small", "large"]
    assert signature.schema["required"] == ["schema"]
    assert signature.injected == {"shop": Shop}


def test_arguments_are_checked_and_converted() -> None:
    """A number in quotes is a number; the default of a list is a new one each time."""
    signature = Signature(order, frozenset({Shop}))
    first = signature.arguments('{"schema": "2", "size": "large"}')
    first["extras"].append("olives")
    assert first["schema"] == 2 and first["size"] is Size.LARGE
    assert signature.arguments('{"schema": 1}')["extras"] == []


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('{"schema": 0}', "schema: Input should be greater than or equal to 1"),
        ("", "schema: Field required"),
        ('{"schema": 1, "cheese": true}', "cheese: Extra inputs are not permitted"),
        ("[1]", "Input should be an object"),
        ('{"schema"', "Invalid JSON: EOF while parsing an object at line 1 column 9"),
    ],
)
def test_bad_arguments_are_told_in_words(written: str, words: str) -> None:
    """Where, and why; a model can do better then."""
    with pytest.raises(BadArguments) as caught:
        Signature(order, frozenset({Shop})).arguments(written)
    assert words in str(caught.value)


def test_the_fields_of_a_model_are_the_arguments() -> None:
    """Of a function that takes nothing else."""

    @tool(name="place_order")
    def place(order: Order) -> str:
        """Place an order."""
        return order.pizza

    spec = place.spec()
    assert (spec.name, spec.description) == ("place_order", "Place an order.")
    assert list(spec.parameters["properties"]) == ["pizza", "size"]
    assert place.signature().arguments('{"pizza": "funghi"}') == {"order": Order(pizza="funghi")}
    assert place(Order(pizza="rossa")) == "rossa"


def test_built_in_types_are_never_injected() -> None:
    """An application whose context is a dict has tools that take dicts."""

    def keep(what: dict[str, int], shop: Shop) -> None: ...

    assert Signature(keep, frozenset({dict, Shop})).injected == {"shop": Shop}


def star(*numbers: int) -> None: ...


def position(number: int, /) -> None: ...


def forward(number: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821


def foreign(shop: Shop) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (star, "numbers"),
        (position, "no name that a model could use"),
        (forward, "'Nowhere' is not defined"),
        (foreign, "Shop"),
    ],
)
def test_what_cannot_be_a_tool_says_so_at_once(function: Any, words: str) -> None:
    """Not in the middle of a call."""
    with pytest.raises(TypeError, match=words):
        Tool(function).spec()


def test_options_of_a_tool() -> None:
    """Wrong ones are refused when it is made."""
    assert tool(on_barge_in="cancel")(star).on_barge_in is OnBargeIn.CANCEL
    for options in ({"timeout": 0}, {"holding_after": -1}, {"on_barge_in": "explode"}):
        with pytest.raises(ValueError, match="must be|not a valid"):
            tool(**options)(star)  # type: ignore[call-overload]


def test_a_docstring_of_either_style() -> None:
    """An `Args:` section, or fields; what is said of results and errors is not for models."""
    google = """Find it.

    Args:
        number (int): the order's,
            as printed
        fast: or not

    Returns:
        fast: a date
    """
    assert read_docstring(google) == ("Find it.", {"number": "the order's, as printed", "fast": "or not"})
    assert read_docstring("Find it.\n\n:param int number: it\n:raises: never\n") == ("Find it.", {"number": "it"})
    assert read_docstring(None) == ("", {})


async def test_no_tools_answers_too() -> None:
    """A model that makes one up is told."""
    assert await NO_TOOLS.call("any", "{}") == "There is no tool 'any'."


class Visit:
    """The application's own, which nobody has announced as the context of a call."""


def test_a_type_that_no_model_can_write_is_told_in_a_line() -> None:
    """And what it probably is."""

    def seat(visit: Visit) -> str:
        return "done"

    why = r"Visit'>: a model cannot write one. If it is the context of a call, Agent\(context=...\) makes it.$"
    with pytest.raises(TypeError, match=why):
        Tool(seat).spec()
