"""The paper's key file: an ordinary key with z behind it, and its way through the command line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_helpers import SECRET, ok, prepare, refused

from stegcli import methods, weights
from stegcli.errors import FileError
from stegcli.keys import key as keys
from stegcli.keys import tokens

Z = np.random.default_rng(0).normal(size=(1, 64, 80)).astype(np.float32)
KEY = keys.Key("lossless-inn", "1bpp-1", bytes(range(32)))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEGO_KEY", raising=False)


def test_key_and_z_come_back() -> None:
    Path("z.npy").write_bytes(tokens.to_bytes(KEY, Z))
    key, z = tokens.load(Path("z.npy"))
    assert key == KEY
    assert z.dtype == np.float32
    assert (z == Z).all()


def test_the_group_of_a_key_stays_with_it() -> None:
    key = keys.beside(KEY)
    Path("z.npy").write_bytes(tokens.to_bytes(key, Z))
    assert tokens.load(Path("z.npy"))[0] == key


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 64, 80)])
def test_it_is_told_from_an_ordinary_key_by_its_fields(shape: tuple[int, int, int]) -> None:
    Path("z.npy").write_bytes(tokens.to_bytes(KEY, np.ones(shape, np.float32)))
    assert tokens.load("z.npy")[1] is not None
    assert tokens.load("key.npy")[1] is None
    with pytest.raises(FileError, match=r"z\.npy"):
        keys.load("z.npy")


def damaged() -> dict[str, bytes]:
    good = tokens.to_bytes(KEY, Z)
    arrays = {"another array": np.zeros(9999), "flat z": None, "no z": np.zeros(99, keys.RECORD)}
    saved = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.zeros((), [*keys.RECORD.descr, ("z", "<f4", (5000,))]) if array is None else array)
        saved[name] = buffer.getvalue()
    return saved | {
        "empty": b"",
        "cut short": good[:-1],
        "text": b"z" * 9999,
        "not UTF-8": good.replace(b"1bpp", b"\xff"),
    }


@pytest.mark.parametrize("kind", damaged())
def test_a_damaged_file_is_refused(kind: str) -> None:
    Path("z.npy").write_bytes(damaged()[kind])
    with pytest.raises(FileError):
        tokens.load(Path("z.npy"))


@pytest.fixture
def tiny() -> str:
    """An untrained network embeds nothing, and its z is the message: enough for the way of the files."""
    torch.manual_seed(0)
    config = methods.module("lossless-inn", "recipe").TINY[0]
    built = methods.build("lossless-inn", **config)
    networks = built.build_networks()
    assert networks is not None
    Path("tiny.safetensors").write_bytes(weights.pack("lossless-inn", config, networks.state_dict(), {}))
    return "tiny.safetensors"


def test_the_command_line_writes_and_reads_it(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEGO_KEY", "key.npy")  # --key-out makes its own all the same
    argv = ("hide", "secret.txt", "--cover", "cover.png", "--weights", tiny, "-o", "out.png", "--key-out", "z.npy")
    figures = ok(*argv, "--json").json
    assert figures["key"] == "z.npy"
    assert Path("z.npy").stat().st_mode & 0o777 == 0o600
    assert not Path("out.key.npy").exists()
    assert ok("reveal", "out.png", "--key", "z.npy", "--weights", tiny).out == SECRET
    refused(3, *argv, says="output out.png exists")
    refused(6, "reveal", "out.png", "--key", "z.npy", says="a weights file of your own")


def test_a_z_of_another_size_reveals_nothing(tiny: str) -> None:
    named = weights.identity("lossless-inn", tiny)
    Path("z.npy").write_bytes(tokens.to_bytes(keys.generate("lossless-inn", named), Z))
    refused(4, "reveal", "cover.png", "--key", "z.npy", "--weights", tiny, says="nothing revealed")


def test_a_z_for_weights_without_a_network_reveals_nothing() -> None:
    Path("z.npy").write_bytes(tokens.to_bytes(keys.generate("lossless-inn", "coset-1"), Z))
    refused(4, "reveal", "cover.png", "--key", "z.npy", says="nothing revealed")


def test_it_does_not_serve_to_hide_again() -> None:
    Path("z.npy").write_bytes(tokens.to_bytes(keys.generate("lossless-inn", "coset-1"), Z))
    refused(3, "hide", "secret.txt", "--cover", "cover.png", "--key", "z.npy", "-o", "out.png", says="key z.npy")
