"""A telephone number of the account, and what happens when it is called or texted."""

from __future__ import annotations

from dataclasses import dataclass

from voice_runtime.simulator.rest.shapes import API_VERSION, account_path, formatted, rfc_2822, subresources

__all__ = ["SimulatedNumber"]


@dataclass
class SimulatedNumber:
    sid: str
    account_sid: str
    phone_number: str
    created: float
    friendly_name: str = ""
    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    sms_url: str = ""
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    updated: float = 0.0

    @property
    def key(self) -> str:
        return self.sid

    def as_json(self) -> dict[str, object]:
        path = f"{account_path(self.account_sid)}/IncomingPhoneNumbers/{self.sid}"
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "phone_number": self.phone_number,
            "friendly_name": self.friendly_name or formatted(self.phone_number),
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "voice_url": self.voice_url,
            "voice_method": self.voice_method,
            "voice_fallback_url": self.voice_fallback_url,
            "voice_fallback_method": self.voice_fallback_method,
            "voice_caller_id_lookup": False,
            "voice_receive_mode": "voice",
            "voice_application_sid": None,
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
            "sms_url": self.sms_url,
            "sms_method": self.sms_method,
            "sms_fallback_url": self.sms_fallback_url,
            "sms_fallback_method": self.sms_fallback_method,
            "sms_application_sid": "",
            "trunk_sid": None,
            "address_sid": None,
            "address_requirements": "none",
            "identity_sid": None,
            "bundle_sid": None,
            "emergency_status": "Inactive",
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "beta": False,
            "origin": "twilio",
            "status": "in-use",
            "type": None,
            "date_created": rfc_2822(self.created),
            "date_updated": rfc_2822(self.updated or self.created),
            "uri": f"{path}.json",
            "subresource_uris": subresources(path, "assigned_add_ons"),
        }
