"""Envoy's bootstrap for the seed's route, as Envoy Gateway would send it, with one worker.

Deliberate changes: the upstream is this benchmark's, and the credential is written in instead of fetched.
"""

from typing import Any

from benchmarks.setting import Setting
from benchmarks.traffic import AUTHORIZATION, HOSTNAME, REWRITTEN

_TYPE = "type.googleapis.com/envoy."
_INJECTOR = "envoy.filters.http.credential_injector/benchmark"
_LOG = {
    "start_time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "x-envoy-origin-path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "x-envoy-upstream-service-time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x-forwarded-for": "%REQ(X-FORWARDED-FOR)%",
    "user-agent": "%REQ(USER-AGENT)%",
    "x-request-id": "%REQ(X-REQUEST-ID)%",
    ":authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "route_name": "%ROUTE_NAME%",
}


def bootstrap(setting: Setting, port: int, *, access_log: bool) -> dict[str, Any]:
    """The static configuration of a listener at ``port``."""
    manager = {
        **_typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "codec_type": "AUTO",
        "stat_prefix": "http",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "server_header_transformation": "PASS_THROUGH",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "access_log": [_access_log()] if access_log else [],
        "http_filters": [_injector(), _router()],
        "route_config": {
            "name": "routes",
            "ignore_port_in_host_matching": True,
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [_route(prefix) for prefix in setting.prefixes]}
            ],
        },
    }
    listener = {
        "name": "listener",
        "address": _address(port),
        "per_connection_buffer_limit_bytes": 32768,
        "max_connections_to_accept_per_socket_event": 1,
        "default_filter_chain": {
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        },
    }
    secret = {"name": "credential", "generic_secret": {"secret": {"inline_string": AUTHORIZATION}}}
    return {
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "stats_config": {"use_all_default_tags": True},
        "static_resources": {"secrets": [secret], "listeners": [listener], "clusters": [_cluster(setting)]},
    }


def _route(prefix: str) -> dict[str, Any]:
    return {
        "match": {"path_separated_prefix": prefix},
        "route": {
            "cluster": "upstream",
            "prefix_rewrite": REWRITTEN,
            "host_rewrite_literal": HOSTNAME,
            "append_x_forwarded_host": True,
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        },
        "typed_per_filter_config": {_INJECTOR: {**_typed("config.route.v3.FilterConfig"), "config": {}}},
    }


def _cluster(setting: Setting) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(setting.port)}}
    cluster: dict[str, Any] = {
        "name": "upstream",
        "connect_timeout": "10s",
        "per_connection_buffer_limit_bytes": 32768,
        "ignore_health_on_host_removal": True,
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_retries": 1024}]},
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if setting.tls:
        names = [{"san_type": "DNS", "matcher": {"exact": HOSTNAME}}]
        validation = {"trusted_ca": {"filename": str(setting.authority)}, "match_typed_subject_alt_names": names}
        context = {
            **_typed("extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": HOSTNAME,
            "common_tls_context": {"validation_context": validation},
        }
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return cluster


def _injector() -> dict[str, Any]:
    generic = {
        **_typed("extensions.http.injected_credentials.generic.v3.Generic"),
        "credential": {"name": "credential"},
    }
    credential = {"name": "envoy.http.injected_credentials.generic", "typed_config": generic}
    injector = {
        **_typed("extensions.filters.http.credential_injector.v3.CredentialInjector"),
        "overwrite": True,
        "credential": credential,
    }
    return {"name": _INJECTOR, "disabled": True, "typed_config": injector}


def _router() -> dict[str, Any]:
    router = {**_typed("extensions.filters.http.router.v3.Router"), "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": router}


def _access_log() -> dict[str, Any]:
    log = {
        **_typed("extensions.access_loggers.file.v3.FileAccessLog"),
        "path": "/dev/stdout",
        "log_format": {"json_format": _LOG},
    }
    return {"name": "envoy.access_loggers.file", "typed_config": log}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _typed(name: str) -> dict[str, str]:
    return {"@type": _TYPE + name}
