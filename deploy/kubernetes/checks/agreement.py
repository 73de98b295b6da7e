"""Whether an overlay agrees with the code, and says in the README what it needs."""

from collections.abc import Iterator

from code_facts import Code, Program
from manifests import Container, Overlay, Pod
from readme import Readme

# What preStop, leaving and SHUTDOWN_TIMEOUT_SECONDS leave for the end of the process itself.
SPARE_SECONDS = 3
# `--help` does not show its value, which is nobody's business, but no secret.
NO_SECRETS = {"ADMIN_EMAIL"}
# The relay's connection, and one to migrate (deploy/postgres/service-role.sql).
OTHER_CONNECTIONS = 2


def faults(overlay: Overlay, code: Code, readme: Readme) -> list[str]:
    found = list(services(overlay, code))
    found += ingress(overlay, code)
    for pod in overlay.pods:
        for container in pod.containers:
            if container.program:
                found += [f"{container}: {fault}" for fault in environment(container, code, readme)]
        found += [f"{pod}: {fault}" for fault in secrets(pod, readme)]
    for one in overlay.of("Ingress"):
        for tls in one["spec"].get("tls", []):
            if not readme.has(tls["secretName"], "tls.key"):
                found.append(f"the Secret {tls['secretName']} of the Ingress is not documented in README.md")
    return found


def services(overlay: Overlay, code: Code) -> Iterator[str]:
    deployed, reached = overlay.named("Deployment"), overlay.named("Service")
    for name in deployed.keys() - code.services.keys():
        yield f"Deployment {name} is of no service"
    for name, program in code.services.items():
        if name not in deployed:
            yield f"the service {name} has no Deployment"
            continue
        pod = next(pod for pod in overlay.pods if pod.owner is deployed[name])
        main = next((one for one in pod.containers if not one.init), None)
        if main is None or main.program != name:
            yield f"Deployment {name} runs another program"
            continue
        if not any(one.init and one.program == name and one.spec.get("args") == ["migrate"] for one in pod.containers):
            yield f"Deployment {name} does not migrate"
        ports = {port["containerPort"] for port in main.spec.get("ports", [])}
        listens = (main.variables().get("LISTEN_ADDR") or "").rpartition(":")[2]
        served = {port["port"] for port in reached.get(name, {}).get("spec", {}).get("ports", [])}
        if not ports == served == {program.port} or listens != str(program.port):
            told = f"container {ports}, LISTEN_ADDR {listens}, Service {served}"
            yield f"the port of {name} is {program.port}, and not {told}"
        yield from shutdown(pod, main, code)
        yield from connections(overlay, name, deployed[name], main, code)


def shutdown(pod: Pod, main: Container, code: Code) -> Iterator[str]:
    waits = main.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if waits < 1:
        yield f"{pod} goes before the cluster's proxies have heard of it: no preStop"
    timeout = int(main.variables().get("SHUTDOWN_TIMEOUT_SECONDS") or 8)
    needs = waits + code.leaving_seconds + timeout + SPARE_SECONDS
    grace = pod.spec.get("terminationGracePeriodSeconds", 30)
    if grace < needs:
        yield f"{pod} is killed after {grace} s, and may need {needs}"
    rolling = pod.owner["spec"].get("strategy", {}).get("rollingUpdate", {})
    if rolling.get("maxUnavailable") != 0:
        yield f"{pod} has fewer replicas than it should during an update: maxUnavailable is not 0"
    for probe, path in (("startupProbe", "/healthz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        if main.spec.get(probe, {}).get("httpGet", {}).get("path") != path:
            yield f"{pod} has no {probe} on {path}"


def connections(overlay: Overlay, name: str, owner: dict, main: Container, code: Code) -> Iterator[str]:
    scaler = overlay.named("HorizontalPodAutoscaler").get(name, {}).get("spec", {})
    replicas = scaler.get("maxReplicas") or owner["spec"].get("replicas", 1)
    surge = owner["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxSurge", 1)
    each = int(main.variables().get("DATABASE_MAX_CONNECTIONS") or code.connections) + OTHER_CONNECTIONS
    if (replicas + surge) * each > code.connection_limit:
        told = f"{replicas} + {surge} replicas with {each} connections each"
        yield f"{name}: {told} are more than its role's {code.connection_limit}"


def environment(container: Container, code: Code, readme: Readme) -> Iterator[str]:
    program: Program | None = code.programs.get(container.program)
    if program is None:
        yield f"the code has no program {container.program}"
        return
    for variable, value in container.variables().items():
        if not program.knows(variable):
            yield f"{container.program} has no variable {variable}"
        if value is None and variable in program.secrets:
            yield f"{variable} is a secret: mount it, and name the file in {variable}_FILE"
        if value and variable in program.secrets - NO_SECRETS:
            yield f"the secret {variable} stands in the manifest"
        if value and value.startswith("/"):
            yield from file(container, variable, value, readme)
    if container.program in code.services and "DATABASE_URL_FILE" not in container.variables():
        yield "DATABASE_URL_FILE is not set"


def file(container: Container, variable: str, path: str, readme: Readme) -> Iterator[str]:
    held = container.volume_of(path)
    if held is None:
        yield f"{variable} names {path}, which is in no volume"
        return
    volume, key = held
    source = volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
    if variable.endswith("_FILE") and "secret" not in volume:
        yield f"{variable} names {path}, which is in no Secret"
    elif source and not readme.has(source, key):
        yield f"the key {key} of {source} is not documented in README.md"


def secrets(pod: Pod, readme: Readme) -> Iterator[str]:
    """The keys that are named one by one, also by others than our programs."""
    named = [
        (projected["secret"]["name"], item["key"])
        for volume in pod.spec.get("volumes", [])
        for projected in volume.get("projected", {}).get("sources", [])
        for item in projected.get("secret", {}).get("items", [])
    ]
    for container in pod.containers:
        for entry in container.spec.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                named.append((reference["name"], reference["key"]))
            held = container.volume_of(entry.get("value") or "")
            if held and "secret" in held[0]:
                named.append((held[0]["secret"]["secretName"], held[1]))
    for name, key in named:
        if not readme.has(name, key):
            yield f"the key {key} of {name} is not documented in README.md"


def ingress(overlay: Overlay, code: Code) -> Iterator[str]:
    paths = [
        (path["path"], path["pathType"], path["backend"]["service"]["name"])
        for one in overlay.of("Ingress")
        for rule in one["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]

    def covers(path: str, kind: str, route: str) -> bool:
        return route == path or (kind == "Prefix" and route.startswith(path + "/"))

    for path, kind, name in paths:
        routes = code.services[name].routes if name in code.services else set()
        if not any(covers(path, kind, route) for route in routes):
            yield f"the Ingress sends {path} to {name}, which has no such route"
    for name, program in code.services.items():
        for route in sorted(program.routes):
            if not any(covers(path, kind, route) for path, kind, to in paths if to == name):
                yield f"no Ingress sends {route} to {name}"
