"""Names to implementations. Built-ins and third-party packages come through the same door.

A name maps to `"module:Attribute"`, imported when asked for. A package adds a provider with an entry point in the group
of its kind, `voice_runtime.stt` and so on; the built-in table is only the default (docs/writing-a-provider.md).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from voice_runtime.errors import ProviderLoadError, UnknownProviderError

__all__ = ["KINDS", "SMS", "STT", "TRANSPORT", "TTS", "VAD", "Listing", "Registry", "Spec", "split_names"]


@dataclass(frozen=True, slots=True)
class Spec:
    """One provider: where it lives, the extra that brings its dependencies, the settings it cannot work without."""

    target: str
    extra: str = ""
    keys: tuple[str, ...] = ()
    source: str = "built in"


@dataclass(frozen=True, slots=True)
class Listing:
    """A provider as `voice-runtime providers` shows it. `missing` names the keys that are not set."""

    kind: str
    name: str
    spec: Spec
    error: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """The providers of one kind. `kind` is the word in messages, `group` the entry-point group."""

    kind: str
    group: str
    builtin: Mapping[str, Spec] = field(default_factory=dict)

    def specs(self) -> dict[str, Spec]:
        """Every name there is. An entry point of a built-in's name takes its place: the operator installed it."""
        found = dict(self.builtin)
        for entry in metadata.entry_points(group=self.group):
            source = entry.dist.name if entry.dist is not None else "entry point"
            found[entry.name] = Spec(entry.value, source=source)
        return found

    def load(self, name: str) -> Any:
        """Import what `name` stands for. Raises `UnknownProviderError`, or `ProviderLoadError` with the remedy."""
        specs = self.specs()
        if name not in specs:
            raise UnknownProviderError(self.kind, name, specs)
        spec = specs[name]
        module, _, attribute = spec.target.partition(":")
        try:
            loaded = importlib.import_module(module)
            return getattr(loaded, attribute) if attribute else loaded
        except Exception as error:  # whatever somebody's package raises at import: it is named, and only it is missing
            remedy = (
                f"Install it with: pip install 'voice-runtime[{spec.extra}]'."
                if spec.extra
                else f"It is declared by {spec.source} as {spec.target}."
            )
            raise ProviderLoadError(self.kind, name, str(error), remedy=remedy) from error

    def missing(self, names: str) -> tuple[str, ...]:
        """The settings that these providers, as in a setting, cannot work without, and that are not there."""
        specs = self.specs()
        needed = [key for name in split_names(names) if name in specs for key in specs[name].keys]
        return tuple(key for key in dict.fromkeys(needed) if not os.environ.get(key))

    def list(self) -> list[Listing]:
        """Try every provider, for people: what loads, what does not and why, which keys are missing."""
        rows = []
        for name, spec in sorted(self.specs().items()):
            error = ""
            try:
                self.load(name)
            except ProviderLoadError as failed:
                error = str(failed)
            rows.append(Listing(self.kind, name, spec, error, self.missing(name)))
        return rows


def split_names(names: str) -> list[str]:
    """The names in a setting: one, or several with commas between them, for a chain."""
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip())) or [names]


_HOME = "voice_runtime"

STT = Registry(
    "STT",
    "voice_runtime.stt",
    {
        "elevenlabs": Spec(
            f"{_HOME}.providers.elevenlabs_stt:PersistentSttSession", "elevenlabs", ("ELEVENLABS_API_KEY",)
        ),
        "azure": Spec(f"{_HOME}.providers.azure_stt:AzurePersistentStt", "azure", ("AZURE_SPEECH_KEY",)),
        "openai": Spec(f"{_HOME}.providers.openai_stt:OpenAiStt", "openai", ("OPENAI_STT_MODEL",)),
        "pocketsphinx": Spec(f"{_HOME}.providers.pocketsphinx_stt:PocketsphinxStt", "local"),
        "mock": Spec(f"{_HOME}.mock.stt:MockStt"),
    },
)
TTS = Registry(
    "TTS",
    "voice_runtime.tts",
    {
        "elevenlabs": Spec(f"{_HOME}.providers.elevenlabs_tts:ElevenLabsTTS", "elevenlabs", ("ELEVENLABS_API_KEY",)),
        "azure": Spec(f"{_HOME}.providers.azure_tts:AzureTTS", "azure", ("AZURE_SPEECH_KEY",)),
        "openai": Spec(f"{_HOME}.providers.openai_tts:OpenAiTTS", "openai", ("OPENAI_TTS_MODEL",)),
        "espeak": Spec(f"{_HOME}.providers.espeak_tts:EspeakTTS", "local"),
        "mock": Spec(f"{_HOME}.mock.tts:MockTts"),
    },
)
VAD = Registry(
    "VAD",
    "voice_runtime.vad",
    {
        "silero": Spec(f"{_HOME}.providers.silero_vad:SileroVad", "vad"),
        "mock": Spec(f"{_HOME}.mock.vad:MockVad"),
    },
)
TRANSPORT = Registry(
    "transport",
    "voice_runtime.transport",
    {
        "twilio": Spec(
            f"{_HOME}.transports.twilio_call:TwilioTransport", "", ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
        )
    },
)
SMS = Registry(
    "SMS",
    "voice_runtime.sms",
    {"twilio": Spec(f"{_HOME}.transports.twilio_sms", "", ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"))},
)
KINDS = (STT, TTS, VAD, TRANSPORT, SMS)
