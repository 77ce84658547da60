"""The packages that are part of the program, as `cargo metadata` knows them; used by `notices` and `sbom`."""

import json
import os
import pathlib
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def metadata(target):
    """What cargo says of the dependencies for one target."""
    said = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target],
        cwd=ROOT, check=True, stdout=subprocess.PIPE,
    )
    return json.loads(said.stdout)


def linked(data):
    """The packages whose code is in the file: normal dependencies from the root on, without procedural macros.

    Answers {id: (package, ids of its dependencies)}, the root among them.
    """
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    found, todo = {}, [data["resolve"]["root"]]
    while todo:
        this = todo.pop()
        if this in found:
            continue
        normal = [
            dependency["pkg"] for dependency in nodes[this]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            and not is_macro(packages[dependency["pkg"]])
        ]
        found[this] = (packages[this], sorted(normal))
        todo.extend(normal)
    return found


def is_macro(package):
    """Whether a package runs in the compiler only."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def checksums():
    """The SHA-256 of each package's archive as Cargo.lock has it, by (name, version)."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}


def time():
    """The time of the release, in seconds."""
    return int(os.environ["SOURCE_DATE_EPOCH"])
