"""Downloads from a server on this machine that breaks off, changes its mind or has another file."""

import hashlib
import http.server
import threading
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mocapact_core.clips.download import Remote, download
from mocapact_core.errors import InputError

CONTENT = np.random.default_rng(1).bytes(1_000_003)


@dataclass
class Server:
    """How the server behaves, and what it was asked."""

    remote: Remote
    breaks: list[int] = field(default_factory=list)
    """Bytes after which each of the next connections ends."""
    ranges: bool = True
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    """The header Range of each request."""


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.headers["Range"])
            if state.status != 200:
                self.send_error(state.status)
                return
            start = 0
            if state.ranges and self.headers["Range"]:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            end = start + state.breaks.pop(0) if state.breaks else len(CONTENT)
            self.wfile.write(CONTENT[start:end])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as service:
        url = f"http://127.0.0.1:{service.server_port}/motion.h5"
        state = Server(Remote(url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest()))
        threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield state
        service.shutdown()


def test_the_file_comes_with_a_progress_bar(server, tmp_path, capfd):
    download(server.remote, tmp_path / "new/motion.h5")
    assert (tmp_path / "new/motion.h5").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["motion.h5"]
    assert "motion.h5: 100%" in capfd.readouterr().err


def test_it_goes_on_where_the_connection_ended(server, tmp_path):
    server.breaks = [300_000, 500_000]
    download(server.remote, tmp_path / "motion.h5", pause=0)
    assert (tmp_path / "motion.h5").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=800000-"]


def test_the_next_call_goes_on_where_the_last_gave_up(server, tmp_path):
    server.breaks = [100_000] * 5
    with pytest.raises(
        InputError, match=r"motion\.h5 could not be downloaded: .*500,000 of 1,000,003.*call again"
    ):
        download(server.remote, tmp_path / "motion.h5", pause=0)
    assert not (tmp_path / "motion.h5").exists()
    assert (tmp_path / "motion.h5.part").read_bytes() == CONTENT[:500_000]
    server.asked.clear()
    download(server.remote, tmp_path / "motion.h5", pause=0)
    assert server.asked == ["bytes=500000-"]
    assert (tmp_path / "motion.h5").read_bytes() == CONTENT


def test_a_whole_part_is_not_asked_for_again(server, tmp_path):
    (tmp_path / "motion.h5.part").write_bytes(CONTENT)
    download(server.remote, tmp_path / "motion.h5")
    assert server.asked == []
    assert (tmp_path / "motion.h5").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(server, tmp_path):
    server.ranges, server.breaks = False, [300_000]
    download(server.remote, tmp_path / "motion.h5", pause=0)
    assert server.asked == [None, "bytes=300000-"]
    assert (tmp_path / "motion.h5").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) - 10])
def test_another_file_is_thrown_away(server, tmp_path, size):
    other = replace(server.remote, sha256=hashlib.sha256(b"expected").hexdigest(), size=size)
    with pytest.raises(InputError, match=r"not the file that was expected: its sha256 differs.*thrown away"):
        download(other, tmp_path / "motion.h5", pause=0)
    assert not (tmp_path / "motion.h5").exists()
    assert (tmp_path / "motion.h5.part").stat().st_size == 0


def test_a_damaged_part_is_thrown_away_and_the_next_call_succeeds(server, tmp_path):
    (tmp_path / "motion.h5.part").write_bytes(bytes(1000))
    with pytest.raises(InputError, match="not the file that was expected"):
        download(server.remote, tmp_path / "motion.h5", pause=0)
    download(server.remote, tmp_path / "motion.h5", pause=0)
    assert (tmp_path / "motion.h5").read_bytes() == CONTENT


def test_a_longer_part_is_begun_again(server, tmp_path):
    (tmp_path / "motion.h5.part").write_bytes(CONTENT + b"more")
    download(server.remote, tmp_path / "motion.h5", pause=0)
    assert (tmp_path / "motion.h5").read_bytes() == CONTENT


def test_no_such_file_is_not_tried_again(server, tmp_path):
    server.status = 404
    with pytest.raises(InputError, match=r"the server answers 404.*set clips\.path"):
        download(server.remote, tmp_path / "motion.h5")
    assert len(server.asked) == 1


def test_a_busy_server_is_tried_again(server, tmp_path):
    server.status = 503
    with pytest.raises(InputError, match=r"the server answers 503"):
        download(server.remote, tmp_path / "motion.h5", pause=0)
    assert len(server.asked) == 5


def test_no_connection(server, tmp_path):
    nowhere = replace(server.remote, url="http://127.0.0.1:1/motion.h5")
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1/motion\.h5 could not .*put it at .*motion\.h5"):
        download(nowhere, tmp_path / "motion.h5", pause=0)


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"motion\.h5 cannot be written.*set clips\.path"):
        download(server.remote, tmp_path / "file/motion.h5")


def test_two_at_once_share_one_download(server, tmp_path):
    calls = [
        threading.Thread(target=download, args=(server.remote, tmp_path / "motion.h5")) for _ in range(4)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert server.asked == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["motion.h5"]
    assert (tmp_path / "motion.h5").read_bytes() == CONTENT
