"""The account's telephone numbers: https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.rest.fields import Asked, Fields
from voice_runtime.simulator.rest.listing import listed
from voice_runtime.simulator.rest.refusal import Refusal
from voice_runtime.simulator.rest.simulated_number import SimulatedNumber
from voice_runtime.simulator.rest.state import RestState

__all__ = ["Numbers"]


class Numbers:
    def __init__(self, state: RestState) -> None:
        self._state = state

    def create(self, asked: Asked) -> Response:
        phone_number = asked.fields.address("PhoneNumber", 21421)
        if self._state.number(phone_number) is not None:
            raise Refusal(21422, f"{phone_number} is not available")
        settings = _settings(asked.fields)
        number = self._state.add_number(phone_number)
        self._set(number, settings)
        return JSONResponse(number.as_json(), 201)

    def fetch(self, asked: Asked) -> Response:
        return JSONResponse(self._found(asked).as_json())

    def list(self, asked: Asked) -> Response:
        query = asked.fields
        return listed(
            asked,
            "incoming_phone_numbers",
            [
                number
                for number in reversed(self._state.numbers.values())
                if query.get("PhoneNumber") in number.phone_number
                and query.get("FriendlyName", number.friendly_name) == number.friendly_name
            ],
        )

    def update(self, asked: Asked) -> Response:
        number = self._found(asked)
        self._set(number, _settings(asked.fields))
        number.updated = self._state.clock.wall()
        return JSONResponse(number.as_json())

    def delete(self, asked: Asked) -> Response:
        del self._state.numbers[self._found(asked).sid]
        return Response(status_code=204)

    @staticmethod
    def _set(number: SimulatedNumber, settings: dict[str, str]) -> None:
        number.friendly_name = settings.get("FriendlyName", number.friendly_name)
        number.voice_url = settings.get("VoiceUrl", number.voice_url)
        number.voice_method = settings.get("VoiceMethod", number.voice_method)
        number.voice_fallback_url = settings.get("VoiceFallbackUrl", number.voice_fallback_url)
        number.voice_fallback_method = settings.get("VoiceFallbackMethod", number.voice_fallback_method)
        number.status_callback = settings.get("StatusCallback", number.status_callback)
        number.status_callback_method = settings.get("StatusCallbackMethod", number.status_callback_method)
        number.sms_url = settings.get("SmsUrl", number.sms_url)
        number.sms_method = settings.get("SmsMethod", number.sms_method)
        number.sms_fallback_url = settings.get("SmsFallbackUrl", number.sms_fallback_url)
        number.sms_fallback_method = settings.get("SmsFallbackMethod", number.sms_fallback_method)

    def _found(self, asked: Asked) -> SimulatedNumber:
        number = self._state.numbers.get(asked.names["number"])
        if number is None:
            raise asked.not_found()
        return number


def _settings(fields: Fields) -> dict[str, str]:
    for name, code in (("VoiceUrl", 21402), ("VoiceFallbackUrl", 21405), ("StatusCallback", 21209)):
        fields.url(name, code)
    for name in ("SmsUrl", "SmsFallbackUrl"):
        fields.url(name, 21502)
    for name in ("VoiceMethod", "VoiceFallbackMethod", "StatusCallbackMethod", "SmsMethod", "SmsFallbackMethod"):
        fields.method(name)
    return fields.as_dict()
