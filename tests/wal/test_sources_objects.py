"""WAL behind URLs: object storage as fsspec knows it, in memory, as files, and over HTTP from a real server."""

from __future__ import annotations

import functools
import http.server
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.wal import WalError, open_source
from pgreplterm.wal.stores.objects import _without_secrets

from .test_sources_files import facts, pack, stream

fsspec = pytest.importorskip("fsspec", reason="needs the extra 'objects'")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three uncompressed segments."""
    folder = tmp_path_factory.mktemp("plain") / "pg_wal"
    stream().write(folder)
    return folder


@pytest.fixture
def bucket(plain: Path) -> Iterator[str]:
    """The same segments as objects, one of them compressed, as a flat archive and inside a tar."""
    system = fsspec.filesystem("memory")
    subprocess.run(["tar", "-c", "-f", plain.parent / "wal.tar", "-C", plain.parent, "pg_wal"], check=True)
    for number, path in enumerate(sorted(plain.iterdir())):
        data = path.read_bytes()
        folder = f"/bucket/archive/{path.name[:16]}"
        system.pipe(f"{folder}/{path.name}.gz" if number == 1 else f"{folder}/{path.name}", _gz(number, data))
    system.pipe("/bucket/wal.tar", (plain.parent / "wal.tar").read_bytes())
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def _gz(number: int, data: bytes) -> bytes:
    return pack(data, "gz") if number == 1 else data


def test_a_bucket_reads_as_the_folder(bucket: str, plain: Path) -> None:
    source = open_source(f"{bucket}/archive")
    assert facts(source) == facts(open_source(plain))
    assert source.segments[1].where == f"{bucket}/archive/{'0' * 7}1{'0' * 8}/{source.segments[1].file_name}"
    original = sorted(plain.iterdir())[0].read_bytes()
    assert source.segments[0].read_at(1000, 50) == original[1000:1050]
    with source.segments[0].open(900_000) as opened:
        assert opened.read() == original[900_000:]


@pytest.mark.parametrize("name", ["wal.tar", "archive/0000000100000000/000000010000000000000005"])
def test_one_object(name: str, bucket: str, plain: Path) -> None:
    expected = open_source(plain if name == "wal.tar" else plain / name.rpartition("/")[2])
    assert facts(open_source(f"{bucket}/{name}")) == facts(expected)


def test_a_source_in_a_bucket_crosses_to_another_process(bucket: str) -> None:
    source = open_source(f"{bucket}/archive")
    assert facts(pickle.loads(pickle.dumps(source))) == facts(source)


def test_file_urls(plain: Path) -> None:
    assert facts(open_source(f"file://{plain}")) == facts(open_source(plain))
    segment = sorted(plain.iterdir())[0]
    assert facts(open_source(f"file://{segment}")) == facts(open_source(segment))


def test_an_object_that_goes_away(bucket: str) -> None:
    source = open_source(f"{bucket}/archive")
    fsspec.filesystem("memory").rm("/bucket/archive", recursive=True)
    for read in (lambda: source.segments[0].read_at(0, 40), source.segments[0].open):
        with pytest.raises(WalError, match="this segment is gone"):
            read()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://nowhere/000000010000000000000001", "nothing is there"),
        ("memory://nowhere/", "found none"),
        ("nosuch://bucket/wal", "Protocol not known: nosuch"),
        ("file:///nonexistent/wal", "nothing is there"),
    ],
)
def test_a_wrong_url_is_one_sentence(url: str, said: str) -> None:
    with pytest.raises(WalError, match=said) as refused:
        open_source(url)
    assert str(refused.value).startswith(url.rstrip("/"))
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_a_missing_package_is_one_sentence(plain: Path) -> None:
    script = (
        "import sys; sys.modules['fsspec'] = None; sys.modules['fsspec.core'] = None\n"
        "from pgreplterm.wal import open_source, WalError\n"
        f"try: open_source('file://{plain}')\nexcept WalError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "needs the package fsspec" in done.stdout
    assert done.stdout.count("\n") == 1


def test_secrets_in_a_url_are_not_shown() -> None:
    shown = _without_secrets("sftp://me:hunter2@host/wal?token=abc")
    assert shown == "sftp://***@host/wal?..."


# ---- over HTTP, with ranges ----


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Files and listings, and of a file the range that was asked for, as web servers before an archive give it."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        self.close_connection = True
        asked = self.headers.get("Range")
        if asked is None or not path.is_file():
            super().do_GET()
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        data = path.read_bytes()
        piece = data[int(first) : int(last) + 1 if last else len(data)]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(piece) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        self.wfile.write(piece)

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def site(plain: Path) -> Iterator[str]:
    """The parent of the plain folder, served on a port of its own."""
    handler = functools.partial(_Ranges, directory=str(plain.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_web_server(site: str, plain: Path) -> None:
    """In a process of its own: aiohttp keeps a thread and its loop for as long as its process lives."""
    pytest.importorskip("aiohttp", reason="fsspec reads http:// with aiohttp")
    segment = sorted(plain.iterdir())[0]
    for url in (f"{site}/pg_wal/{segment.name}", f"{site}/pg_wal/"):
        script = (
            f"from pgreplterm import wal; found = wal.verify(wal.open_source({url!r}))\n"
            "print([(str(each.first), str(each.end_lsn), each.records, each.end.value) for each in found])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        local = facts(open_source(segment if segment.name in url else plain))
        expected = [(str(first), str(end), records, kind.value) for _, _, first, end, records, kind in local]  # type: ignore[attr-defined]
        assert done.stdout == f"{expected}\n", done.stderr
