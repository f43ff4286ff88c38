"""How a client of an HTTPRoute's rule stays with one backend, in both forms that Gateway API has given it.

Facts
- The CRD of today has `cookie` and `header`. Up to v1.6.1 it was `sessionName` and `cookieConfig`; a manifest
  that has either of these is read as one of that release, and then nothing of today's form may stand beside.
- What has neither, such as `{}`, is of today's form: there a session by cookie needs `cookie`.
"""

from typing import Annotated, Literal, Self, cast

from pydantic import BeforeValidator, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import Part, refusal
from gateway_filters.gateway_api.resources.scalars import Duration, HeaderName

CookiePath = Annotated[str, StringConstraints(max_length=1024)]
# Both a cookie and a header may have this name, so it is held to what they can be called.
SessionName = Annotated[HeaderName, StringConstraints(max_length=128)]


class SessionCookie(Part):
    """The cookie that keeps a client with its backend."""

    name: HeaderName | None = None
    path: CookiePath = "/"
    lifetime_type: Literal["Permanent", "Session"] = "Session"


class SessionHeader(Part):
    """The header that keeps a client with its backend."""

    name: HeaderName


class SessionPersistence(Part):
    """How a client stays with one backend."""

    type: Literal["Cookie", "Header"] = "Cookie"
    cookie: SessionCookie | None = None
    header: SessionHeader | None = None
    absolute_timeout: Duration | None = None

    @model_validator(mode="after")
    def _cookie_by_type(self) -> Self:
        if (self.cookie is not None) != (self.type == "Cookie"):
            raise refusal("cookie must be given with type Cookie and only then", "cookie")
        return self

    @model_validator(mode="after")
    def _header_by_type(self) -> Self:
        if (self.header is not None) != (self.type == "Header"):
            raise refusal("header must be given with type Header and only then", "header")
        return self

    @model_validator(mode="after")
    def _permanent_ends(self) -> Self:
        _check_end(self.cookie, self.absolute_timeout)
        return self


class CookieConfig(Part):
    """How long the cookie of a session lasts, as v1.6.1 has it."""

    lifetime_type: Literal["Permanent", "Session"] = "Session"


class ReleasedSessionPersistence(Part):
    """How a client stays with one backend, as v1.6.1 has it: one name for the cookie or the header."""

    type: Literal["Cookie", "Header"] = "Cookie"
    session_name: SessionName | None = None
    cookie_config: CookieConfig | None = None
    absolute_timeout: Duration | None = None

    @model_validator(mode="after")
    def _config_by_type(self) -> Self:
        if self.cookie_config is not None and self.type != "Cookie":
            raise refusal("cookieConfig may be given with type Cookie only", "cookieConfig")
        return self

    @model_validator(mode="after")
    def _permanent_ends(self) -> Self:
        _check_end(self.cookie_config, self.absolute_timeout)
        return self

    def in_words_of_today(self) -> dict[str, object]:
        """The same as it is written today."""
        end = {"absoluteTimeout": self.absolute_timeout}
        if self.type == "Header":
            return {"type": "Header", "header": {"name": self.session_name}, **end}
        lifetime = self.cookie_config and self.cookie_config.lifetime_type
        return {"cookie": {"name": self.session_name, "lifetimeType": lifetime}, **end}


def _check_end(cookie: SessionCookie | CookieConfig | None, end: Duration | None) -> None:
    if cookie is not None and cookie.lifetime_type == "Permanent" and end is None:
        raise refusal("a cookie with lifetimeType Permanent needs absoluteTimeout", "absoluteTimeout")


def _of_either_form(written: object) -> object:
    if not isinstance(written, dict):
        return written
    fields = cast("dict[object, object]", written)
    if fields.get("sessionName") is None and fields.get("cookieConfig") is None:
        return fields
    return ReleasedSessionPersistence.model_validate(fields).in_words_of_today()


EitherSessionPersistence = Annotated[SessionPersistence, BeforeValidator(_of_either_form)]
"""A `SessionPersistence`, written in today's form or in that of v1.6.1."""
