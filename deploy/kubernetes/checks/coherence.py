"""Whether the parts of an overlay fit each other."""

from collections.abc import Iterator
from pathlib import Path

from manifests import Overlay, Pod, title

# What `overlays/local` has a copy of, since Kustomize reads nothing above the folder it is given.
COPIES = ["server.sql", "service-role.sql"]


def copies(root: Path) -> list[str]:
    found = []
    for name in COPIES:
        source = root / "deploy" / "postgres" / name
        copy = root / "deploy" / "kubernetes" / "overlays" / "local" / "postgres" / name
        if source.read_bytes() != copy.read_bytes():
            found.append(f"{copy.relative_to(root)} differs from deploy/postgres/{name}: copy it again")
    return found


def faults(overlay: Overlay) -> list[str]:
    found = [*config_maps(overlay), *mounts(overlay), *selectors(overlay), *scaling(overlay), *network(overlay)]
    for resource in overlay.of("Secret"):
        found.append(f"{title(resource)} is part of the overlay: Secrets are made by hand")
    accounts = overlay.named("ServiceAccount")
    for pod in overlay.pods:
        account = pod.spec.get("serviceAccountName")
        if account and account not in accounts:
            found.append(f"{pod}: there is no ServiceAccount {account}")
    return found


def config_maps(overlay: Overlay) -> Iterator[str]:
    for pod in overlay.pods:
        for container in pod.containers:
            for source in container.spec.get("envFrom", []):
                name = source.get("configMapRef", {}).get("name")
                if name not in overlay.config_maps:
                    yield f"{container}: its variables come from {source}, which is no ConfigMap of the overlay"


def mounts(overlay: Overlay) -> Iterator[str]:
    for pod in overlay.pods:
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = {one["name"] for one in pod.spec.get("volumes", [])} | {one["metadata"]["name"] for one in claims}
        for container in pod.containers:
            for mount in container.spec.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{container}: there is no volume {mount['name']}"


def matches(selector: dict, labels: dict) -> bool:
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In":
            raise SystemExit(f"{term}: teach `matches` this operator")
        if labels.get(term["key"]) not in term["values"]:
            return False
    return True


def selected(overlay: Overlay, selector: dict) -> list[Pod]:
    return [pod for pod in overlay.pods if matches(selector, pod.labels)]


def selectors(overlay: Overlay) -> Iterator[str]:
    for resource in overlay.of("Deployment", "StatefulSet", "PodDisruptionBudget", "Service"):
        selector = resource["spec"]["selector"]
        if resource["kind"] == "Service":
            selector = {"matchLabels": selector}
        pods = selected(overlay, selector)
        names = [pod.owner["metadata"]["name"] for pod in pods]
        if names != [resource["metadata"]["name"]]:
            yield f"{title(resource)} selects the pods of {names}"
        if resource["kind"] == "Service" and pods:
            ports = {port.get("name") for one in pods[0].containers for port in one.spec.get("ports", [])}
            for port in resource["spec"]["ports"]:
                if port["targetPort"] not in ports:
                    yield f"{title(resource)}: its pods have no port {port['targetPort']}"
    protected = overlay.named("PodDisruptionBudget")
    for name in overlay.named("Deployment"):
        if name not in protected:
            yield f"Deployment {name} has no PodDisruptionBudget"
    services = overlay.named("Service")
    for one in overlay.of("Ingress"):
        for rule in one["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = services.get(backend["name"], {}).get("spec", {}).get("ports", [])
                if backend["port"]["name"] not in {port["name"] for port in ports}:
                    yield f"{title(one)}: {path['path']} leads to no port of a Service"


def scaling(overlay: Overlay) -> Iterator[str]:
    deployments = overlay.named("Deployment")
    for one in overlay.of("HorizontalPodAutoscaler"):
        target = one["spec"]["scaleTargetRef"]["name"]
        if target not in deployments:
            yield f"{title(one)} scales {target}, which is no Deployment"
        elif "replicas" in deployments[target]["spec"]:
            yield f"Deployment {target} says how many replicas, and so does its HorizontalPodAutoscaler"
        for metric in one["spec"]["metrics"]:
            labels = metric.get("external", {}).get("metric", {}).get("selector", {}).get("matchLabels", {})
            if "external" in metric and labels.get("job") != target:
                yield f"{title(one)} goes by the lag of {labels.get('job')}"


def network(overlay: Overlay) -> Iterator[str]:
    policies = overlay.of("NetworkPolicy")
    denied = set()
    for policy in policies:
        spec = policy["spec"]
        if not spec["podSelector"] and "ingress" not in spec and "egress" not in spec:
            denied |= set(spec["policyTypes"])
        if not selected(overlay, spec["podSelector"]):
            yield f"{title(policy)} selects no pod"
        for kind, rules in (("Ingress", spec.get("ingress", [])), ("Egress", spec.get("egress", []))):
            if rules and kind not in spec["policyTypes"]:
                yield f"{title(policy)} has rules for {kind}, which is not among its policyTypes"
            for rule in rules:
                if not rule.get("from" if kind == "Ingress" else "to") or not rule.get("ports"):
                    yield f"{title(policy)} opens {kind} to everybody, or on all ports"
    for kind in {"Ingress", "Egress"} - denied:
        yield f"no NetworkPolicy denies {kind} by default"
