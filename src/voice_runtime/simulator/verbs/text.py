"""<Sms> in a voice call: a text message to the caller, or to whom it says."""

from __future__ import annotations

from urllib.parse import urljoin

from voice_runtime.simulator.live_call import LiveCall
from voice_runtime.simulator.network import Document
from voice_runtime.wire.twiml import Message

__all__ = ["send_text"]


def send_text(verb: Message, base: str, call: LiveCall) -> Document | None:
    """Returns the action, when there is one."""
    inbound = call.leg.direction == "inbound"
    to = verb.to or (call.leg.caller if inbound else call.leg.called)
    from_ = verb.from_ or (call.leg.called if inbound else call.leg.caller)
    callback = {"StatusCallback": urljoin(base, verb.status_callback)} if verb.status_callback else {}
    message = call.network.rest.add_message(to, from_, verb.body.strip(), callback)
    message.direction = "outbound-reply"
    call.network.rest.telephony.send(message)
    if not verb.action:
        return None
    form = (("MessageSid", message.sid), ("SmsSid", message.sid), ("MessageStatus", "sent"), ("SmsStatus", "sent"))
    return Document(verb.action, verb.method, base=base, form=form)
