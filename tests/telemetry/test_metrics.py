"""Metrics: what Prometheus reads after calls, who may read it, and what it never gets to know."""

from __future__ import annotations

import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from seen_calls import caller, desk

from voice_runtime import VoiceApp
from voice_runtime.errors import ConfigurationError
from voice_runtime.events import ProviderFailed
from voice_runtime.settings import Settings
from voice_runtime.telemetry.metrics import MAX_NAMES, Metrics
from voice_runtime.testing import PhoneSystem, PhoneTests

KEY = "a-key-for-prometheus"


async def read(app: VoiceApp, key: str | None = KEY) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return await client.get("/metrics", headers=headers)


def values(text: str) -> dict[str, float]:
    """Each sample under its name and labels, as Prometheus writes them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_METRICS_TOKEN", KEY)


def after_a_call(phone: PhoneTests) -> str:
    seen: list[str] = []
    app = desk()

    async def scenario(system: PhoneSystem) -> None:
        await system.call(caller, caller="+358401112233")
        await app.switchboard.drain(10.0)  # for the carrier, the call is over already
        seen.append((await read(app)).text)

    phone.run(scenario, app)
    return seen[0]


def test_a_call_is_counted(phone: PhoneTests, key: None) -> None:
    """How it ended and whose fault that was, the turn and the parts of its latency, tokens and characters."""
    found = values(after_a_call(phone))
    assert found["voice_calls_total{direction=inbound,fault=caller,reason=caller_hung_up}"] == 1
    assert found["voice_calls_live"] == 0
    assert found["voice_turns_total{outcome=completed}"] == 1
    assert found["voice_turn_latency_seconds_count{filler=false}"] == 1
    assert found["voice_turn_stage_seconds_sum{owner=brain,stage=thinking}"] == pytest.approx(0.3, abs=0.01)
    assert found["voice_tokens_total{type=input}"] == 120 and found["voice_tokens_total{type=output}"] == 7
    assert found["voice_tts_characters_total"] == len("All right.")  # the greeting was ready
    assert "voice_event_loop_lag_seconds{stat=average}" in found


def test_no_metric_knows_who_called_or_what_was_said(phone: PhoneTests, key: None) -> None:
    """Labels are words of ours: no number, no id of a call, no text."""
    text = after_a_call(phone)
    assert not re.search(r"\+358|CA[0-9a-f]{32}|pin|All right", text)


async def test_there_is_no_such_page_without_a_key() -> None:
    """Off is the default: nothing is counted, and nothing is told."""
    app = desk()
    assert (await read(app)).status_code == 404 and app.metrics is None


async def test_only_who_has_the_key_may_read(key: None) -> None:
    """Without it, or with another, the answer is a refusal."""
    app = desk()
    assert [(await read(app, wrong)).status_code for wrong in (None, "", "another-key-entirely")] == [403, 403, 403]
    assert (await read(app)).status_code == 200


@pytest.mark.parametrize("name", ["voice_metrics_token", "voice_raw_token"])
def test_a_key_that_can_be_guessed_is_refused_at_the_start(name: str) -> None:
    """A short one is a configuration error, and not an open door."""
    with pytest.raises(ConfigurationError, match=name.upper()):
        _ = desk(settings=Settings(**{name: "secret"})).api  # type: ignore[arg-type]


async def test_a_key_that_is_no_text_is_no_key(key: None) -> None:
    """Octets that are no ASCII are compared like any others."""
    app = desk()
    for wrong in (b"Bearer \xff\xfe", b"Bearer " + b"x" * 60_000, b"Basic " + KEY.encode(), KEY.encode(), b"Bearer"):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            assert (await client.get("/metrics", headers=[(b"Authorization", wrong)])).status_code == 403


async def test_two_applications_count_for_themselves(phone: PhoneTests, key: None) -> None:
    """Each has a registry of its own: no state is shared by the process."""
    first, second = desk(), desk()
    assert first.metrics is not None and second.metrics is not None
    first.metrics.happened(ProviderFailed(0.0, "tts", "acme", "timeout", ""))
    name = "voice_provider_failures_total{kind=tts,provider=acme,reason=timeout}"
    assert values((await read(first)).text)[name] == 1 and name not in values((await read(second)).text)


def test_labels_are_few_whatever_providers_call_themselves() -> None:
    """Beyond a limit, names are counted together."""
    metrics = Metrics()
    for number in range(MAX_NAMES + 20):
        metrics.happened(ProviderFailed(0.0, "tts", f"voice-{number}", "timeout", ""))
    found = {name: value for name, value in values(metrics.text().decode()).items() if "failures_total" in name}
    assert len(found) == MAX_NAMES + 1
    assert found["voice_provider_failures_total{kind=tts,provider=other,reason=timeout}"] == 20


def test_the_work_of_voice_detection_is_measured(phone: PhoneTests, key: None) -> None:
    """Where a detector decides for all calls together, each batch counts."""
    silero_vad = pytest.importorskip("voice_runtime.providers.silero_vad")
    seen: list[str] = []
    app = desk(vad=silero_vad.SileroVad())

    async def scenario(system: PhoneSystem) -> None:
        await system.call(caller)
        seen.append((await read(app)).text)

    phone.run(scenario, app)
    assert values(seen[0])["voice_vad_batch_seconds_count"] > 10
