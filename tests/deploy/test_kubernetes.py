"""The manifests fit the server: its options, its ports, its end, and the restricted profile."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from gerank.data.request_check import parse_request
from gerank.option_table import option_table
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import ServerOptions
from gerank_server.native import library_path
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.deploy.manifests import (
    KUBERNETES,
    OTHERS,
    SERVER_TOML,
    container,
    document,
    kubernetes_objects,
    of_kind,
    pod,
    ports,
    server_options,
)
from tests.native.metrics_client import scrape
from tests.native.test_gerank_server import METHOD, running
from tests.server.stand_in import StandIn

built = pytest.mark.skipif(not library_path().exists(), reason="the native front is not built")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


def test_every_manifest_is_applied_or_named() -> None:
    told = document(KUBERNETES / "kustomization.yaml")
    assert {path.name for path in KUBERNETES.glob("*.yaml")} == {*told["resources"], *OTHERS}
    (generated,) = told["configMapGenerator"]
    assert generated["files"] == [SERVER_TOML.name]
    (volume,) = (each for each in pod()["volumes"] if "configMap" in each)
    assert volume["configMap"]["name"] == generated["name"]


@pytest.mark.parametrize("each", list(kubernetes_objects()), ids=lambda each: each["kind"])
def test_the_objects_are_valid(each: dict[str, object]) -> None:
    validate = pytest.importorskip(
        "kubernetes_validate", reason="pip install kubernetes-validate"
    ).validate
    validate(each, "1.30", strict=True)


def test_the_options_are_the_servers() -> None:
    told = server_options()
    assert told.keys() <= option_table().keys()
    for name in ("model", "address"):
        assert isinstance(told.pop(name), str)
    ServerOptions(**told)  # refuses what is out of its range
    flags = [word for word in container()["args"] if word.startswith("--")]
    assert flags == ["--config"]


@built
def test_the_server_starts_with_the_options_of_the_pods(model: StandIn) -> None:
    here = ("--model", model.path, "--address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0")
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    payload = pb.RerankRequest(queries=[query]).SerializeToString()
    quick = ("--pre-stop-delay-s", 0)
    with running("--config", SERVER_TOML, *here, *quick) as (process, channel):
        assert process.stdout is not None and process.stderr is not None
        page = scrape(process.stdout.readline().split()[-1])
        channel.unary_unary(METHOD)(payload, timeout=20)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    told = server_options()
    assert page("gerank_workers") == told["workers"]
    assert page("gerank_queue_limit_queries") == told["max_queue"]
    assert page("gerank_buffer_limit_bytes") == told["buffer_bytes"]
    assert json.loads(err.splitlines()[0])["event"] == "start"


def test_a_pod_has_the_time_that_its_server_takes_to_end() -> None:
    told = server_options()
    assert told["pre_stop_delay_s"] + told["grace_s"] < pod()["terminationGracePeriodSeconds"]
    probe = container()["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < told["pre_stop_delay_s"]


def test_the_ports_are_those_that_the_server_listens_on() -> None:
    grpc, metrics = ports()
    named = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert named == {"grpc": grpc, "metrics": metrics}
    assert container()["readinessProbe"]["grpc"]["port"] == grpc
    assert container()["livenessProbe"]["grpc"]["port"] == grpc
    assert container()["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    for service in of_kind("Service"):
        for port in service["spec"]["ports"]:
            assert (port["port"], port["targetPort"]) == (named[port["name"]], port["name"])
    (policy,) = of_kind("NetworkPolicy")
    allowed = [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
    assert allowed == [grpc, metrics]
    monitor = document(KUBERNETES / "service-monitor.yaml")
    assert [each["port"] for each in monitor["spec"]["endpoints"]] == ["metrics"]


def test_health_is_asked_by_the_name_of_the_service() -> None:
    service = pb.DESCRIPTOR.services_by_name["RerankService"].full_name
    assert container()["readinessProbe"]["grpc"]["service"] == service


def test_all_speak_of_the_same_pods() -> None:
    (deployment,) = of_kind("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    chosen = [deployment["spec"]["selector"]["matchLabels"]]
    chosen += [each["spec"]["selector"] for each in of_kind("Service")]
    chosen += [each["spec"]["selector"]["matchLabels"] for each in of_kind("PodDisruptionBudget")]
    chosen += [each["spec"]["podSelector"]["matchLabels"] for each in of_kind("NetworkPolicy")]
    assert len(chosen) == 5 and all(each == labels for each in chosen)
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_the_pods_keep_the_restricted_profile_and_write_nothing() -> None:
    (namespace,) = of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] for mount in container()["volumeMounts"])
    mounts = [Path(mount["mountPath"]) for mount in container()["volumeMounts"]]
    read = (server_options()["model"], container()["args"][1])
    assert {Path(path).parent for path in read} == set(mounts)


def test_the_memory_is_more_than_the_budgets_grant() -> None:
    (size,) = re.fullmatch(r"(\d+)Gi", container()["resources"]["limits"]["memory"]).groups()  # type: ignore[union-attr]
    assert server_options()["buffer_bytes"] < int(size) * 2**30 / 2
    assert int(container()["resources"]["requests"]["cpu"]) == (
        server_options()["workers"] + server_options()["threads"]
    )


@built
def test_the_autoscaler_has_its_metric_from_one_that_the_server_tells(model: StandIn) -> None:
    (rule,) = document(KUBERNETES / "prometheus-adapter-values.yaml")["rules"]["custom"]
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    names = [
        each["pods"]["metric"]["name"]
        for each in scaler["spec"]["metrics"]
        if each["type"] == "Pods"
    ]
    assert names == [rule["name"]["as"]]
    here = ("--model", model.path, "--address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0")
    with running(*here) as (process, _):
        assert process.stdout is not None
        page = scrape(process.stdout.readline().split()[-1])
    told = {name for name, _ in page.samples}
    asked = set(re.findall(r"\bgerank_\w+", rule["metricsQuery"] + rule["seriesQuery"]))
    assert asked == {"gerank_queue_seconds_sum", "gerank_queue_seconds_count"} and asked <= told


def test_promtool_can_read_the_query_of_the_adapter(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    (rule,) = document(KUBERNETES / "prometheus-adapter-values.yaml")["rules"]["custom"]
    query = rule["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="gerank",pod="a"')
    rules = [{"record": "mean", "expr": query.replace("<<.GroupBy>>", "pod")}]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    series = [
        {"series": f'gerank_queue_seconds_{what}{{namespace="gerank",pod="a"}}', "values": told}
        for what, told in (("sum", "0+30x10"), ("count", "0+60x10"))
    ]
    idle = [each | {"values": "5x10"} for each in series]
    tests = [
        {
            "interval": "1m",
            "input_series": given,
            "promql_expr_test": [
                {
                    "expr": "mean",
                    "eval_time": "10m",
                    "exp_samples": [{"labels": 'mean{pod="a"}', "value": mean}],
                }
            ],
        }
        for given, mean in ((series, 0.5), (idle, 0))
    ]
    told = {"rule_files": ["rules.yml"], "tests": tests}
    (tmp_path / "tests.yml").write_text(json.dumps(told))
    said = subprocess.run(
        [promtool, "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_kustomize_puts_all_together() -> None:
    try:
        made = subprocess.run(["kubectl", "kustomize", KUBERNETES], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("kubectl is missing")
    assert made.returncode == 0, made.stderr
    assert SERVER_TOML.read_text().splitlines()[0] in made.stdout
