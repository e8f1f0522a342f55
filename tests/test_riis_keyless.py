"""`--as network`: pictures without a key, by the API and the command line, on networks that nobody trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_helpers import Result, run
from riis_helpers import KEY, photo

import stegcli
from stegcli import api, methods, weights
from stegcli.errors import FileError, RevealError, UsageError
from stegcli.method import Asked, Request, Secret
from stegcli.methods.riis.options import HideOptions, RevealOptions
from stegcli.pictures import channel, image, metrics
from stegcli.pictures.image import Picture
from stegcli.recipe import seeded

CHANNELS = {"png": 1.5, "jpeg:80": 4.0}
SMALL = {"depth": 1, "width": 4, "growth": 4, "layers": 1}


def built(secrets: int = 1):
    network = {"channels": CHANNELS, "secrets": secrets, **SMALL}
    method, networks = seeded(lambda: methods.build("riis", form="network", network=network), 0)
    networks.eval().requires_grad_(False)
    return method


def secret(name: str = "chelsea", side: int = 128) -> Secret:
    picture = Picture(photo(side, name))
    return Secret(image.encode(picture), picture)


def request(*secrets: Secret, survive: str = "png", side: int = 128) -> Request:
    cover = Picture(photo(side))
    return Request(secrets or (secret(),), (), cover, channel.parse_survive(survive), HideOptions("network"))


@pytest.mark.parametrize("survive", ["png", "jpeg:80"])
def test_a_picture_comes_back_without_a_key(survive: str) -> None:
    method = built()
    hidden = api.hide(request(survive=survive), method)
    assert hidden.cover_psnr is not None
    assert hidden.cover_psnr > 22
    (one,) = channel.parse_survive(survive)
    arrived = one.through(image.decode(hidden.file), np.random.default_rng(0))
    (found,) = api.reveal(arrived, method, Asked(None, None, RevealOptions()))
    assert found.picture is not None
    assert metrics.psnr(photo(128, "chelsea"), found.picture.pixels) > 13


def test_one_and_two_threads_reveal_the_same_picture_within_a_level() -> None:
    method, threads = built(), torch.get_num_threads()
    stego = api.hide(request(), method).picture
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        (one,) = api.reveal(stego, method, Asked(None, None, RevealOptions()))
        found.append(one.picture.pixels.astype(int))
    torch.set_num_threads(threads)
    assert np.abs(found[0] - found[1]).max() <= 1


def test_rows_and_columns_beyond_whole_blocks_stay_and_sizes_are_told() -> None:
    method, cover = built(), Picture(photo(140)[:, :131])
    hidden = api.hide(replace(request(secret(side=100)), cover=cover), method)
    stego = hidden.picture.pixels
    assert np.array_equal(stego[136:], cover.pixels[136:])
    assert np.array_equal(stego[:, 128:], cover.pixels[:, 128:])
    assert hidden.draft.notes == ("a secret of 100x100 comes back as 128x136, resized",)


def test_two_secrets_travel_in_one_stego() -> None:
    method = built(secrets=2)
    hidden = api.hide(request(secret("chelsea"), secret("rocket")), method)
    found = api.reveal(hidden.picture, method, Asked(None, None, RevealOptions()))
    assert len(found) == len(hidden.psnrs) == 2
    with pytest.raises(UsageError, match="hide 2, not 1 secrets"):
        api.hide(request(), method)


def test_the_shipped_pair_holds_two_pictures_and_says_so(own: str) -> None:
    Path("other.png").write_bytes(secret("rocket").data)
    secrets = ("--secret", "secret.png", "--secret", "other.png")
    common = ("--method", "riis", "--as", "network", "--cover", "cover.png", "-o", "out.png")
    refused = run("hide", *secrets, *common)
    assert refused.status == 2
    assert "--weights pair" in refused.err
    done("hide", *secrets, *common, "--weights", "pair")
    done("reveal", "out.png", "--method", "riis", "--weights", "pair", "-o", "back-%d.png")
    for index, name in enumerate(("chelsea", "rocket"), 1):
        back = image.decode(Path(f"back-{index}.png").read_bytes())
        assert metrics.psnr(photo(128, name), back.pixels) > 28


def test_what_cannot_be_is_refused() -> None:
    method = built()
    with pytest.raises(UsageError, match="no key"):
        api.hide(replace(request(), keys=(KEY,)), method)
    with pytest.raises(UsageError, match="not made for jpeg:50"):
        api.hide(request(survive="jpeg:50"), method)
    with pytest.raises(UsageError, match="not files"):
        api.hide(request(Secret(b"text")), method)
    with pytest.raises(FileError, match="in colour"):
        api.hide(replace(request(), cover=Picture(photo(128), grey=True)), method)
    with pytest.raises(UsageError, match="--psnr"):
        HideOptions("network", psnr=40.0)
    for innocent in (np.zeros((64, 64, 3), np.uint8), photo(16)):
        with pytest.raises(RevealError):
            api.reveal(Picture(innocent), method, Asked(None, None, RevealOptions()))


# -- the command line


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A weights file of an untrained network, and pictures, in the working folder."""
    monkeypatch.chdir(tmp_path)
    method = built()
    data = weights.pack("riis", method.config, dict(method.networks.state_dict()), {})
    Path("own.safetensors").write_bytes(data)
    Path("cover.png").write_bytes(image.encode(Picture(photo(128))))
    Path("secret.png").write_bytes(secret().data)
    return "own.safetensors"


