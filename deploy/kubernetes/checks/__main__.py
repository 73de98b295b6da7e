"""Checks every overlay; called by ../check with the root of the repository."""

import sys
from pathlib import Path

import agreement
import coherence
import pod_security
import schemas
from code_facts import Code
from manifests import Overlay
from readme import Readme


def main() -> int:
    root = Path(sys.argv[1])
    here = root / "deploy" / "kubernetes"
    code, readme = Code(root), Readme(here / "README.md")
    faults = coherence.copies(root)
    overlays = sorted(path.parent for path in here.glob("overlays/*/kustomization.yaml"))
    for folder in [*overlays, here / "checks" / "everything"]:
        overlay = Overlay.build(folder)
        found = [
            *schemas.faults(overlay),
            *pod_security.faults(overlay),
            *coherence.faults(overlay),
            *agreement.faults(overlay, code, readme),
        ]
        faults += [f"{overlay.name}: {fault}" for fault in found]
        print(f"{overlay.name}: {len(overlay.resources)} resources, {len(found)} faults")
    for fault in dict.fromkeys(faults):
        print(fault, file=sys.stderr)
    return 1 if faults or not overlays else 0


sys.exit(main())
