"""Twilio's error bodies."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

__all__ = ["Refusal"]


class Refusal(Exception):
    """A request is refused: `status` is HTTP's, `code` Twilio's, https://www.twilio.com/docs/api/errors."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    @classmethod
    def invalid(cls, message: str) -> Refusal:
        return cls(20001, message)

    @classmethod
    def not_found(cls, path: str) -> Refusal:
        return cls(20404, f"The requested resource {path} was not found", 404)

    @classmethod
    def stranger(cls) -> Refusal:
        return cls(20003, "Authenticate", 401)

    def response(self) -> Response:
        body: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        if self.status == 401:
            body["detail"] = "Your AccountSid or AuthToken was incorrect."
        return JSONResponse(body, self.status)
