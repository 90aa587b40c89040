"""Every name that 0.1 documented is where it was, takes what it took, and says what it said."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest

import voice_runtime
from voice_runtime.session import CallHangupError, CallNotAnsweredError, MissingStreamUrlError, VoiceSession

NAMES = {
    "voice_runtime": "VoiceSession MissingStreamUrlError CallNotAnsweredError CallHangupError create_stt get_stt_class"
    " create_tts get_sms_transport AudioMixer mix_frames SttProvider TtsProvider",
    "voice_runtime.audio": "AudioMixer FRAME_BYTES FRAME_INTERVAL MAX_FRAMES SILENCE_FRAME mix_frames",
    "voice_runtime.session": "VoiceSession MissingStreamUrlError CallNotAnsweredError CallHangupError FRAME_BYTES"
    " VOICE_SERVER_PORT",
    "voice_runtime.stt": "create_stt get_stt_class",
    "voice_runtime.tts": "create_tts",
    "voice_runtime.stt_tee": "SttTee",
    "voice_runtime.transport": "get_sms_transport create_transport",
    "voice_runtime.providers": "SttProvider TtsProvider",
    "voice_runtime.providers.elevenlabs_stt": "PersistentSttSession",
    "voice_runtime.providers.elevenlabs_tts": "ElevenLabsTTS",
    "voice_runtime.providers.azure_stt": "AzurePersistentStt",
    "voice_runtime.providers.azure_tts": "AzureTTS",
    "voice_runtime.mock.stt": "MockStt",
    "voice_runtime.mock.tts": "MockTts",
    "voice_runtime.transports.twilio_ws": "register_voice_websocket",
    "voice_runtime.transports.twilio_call": "build_stream_twiml build_stream_xml build_route_stream_xml"
    " initiate_outbound_call hangup_call list_calls list_recent_calls TwilioRegion TwilioCallRow"
    " TwilioCallNotFoundError TwilioCallListIncompleteError",
    "voice_runtime.transports.twilio_sms": "send_sms",
    "voice_runtime.transports.mock_bridge": "FakeWsBridge initiate_mock_call create_text_relay cleanup_bridges"
    " is_mock_transport",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_import_of_0_1_works(module: str) -> None:
    found = importlib.import_module(module)
    missing = [name for name in NAMES[module].split() if not hasattr(found, name)]
    assert missing == []


def test_the_twelve_names_of_the_package_are_in_its_list() -> None:
    assert set(NAMES["voice_runtime"].split()) <= set(voice_runtime.__all__)
    with pytest.raises(AttributeError, match="no attribute 'create_sst'"):
        voice_runtime.create_sst  # noqa: B018


CALLS = {
    # what of 0.1's README, and of its known programs, is passed: by position, by keyword
    "voice_runtime:create_stt": ((), {"provider": "azure", "language_code": "fi-FI", "silence_timeout_ms": 1500}),
    "voice_runtime:get_stt_class": ((), {"provider": "elevenlabs"}),
    "voice_runtime:create_tts": ((), {"provider": "mock", "on_spoken": print}),
    "voice_runtime:get_sms_transport": ((), {"provider": "twilio"}),
    "voice_runtime:AudioMixer": ((), {"record_path": "call.wav"}),
    "voice_runtime:mix_frames": ((b"", b""), {}),
    "voice_runtime.transport:create_transport": ((), {"provider": "twilio"}),
    "voice_runtime.stt_tee:SttTee": ((), {"primary": None, "secondary": None}),
    "voice_runtime.providers.elevenlabs_stt:PersistentSttSession": ((), {"api_key": "k", "language_code": "fi"}),
    "voice_runtime.providers.elevenlabs_tts:ElevenLabsTTS": (("k", "voice", "model"), {}),
    "voice_runtime.providers.azure_stt:AzurePersistentStt": (("k", "westeurope", "fi-FI", 1500), {}),
    "voice_runtime.providers.azure_tts:AzureTTS": ((), {"subscription_key": "k", "region": "r", "voice_name": "v"}),
    "voice_runtime.mock.tts:MockTts": ((print,), {"api_key": "ignored"}),
    "voice_runtime.mock.stt:MockStt": ((), {"language_code": "ignored"}),
    "voice_runtime.transports.twilio_ws:register_voice_websocket": ((None, None), {"hangup_regions": None}),
    "voice_runtime.transports.twilio_call:initiate_outbound_call": (("+358401234567",), {}),
    "voice_runtime.transports.twilio_call:build_stream_twiml": (("wss://example.com",), {}),
    "voice_runtime.transports.twilio_call:build_route_stream_xml": (("wss://example.com", "token"), {}),
    "voice_runtime.transports.twilio_call:hangup_call": (("CA1",), {"regions": ()}),
    "voice_runtime.transports.twilio_sms:send_sms": ((), {"to": "+358401234567", "body": "hei"}),
    "voice_runtime.transports.mock_bridge:initiate_mock_call": (("http://a",), {"caller_url": "http://b"}),
    "voice_runtime.transports.mock_bridge:FakeWsBridge": ((), {"call_sid": "CA1"}),
    "voice_runtime.transports.mock_bridge:create_text_relay": (("http://a",), {}),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_takes_the_arguments_of_0_1(name: str) -> None:
    module, _, attribute = name.partition(":")
    args, keywords = CALLS[name]
    inspect.signature(getattr(importlib.import_module(module), attribute)).bind(*args, **keywords)


METHODS = {
    "set_loop": (None,),
    "put_inbound": (b"",),
    "put_outbound_sync": (b"",),
    "get_outbound": (),
    "clear_inbound": (),
    "signal_mark_received": ("name__12345678",),
    "get_pending_mark": (),
    "signal_ws_connected": ("MZ1",),
    "signal_disconnected": (),
    "reset": (),
    "set_mixer": (None,),
    "tap_caller": (b"",),
    "tap_agent": (b"",),
    "request_disconnect": (),
    "request_clear_buffer": (),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_session_has_the_methods_of_0_1(method: str) -> None:
    found = getattr(VoiceSession, method)
    inspect.signature(found).bind(None, *METHODS[method])
    assert inspect.iscoroutinefunction(found) is method.startswith("get_")


def test_waits_have_the_time_limits_of_0_1() -> None:
    assert inspect.signature(VoiceSession.send_mark_and_wait).parameters["timeout"].default == 10.0
    assert inspect.signature(VoiceSession.wait_for_ws_connect).parameters["timeout"].default == 30.0


def test_the_fields_of_a_session_are_in_0_1s_order_and_typed() -> None:
    """Programs subclass it as a dataclass, and one looks into its type strings."""
    types = {field.name: str(field.type) for field in dataclasses.fields(VoiceSession) if not field.kw_only}
    known = ["call_sid", "stream_sid", "caller_number", "inbound", "outbound"]
    providers = ["stt", "stt_factory", "stt_secondary_factory", "on_stt_ready"]
    assert list(types)[: len(known) + len(providers)] == known + providers
    assert all("Any" not in types[name] for name in providers)
    session = VoiceSession("CA1", "MZ1", "+358401234567")
    assert (session.call_sid, session.stream_sid, session.caller_number) == ("CA1", "MZ1", "+358401234567")
    assert [getattr(session, name) for name in providers] == [None] * 4


def test_queues_are_asyncio_queues_of_the_instance() -> None:
    one, other = VoiceSession(), VoiceSession()
    assert isinstance(one.inbound, asyncio.Queue) and isinstance(one.outbound, asyncio.Queue)
    assert one.inbound is not other.inbound and one.outbound is not other.outbound


def test_the_factories_give_the_classes_of_0_1() -> None:
    made = [voice_runtime.get_stt_class(name).__name__ for name in ("elevenlabs", "azure", "mock")]
    made += [type(voice_runtime.create_tts(name)).__name__ for name in ("elevenlabs", "azure", "mock")]
    assert made == ["PersistentSttSession", "AzurePersistentStt", "MockStt", "ElevenLabsTTS", "AzureTTS", "MockTts"]
    assert type(voice_runtime.create_stt("mock", language_code="fi")).__name__ == "MockStt"
    sms = voice_runtime.get_sms_transport()
    assert inspect.ismodule(sms) and sms.__name__ == "voice_runtime.transports.twilio_sms"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (voice_runtime.create_stt, "Unknown STT provider: nobody"),
        (voice_runtime.get_stt_class, "Unknown STT provider: nobody"),
        (voice_runtime.create_tts, "Unknown TTS provider: nobody"),
        (voice_runtime.get_sms_transport, "Unknown SMS transport: nobody"),
    ],
)
def test_an_unknown_provider_is_the_value_error_of_0_1(make: Callable[[str], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("nobody")


def test_the_vendors_recognisers_can_be_made_without_arguments() -> None:
    """And without `__init__`, as programs' tests do to reach a method."""
    from voice_runtime.providers.azure_stt import AzurePersistentStt
    from voice_runtime.providers.elevenlabs_stt import PersistentSttSession

    for kind in (PersistentSttSession, AzurePersistentStt):
        stt = kind()
        assert (stt.on_committed, stt.on_recognizing, stt.on_error) == (None, None, None)
        for method in ("set_speaking", "start", "stop"):
            assert callable(getattr(kind.__new__(kind), method))


