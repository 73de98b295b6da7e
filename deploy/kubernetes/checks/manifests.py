"""What Kustomize makes of an overlay."""

import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml


@dataclass
class Container:
    """A container, and what its pod says about it."""

    pod: "Pod"
    spec: dict
    init: bool

    def __str__(self) -> str:
        return f"{self.pod}, container {self.spec['name']}"

    @property
    def program(self) -> str | None:
        """Which of our programs it runs, if it is one of ours."""
        name = self.spec["image"].split("@")[0].rsplit(":", 1)[0]
        owner, _, program = name.rpartition("/")
        return program if owner.rpartition("/")[2] == "boutique" else None

    def variables(self) -> dict[str, str | None]:
        """Its environment; None where the value is known in the cluster only."""
        found: dict[str, str | None] = {}
        for source in self.spec.get("envFrom", []):
            name = source.get("configMapRef", {}).get("name")
            found |= self.pod.overlay.config_maps.get(name, {})
        for entry in self.spec.get("env", []):
            found[entry["name"]] = entry.get("value")
        return found

    def volume_of(self, path: str) -> tuple[dict, str] | None:
        """The volume that holds a path, and the rest of the path in it."""
        volumes = {volume["name"]: volume for volume in self.pod.spec.get("volumes", [])}
        for mount in self.spec.get("volumeMounts", []):
            at = mount["mountPath"].rstrip("/")
            if path == at or path.startswith(at + "/"):
                return volumes.get(mount["name"], {}), path[len(at) + 1 :]
        return None


@dataclass
class Pod:
    """The pods of a resource, from its template."""

    overlay: "Overlay"
    owner: dict
    template: dict

    def __str__(self) -> str:
        return title(self.owner)

    @property
    def spec(self) -> dict:
        return self.template["spec"]

    @property
    def labels(self) -> dict:
        return self.template.get("metadata", {}).get("labels", {})

    @property
    def containers(self) -> list[Container]:
        return [
            Container(self, spec, key != "containers")
            for key in ("initContainers", "containers", "ephemeralContainers")
            for spec in self.spec.get(key, [])
        ]


@dataclass
class Overlay:
    """All resources of an overlay."""

    name: str
    resources: list[dict] = field(repr=False)

    @classmethod
    def build(cls, folder: Path) -> "Overlay":
        built = subprocess.run(
            ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
        )
        if built.returncode != 0 or built.stderr:
            sys.exit(f"{folder.name}: does not build: {built.stderr.strip()}")
        return cls(folder.name, [one for one in yaml.safe_load_all(built.stdout) if one])

    def of(self, *kinds: str) -> list[dict]:
        return [one for one in self.resources if one["kind"] in kinds]

    def named(self, kind: str) -> dict[str, dict]:
        return {one["metadata"]["name"]: one for one in self.of(kind)}

    @cached_property
    def config_maps(self) -> dict[str, dict[str, str]]:
        return {name: one.get("data", {}) for name, one in self.named("ConfigMap").items()}

    @cached_property
    def pods(self) -> list[Pod]:
        """Also of kinds that nobody thought of: whatever has a template of a pod in it, or is one."""
        found = []
        for resource in self.resources:
            if resource["kind"] == "Pod":
                found.append(Pod(self, resource, resource))
            for template in templates(resource.get("spec")):
                found.append(Pod(self, resource, template))
        return found


def templates(value: object) -> list[dict]:
    if not isinstance(value, dict):
        return []
    own = [value["template"]] if "spec" in (value.get("template") or {}) else []
    return own + [found for inner in value.values() for found in templates(inner)]


def title(resource: dict) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"
