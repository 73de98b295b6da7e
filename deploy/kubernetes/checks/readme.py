"""What ../README.md documents of Secrets and ConfigMaps that no overlay makes."""

import re
from pathlib import Path


class Readme:
    """Its tables: a row's first cell names Secrets or ConfigMaps, the second their keys, each in backticks."""

    def __init__(self, file: Path):
        self.keys: set[tuple[str, str]] = set()
        for line in file.read_text().splitlines():
            cells = line.split("|")
            if line.startswith("|") and len(cells) >= 4:
                for name in re.findall(r"`([\w.-]+)`", cells[1]):
                    self.keys |= {(name, key) for key in re.findall(r"`([\w.-]+)`", cells[2])}

    def has(self, name: str, key: str) -> bool:
        return (name, key) in self.keys