def test_the_provider_protocols_have_the_members_of_0_1_and_no_others() -> None:
    stt, tts = voice_runtime.SttProvider, voice_runtime.TtsProvider
    assert set(stt.__annotations__) == {"on_committed", "on_recognizing", "on_error"}
    assert set(tts.__annotations__) == {"on_error"}
    assert all("Callable[[str], None] | None" in str(kind) for kind in stt.__annotations__.values())
    assert {name for name in vars(stt) if not name.startswith("_")} == {"set_speaking", "start", "stop"}
    assert list(inspect.signature(tts.speak).parameters) == ["self", "text", "session", "stop_event"]
    for protocol in (stt, tts):
        with pytest.raises(TypeError, match="runtime_checkable"):
            isinstance(object(), protocol)


# -- errors -----------------------------------------------------------------------------------------------------------


def test_the_errors_say_what_they_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_SERVER_PORT", "9191")
    text = str(MissingStreamUrlError())
    assert all(word in text for word in ("VOICE_STREAM_URL", "VOICE_SERVER_PORT", "9191"))
    assert "12.5s timeout" in str(CallNotAnsweredError(12.5))
    assert "hung up" in str(CallHangupError())


def test_a_missing_setting_is_named_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 0.1's order, as the RuntimeError that it was."""
    from voice_runtime.transports.twilio_call import initiate_outbound_call

    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    for name, value in (
        ("VOICE_STREAM_URL", "wss://voice.example.com"),
        ("TWILIO_ACCOUNT_SID", "AC1"),
        ("TWILIO_AUTH_TOKEN", "token"),
        ("TWILIO_PHONE_NUMBER", "+358942721000"),
    ):
        with pytest.raises(RuntimeError, match=name):
            initiate_outbound_call("+358401234567")
        monkeypatch.setenv(name, value)


