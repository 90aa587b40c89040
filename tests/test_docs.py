"""The documentation is complete and true: everything named in the code is in its page, everything in a page exists."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

import voice_runtime
from voice_runtime import VoiceApp, errors, events, simulator
from voice_runtime.cli import app as cli
from voice_runtime.registry import KINDS
from voice_runtime.session import BlockingSession, VoiceSession
from voice_runtime.settings import Settings
from voice_runtime.stt import SttFailure
from voice_runtime.telemetry.metrics import Metrics
from voice_runtime.telemetry.traces import PRIVATE

ROOT = Path(__file__).parents[1]
PACKAGE = Path(voice_runtime.__file__).parent
PAGES = {path.relative_to(ROOT).as_posix(): path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]}
BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def text_of(page: str) -> str:
    return PAGES[page].read_text(encoding="utf-8")


def first_cells(page: str, column: int = 0) -> set[str]:
    """What stands as code in one column of the page's tables."""
    rows = (line.strip().strip("|").split("|") for line in text_of(page).splitlines() if line.startswith("|"))
    return {name for row in rows if len(row) > column for name in CODE.findall(row[column])}


def _section(page: str, heading: str) -> str:
    """What stands under one heading, down to the next of its kind."""
    return text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def prose_of(page: str) -> str:
    """The page without its blocks."""
    return BLOCK.sub("", text_of(page))


# -- everything is documented ------------------------------------------------------------------------------------------


def test_every_setting_has_its_row_with_its_default() -> None:
    """docs/settings.md has a row for each field, under its environment variable, with the default."""
    rows = {row[1].strip(" `"): row[2].strip() for row in _table_rows("docs/settings.md")}
    for name, field in Settings.model_fields.items():
        variable = name.upper()
        assert variable in rows, f"{variable} is not in docs/settings.md"
        default = field.default.get_secret_value() if hasattr(field.default, "get_secret_value") else field.default
        shown = "none" if default == "" else str(default).lower() if isinstance(default, bool) else f"{default}"
        if isinstance(default, float):
            shown = f"{default:g}"
        if variable == "VOICE_TOKEN_SECRET":
            shown = "from `TWILIO_AUTH_TOKEN`"
        assert rows[variable] == shown, f"{variable}: the docs say {rows[variable]}, the code {shown}"


def _table_rows(page: str) -> list[list[str]]:
    return [line.split("|") for line in text_of(page).splitlines() if line.startswith("| `")]


def test_no_variable_is_read_that_is_not_documented() -> None:
    """Every name of a variable that is read from the environment is in docs/settings.md."""
    read = {name.upper() for name in Settings.model_fields}
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        read |= set(re.findall(r"os\.environ(?:\.get\(|\[)\s*\"([A-Z_0-9]+)\"", source))
        read |= set(re.findall(r"model_name\([\w.]+, \"([A-Z_0-9]+)\"\)", source))
        for defaults in re.findall(r"^_DEFAULTS = \{(.*?)\}", source, re.MULTILINE | re.DOTALL):
            read |= set(re.findall(r"\"([A-Z][A-Z_0-9]+)\":", defaults))
    assert read == first_cells("docs/settings.md")


def commands() -> dict[str, Any]:
    group = get_command(cli)
    assert isinstance(group, typer.core.TyperGroup)
    return dict(group.commands)


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_is_in_its_section(name: str) -> None:
    """docs/cli.md has a section for each command, which names all of its options and arguments."""
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text_of("docs/cli.md"), re.MULTILINE | re.DOTALL))
    assert name in sections, f"the command {name} is not in docs/cli.md"
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            wanted = [parameter.metavar or parameter.name.upper()]
        else:
            wanted = [*parameter.opts, *parameter.secondary_opts]
        for word in wanted:
            if word not in ("--help", "-h"):
                assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", sections[name]), f"{name}: {word} is missing"


def test_no_command_or_option_is_made_up() -> None:
    """docs/cli.md names no command and no option that there is not."""
    page = text_of("docs/cli.md")
    assert set(re.findall(r"^## (\S+)$", page, re.MULTILINE)) == set(commands())
    known = {"--help", "-h", "--version"}
    for command in commands().values():
        known |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page)) <= known


def test_every_command_in_any_page_exists() -> None:
    """`voice-runtime x` is a command wherever it is written."""
    for page in PAGES:
        said = re.findall(r"(?:^|[`\s/])voice-runtime ([a-z]+)\b", "\n".join(_code_in(page)))
        assert set(said) <= set(commands()), page


def _code_in(page: str) -> Iterator[str]:
    text = text_of(page)
    yield from (match["code"] for match in BLOCK.finditer(text) if "python" not in match["info"])
    yield from (code for code in CODE.findall(prose_of(page)) if code.startswith("voice-runtime "))


