"""Conferences: https://www.twilio.com/docs/voice/api/conference-resource"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from voice_runtime.simulator.rest.fields import Asked
from voice_runtime.simulator.rest.listing import listed
from voice_runtime.simulator.rest.simulated_conference import ConferenceStatus, SimulatedConference
from voice_runtime.simulator.rest.state import RestState

__all__ = ["Conferences"]


class Conferences:
    def __init__(self, state: RestState) -> None:
        self._state = state

    def fetch(self, asked: Asked) -> Response:
        return JSONResponse(self._found(asked).as_json())

    def list(self, asked: Asked) -> Response:
        query = asked.fields
        return listed(
            asked,
            "conferences",
            [
                conference
                for conference in reversed(self._state.conferences.values())
                if query.get("FriendlyName", conference.friendly_name) == conference.friendly_name
                and query.get("Status", conference.status) == conference.status
                and query.covers("DateCreated", conference.created)
                and query.covers("DateUpdated", conference.updated or conference.created)
            ],
        )

    def update(self, asked: Asked) -> Response:
        """End it, or announce something to everybody in it."""
        conference, fields = self._found(asked), asked.fields
        over = conference.status == ConferenceStatus.COMPLETED
        if fields.one_of("Status", ("completed",)) and not over:
            conference.status, conference.updated = ConferenceStatus.COMPLETED, self._state.clock.wall()
            conference.reason_ended = "conference-ended-via-api"
            self._state.telephony.end_conference(conference)
        elif url := fields.url("AnnounceUrl", 21205):
            if over:
                raise asked.not_found()
            self._state.telephony.announce(conference, url, fields.method("AnnounceMethod"))
        return JSONResponse(conference.as_json())

    def _found(self, asked: Asked) -> SimulatedConference:
        """By SID only: a friendly name may have belonged to many."""
        conference = self._state.conferences.get(asked.names["conference"])
        if conference is None:
            raise asked.not_found()
        return conference
