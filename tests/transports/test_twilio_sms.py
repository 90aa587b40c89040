"""Text messages: sent with the real SDK, and Twilio's webhooks about them read."""

from __future__ import annotations

import pytest
from simulated_account import OUR_NUMBER, Account

from voice_runtime.errors import CarrierRefusedError, MissingSettingError
from voice_runtime.transport import get_sms_transport
from voice_runtime.transports.twilio_sms import (
    InboundMedia,
    InboundSms,
    SmsStatus,
    parse_inbound_sms,
    parse_sms_status,
    send_sms,
)


def test_a_message_is_sent(ambient: Account) -> None:
    """From our number; exactly 0.1's keys come back."""
    result = get_sms_transport().send_sms("+358401234567", "Hei!")
    [message] = ambient.state.messages.values()
    assert result == {"message_sid": message.sid, "status": "queued", "to": "+358401234567"}
    assert (message.to, message.from_, message.body) == ("+358401234567", OUR_NUMBER, "Hei!")


def test_a_message_with_everything(account: Account) -> None:
    """Another sender, a callback, a picture, settings instead of the environment."""
    send_sms(
        "+358401234567",
        "Look",
        from_="+1666",
        status_callback="https://a.example/sms",
        media_urls=["https://a.example/x.png"],
        settings=account.settings(),
    )
    [message] = account.state.messages.values()
    assert message.from_ == "+1666"
    assert message.fields["StatusCallback"] == "https://a.example/sms"
    assert message.fields["MediaUrl"] == "https://a.example/x.png"


@pytest.mark.parametrize("missing", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER"])
def test_a_missing_setting_is_named(ambient: Account, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """By 0.1's RuntimeError."""
    monkeypatch.setenv(missing, "")
    with pytest.raises(RuntimeError, match=missing) as caught:
        send_sms("+358401234567", "Hei")
    assert isinstance(caught.value, MissingSettingError)


def test_a_refused_message_says_so(ambient: Account) -> None:
    """With Twilio's code."""
    with pytest.raises(CarrierRefusedError, match="21617"):
        send_sms("+358401234567", "x" * 1601)


def test_an_inbound_message_is_read() -> None:
    """Media that have no address are left out."""
    form = {
        "MessageSid": "SM1",
        "AccountSid": "AC1",
        "From": "+358401234567",
        "To": "+1555",
        "Body": " Hei ",
        "NumMedia": "2",
        "MediaUrl0": "https://api.twilio.com/m",
        "MediaContentType0": "image/png",
    }
    assert parse_inbound_sms(form) == InboundSms(
        "SM1", "AC1", "+358401234567", "+1555", " Hei ", (InboundMedia("https://api.twilio.com/m", "image/png"),)
    )


@pytest.mark.parametrize("count", ["", "-1", "x", "99999999999", "²"])
def test_a_strange_media_count_is_none(count: str) -> None:
    """It never costs the message."""
    assert parse_inbound_sms({"SmsSid": "SM1", "NumMedia": count}) == InboundSms("SM1", "", "", "", "")


def test_a_status_callback_is_read() -> None:
    """The error code is a number, when it is one."""
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "To": "+1", "From": "+2", "ErrorCode": "30003"}
    assert parse_sms_status(form) == SmsStatus("SM1", "undelivered", "+1", "+2", 30003)
    assert parse_sms_status({"SmsSid": "SM1", "SmsStatus": "sent", "ErrorCode": "?"}) == SmsStatus(
        "SM1", "sent", "", ""
    )


def test_other_requests_are_no_messages() -> None:
    """A voice webhook that was mounted in the wrong place."""
    with pytest.raises(ValueError, match="MessageSid"):
        parse_inbound_sms({"CallSid": "CA1"})
    with pytest.raises(ValueError, match="MessageSid"):
        parse_sms_status({"MessageStatus": "sent"})
    with pytest.raises(ValueError, match="MessageStatus"):
        parse_sms_status({"MessageSid": "SM1"})