def test_every_route_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/routes.md lists what the server serves, with TRANSPORT=mock the routes for tests too, and nothing else."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    listed = {cell for cell in first_cells("docs/routes.md") if cell.startswith("/")}
    assert listed == _served(Settings(transport="mock"))
    for_tests = {path for path in listed if path.startswith("/test/")}
    assert for_tests and listed - for_tests == _served(Settings())


def _metrics() -> set[str]:
    """As Prometheus shows them."""
    families = Metrics().registry.collect()
    return {family.name + ("_total" if family.type == "counter" else "") for family in families}


def _names_in_traces() -> set[str]:
    """Of spans' attributes and events; those of stages by the example of one."""
    source = (PACKAGE / "telemetry" / "traces.py").read_text(encoding="utf-8")
    names = set(re.findall(r'"((?:voice|gen_ai|error)\.[a-z_.]*[a-z])"', source)) | {"voice.turn.stage.thinking_ms"}
    return names | {PRIVATE + name for name in re.findall(r"\{PRIVATE\}(\w+)", source)}


def test_every_metric_span_and_attribute_is_documented() -> None:
    """docs/observability.md has a row for each metric, with its labels, each span and each attribute, and no others."""
    rows = {row[1].strip(" `"): row for row in _table_rows("docs/observability.md")}
    assert {name for name in rows if name.startswith("voice_")} == _metrics()
    for family in Metrics().registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = getattr(Metrics().registry._names_to_collectors[family.name], "_labelnames")  # noqa: B009
        assert CODE.findall(rows[name][2]) == list(labels), f"{name}: its labels are {labels}"
    said = {
        code for code in CODE.findall(text_of("docs/observability.md")) if re.match(r"(voice|gen_ai|error)\.", code)
    }
    assert said - {"voice.private."} == _names_in_traces()
    source = (PACKAGE / "telemetry" / "traces.py").read_text(encoding="utf-8")
    spans = set(re.findall(r'(?:_child\(|start_span\(\s*)"(\w+)"', source))
    assert spans == {"call", "turn", "stt", "chat", "tts", "execute_tool"} and spans <= set(rows)
    for enum in (events.Stage, events.TurnOutcome):
        assert {str(member) for member in enum} <= set(rows)
    assert {stage: CODE.findall(rows[stage][2]) for stage in events.Stage} == {s: [s.owner] for s in events.Stage}


def _served(settings: Settings) -> set[str]:
    return {getattr(route, "path", "") for route in VoiceApp(settings=settings, stt="mock", tts="mock").api.routes}


def test_every_event_and_reason_is_documented() -> None:
    """docs/events.md has every event with its fields, and every value of the enums."""
    page = text_of("docs/events.md")
    rows = {row[1].strip(" `"): row for row in _table_rows("docs/events.md")}
    for name in events.__all__:
        kind = getattr(events, name)
        if issubclass(kind, events.CallEvent) and kind is not events.CallEvent:
            assert name in rows, f"{name} is not in docs/events.md"
            fields = [field for field in kind.__dataclass_fields__ if field != "at"]
            assert CODE.findall(rows[name][2]) == fields, f"{name}: its fields are {fields}"
    ends = {row[1].strip(" `"): CODE.findall(row[2]) for row in map(_cells, _section_lines("How a call ends"))}
    assert ends == {str(value): [str(value.fault)] for value in events.EndReason}
    for enum in (events.MarkOutcome, events.PlaybackOutcome, events.Fault):
        assert not [value for value in enum if f"`{value}`" not in page], enum


def _section_lines(heading: str) -> list[str]:
    return [line for line in _section("docs/events.md", heading).splitlines() if line.startswith("| `")]


def _cells(line: str) -> list[str]:
    return line.split("|")


def test_every_error_is_documented() -> None:
    """docs/errors.md has every class, says what else it is, and every reason of a failed recognition."""
    rows = {row[1].strip(" `"): "|".join(row) for row in _table_rows("docs/errors.md")}
    classes = set(errors.__all__)
    assert set(rows) == classes | {str(value) for value in SttFailure}
    for name in classes:
        for base in getattr(errors, name).__bases__:
            if base.__module__ == "builtins" and base is not Exception:
                assert f"`{base.__name__}`" in rows[name], f"{name} is also a {base.__name__}"