def done(*argv: str) -> Result:
    result = run(*argv)
    assert result.status == 0, result.err
    return result


def test_the_command_line_hides_and_reveals_without_a_key(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEGO_KEY", "nowhere.key.npy")
    common = ("--method", "riis", "--as", "network", "--weights", own)
    figures = done("hide", "secret.png", "--cover", "cover.png", *common, "-o", "out.png", "--json").json
    assert figures["form"] == "network"
    assert figures["key"] is None
    assert list(Path().glob("*.npy")) == []
    done("reveal", "out.png", *common, "-o", "back.png")
    assert metrics.psnr(photo(128, "chelsea"), image.load("back.png").pixels) > 20
    monkeypatch.delenv("STEGO_KEY")
    done("reveal", "out.png", "--method", "riis", "--weights", own, "-o", "again.png")
    assert np.array_equal(image.load("again.png").pixels, image.load("back.png").pixels)


def test_the_python_api_needs_no_key_and_takes_none(own: str) -> None:
    made = stegcli.hide("secret.png", "cover.png", method="riis", weights=own, **{"as": "network"})
    assert made.keys == ()
    back = stegcli.reveal(made.file, method="riis", weights=own).picture
    assert back is not None
    assert metrics.psnr(photo(128, "chelsea"), np.asarray(back)) > 20
    stegcli.reveal(made.file, method="riis", weights=own, host_out=Path("host.png"))
    assert metrics.psnr(photo(128), image.load("host.png").pixels) > 25
    for call in (
        lambda: stegcli.hide("secret.png", "cover.png", key=KEY, **{"as": "network"}),
        lambda: stegcli.reveal(made.file, key=KEY, **{"as": "network"}),
    ):
        with pytest.raises(UsageError, match="takes no key"):
            call()


def test_a_key_is_refused_with_a_hint(own: str) -> None:
    done("keygen", "--method", "riis", "-o", "k.npy")
    asked = ("hide", "secret.png", "--cover", "cover.png", "--method", "riis", "--as", "network")
    refused = run(*asked, "--key", "k.npy", "-o", "out.png")
    assert refused.status == 2
    assert "takes no key in this form" in refused.err
    assert "leave --key out" in refused.err
    assert not Path("out.png").exists()


def test_the_restored_cover_is_written_beside_the_secret(own: str) -> None:
    common = ("--method", "riis", "--as", "network", "--weights", own)
    done("hide", "secret.png", "--cover", "cover.png", *common, "-o", "out.png")
    done("reveal", "out.png", *common, "-o", "back.png", "--host-out", "host.png")
    back, host = image.load("back.png").pixels, image.load("host.png").pixels
    assert metrics.psnr(photo(128), host) > 25
    assert metrics.psnr(photo(128), back) < 15
    refused = run("reveal", "out.png", *common, "-o", "more.png", "--host-out", "host.png")
    assert refused.status == 3
    assert not Path("more.png").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("out.png", "-o", "b.png", "--host-out", "out.png", "--force"), "is an input too"),
        (("out.png", "-o", "b.png", "--host-out", "-"), "only the secret goes to standard output"),
        (("out.png", "cover.png", "-o", "backs/", "--host-out", "host.png"), "this is a batch"),
    ],
)
def test_a_restored_cover_has_a_file_of_its_own(own: str, argv: tuple[str, ...], said: str) -> None:
    common = ("--method", "riis", "--as", "network", "--weights", own)
    done("hide", "secret.png", "--cover", "cover.png", *common, "-o", "out.png")
    before = Path("out.png").read_bytes()
    refused = run("reveal", *argv, *common)
    assert refused.status == 2
    assert said in refused.err
    assert Path("out.png").read_bytes() == before
    assert not Path("host.png").exists()


def test_coded_stegos_hold_no_cover(own: str) -> None:
    done("hide", "secret.png", "--cover", "cover.png", "--method", "riis", "-o", "out.png")
    refused = run("reveal", "out.png", "--key", "out.key.npy", "-o", "b.png", "--host-out", "host.png")
    assert refused.status == 2
    assert "--host-out needs --as network" in refused.err
