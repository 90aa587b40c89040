"""TwiML: what we write is what Twilio takes, and what the simulator reads is what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Connect, VoiceResponse

from voice_runtime.wire import twiml
from voice_runtime.wire.twiml import (
    ConnectStream,
    Dial,
    DialConference,
    DialTarget,
    Gather,
    Hangup,
    MalformedTwiml,
    Message,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
    StartStream,
    StopStream,
    Unknown,
    parse_twiml,
    render,
)

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def refused(document: str) -> str:
    """Why `document` is no TwiML."""
    [only] = parse_twiml(document)
    assert isinstance(only, MalformedTwiml)
    return only.reason


# -- written ----------------------------------------------------------------------------------------------------------


def test_a_stream_document_says_exactly_this() -> None:
    """The whole document of an answered call, octet for octet."""
    written = twiml.connect_stream(
        "https://voice.example.com/voice/abc",
        parameters={"order": 'a "b" & <c>', "empty": ""},
        status_callback="https://voice.example.com/stream?x=1&y=2",
        name="main",
        action="/after",
        after=[Say("Goodbye"), Hangup()],
    )
    assert written == (
        f'{DECLARATION}<Response><Connect action="/after">'
        '<Stream url="wss://voice.example.com/voice/abc" name="main"'
        ' statusCallback="https://voice.example.com/stream?x=1&amp;y=2">'
        '<Parameter name="order" value="a &quot;b&quot; &amp; &lt;c&gt;"/><Parameter name="empty" value=""/>'
        "</Stream></Connect><Say>Goodbye</Say><Hangup/></Response>"
    )


@pytest.mark.parametrize(
    ("document", "inside"),
    [
        (twiml.empty(), "<Response/>"),
        (twiml.hangup(), "<Response><Hangup/></Response>"),
        (twiml.reject(), '<Response><Reject reason="rejected"/></Response>'),
        (twiml.reject("busy"), '<Response><Reject reason="busy"/></Response>'),
        (twiml.say("Hei & moi", language="fi-FI"), '<Response><Say language="fi-FI">Hei &amp; moi</Say></Response>'),
        (twiml.say("x", voice="alice", loop=2), '<Response><Say voice="alice" loop="2">x</Say></Response>'),
        (
            twiml.redirect("https://a.example/next"),
            '<Response><Redirect method="POST">https://a.example/next</Redirect></Response>',
        ),
        (twiml.dial("+358401", timeout=9), '<Response><Dial timeout="9"><Number>+358401</Number></Dial></Response>'),
        (twiml.dial("client:bo"), '<Response><Dial timeout="30"><Client>bo</Client></Dial></Response>'),
        (twiml.dial("sip:a@b.c"), '<Response><Dial timeout="30"><Sip>sip:a@b.c</Sip></Dial></Response>'),
        (
            twiml.dial("+1", caller_id="+2", action="/done"),
            '<Response><Dial callerId="+2" timeout="30" action="/done"><Number>+1</Number></Dial></Response>',
        ),
        (twiml.message("kiitos"), "<Response><Message>kiitos</Message></Response>"),
        (twiml.message("kiitos", to="+1"), '<Response><Message to="+1">kiitos</Message></Response>'),
        (render([Unknown("Leave", "<Leave/>")]), "<Response><Leave/></Response>"),
    ],
)
def test_every_document_says_exactly_this(document: str, inside: str) -> None:
    """What each builder writes."""
    assert document == DECLARATION + inside


@pytest.mark.parametrize(
    ("given_url", "written"),
    [
        ("https://a.example", "wss://a.example"),
        ("HTTPS://a.example/x", "wss://a.example/x"),
        ("http://localhost:8080/voice", "ws://localhost:8080/voice"),
        ("wss://a.example/v", "wss://a.example/v"),
        ("ws://[::1]:80/v", "ws://[::1]:80/v"),
    ],
)
def test_a_stream_url_is_a_websocket_url(given_url: str, written: str) -> None:
    """Web schemes are taken for the WebSocket ones."""
    assert twiml.stream_url(given_url) == written


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "absolute"),
        ("/voice", "absolute"),
        ("a.example/voice", "absolute"),
        ("ftp://a.example", "absolute"),
        ("wss://", "absolute"),
        ("wss://a.example/v?x=1", "no query"),
        ("wss://a.example/v?", "no query"),
        ("wss://a.example/v#rc=2", "no fragment"),
        ("wss://me:secret@a.example/v", "password"),
        ("wss://a.example/v w", "blanks"),
        ("wss://ä.example/", "ASCII"),
        ("wss://a.example:99999/", "not an address"),
        ("wss://a.example:0/", "not an address"),
        ("wss://[bad/", "not an address"),
    ],
)
def test_a_stream_url_that_twilio_would_refuse_is_refused(url: str, why: str) -> None:
    """The error comes at once and says why, not from a call that failed."""
    with pytest.raises(ValueError, match=why):
        twiml.connect_stream(url)


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: twiml.connect_stream("wss://a.b", parameters={"n": "v" * 499}), "under 500"),
        (lambda: twiml.connect_stream("wss://a.b", parameters={"": "v"}), "needs a name"),
        (lambda: twiml.connect_stream("wss://a.b", status_callback="/relative"), "statusCallback"),
        (lambda: twiml.connect_stream("wss://a.b", status_callback="https://a_b.example/"), "underscore"),
        (lambda: twiml.connect_stream("wss://a.b", action="mailto:x"), "action of <Connect>"),
        (lambda: twiml.connect_stream("wss://a.b", action="https:///x"), "with a host"),
        (lambda: render([ConnectStream("wss://a.b", track="both_tracks")]), "31941"),
        (lambda: render([Reject("bored")]), "bored"),
        (lambda: twiml.redirect(""), "for ever"),
        (lambda: render([Play("")]), "<Play>"),
        (lambda: render([Dial(())]), "somebody"),
        (lambda: twiml.dial("  "), "cannot dial"),
        (lambda: render([Dial((DialConference(""),))]), "needs a name"),
        (lambda: render([Dial((DialTarget("x", "Fax"),))]), "cannot dial"),
        (lambda: twiml.message(""), "body"),
        (lambda: twiml.say("\x00"), "character"),
        (lambda: twiml.say("\ud800"), "character"),
        (lambda: twiml.say("x" * 64_000), "11750"),
        (lambda: render([MalformedTwiml("odd")]), "odd"),
    ],
)
def test_what_twilio_would_refuse_is_not_written(build: object, why: str) -> None:
    """Every rule of a document has its own clear error."""
    assert callable(build)
    with pytest.raises(ValueError, match=why):
        build()


def test_name_and_value_may_be_499_characters() -> None:
    """The limit is "under 500"."""
    assert twiml.connect_stream("wss://a.b", parameters={"n": "v" * 498})


def test_the_sdk_writes_what_we_write() -> None:
    """Twilio's own builder and ours mean the same."""
    theirs = VoiceResponse()
    connect = Connect(action="/after")
    connect.stream(url="wss://a.example/v", name="main").parameter(name="order", value='"<&\n')
    theirs.append(connect)
    theirs.say("tack & hej", voice="alice")
    ours = twiml.connect_stream(
        "wss://a.example/v",
        parameters={"order": '"<&\n'},
        name="main",
        action="/after",
        after=[Say("tack & hej", "alice")],
    )
    assert parse_twiml(str(theirs)) == parse_twiml(ours)


