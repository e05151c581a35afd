"""Envoy's configuration is one, and asks of the servers what they have."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from gerank.option_table import default
from gerank.proto import rerank_pb2 as pb
from tests.deploy.manifests import DEPLOY, document, of_kind, ports

CONFIG = document(DEPLOY / "envoy" / "envoy.yaml")
TYPES = (
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "envoy.extensions.filters.http.router.v3.router_pb2",
    "envoy.extensions.upstreams.http.v3.http_protocol_options_pb2",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2",
)
"""The messages that the configuration names by `@type`."""


def cluster() -> dict[str, Any]:
    (only,) = CONFIG["static_resources"]["clusters"]
    found: dict[str, Any] = only
    return found


def route() -> dict[str, Any]:
    (listener,) = CONFIG["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    found: dict[str, Any] = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    return found


def test_it_is_a_configuration_of_envoy() -> None:
    bootstrap = pytest.importorskip(
        "envoy.config.bootstrap.v3.bootstrap_pb2",
        reason="xds-protos is not installed (it overwrites files of opentelemetry-proto)",
    )
    from google.protobuf import json_format

    for name in TYPES:
        importlib.import_module(name)
    read = json_format.ParseDict(CONFIG, bootstrap.Bootstrap())
    assert len(read.static_resources.clusters) == 1


def test_it_asks_the_pods_for_their_health_where_they_serve() -> None:
    headless = next(each for each in of_kind("Service") if each["spec"].get("clusterIP") == "None")
    name = f"{headless['metadata']['name']}.{headless['metadata']['namespace']}.svc.cluster.local"
    (locality,) = cluster()["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    address = endpoint["endpoint"]["address"]["socket_address"]
    assert address == {"address": name, "port_value": ports()[0]}
    (check,) = cluster()["health_checks"]
    service = pb.DESCRIPTOR.services_by_name["RerankService"].full_name
    assert check["grpc_health_check"] == {"service_name": service}
    assert route()["cluster"] == cluster()["name"]


def test_only_calls_that_reached_no_model_are_tried_again() -> None:
    policy = route()["retry_policy"]
    assert set(policy["retry_on"].split(",")) == {
        "connect-failure",
        "refused-stream",
        "unavailable",
    }
    assert "per_try_timeout" not in policy
    (threshold,) = cluster()["circuit_breakers"]["thresholds"]
    assert threshold["retry_budget"]["budget_percent"]["value"] <= 20


def test_the_callers_deadline_is_the_only_one() -> None:
    assert route()["timeout"] == "0s"
    assert route()["max_stream_duration"] == {"grpc_timeout_header_max": "0s"}


def test_a_connection_carries_no_more_calls_than_the_server_takes() -> None:
    options = cluster()["typed_extension_protocol_options"]
    (http,) = options.values()
    limit = http["explicit_http_config"]["http2_protocol_options"]["max_concurrent_streams"]
    assert limit <= default("max_calls_per_connection")
