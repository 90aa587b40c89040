"""Text messages: https://www.twilio.com/docs/messaging/api/message-resource"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.rest.fields import Asked, Fields, is_address
from voice_runtime.simulator.rest.listing import listed
from voice_runtime.simulator.rest.refusal import Refusal
from voice_runtime.simulator.rest.shapes import account_path, rfc_2822
from voice_runtime.simulator.rest.simulated_message import MessageStatus, SimulatedMessage
from voice_runtime.simulator.rest.state import RestState

__all__ = ["Messages"]

_MAX_BODY = 1600
_MAX_MEDIA = 10
_UNDER_WAY = frozenset({MessageStatus.ACCEPTED, MessageStatus.QUEUED, MessageStatus.SENDING})


class Messages:
    def __init__(self, state: RestState) -> None:
        self._state = state

    def create(self, asked: Asked) -> Response:
        fields = asked.fields
        to, from_, media = self._parties(fields), fields.get("From"), fields.all("MediaUrl")
        if not any(fields.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
            raise Refusal(21602, "Message body is required.")
        if len(fields.get("Body")) > _MAX_BODY:
            raise Refusal(21617, f"The concatenated message body exceeds the {_MAX_BODY} character limit")
        if len(media) > _MAX_MEDIA:
            raise Refusal(21623, f"Number of media files exceeds allowed limit of {_MAX_MEDIA}")
        fields.url("MediaUrl", 21620)
        fields.url("StatusCallback", 21609)
        message = self._state.add_message(to, from_, fields.get("Body"), fields.as_dict(), media)
        message.status = self._first_status(fields)
        answer = JSONResponse(message.as_json(), 201)
        self._state.telephony.send(message)
        return answer

    def _parties(self, fields: Fields) -> str:
        if not fields.get("To"):
            raise Refusal(21604, "A 'To' phone number is required.")
        to, service, from_ = fields.address("To", 21211), fields.get("MessagingServiceSid"), fields.get("From")
        if not from_ and not service:
            raise Refusal(21603, "A 'From' phone number is required.")
        # Letters: an alphanumeric sender.
        if from_ and not (is_address(from_) or (from_.replace(" ", "").isalnum() and len(from_) <= 11)):
            raise Refusal(21212, f"The 'From' number {from_} is not a valid phone number")
        if from_ and not self._state.may_call_from(from_):
            raise Refusal(21606, f"The 'From' phone number {from_} is not a number of your account")
        if to in self._state.opted_out:
            raise Refusal(21610, "Attempt to send to unsubscribed recipient")
        return to

    def _first_status(self, fields: Fields) -> MessageStatus:
        service = fields.get("MessagingServiceSid")
        if fields.get("SendAt") and fields.one_of("ScheduleType", ("fixed",)):
            if not service:
                # "If you only pass a From number [...] the scheduling parameters will be dropped."
                self._state.complain("SendAt without MessagingServiceSid: the message is sent at once")
                return MessageStatus.QUEUED
            if not 900 <= fields.instant("SendAt") - self._state.clock.wall() <= 35 * 86400:
                raise Refusal(35114, "SendAt must be 15 minutes to 35 days from now")
            return MessageStatus.SCHEDULED
        return MessageStatus.ACCEPTED if service and not fields.get("From") else MessageStatus.QUEUED

    def fetch(self, asked: Asked) -> Response:
        return JSONResponse(self._found(asked).as_json())

    def list(self, asked: Asked) -> Response:
        query = asked.fields
        return listed(
            asked,
            "messages",
            [
                message
                for message in reversed(self._state.messages.values())
                if query.get("To", message.to) == message.to
                and query.get("From", message.from_) == message.from_
                and query.covers("DateSent", message.sent)
            ],
        )

    def update(self, asked: Asked) -> Response:
        """Redact (an empty Body), or cancel what is only scheduled."""
        message, fields = self._found(asked), asked.fields
        if fields.one_of("Status", ("canceled",)):
            if message.status != MessageStatus.SCHEDULED:
                raise Refusal(30409, "This message cannot be canceled")
            self._state.set_message_status(message, MessageStatus.CANCELED)
        elif "Body" in fields:
            if fields.get("Body"):
                raise Refusal.invalid("Body must be empty: a message can be redacted, not rewritten")
            if message.status in _UNDER_WAY:
                raise Refusal(20009, "Cannot redact this resource before it is complete", 409)
            message.body = ""
        return JSONResponse(message.as_json())

    def delete(self, asked: Asked) -> Response:
        message = self._found(asked)
        if message.status in _UNDER_WAY:
            raise Refusal(20009, "Cannot delete this resource before it is complete", 409)
        del self._state.messages[message.sid]
        return Response(status_code=204)

    def media(self, asked: Asked) -> Response:
        message = self._found(asked)
        return listed(asked, "media_list", [_Media(message, number) for number in range(len(message.media))])

    def _found(self, asked: Asked) -> SimulatedMessage:
        message = self._state.messages.get(asked.names["message"])
        if message is None:
            raise asked.not_found()
        return message


class _Media:
    """A file of a message: listed, not served. Its type is not known, since nobody fetches `MediaUrl`."""

    def __init__(self, message: SimulatedMessage, number: int) -> None:
        self._message = message
        self.key = f"ME{message.sid[2:30]}{number:04d}"

    def as_json(self) -> dict[str, object]:
        message = self._message
        date = rfc_2822(message.created)
        return {
            "sid": self.key,
            "account_sid": message.account_sid,
            "parent_sid": message.sid,
            "content_type": "application/octet-stream",
            "date_created": date,
            "date_updated": date,
            "uri": f"{account_path(message.account_sid)}/Messages/{message.sid}/Media/{self.key}.json",
        }
