"""The fingerprint follows what code does, and nothing else."""

from pathlib import Path

import pytest

from mocapact_core import fingerprint as module
from mocapact_core.fingerprint import closure, fingerprint

FILES = {
    "scripts/train.py": "from package.learning import learn\nlearn()\n",
    "scripts/draw.py": "import package.drawing\n",
    "package/__init__.py": '"""A package."""\n__version__ = "1"\n',
    "package/learning.py": "def learn():\n    from .tools import halve\n    return halve(4)\n",
    "package/tools.py": "def halve(x):\n    return x / 2  # exact\n",
    "package/drawing.py": 'TABLE = "colours.csv"\n',
    "package/colours.csv": "red\n",
    "package/unused.py": "x = 1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def changed(root: Path, file: str, text: str) -> set[str]:
    """The scripts whose fingerprint is another one after `file` has got a new text."""
    scripts = ("scripts/train.py", "scripts/draw.py")
    before = {script: fingerprint(script, root) for script in scripts}
    (root / file).write_text(text)
    for cached in (module._tree, module._uses, module._content):
        cached.cache_clear()
    return {script for script in scripts if fingerprint(script, root) != before[script]}


def test_closure_holds_what_is_imported_at_any_depth(root):
    names = [str(path.relative_to(root)) for path in closure("scripts/train.py", root)]
    assert names == ["package/__init__.py", "package/learning.py", "package/tools.py", "scripts/train.py"]


def test_touching_commenting_and_layout_change_nothing(root):
    text = '"""Tools."""\n\n\ndef halve(x):\n    """Half of x."""\n    # not for odd x\n    return (x / 2)\n'
    assert changed(root, "package/tools.py", text) == set()


def test_a_release_changes_nothing(root):
    assert changed(root, "package/__init__.py", '__version__ = "2"\n') == set()


@pytest.mark.parametrize(
    ("file", "text", "scripts"),
    [
        ("scripts/train.py", "from package.learning import learn\nlearn()\nlearn()\n", {"scripts/train.py"}),
        ("package/tools.py", "def halve(x):\n    return x // 2\n", {"scripts/train.py"}),
        ("package/drawing.py", "TABLE = 'colours.csv'\nDPI = 300\n", {"scripts/draw.py"}),
        ("package/colours.csv", "blue\n", {"scripts/draw.py"}),
        ("package/__init__.py", "x = 2\n", {"scripts/train.py", "scripts/draw.py"}),
        ("package/unused.py", "x = 2\n", set()),
    ],
)
def test_a_change_of_code_changes_the_scripts_that_use_it(root, file, text, scripts):
    assert changed(root, file, text) == scripts


def test_a_new_import_counts(root):
    text = "def halve(x):\n    from package import unused\n    return x / 2\n"
    assert changed(root, "package/tools.py", text) == {"scripts/train.py"}
    assert changed(root, "package/unused.py", "x = 3\n") == {"scripts/train.py"}


def test_settings_count_by_value_and_not_as_code():
    files = closure("workflow_scripts/train_expert.py")
    names = {str(path.relative_to(module.ROOT)) for path in files}
    assert {"mocapact_core/experts/train.py", "mocapact_core/humanoid/model.py"} <= names
    assert not {"mocapact_core/config.py", "mocapact_core/settings.py"} & set(names)
    assert not any("transfer" in name or "distillation" in name for name in names)
