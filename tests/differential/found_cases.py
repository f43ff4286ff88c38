"""Cases that a longer run has found once: they are compared in every run, before the generated ones."""

from written_cases import DOMAIN, Case, Manifest

_BACKEND = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "upstream"}


def _case(extension: Manifest, *requests: str, **rule: object) -> Case:
    """One rule whose HTTPRouteFilter has ``extension``; of each request the first line, and other lines but Host."""
    ref = {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "NAME-a-0"}
    filters = [{"type": "ExtensionRef", "extensionRef": ref}]
    matches = [{"path": {"type": "PathPrefix", "value": "/"}}]
    rules = [{"name": "NAME-a-0", "matches": matches, "filters": filters, "backendRefs": [_BACKEND], **rule}]
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "NAME-a"},
        "spec": {"parentRefs": [{"name": "gateway", "sectionName": "NAME"}], "rules": rules},
    }
    found = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "HTTPRouteFilter",
        "metadata": {"name": "NAME-a-0"},
        "spec": extension,
    }
    return Case((route,), (found,), tuple(map(_request, requests)))


def _request(written: str) -> bytes:
    first, *others = written.split("; ")
    return "\r\n".join((f"{first} HTTP/1.1", f"Host: a.{DOMAIN}", *others, "", "")).encode()


_TOLD = {"type": "Inline", "inline": "told"}

FOUND = (
    # A direct response of a HEAD: without a body, with one, and of an error.
    _case({"directResponse": {}}, "HEAD /", "GET /"),
    _case({"directResponse": {"body": _TOLD}}, "HEAD /", "GET /"),
    _case({"directResponse": {"statusCode": 404}}, "HEAD /", "GET /"),
    _case({"directResponse": {"statusCode": 503, "body": _TOLD}}, "HEAD /", "GET /", "POST /; Content-Length: 0"),
    # A Host out of a header: of two lines, of none, of one that the client nominated.
    _case(
        {"urlRewrite": {"hostname": {"type": "Header", "header": "X-One"}}},
        "GET /; X-One: one.example; X-One: one.example",
        "GET /; X-One: one.example; X-One: two.example",
        "GET /; X-One: one.example",
        "GET /; X-One: one.example; Connection: X-One",
        "GET /",
    ),
)
