"""The restricted profile of the Pod Security Standards, and what we ask of our own containers besides."""

from collections.abc import Iterator

from manifests import Container, Overlay, Pod

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
SECCOMP = {"RuntimeDefault", "Localhost"}
APPARMOR = {None, "RuntimeDefault", "Localhost"}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip


def faults(overlay: Overlay) -> list[str]:
    found = []
    for pod in overlay.pods:
        found += [f"{pod}: {fault}" for fault in of_pod(pod)]
        for container in pod.containers:
            found += [f"{container}: {fault}" for fault in restricted(container)]
            if container.program:
                found += [f"{container}: {fault}" for fault in ours(container)]
    for namespace in overlay.of("Namespace"):
        labels = namespace["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            found.append("the namespace does not enforce the restricted profile")
    return found


def of_pod(pod: Pod) -> Iterator[str]:
    for host in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(host):
            yield f"{host} is set"
    for volume in pod.spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {kind}"
    context = pod.spec.get("securityContext", {})
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']} is not a safe one"
    yield from context_of_any(context)
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield "a token of the cluster is mounted"
    if pod.spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks is not false: it adds variables that programs take for theirs"


def restricted(container: Container) -> Iterator[str]:
    own = container.spec.get("securityContext", {})
    context = {**container.pod.spec.get("securityContext", {}), **own}
    yield from context_of_any(own)
    if own.get("privileged"):
        yield "privileged is set"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is not the default"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if context.get("seccompProfile", {}).get("type") not in SECCOMP:
        yield "seccompProfile is not RuntimeDefault"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are not dropped"
    for capability in set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"capability {capability} is added"
    if any(port.get("hostPort") for port in container.spec.get("ports", [])):
        yield "hostPort is set"
    handlers = [container.spec.get(probe, {}) for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    handlers += container.spec.get("lifecycle", {}).values()
    for handler in handlers:
        for action in ("httpGet", "tcpSocket"):
            if isinstance(handler, dict) and handler.get(action, {}).get("host"):
                yield f"{action} asks another host"


def context_of_any(context: dict) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield "runAsUser is root"
    if context.get("seccompProfile", {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "seccompProfile is not RuntimeDefault"
    if context.get("appArmorProfile", {}).get("type") not in APPARMOR:
        yield "appArmorProfile is not RuntimeDefault"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions are not allowed"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "windowsOptions.hostProcess is set"


def ours(container: Container) -> Iterator[str]:
    if container.spec.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
        yield "the root file system can be written to"
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            if resource not in container.spec.get("resources", {}).get(kind, {}):
                yield f"no {kind} of {resource}"
    if ":" not in container.spec["image"].rpartition("/")[2] and "@" not in container.spec["image"]:
        yield "the image has no tag"
