"""The reference gateway without YAML: the same route as values. ``uvicorn reference_app.by_hand:app``."""

import os

from gateway_filters import (
    Backend,
    BackendTLS,
    CredentialInjection,
    Endpoint,
    Gateway,
    Match,
    PrefixMatch,
    ReplacePrefixMatch,
    Route,
    SecretSource,
    SecretStore,
    URLRewrite,
    WeightedBackend,
)
from reference_app import key
from reference_app.stand_in import stand_in_for

BAILIAN = Backend(
    "default/bailian",
    endpoints=(Endpoint("dashscope.aliyuncs.com", 443),),
    tls=BackendTLS("dashscope.aliyuncs.com"),
)


def routes(credential: SecretSource) -> tuple[Route, ...]:
    """The reference route with this credential."""
    route = Route(
        "default/bailian-route/rules/0/matches/0",
        match=Match(path=PrefixMatch("/v1")),
        filters=(
            URLRewrite(
                hostname="dashscope.aliyuncs.com",
                path=ReplacePrefixMatch("/v1", "/compatible-mode/v1"),
            ),
            CredentialInjection(credential, overwrite=True),
        ),
        backends=(WeightedBackend(BAILIAN),),
    )
    return (route,)


def gateway(store: SecretStore | None) -> Gateway:
    """The gateway to the real provider, or to the stand-in when no store has a key."""
    source = (store or key.PLACEHOLDER).find("default", key.NAME, "credential")
    assert source is not None
    return Gateway(routes(source), upstreams=None if store else stand_in_for)


app = gateway(key.store(os.environ))