def test_every_provider_is_documented_with_its_options() -> None:
    """docs/providers.md has a row for each built-in provider, with extra and keys, and names its options."""
    rows = [[CODE.findall(cell) for cell in row[2:5]] + [row[1].strip()] for row in _provider_rows()]
    page = text_of("docs/providers.md")
    for registry in KINDS:
        for name, spec in registry.builtin.items():
            wanted = [[name], [spec.extra] if spec.extra else [], list(spec.keys), registry.kind]
            assert wanted in rows, f"{registry.kind} {name}: {wanted}"
            if registry.kind not in ("STT", "TTS"):
                continue
            for option in inspect.signature(registry.load(name)).parameters.values():
                if option.kind is not option.VAR_KEYWORD and option.name != "clock":
                    assert f"`{option.name}`" in page, f"{registry.kind} {name}: the option {option.name} is missing"
    assert len(rows) == sum(len(registry.builtin) for registry in KINDS)


def _provider_rows() -> list[list[str]]:
    kinds = tuple(f"| {registry.kind} |" for registry in KINDS)
    return [line.split("|") for line in text_of("docs/providers.md").splitlines() if line.startswith(kinds)]


def test_every_module_has_its_line() -> None:
    """docs/architecture.md lists every file of the package, once, and no other."""
    listed = re.findall(r"^\| `([\w/]+\.py)` \|", _section("docs/architecture.md", "File by file"), re.MULTILINE)
    files = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    assert sorted(listed) == sorted(files)


def test_every_verb_of_a_handler_is_documented() -> None:
    """docs/handlers.md has what a handler can say, with its defaults, and what a `VoiceApp` takes and offers."""
    page = text_of("docs/handlers.md")
    for name, member in inspect.getmembers(BlockingSession):
        if name.startswith("_"):
            continue
        assert hasattr(VoiceSession, name) or name in VoiceSession.__dataclass_fields__
        if inspect.isfunction(member):
            found = re.search(rf"^\| `{name}\((.*?)\)` \|", page, re.MULTILINE)
            assert found and _said_parameters(found[1]) == _parameters(member), f"{name}: {_parameters(member)}"
        else:
            assert name == "session" or f"`{name}`" in page, f"{name} is not in docs/handlers.md"
    for name, member in vars(VoiceSession).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            assert re.search(rf"^\| `{name}\(", page, re.MULTILINE), f"{name} is not in docs/handlers.md"
    for name in inspect.signature(VoiceApp).parameters:
        assert f"| `{name}` |" in page, f"VoiceApp({name}=...) is not in docs/handlers.md"
    for name, _ in inspect.getmembers(VoiceApp, lambda member: not isinstance(member, type)):
        if not name.startswith("_") and name not in ("settings", "carrier", "speech"):
            assert f"app.{name}" in page, f"VoiceApp.{name} is not in docs/handlers.md"


def _parameters(function: Any) -> list[str]:
    """Names, with the defaults that say something."""
    shown = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        silent = parameter.default in (parameter.empty, None, "")
        shown.append(parameter.name if silent else f"{parameter.name}={parameter.default!s}".replace("'", ""))
    return shown


def _said_parameters(text: str) -> list[str]:
    return [part.strip().replace('"', "") for part in text.split(",") if part.strip()]


def test_the_simulator_is_documented() -> None:
    """docs/testing.md has every public name of the simulator, all that a caller can do, and every violation."""
    page = text_of("docs/testing.md")
    for name in simulator.__all__:
        assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`|async def caller\(line: {name}\)", page), f"{name} is missing"
    for kind in (simulator.Line, simulator.Carrier, simulator.CallRecord):
        for name in [*dir(kind), *getattr(kind, "__dataclass_fields__", {})]:
            if not name.startswith("_") and name != "close":
                assert re.search(rf"`{name}\b", page), f"{kind.__name__}.{name} is missing"
    assert [tuple(row) for row in re.findall(r"^\| (\d+) \| `(\w+)`", page, re.MULTILINE)] == sorted(
        ((str(code.value), code.name) for code in simulator.ViolationCode), key=lambda row: (len(row[0]) == 1, row[0])
    )


def test_every_public_name_is_in_some_page() -> None:
    """What the package exports can be looked up."""
    everything = "".join(text_of(page) for page in PAGES)
    missing = [name for name in voice_runtime.__all__ if not re.search(rf"\b{name}\b", everything)]
    assert missing == ["__version__"]


# -- everything documented is there ------------------------------------------------------------------------------------