# -- there and back ---------------------------------------------------------------------------------------------------

writable = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=60)
raw = st.text(st.sampled_from("a \t\r\n<>&\"']]>ä€\U0001f600"), min_size=1, max_size=30)
word = st.text(st.sampled_from("abcXYZ019+"), min_size=1, max_size=12)
link = st.sampled_from(["https://a.example/x?y=1&z=2", "/next", "https://a.example:8443/"])
whole = st.integers(0, 999)
method = st.sampled_from(["GET", "POST"])
targets = st.one_of(
    st.builds(DialTarget, word, st.sampled_from(["Number", "Sip", "Client"]), link, method, word),
    st.builds(DialConference, word, st.booleans(), st.sampled_from(["true", "onExit"]), st.booleans(), st.booleans()),
    st.builds(DialConference, word, wait_url=st.sampled_from(["", "/music"]), max_participants=whole, coach=word),
)
prompts = st.one_of(st.builds(Say, word), st.builds(Play, link), st.builds(Pause, whole))
verbs = st.one_of(
    st.builds(
        ConnectStream,
        st.just("wss://a.example/v"),
        st.dictionaries(raw, raw, max_size=3),
        st.sampled_from(["", "https://a.example/s"]),
        writable,
        st.just("") | link,
        method=method,
    ),
    st.builds(StartStream, st.just("wss://a.example/v"), track=st.sampled_from(["both_tracks", "inbound_track"])),
    st.builds(StopStream, word),
    st.builds(
        Gather,
        st.lists(prompts, max_size=2).map(tuple),
        st.sampled_from(["dtmf", "dtmf speech"]),
        num_digits=whole,
        finish_on_key=st.sampled_from(["", "#", "*"]),
        action_on_empty_result=st.booleans(),
    ),
    st.builds(Record, timeout=whole, finish_on_key=st.sampled_from(["", "#"]), play_beep=st.booleans()),
    st.builds(Say, writable.map(str.strip), word, word, whole),
    st.builds(Play, link, st.just("") | word, whole),
    st.builds(Pause, whole),
    st.just(Hangup()),
    st.builds(Reject, st.sampled_from(["rejected", "busy"])),
    st.builds(Redirect, link, st.sampled_from(["GET", "POST"])),
    st.builds(
        Dial,
        st.lists(targets, min_size=1).map(tuple),
        word,
        whole,
        st.just("") | link,
        method,
        whole,
        st.booleans(),
    ),
    st.builds(Message, raw, word),
)


