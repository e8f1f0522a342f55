"""JPEG covers and pixels that came from one, through the method's interface and the command line."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import ok, refused, settle
from jpeg_helpers import exif, photo, saved, segment, with_segments
from PIL import Image as Pillow

from stegcli import api, weights
from stegcli.errors import CapacityError, FileError, RevealError, UsageError
from stegcli.keys import key as keys
from stegcli.keys.key import Key
from stegcli.method import Asked, Draft, Method, Request, Secret
from stegcli.methods.lossless_inn.options import HideOptions
from stegcli.methods.lossless_inn.wet import _gaps
from stegcli.pictures import image, lattice, segments
from stegcli.pictures.image import Picture
from stegcli.slots import BitMethod

GOLDEN = Path(__file__).parent / "golden"
DATA = b"meet me where the river bends"
UNSAFE = HideOptions(unsafe_cover=True)
LIMIT = HideOptions(costs="uerd", payload_limit=0.4)


@pytest.fixture(scope="module", params=["coset-1", "coset-3"])
def method(request: pytest.FixtureRequest) -> Method:
    return weights.load("lossless-inn", request.param)


@pytest.fixture(scope="module")
def coset() -> Method:
    return weights.load("lossless-inn", "coset-1")


@pytest.fixture(scope="module")
def photograph() -> bytes:
    return with_segments(saved(photo(), quality=85), exif())


@pytest.fixture(scope="module")
def fresh() -> Picture:
    return image.decode(png(np.asarray(photo())))


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def request_of(cover: Picture, key: Key, format: str = "PNG", options: HideOptions = LIMIT, **more) -> Request:
    return Request((Secret(DATA),), (key,), cover, options=options, format=format, **more)


def revealed(file: bytes, method: Method, key: Key) -> bytes | None:
    (found,) = api.reveal(image.decode(file), method, Asked(key))
    return found.data


def test_one_key_serves_jpeg_and_png(method: Method, photograph: bytes, fresh: Picture, key: Key) -> None:
    cover = image.decode(photograph)
    hidden = api.hide(request_of(cover, key, "JPEG"), method)
    assert hidden.file.startswith(b"\xff\xd8")
    assert revealed(hidden.file, method, key) == DATA
    assert hidden.cover_psnr > 45
    assert hidden.draft.capacity == method.capacity(request_of(cover, key, "JPEG"))
    other = api.hide(request_of(fresh, key), method)
    assert revealed(other.file, method, key) == DATA


def test_stegos_of_jpegs_stay_on_the_lattice(coset: Method, photograph: bytes, key: Key) -> None:
    hidden = api.hide(request_of(image.decode(photograph), key, "JPEG"), coset)
    assert lattice.examine(hidden.picture.pixels).history == "jpeg"


def test_metadata_go_unless_they_are_kept(coset: Method, photograph: bytes, key: Key) -> None:
    cover = image.decode(photograph)
    plain = api.hide(request_of(cover, key, "JPEG"), coset)
    assert (hidden_kinds := kinds(plain.file)) == ["jfif", "exif"]
    assert hidden_kinds != kinds(photograph) or b"Maker" not in plain.file
    assert any("EXIF" in note for note in plain.draft.notes)
    assert plain.picture.pixels.shape == cover.pixels.shape  # turned the same way
    kept = api.hide(request_of(cover, key, "JPEG", replace(LIMIT, keep_metadata=True)), coset)
    scan = photograph.index(b"\xff\xda")
    assert kept.file[:scan] == photograph[:scan]
    assert any("GPS" in note for note in kept.draft.notes)


def kinds(file: bytes) -> list[str]:
    return [s.kind for s in segments.parse(file).before if s.kind not in ("tables", "frame")]


def test_uncompressed_covers_become_jpegs_of_the_quality_asked_for(coset: Method, fresh: Picture, key: Key) -> None:
    hidden = api.hide(request_of(fresh, key, "JPEG", quality=80), coset)
    assert hidden.picture.jpeg is not None
    assert hidden.picture.jpeg.quality == 80
    assert revealed(hidden.file, coset, key) == DATA
    assert any("destroy the cover" in note for note in hidden.draft.notes)
    assert kinds(hidden.file) == ["jfif"]


def test_a_jpeg_is_refused_for_pixels(coset: Method, photograph: bytes, key: Key) -> None:
    cover = image.decode(photograph)
    with pytest.raises(FileError, match="cover is a JPEG") as caught:
        api.hide(request_of(cover, key), coset)
    assert "-o OUT.jpg" in str(caught.value.hint)
    assert caught.value.exit_code == 3


def test_a_png_made_from_a_jpeg_is_refused_for_pixels(coset: Method, photograph: bytes, key: Key) -> None:
    cover = image.decode(png(image.decode(photograph).pixels))
    with pytest.raises(FileError, match="was a JPEG before") as caught:
        api.hide(request_of(cover, key), coset)
    assert "original" in str(caught.value.hint)
    with pytest.raises(FileError, match="was a JPEG before"):
        coset.capacity(Request(cover=cover, options=HideOptions()))


def test_a_jpeg_with_a_few_changed_pixels_is_refused_too(coset: Method, photograph: bytes, key: Key) -> None:
    pixels = image.decode(photograph).pixels.copy()
    pixels[10:20, 10:20] = np.random.default_rng(0).integers(0, 256, (10, 10, 3))
    with pytest.raises(FileError, match=r"9\d\.\d % of the cover's coloured pixels"):
        api.hide(request_of(image.decode(png(pixels)), key), coset)


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_other_lossy_files_are_refused_for_pixels_too(coset: Method, key: Key, format: str) -> None:
    """Their decoders leave traces as those of JPEG do."""
    buffer = io.BytesIO()
    photo().save(buffer, format, quality=90)
    cover = image.decode(buffer.getvalue())
    with pytest.raises(FileError, match=f"cover is a lossy {format} file") as caught:
        api.hide(request_of(cover, key), coset)
    assert "smaller copy" in str(caught.value.hint)
    hidden = api.hide(request_of(cover, key, options=UNSAFE), coset)
    assert any(note.startswith(f"warning: the cover was a lossy {format} file") for note in hidden.draft.notes)
    compressed = api.hide(request_of(cover, key, "JPEG"), coset)
    assert any("compressed twice" in note for note in compressed.draft.notes)


def test_a_lossless_webp_is_a_cover(coset: Method, key: Key) -> None:
    buffer = io.BytesIO()
    photo().save(buffer, "WEBP", lossless=True)
    hidden = api.hide(request_of(image.decode(buffer.getvalue()), key), coset)
    assert revealed(hidden.file, coset, key) == DATA


@pytest.mark.parametrize("as_png", [True, False])
def test_unsafe_covers_are_used_if_the_user_insists(coset: Method, photograph: bytes, key: Key, as_png: bool) -> None:
    cover = image.decode(photograph)
    cover = image.decode(png(cover.pixels)) if as_png else cover
    hidden = api.hide(request_of(cover, key, options=UNSAFE), coset)
    assert revealed(hidden.file, coset, key) == DATA
    assert any(note.startswith("warning: the cover was a JPEG") for note in hidden.draft.notes)


def test_capacity_is_that_of_the_domain(coset: Method, photograph: bytes, fresh: Picture) -> None:
    cover = image.decode(photograph)
    usual = coset.capacity(Request(cover=cover, options=HideOptions()))
    more = coset.capacity(Request(cover=cover, options=HideOptions(payload_limit=0.4)))
    assert 0 < 3 * usual < more < coset.capacity(Request(cover=cover, options=UNSAFE))
    as_jpeg = coset.capacity(Request(cover=fresh, options=HideOptions(), format="JPEG"))
    assert 0 < as_jpeg < coset.capacity(Request(cover=fresh, options=HideOptions()))


def test_what_does_not_fit_names_the_limit(coset: Method, photograph: bytes, key: Key) -> None:
    cover = image.decode(photograph)
    with pytest.raises(CapacityError) as caught:
        api.hide(replace(request_of(cover, key, "JPEG"), secrets=(Secret(bytes(5000)),)), coset)
    assert caught.value.need == 5000


def test_small_jpegs_are_refused(coset: Method, key: Key) -> None:
    with pytest.raises(FileError, match="at least 64x64"):
        api.hide(request_of(image.decode(saved(photo().resize((8, 8)))), key, "JPEG"), coset)


def test_innocent_damaged_and_recompressed_jpegs_reveal_nothing(
    coset: Method, photograph: bytes, fresh: Picture, key: Key
) -> None:
    hidden = api.hide(request_of(image.decode(photograph), key, "JPEG"), coset)
    again = image.encode(Picture(hidden.picture.pixels), "JPEG", 85)
    turned = image.encode(Picture(np.ascontiguousarray(np.rot90(hidden.picture.pixels))), "JPEG", 85)
    pixels = image.encode(api.hide(request_of(fresh, key), coset).picture, "JPEG", 95)
    for file in (photograph, again, turned, pixels):
        with pytest.raises(RevealError):
            revealed(file, coset, key)


def test_the_network_coder_writes_no_jpeg(photograph: bytes, key: Key) -> None:
    network = weights.load("lossless-inn", "1bpp")
    with pytest.raises(UsageError, match="does not write JPEG"):
        api.hide(request_of(image.decode(photograph), key, "JPEG"), network)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("coset-*.jpg")), ids=lambda p: p.stem)
def test_golden_jpegs_reveal(path: Path) -> None:
    """Written once by `tests/golden/make.py`; if this fails, the format has changed: give it a new name instead."""
    key = keys.load(path.with_suffix(".key.npy"))
    secret = revealed(path.read_bytes(), weights.load(key.method, key.weights), key)
    assert secret == (GOLDEN / "secret.txt").read_bytes()


def test_every_coset_revision_has_a_golden_jpeg() -> None:
    names = {e.name for e in weights.entries("lossless-inn") if e.facets.get("coder") == "coset"}
    assert names == {p.stem for p in GOLDEN.glob("coset-*.jpg")}


# -- tell-tales in pixels


@pytest.mark.parametrize(
    ("counts", "drawn", "said"),
    [((0, 9), 1, ""), ((2, 0), 2, ""), ((3, 1, 2, 1, 0), 4, "1 samples changed"), ((100, 0), 1, "100 samples changed")],
)
def test_a_message_that_changed_a_few_wet_samples_is_dealt_anew(
    counts: tuple[int, ...], drawn: int, said: str, method: Method, fresh: Picture, key: Key,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made: list[Picture] = []

    def dealt(self: Method, request: Request, planes: object) -> Draft:
        pixels = cover.pixels.copy()
        pixels[0, : counts[len(made)], 0] = 1  # one more than in the black row
        made.append(Picture(pixels))
        return Draft(made[-1], (b"",), ("bytes",), 0)

    pixels = fresh.pixels.copy()
    pixels[0] = 0
    cover = Picture(pixels)
    monkeypatch.setattr(BitMethod, "dealt", dealt)
    (draft,) = method.drafts(Request((Secret(b""),), (key,), cover, options=HideOptions()))
    assert len(made) == drawn
    assert said in " ".join(draft.notes)
    assert bool(said) == any("samples changed" in note for note in draft.notes)


def test_grey_covers_stay_grey(method: Method, key: Key) -> None:
    grey = np.repeat(np.asarray(photo().convert("L"))[..., None], 3, axis=2)
    cover = image.decode(png(grey))
    hidden = api.hide(request_of(cover, key), method)
    red, green, blue = np.moveaxis(hidden.picture.pixels, 2, 0)
    assert np.array_equal(red, green)
    assert np.array_equal(green, blue)
    assert 3 * method.capacity(request_of(cover, key)) < method.capacity(request_of(Picture(np.asarray(photo())), key))
    assert revealed(hidden.file, method, key) == DATA


def test_grey_levels_that_are_missing_stay_missing(key: Key) -> None:
    method = weights.load("lossless-inn", "coset-3")
    grey = (np.asarray(photo().convert("L")) * 0.75).astype(np.uint8)
    grey = (grey * 4 // 3).astype(np.uint8)  # stretched again: each fourth level is missing
    cover = Picture(np.repeat(grey[..., None], 3, axis=2))
    hidden = api.hide(request_of(cover, key), method)
    missing = _gaps(np.bincount(grey.reshape(-1), minlength=256))
    assert missing.sum() > 20
    filled = missing[hidden.picture.pixels].sum()
    assert filled <= 6  # a small picture may leave the code no other way now and then, and then that is said
    assert bool(filled) == bool(hidden.draft.notes)
    assert revealed(hidden.file, method, key) == DATA


def test_a_picture_without_any_odd_level_says_so(key: Key) -> None:
    even = np.asarray(photo().convert("L")) // 2 * 2
    hidden = api.hide(
        request_of(Picture(np.repeat(even[..., None], 3, axis=2)), key), weights.load("lossless-inn", "coset-3")
    )
    assert any("even or clipped parts, or to levels" in note for note in hidden.draft.notes)


def test_palettes_are_refused(coset: Method, key: Key) -> None:
    painted = photo().quantize(64).convert("RGB")
    cover = image.decode(png(np.asarray(painted)))
    with pytest.raises(FileError, match=r"only \d+ colours"):
        api.hide(request_of(cover, key), coset)
    hidden = api.hide(request_of(cover, key, options=UNSAFE), coset)
    assert any("colours, the stego has more" in note for note in hidden.draft.notes)


def test_no_lone_samples_in_white_black_and_frames(method: Method, key: Key) -> None:
    pixels = np.asarray(photo()).copy()
    pixels[:8], pixels[-8:], pixels[:, :8] = 255, 0, (40, 50, 60)
    pixels[60:90, 60:90] = (120, 40, 200)
    cover = Picture(pixels)
    secret = Secret(np.random.default_rng(0).bytes(800))
    hidden = api.hide(replace(request_of(cover, key), secrets=(secret,)), method)
    changed = hidden.picture.pixels != pixels
    assert changed.sum() > 500
    assert not changed[:8].any()
    assert not changed[-8:].any()
    assert not changed[:, :7].any()
    assert not changed[61:89, 61:89].any()
    assert not changed[(pixels == 0) | (pixels == 255)].any()
    assert hidden.draft.notes == ()


def test_a_message_that_needs_them_says_so(method: Method, key: Key) -> None:
    cover = Picture(np.full((64, 64, 3), 255, np.uint8))
    hidden = api.hide(request_of(cover, key), method)
    assert revealed(hidden.file, method, key) == DATA
    assert any("even or clipped" in note for note in hidden.draft.notes)


# -- the command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photograph: bytes) -> Path:
    settle(tmp_path, monkeypatch)
    (tmp_path / "photo.jpg").write_bytes(photograph)
    (tmp_path / "note.txt").write_bytes(DATA)
    return tmp_path


HIDE = ("hide", "note.txt", "--cover", "photo.jpg", "--key", "key.npy", "--costs", "uerd", "--payload-limit", "0.4")


def test_jpeg_to_jpeg_by_the_command_line(folder: Path) -> None:
    record = ok(*HIDE, "-o", "out.jpg", "--json").json
    assert (record["verified"], record["payload_bytes"]) == (True, len(DATA))
    ok("reveal", "out.jpg", "--key", "key.npy", "-o", "back.txt")
    assert (folder / "back.txt").read_bytes() == DATA


def test_a_jpeg_through_pipes_stays_one(folder: Path, photograph: bytes) -> None:
    words = [*HIDE[:3], "-", *HIDE[4:], "-o", "-"]
    stego = ok(*words, stdin=photograph).out
    assert stego.startswith(b"\xff\xd8")
    assert ok("reveal", "--key", "key.npy", stdin=stego).out == DATA


def test_batches_name_stegos_after_their_covers(folder: Path, photograph: bytes) -> None:
    (folder / "covers").mkdir()
    (folder / "covers" / "a.jpeg").write_bytes(photograph)
    (folder / "covers" / "b.png").write_bytes((folder / "cover.png").read_bytes())
    (folder / "second.txt").write_bytes(DATA)
    ok("hide", "note.txt", "second.txt", "--cover", "covers", *HIDE[4:], "-o", "stegos/")
    assert sorted(p.name for p in (folder / "stegos").iterdir()) == ["note.jpg", "second.png"]


def test_refusals_by_the_command_line(folder: Path, photograph: bytes) -> None:
    refused(3, *HIDE, "-o", "out.png", says="cover is a JPEG")
    (folder / "fine.jpg").write_bytes(saved(photo(), quality=100))
    refused(3, "hide", "note.txt", "--cover", "fine.jpg", "-o", "out.jpg", says="quality 99 or more")
    (folder / "cut.jpg").write_bytes(photograph[:-900])
    refused(3, "hide", "note.txt", "--cover", "cut.jpg", "-o", "out.jpg", says="cut short")
    refused(5, *HIDE[:6], "-o", "out.jpg", "--payload-limit", "0.001", says="does not fit")
    refused(2, *HIDE[:6], "-o", "out.jpg", "--payload-limit", "0.5", says="out of range")


def test_damaged_jpegs_leave_one_line_on_standard_error(folder: Path, photograph: bytes) -> None:
    middle = len(photograph) // 2
    broken = photograph[:middle] + segment(0xFE, bytes(40)) + photograph[middle + 44 :]
    (folder / "broken.jpg").write_bytes(broken)
    refused(3, "hide", "note.txt", "--cover", "broken.jpg", "-o", "out.jpg")
