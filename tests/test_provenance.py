"""Provenance is complete, says nothing of when and where, and changes with what it records."""

import hashlib
import json
import platform
import socket
from importlib import import_module

import pytest

from mocapact_core.provenance import PACKAGES, as_text, provenance
from mocapact_core.settings import EvaluationSettings, TrackingSettings


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "input.txt"
    path.write_text("content")
    return path


def test_it_holds_settings_inputs_versions_and_seed(file):
    record = provenance({"evaluation": EvaluationSettings(min_steps=7), "workers": 3}, {"clip": file}, 5)
    assert record["settings"]["evaluation"] == EvaluationSettings(min_steps=7).model_dump()
    assert record["settings"]["workers"] == 3
    assert record["inputs"] == {"clip": hashlib.sha256(b"content").hexdigest()}
    assert record["seed"] == 5
    for package in PACKAGES:
        module = import_module(package.replace("-", "_"))
        if hasattr(module, "__version__"):
            assert record["versions"][package] == str(module.__version__)
    assert len(record["versions"]) == 5


def test_what_is_not_there_is_not_recorded(file):
    record = provenance({}, {"clip": file, "low_level": None})
    assert set(record["inputs"]) == {"clip"}
    assert "seed" not in record
    assert provenance({}, {}, seed=0)["seed"] == 0


def test_it_tells_nothing_of_the_place(file, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "other.txt"
    elsewhere.parent.mkdir()
    elsewhere.write_text("content")
    texts = [
        as_text(provenance({"tracking": TrackingSettings()}, {"clip": path}, 1)) for path in (file, elsewhere)
    ]
    assert texts[0] == texts[1]
    for word in (str(tmp_path), socket.gethostname(), platform.release()):
        assert word not in texts[0]


def test_text_is_json_in_one_line_whatever_the_order():
    text = as_text({"b": 1, "a": [2]})
    assert "\n" not in text
    assert text == as_text({"a": [2], "b": 1})
    assert json.loads(text) == {"a": [2], "b": 1}
