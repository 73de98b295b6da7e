"""What the Rust sources say of the services."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

# The attribute of one variable; no attribute of clap ends earlier than with ")]".
ATTRIBUTE = re.compile(r"#\[arg\((?:[^#]|#(?!\[))*?\benv = \"([A-Z0-9_]+)\"(?:[^#]|#(?!\[))*?\)\]", re.DOTALL)
SERVICE = re.compile(r"Service\s*\{\s*name: \"(\w+)\",\s*port: (\d+)")
ROUTE = re.compile(r"\"(/(?:api|\.well-known)/[^\"\s]*)\"")


@dataclass
class Program:
    """A binary: its variables, and of a service the port and the routes."""

    secrets: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)
    port: int | None = None
    routes: set[str] = field(default_factory=set)
    reads_files: bool = False

    def knows(self, variable: str) -> bool:
        secret = variable.removesuffix("_FILE")
        of_file = secret != variable and secret in self.secrets and self.reads_files
        return of_file or variable in self.plain | self.secrets


class Code:
    def __init__(self, root: Path):
        kit = root / "crates" / "service-kit" / "src"
        self.services: dict[str, Program] = {}
        for folder in sorted(path.parent for path in root.glob("services/*/Cargo.toml")):
            program = self.program(kit, folder / "src")
            source = "\n".join(text(folder / "src"))
            service = SERVICE.search(source)
            if service is None:
                raise SystemExit(f"{folder}: no `Service {{ name, port }}` found")
            program.port = int(service[2])
            program.routes = set(ROUTE.findall((folder / "src" / "lib.rs").read_text()))
            program.routes |= {route for file in routers(folder / "src") for route in ROUTE.findall(file)}
            self.services[service[1]] = program
        self.programs = dict(self.services)
        for manifest in root.glob("crates/*/Cargo.toml"):
            if tomllib.loads(manifest.read_text())["package"]["name"] == "boutique":
                self.programs["boutique"] = self.program(kit, manifest.parent / "src")
        self.leaving_seconds = number(kit / "end.rs", r"LEAVING: Duration = Duration::from_secs\((\d+)\)")
        self.connections = number(kit / "config.rs", r"DATABASE_MAX_CONNECTIONS\",\s*default_value_t = (\d+)")
        roles = root / "deploy" / "postgres" / "service-role.sql"
        self.connection_limit = number(roles, r"CONNECTION LIMIT (\d+)")

    @staticmethod
    def program(*sources: Path) -> Program:
        program = Program()
        for source in sources:
            for content in text(source):
                program.reads_files |= "_FILE" in content
                for attribute in ATTRIBUTE.finditer(content):
                    secret = "hide_env_values = true" in attribute[0]
                    (program.secrets if secret else program.plain).add(attribute[1])
        return program


def text(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.rglob("*.rs"))]


def routers(source: Path) -> list[str]:
    return [path.read_text() for path in sorted(source.rglob("*.rs")) if "http" in path.relative_to(source).parts[0]]


def number(file: Path, pattern: str) -> int:
    found = re.search(pattern, file.read_text())
    if found is None:
        raise SystemExit(f"{file}: {pattern} is not there any more; change it here as well")
    return int(found[1])
