"""examples/kubernetes: against the schemas of Kubernetes where there are any here, and against each other for all the rest."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bearerd.config import model
from bearerd.config.effective import warnings
from bearerd.config.load import load
from bearerd.config.model import Config
from bearerd.config.units import seconds
from bearerd.faces import ext_authz

FOLDER = Path(__file__).parent.parent / "examples" / "kubernetes"
SECRETS = {"store-url": "rediss://valkey.store.svc:6379/0\n", "fleet-key": "k" * 32}
GATEWAYS = ("gateway-api.yaml", "envoy-gateway.yaml", "istio-mesh.yaml")
OTHERS = re.compile(r"(gateway\.networking\.k8s\.io|gateway\.envoyproxy\.io|security\.istio\.io)/")
LEAVING = 1.0  # seconds in which whoever asks for readiness sees that it is over


def documents(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / file).read_text()))


def named(file: str, kind: str, name: str) -> dict[str, Any]:
    return next(one for one in documents(file) if (one["kind"], one["metadata"]["name"]) == (kind, name))


CORE = [
    pytest.param(one, id=f"{file}-{one['kind']}-{one['metadata']['name']}")
    for file in ("bearerd.yaml", "sidecar.yaml")
    for one in documents(file)
]


def config_of(file: str, name: str, folder: Path) -> Config:
    """What a ConfigMap holds, with secrets beside it as the projected volume puts them."""
    for secret, content in SECRETS.items():
        (folder / secret).write_text(content)
        (folder / secret).chmod(0o440)
    path = folder / "bearerd.toml"
    path.write_text(named(file, "ConfigMap", name)["data"]["bearerd.toml"])
    return load(path, {})


SHARED, SIDECAR = ("bearerd.yaml", "bearerd", "bearerd"), ("sidecar.yaml", "api-bearerd", "api")


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod.get("initContainers", ())
    yield from pod["containers"]


# ---- schemas


@pytest.mark.parametrize("document", CORE)
@pytest.mark.parametrize("version", ["1.34", kubernetes_validate.latest_version()])
def test_what_is_kubernetes_own_is_as_its_schemas_say(document: dict[str, Any], version: str) -> None:
    assert not OTHERS.match(document["apiVersion"])
    kubernetes_validate.validate(document, version, strict=True)


def test_the_guide_names_each_kind_that_no_schema_here_describes() -> None:
    guide = (FOLDER / "README.md").read_text()
    files = sorted(path.name for path in FOLDER.glob("*.yaml"))
    kinds = {one["kind"] for file in files for one in documents(file) if OTHERS.match(one.get("apiVersion", ""))}
    assert kinds == {"HTTPRoute", "ReferenceGrant", "SecurityPolicy", "ClientTrafficPolicy", "AuthorizationPolicy"}
    not_validated = guide.partition("## What was not tried")[2]
    assert [kind for kind in (*kinds, "meshConfig") if f"`{kind}`" not in not_validated] == []
    assert [file for file in files if file not in guide] == []


# ---- bearerd


@pytest.mark.parametrize(("file", "name", "_"), [SHARED, SIDECAR])
def test_the_configuration_is_valid_and_fit_for_production(file: str, name: str, _: str, tmp_path: Path) -> None:
    config = config_of(file, name, tmp_path)
    assert config.server.profile == "production"
    assert config.store.url == SECRETS["store-url"].strip()
    told = [line.partition(": ")[0] for line in warnings(config)]
    assert told == (["server.listen[0]"] if file == "bearerd.yaml" else [])  # between pods it is the network's affair


@pytest.mark.parametrize(("file", "config_map", "deployment"), [SHARED, SIDECAR])
def test_the_pod_is_what_bearerd_needs_and_nothing_more(
    file: str, config_map: str, deployment: str, tmp_path: Path
) -> None:
    pod = named(file, "Deployment", deployment)["spec"]["template"]["spec"]
    own = next(container for container in containers(pod) if container["name"] == "bearerd")
    config = config_of(file, config_map, tmp_path)
    probes = int(config.server.probes.rpartition(":")[2])
    ports = {port["name"]: port["containerPort"] for port in own["ports"]}
    assert ports["probes"] == probes
    assert config.server.probes.startswith("0.0.0.0:")  # the kubelet is another host
    paths = {kind: own[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths["livenessProbe"] == "/livez"  # a store that is away is no reason to be killed
    assert paths["readinessProbe"] == "/readyz"
    assert all(own[kind]["httpGet"]["port"] == "probes" for kind in paths)
    mounts = {mount["mountPath"]: mount for mount in own["volumeMounts"]}
    assert mounts["/etc/bearerd"]["readOnly"] is True
    assert {"/var/lib/bearerd", "/tmp"} < set(mounts)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert all(mount["name"] in volumes for container in containers(pod) for mount in container.get("volumeMounts", ()))
    sources = volumes[mounts["/etc/bearerd"]["name"]]["projected"]
    assert sources["defaultMode"] == 0o440
    assert {"configMap": {"name": config_map}} in sources["sources"]
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("file", "_", "deployment"), [SHARED, SIDECAR])
def test_every_container_is_confined(file: str, _: str, deployment: str) -> None:
    pod = named(file, "Deployment", deployment)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    users = []
    for container in containers(pod):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        users.append(context.get("runAsUser", pod["securityContext"].get("runAsUser")))
    assert None not in users
    assert len(set(users)) == len(users)  # nobody reads another's files


@pytest.mark.parametrize(("file", "config_map", "deployment"), [SHARED, SIDECAR])
def test_there_is_time_to_drain(file: str, config_map: str, deployment: str) -> None:
    pod = named(file, "Deployment", deployment)["spec"]["template"]["spec"]
    text = tomllib.loads(named(file, "ConfigMap", config_map)["data"]["bearerd.toml"])
    drain = seconds(text["server"]["drain_timeout"])
    before = max(
        container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        for container in containers(pod)
    )
    assert before > 0
    assert pod["terminationGracePeriodSeconds"] >= before + LEAVING + drain + 5


def test_a_sidecar_is_there_before_and_after_those_who_ask_it() -> None:
    pod = named("sidecar.yaml", "Deployment", "api")["spec"]["template"]["spec"]
    (own,) = pod["initContainers"]
    assert (own["name"], own["restartPolicy"]) == ("bearerd", "Always")
    assert own["startupProbe"]["httpGet"]["path"] == "/readyz"


def test_services_and_policies_name_what_is_there() -> None:
    for file, name, deployment in (("bearerd.yaml", "bearerd", "bearerd"), ("sidecar.yaml", "api", "api")):
        template = named(file, "Deployment", deployment)["spec"]["template"]
        service = named(file, "Service", name)["spec"]
        ports = {port["name"] for container in containers(template["spec"]) for port in container.get("ports", ())}
        assert service["selector"] == template["metadata"]["labels"]
        assert all(port["targetPort"] in ports for port in service["ports"])
    labels = named("bearerd.yaml", "Deployment", "bearerd")["spec"]["template"]["metadata"]["labels"]
    policy = named("bearerd.yaml", "NetworkPolicy", "bearerd")["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert all(rule["from"] for rule in policy["ingress"])  # an empty one lets everybody in
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [9180, 9182]
    assert named("bearerd.yaml", "PodDisruptionBudget", "bearerd")["spec"]["selector"]["matchLabels"] == labels


# ---- gateways


def asks(file: str) -> dict[str, Any]:
    """How a gateway asks, in one form: prefix, service, port, told, identity, open."""
    if file == "istio-mesh.yaml":
        (provider,) = documents(file)[0]["meshConfig"]["extensionProviders"]
        http = provider["envoyExtAuthzHttp"]
        name, namespace = http["service"].split(".")[:2]
        return {
            "prefix": http["pathPrefix"], "service": (namespace, name), "port": http["port"],
            "told": http["includeRequestHeadersInCheck"], "identity": http["headersToUpstreamOnAllow"], "open": http["failOpen"],
        }  # fmt: skip
    if file == "envoy-gateway.yaml":
        auth = named(file, "SecurityPolicy", "api")["spec"]["extAuth"]
        (ref,) = auth["http"]["backendRefs"]
        return {
            "prefix": auth["http"]["path"], "service": (ref["namespace"], ref["name"]), "port": ref["port"],
            "told": auth["headersToExtAuth"], "identity": auth["http"]["headersToBackend"], "open": auth["failOpen"],
        }  # fmt: skip
    rules = named(file, "HTTPRoute", "api")["spec"]["rules"]
    (auth,) = (
        one["externalAuth"] for rule in rules for one in rule.get("filters", ()) if one["type"] == "ExternalAuth"
    )
    ref = auth["backendRef"]
    return {
        "prefix": auth["http"]["path"], "service": (ref["namespace"], ref["name"]), "port": ref["port"],
        "told": auth["http"]["allowedHeaders"], "identity": auth["http"]["allowedResponseHeaders"], "open": False,
    }  # fmt: skip


@pytest.mark.parametrize("file", GATEWAYS)
def test_a_gateway_asks_the_service_about_the_resource_and_fails_closed(file: str, tmp_path: Path) -> None:
    config, asked = config_of("bearerd.yaml", "bearerd", tmp_path), asks(file)
    service = named("bearerd.yaml", "Service", "bearerd")
    assert asked["service"] == (service["metadata"]["namespace"], service["metadata"]["name"])
    assert asked["port"] == service["spec"]["ports"][0]["port"]
    assert asked["prefix"].encode().startswith(ext_authz.PREFIX)
    assert asked["prefix"].encode()[len(ext_authz.PREFIX) :].decode() in config.resource
    assert config.resource["api"].gateways == ("envoy",)
    assert asked["open"] is False
    assert asked["identity"] == [name.lower() for name in (*model.IDENTITY, model.SIGNED)]
    assert {"origin", "access-control-request-method"} <= set(asked["told"])
    shown = [name for name in model.IDENTITY if any(_covers(told, name.lower()) for told in asked["told"])]
    assert shown == list(model.IDENTITY)


def _covers(told: str, name: str) -> bool:
    return name.startswith(told[:-1]) if told.endswith("*") else name == told


@pytest.mark.parametrize("file", ["gateway-api.yaml", "envoy-gateway.yaml"])
def test_only_the_metadata_goes_unasked_and_to_bearerd(file: str) -> None:
    for route in (one for one in documents(file) if one["kind"] == "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            paths = [match["path"] for match in rule["matches"]]
            if [one["name"] for one in rule["backendRefs"]] == ["bearerd"]:
                assert paths == [{"type": "Exact", "value": "/.well-known/oauth-protected-resource"}]
                continue
            guarded = any(one["type"] == "ExternalAuth" for one in rule.get("filters", ()))
            if file == "envoy-gateway.yaml":
                targets = named(file, "SecurityPolicy", "api")["spec"]["targetRefs"]
                guarded = route["metadata"]["name"] in [target["name"] for target in targets]
            assert guarded
    grant = named(file, "ReferenceGrant", "gateways-ask")
    assert grant["metadata"]["namespace"] == "bearerd"
    assert [to["name"] for to in grant["spec"]["to"]] == ["bearerd"]


def test_istio_asks_the_provider_that_the_mesh_names_about_all_but_the_metadata() -> None:
    policy = documents("istio.yaml")[0]["spec"]
    (provider,) = documents("istio-mesh.yaml")[0]["meshConfig"]["extensionProviders"]
    assert (policy["action"], policy["provider"]["name"]) == ("CUSTOM", provider["name"])
    (rule,) = policy["rules"]
    assert rule == {"to": [{"operation": {"notPaths": ["/.well-known/oauth-protected-resource"]}}]}