def _slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_lead_somewhere(page: str) -> None:
    """Files exist, and so do the headings that links point to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = (PAGES[page].parent / file).resolve() if file else PAGES[page]
        assert found.is_file(), f"{page}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", found.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in {_slug(heading.replace("`", "")) for heading in headings}, f"{page}: {target}"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_python_blocks_are_programs(page: str) -> None:
    """Each compiles, its imports of this package exist, and one that names a file is that file."""
    for match in BLOCK.finditer(text_of(page)):
        language, _, file = match["info"].partition(" file=")
        if language != "python":
            assert not file
            continue
        compile(match["code"], page, "exec")
        if file:
            assert (ROOT / file).read_text(encoding="utf-8") == match["code"], f"{page}: {file} is not as in the page"
        for module, names in re.findall(
            r"^\s*from (voice_runtime[\w.]*) import ([^(\n]+)$", match["code"], re.MULTILINE
        ):
            for name in names.split(","):
                assert hasattr(importlib.import_module(module), name.strip()), f"{page}: {module} has no {name}"


def test_every_file_of_examples_is_mentioned() -> None:
    """An example that no page shows or names is not found by anybody."""
    everything = "".join(text_of(page) for page in PAGES)
    for path in (ROOT / "examples").glob("*.py"):
        assert f"examples/{path.name}" in everything, path.name


def _tests() -> set[str]:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    return {name for source in sources for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE)}


def _known_names() -> set[str]:
    """Names of the package: modules, what they define, and members of their classes."""
    known = {name.upper() for name in Settings.model_fields}
    for info in pkgutil.walk_packages([str(PACKAGE)], "voice_runtime."):
        if info.name.endswith("pocketsphinx_worker"):
            continue
        module = importlib.import_module(info.name)
        known |= {info.name, info.name.removeprefix("voice_runtime."), info.name.rpartition(".")[2]}
        for name, value in vars(module).items():
            known.add(name)
            if inspect.isclass(value) and value.__module__.startswith("voice_runtime"):
                known |= set(dir(value)) | set(getattr(value, "__dataclass_fields__", {}))
                known |= set(getattr(value, "model_fields", {}))
                known |= {str(member) for member in value} if issubclass(value, StrEnum) else set()
            for called in (value, getattr(value, "__init__", None)):
                if inspect.isfunction(called) and called.__module__.startswith("voice_runtime"):
                    known |= set(inspect.signature(called).parameters)
    for path in PACKAGE.rglob("*.py"):
        known |= set(re.findall(r"self\.(\w+)", path.read_text(encoding="utf-8")))
    return (
        known
        | set(voice_runtime.__all__)
        | first_cells("docs/settings.md")
        | _metrics()
        | _names_in_traces()
        | {"execute_tool"}
    )


def test_names_in_the_docs_exist() -> None:
    """Whatever is written as code and looks like a name of ours, is one; what is another's is on this list."""
    others = {
        # Python and its libraries
        "ConnectionError", "ImportError", "IndexError", "RuntimeError", "TimeoutError", "ValidationError", "ValueError",
        "SecretStr", "None", "__cause__", "__getattr__", "asyncio_mode", "audioop", "create_task", "asyncio.to_thread",
        "async def", "def", "async", "await", "finally", "phone_speed",
        # Twilio's words and headers
        "From", "To", "Host", "CallSid", "MessageSid", "callSid", "X-Twilio-Signature", "X-Forwarded-Host",
        "X-Forwarded-Proto", "completed", "connected", "inbound_track",
        # files, hosts, Docker, nginx, keys of a telephone
        "transcript.txt", "report.md", "URL", "pip.conf", "api.dublin.ie1.twilio.com", "EXTRAS", "BASE_IMAGE",
        "HEALTHCHECK", "worker_shutdown_timeout", "private_", "W",
        # the words of the raw-audio socket
        "RA", "RIFF", "bad_audio", "bad_hello", "bad_message", "pcm_s16le",
        # what 0.1 called things
        "mark_name",
        # names of the examples
        "caller", "answer", "MorseTts", "SomethingStt", "PaperCarrier", "parcel_desk", "number.text",
    }  # fmt: skip
    known = _known_names() | others | _tests()
    words = re.compile(r"[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*(?:\(.*\))?")
    unknown: dict[str, set[str]] = {}
    for page in PAGES:
        for code in CODE.findall(prose_of(page)):
            name = code.removeprefix("await ").removeprefix("@").partition("(")[0]
            if not words.fullmatch(code.removeprefix("await ").removeprefix("@")):
                continue
            looks_ours = "_" in name or "." in name or not name.islower()
            last = name.rpartition(".")[2]
            if looks_ours and not {name, last, name.removeprefix("voice_runtime.")} & known and not _is_file(code):
                unknown.setdefault(page, set()).add(code)
    assert not unknown, "; ".join(f"{page}: {sorted(names)}" for page, names in unknown.items())


def _is_file(code: str) -> bool:
    return any(
        (folder / code).exists() for folder in (ROOT, PACKAGE, ROOT / "docs", ROOT / "examples", ROOT / "docker")
    )


def test_only_targets_of_the_makefile_are_named() -> None:
    """`make x` is a target wherever it is written."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text_of(page), re.MULTILINE)) <= targets, page
