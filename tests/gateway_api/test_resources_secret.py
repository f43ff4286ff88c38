"""What a Secret holds is shown by nothing: no repr, no error."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from gateway_api.resource_rows import manifest
from gateway_filters.gateway_api.resources import Secret

PLAIN = "sk-not-to-be-seen"
ENCODED = base64.b64encode(PLAIN.encode()).decode()

BAD_SECRETS = [
    pytest.param({"data": {"credential": PLAIN}}, "data.credential", id="plain text in data"),
    pytest.param({"data": {"credential": ENCODED[:-1]}}, "data.credential", id="base64 without its padding"),
    pytest.param({"data": {"credential": f"{ENCODED} "}}, "data.credential", id="base64 with a space"),
    pytest.param({"data": {"credential": [ENCODED]}}, "data.credential", id="a list as value"),
    pytest.param({"data": {"credential": None, "b": ENCODED}}, "data.credential", id="a null as value"),
    pytest.param({"data": PLAIN}, "data", id="text as data"),
    pytest.param({"data": {"a b": ENCODED}}, "data.a b.[key]", id="a key with a space"),
    pytest.param({"stringdata": {"credential": PLAIN}}, "stringdata", id="a misspelt field"),
    pytest.param({"data": {"a": ENCODED}, "type": "kubernetes.io/tls"}, "data", id="a TLS pair that is none"),
    pytest.param({"stringData": {"a": PLAIN}, "immutable": PLAIN}, "immutable", id="a value in another field"),
]


@pytest.mark.parametrize(("body", "place"), BAD_SECRETS)
def test_errors_of_a_bad_secret_do_not_show_it(body: dict[str, Any], place: str) -> None:
    """Neither the text of the error, nor its parts, nor the errors behind it hold a value."""
    with pytest.raises(ValidationError) as caught:
        Secret.model_validate(manifest("Secret", body))
    error = caught.value
    told = f"{error} {error!r} {error.errors()} {error.json()} {error.__context__!r} {error.__cause__!r}"
    assert PLAIN not in told
    assert ENCODED[:-1] not in told
    assert [".".join(map(str, line["loc"])) for line in error.errors()] == [place]


def test_a_secret_is_not_shown() -> None:
    """Its values are in no repr, and neither is the copy of it that kubectl keeps in an annotation."""
    body = {
        "metadata": {"name": "a", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": ENCODED}},
        "data": {"a": ENCODED},
        "stringData": {"b": PLAIN},
    }
    secret = Secret.model_validate(manifest("Secret", body))
    assert (secret.data["a"], secret.string_data["b"], secret.type) == (ENCODED, PLAIN, "Opaque")
    for told in (repr(secret), str(secret), f"{[secret]}"):
        assert ENCODED not in told
        assert PLAIN not in told


def test_base64_may_have_line_ends() -> None:
    """As a YAML block gives them; the value stays as written."""
    body = {"data": {"a": f"{ENCODED[:4]}\n{ENCODED[4:]}\n"}}
    assert Secret.model_validate(manifest("Secret", body)).data == body["data"]