@given(st.lists(verbs, max_size=5))
def test_what_was_written_is_read_back(written: list[twiml.Verb]) -> None:
    """Writing and reading are each other's inverse, whatever the text."""
    assert parse_twiml(render(written)) == written


@given(st.text(max_size=200))
def test_reading_never_raises(document: str) -> None:
    """Any text at all gives a list of verbs."""
    assert isinstance(parse_twiml(document), list)
    assert isinstance(parse_twiml(f"<Response>{document}</Response>"), list)


# -- read -------------------------------------------------------------------------------------------------------------


def test_a_document_by_hand_is_read() -> None:
    """Verbs in order, defaults filled in, white space around addresses dropped."""
    assert parse_twiml(
        """<?xml version="1.0" encoding="ISO-8859-1"?>
        <Response>
          <!-- a comment -->
          <Say>Hej <break strength="weak"/>då</Say>
          <Play> https://a.example/x.wav </Play><Play digits="12#"/>
          <Pause/><Pause length="soon"/><Pause length="7"/>
          <Connect>
            <Stream url="wss://a.example/v"><Parameter name="a" value="b"/><Parameter value="lost"/></Stream>
          </Connect>
          <Dial>+358401234567</Dial>
          <Message><Body>hi</Body></Message><Sms>ho</Sms>
          <Reject/><Redirect>/x</Redirect><Hangup/>
        </Response>"""
    ) == [
        Say("Hej då"),
        Play("https://a.example/x.wav"),
        Play("", "12#"),
        Pause(1),
        Pause(1),
        Pause(7),
        ConnectStream("wss://a.example/v", {"a": "b"}),
        Dial((DialTarget("+358401234567"),)),
        Message("hi"),
        Message("ho"),
        Reject(),
        Redirect("/x"),
        Hangup(),
    ]


def test_what_is_not_modelled_is_kept_whole() -> None:
    """An unknown verb is an event of its own, with its XML."""
    assert parse_twiml(
        '<Response><Enqueue wait="1"><Task>1?</Task></Enqueue> tail <say/>'
        "<Connect><Room>x</Room></Connect><Dial/></Response>"
    ) == [
        Unknown("Enqueue", '<Enqueue wait="1"><Task>1?</Task></Enqueue>'),
        Unknown("say", "<say />"),
        Unknown("Connect", "<Connect><Room>x</Room></Connect>"),
        Unknown("Dial", "<Dial />"),
    ]


def test_attributes_are_typed_and_nonsense_is_the_default() -> None:
    """An attribute that is there and empty is not one that is missing."""
    assert parse_twiml(
        """<Response>
          <Gather input="dtmf speech" numDigits="4" finishOnKey="" timeout="soon" actionOnEmptyResult="TRUE">
            <Say>Hello</Say><Dial>+1</Dial>
          </Gather>
          <Record maxLength="soon" playBeep="no"/>
          <Dial hangupOnStar="true" timeLimit="60"><Number url="/whisper" sendDigits="1w2">+1</Number></Dial>
          <Dial><Conference startConferenceOnEnter="false" waitUrl="">room</Conference></Dial>
          <Start><Stream url="wss://a.example/v" track="both_tracks" name="copy"/></Start>
          <Stop><Stream name="copy"/></Stop>
        </Response>"""
    ) == [
        Gather(
            (Say("Hello"), Dial((DialTarget("+1"),))),
            "dtmf speech",
            num_digits=4,
            finish_on_key="",
            timeout="soon",
            action_on_empty_result=True,
        ),
        Record(),
        Dial((DialTarget("+1", url="/whisper", send_digits="1w2"),), hangup_on_star=True, time_limit=60),
        Dial((DialConference("room", start_conference_on_enter=False, wait_url=""),)),
        StartStream("wss://a.example/v", track="both_tracks", name="copy"),
        StopStream("copy"),
    ]


def test_a_stream_without_a_url_is_malformed_where_it_stands() -> None:
    """The verbs around it are still read."""
    assert parse_twiml("<Response><Pause/><Connect><Stream/></Connect><Hangup/></Response>") == [
        Pause(),
        MalformedTwiml("<Connect><Stream> without a url"),
        Hangup(),
    ]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "no element"),
        ("Hello", "syntax"),
        ("<Response><Say></Response>", "mismatched"),
        ("<Response/><Response/>", "junk"),
        ("<Answer/>", "<Answer>"),
        ("<Response>\x00</Response>", "not well-formed"),
        ("<Response>\ud800</Response>", "surrogate"),
        ("<Response><Say>&nbsp;</Say></Response>", "undefined entity"),
        ("<!DOCTYPE Response><Response/>", "document type"),
        ('<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Response><Say>&b;</Say></Response>', "document type"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><Response/>', "document type"),
        ("<Response>" + "<a>" * 9000 + "</a>" * 9000 + "</Response>", "nest"),
        ("<Response>" + " " * 64_000 + "</Response>", "11750"),
    ],
)
def test_what_is_no_document_is_malformed(document: str, why: str) -> None:
    """Refused with the reason, and nothing of it is expanded or fetched."""
    assert why in refused(document)