# -- when things are read and imported --------------------------------------------------------------------------------


def test_settings_are_read_when_used_and_not_when_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weakness 7 of 0.1: `load_dotenv()` after the imports was ignored."""
    from voice_runtime import session
    from voice_runtime.providers import elevenlabs_stt, elevenlabs_tts

    monkeypatch.setenv("VOICE_SERVER_PORT", "9292")
    monkeypatch.setenv("ELEVENLABS_API_KEY", "set-late")
    monkeypatch.setenv("STT_LANGUAGE_CODE", "sv")
    monkeypatch.setenv("ELEVENLABS_VOICE_ID", "voice-set-late")
    assert session.VOICE_SERVER_PORT == 9292
    assert (elevenlabs_stt.ELEVENLABS_API_KEY, elevenlabs_stt.STT_LANGUAGE_CODE) == ("set-late", "sv")
    assert elevenlabs_tts.ELEVENLABS_VOICE_ID == "voice-set-late"


HEAVY = ("fastapi", "uvicorn", "twilio", "elevenlabs", "azure", "pocketsphinx", "websockets", "sqlalchemy")


@pytest.mark.parametrize("module", ["voice_runtime", "voice_runtime.session", "voice_runtime.transports.twilio_call"])
def test_importing_brings_no_framework_and_no_vendor(module: str) -> None:
    """All twelve names, used, included; in an interpreter of its own."""
    program = (
        f"import sys, {module} as m\n"
        "for name in getattr(m, '__all__', []):\n"
        "    name == 'VoiceApp' or getattr(m, name)\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
