"""Fingerprint of the code behind a rule: its script and every module of the repository that this imports.

Snakemake compares scripts by modification time and never looks at imported modules. With this fingerprint in
a rule's `params`, a change of what the code does reruns the rule; touching or commenting it does not.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Settings count by value, each in the params of its rules: a new setting of one stage must not rerun another.
BY_VALUE = ("mocapact_core/config.py", "mocapact_core/settings.py")


def fingerprint(script: str, root: str | Path = ROOT) -> str:
    """16 hexadecimal digits that change when the code behind `script` does.

    Covers `script` (a path relative to `root`), the modules under `root` that it imports at any depth, and
    the tables beside those modules that they name. Comments, docstrings, layout and `__version__` do not
    count.
    """
    root = Path(root).resolve()
    digest = hashlib.sha256()
    for path in closure(script, root):
        digest.update(f"{path.relative_to(root)}\0{_content(path)}\n".encode())
    return digest.hexdigest()[:16]


def closure(script: str, root: str | Path = ROOT) -> list[Path]:
    """The files that decide what `script` does, sorted."""
    root = Path(root).resolve()
    seen: set[Path] = set()
    todo = [root / script]
    while todo:
        path = todo.pop()
        if path not in seen and str(path.relative_to(root)) not in BY_VALUE:
            seen.add(path)
            todo += _uses(root, path)
    return sorted(seen)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


@cache
def _uses(root: Path, path: Path) -> tuple[Path, ...]:
    """The files of the repository that `path` itself imports or names."""
    if path.suffix != ".py":
        return ()
    modules = (module for name in _imports(root, path) for module in _modules(root, name))
    return (*modules, *_data(path))


def _imports(root: Path, path: Path) -> Iterator[str]:
    """Dotted names that are imported anywhere in the file; for `from a import b`, both a and a.b."""
    package = path.relative_to(root).parts[:-1]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _modules(root: Path, name: str) -> Iterator[Path]:
    """The files that importing `name` executes: `a.b.c` executes a/__init__.py and a/b/__init__.py too."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:length])
        yield from (file for file in (stem / "__init__.py", stem.with_suffix(".py")) if file.is_file())


def _data(path: Path) -> Iterator[Path]:
    """Files beside the module (a table, an XML) whose name stands in it as a string."""
    for node in ast.walk(_tree(path)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value[-4:] in (".csv", ".xml")
        ):
            file = path.parent / node.value
            if file.is_file():
                yield file


@cache
def _content(path: Path) -> str:
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(repr(_plain(_tree(path))).encode()).hexdigest()


def _plain(node: object) -> object:
    """The syntax tree as nested tuples without empty fields, which is the same in all versions of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node))
        return (type(node).__name__, *(field for field in fields if field[1] not in (None, ())))
    if isinstance(node, list):
        return tuple(_plain(item) for item in node if not _is_silent(item))
    return repr(node)


def _is_silent(statement: object) -> bool:
    """Docstrings, and the version: a release alone changes no result."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return isinstance(statement.value.value, str)
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__version__"
