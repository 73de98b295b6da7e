"""Whether the resources are what the API takes: unknown fields are faults."""

import kubernetes_validate

from manifests import Overlay, title

# The oldest that knows all that is used (a preStop that sleeps, pods that are evicted although they are not ready),
# and the newest whose schemas there are.
VERSIONS = ["1.32", "1.37"]


def faults(overlay: Overlay) -> list[str]:
    found = []
    for resource in overlay.resources:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(str(part) for part in error.path)
                found.append(f"{title(resource)}: Kubernetes {version}: {where}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError:
                kind = f"{resource['apiVersion']} {resource['kind']}"
                found.append(f"{title(resource)}: Kubernetes {version} does not know {kind}")
    return found
