"""glow2 as a whole: the pictures it draws, what its latents look like, who reads what, and which wishes it refuses."""

import io
import itertools
import random
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flow_helpers import untrained, with_tensors
from PIL import Image as Pillow
from scipy.stats import kstest
from skimage import data as samples

from stegcli import weights
from stegcli.errors import CapacityError, FileError, RevealError, UsageError, WeightsError
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.methods.glow2 import carriers, header, layout, pictures, sender
from stegcli.methods.glow2 import method as glow2
from stegcli.methods.glow2.layout import Share
from stegcli.methods.glow2.method import Glow2, build
from stegcli.methods.glow2.options import HideOptions
from stegcli.methods.glow2.rule import Rule
from stegcli.methods.glow2.sender import Sender
from stegcli.nn.drawing import acceptable
from stegcli.pictures import image, metrics
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

SHAPE = {"widths": [4, 4, 4], "steps": [1, 1, 1]}
SMALL, LARGE = (64, 64), (128, 128)


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def trained():
    return weights.load("glow2")


@pytest.fixture(scope="module")
def tiny():
    """Flows that never learnt anything: invertible all the same, and quick."""
    return untrained(build(g1=SHAPE, g2=SHAPE))


@pytest.fixture(params=["tiny", "trained"])
def method(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def fixed(monkeypatch):
    """What is drawn afresh for every stego is the same in every run of a test, so that no statistic fails by chance."""
    source = random.Random(0)
    monkeypatch.setattr(sender, "os_random", SimpleNamespace(randbits=source.getrandbits, token_bytes=source.randbytes))


def key_of(number=0):
    return Key("glow2", "x", bytes([number]) * 32)


def normals(purpose="test"):
    return key_of().stream(purpose).normal


def photo(number=0, height=60, width=80):
    whole = [samples.astronaut(), samples.coffee(), samples.chelsea(), samples.rocket()][number]
    return np.ascontiguousarray(whole[100 : 100 + height, 150 : 150 + width])


def picture_secret(number=0, height=60, width=80):
    made = Picture(photo(number, height, width))
    return Secret(image.encode(made), made)


def asked(survive="png", **options):
    """What is asked of a stego, without secrets and keys."""
    return Request(survive=(parse(survive),), options=HideOptions(**options))


def drafts(method, secrets, keys, request):
    return method.drafts(replace(request, secrets=tuple(secrets), keys=tuple(keys)))


def capacity(method, request, receivers=1):
    return method.capacity(replace(request, secrets=(Secret(b""),) * receivers))


def revealed(method, arrived, key, token=None):
    (found,) = method.reveal(arrived, Asked(key, token))
    return found


def as_jpeg(pixels, quality):
    """What Pillow alone makes of a stego, as whoever sends it on would."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return image.decode(buffer.getvalue())


# -- drawing pictures


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 64), (64, 192), (64, 512), (512, 64)])
def test_sample_is_a_picture_of_any_size(method, height, width):
    x = method.sample(normals(), height, width)
    assert x.shape == (1, 3, height, width)
    assert x.dtype == torch.float32
    assert x.min() >= 0
    assert x.max() <= 1
    assert 0.005 < x.std() < 0.4


def test_sample_hangs_on_the_stream_alone(method):
    first, again, other = (method.sample(normals(p), 64, 64) for p in ("a", "a", "b"))
    assert torch.equal(first, again)
    assert (first - other).abs().mean() > 0.005


def test_sample_in_float64_is_the_same_picture_but_for_rounding(method):
    single, double = (method.sample(normals(), 128, 64, double=d) for d in (False, True))
    assert double.dtype == torch.float64
    assert (single - double).abs().max() < 1e-2
    assert 0 < (single - double).abs().mean() < 1e-4
    assert all(p.dtype == torch.float32 for p in method.networks.parameters())


def test_sample_is_the_inverse_of_its_latents_at_the_temperature(tiny):
    z = torch.from_numpy(normals()(3 * 64 * 64)).float().view(1, 3, 64, 64)
    assert torch.equal(tiny.sample(normals(), 64, 64), tiny.g2.inverse(z * tiny.temperature).clamp(0, 1))


def test_a_lower_temperature_is_calmer(tiny):
    calm, usual, wild = (tiny.sample(normals(), 64, 64, t).diff(dim=3).abs().mean() for t in (0.65, None, 1.0))
    assert calm < usual < wild


def test_draws_that_are_clipped_or_not_finite_are_passed_over(tiny):
    good = normals()(3 * 64 * 64)
    draws = [np.full_like(good, 50), np.full_like(good, np.nan), good]
    expected = tiny.sample(lambda n: good, 64, 64)
    assert torch.equal(tiny.sample(lambda n: draws.pop(0), 64, 64), expected)
    assert draws == []


def test_a_generator_that_draws_nothing_else_is_given_up(tiny, monkeypatch):
    monkeypatch.setattr(glow2, "TRIES", 1)
    with pytest.raises(WeightsError, match="only clipped pictures"):
        tiny.sample(lambda n: np.full(n, 50.0), 64, 64)


def test_without_a_generator_there_is_no_picture():
    bare = Glow2(g1=SHAPE)
    for use in (
        lambda: bare.sample(normals(), 64, 64),
        lambda: capacity(bare, asked()),
        lambda: revealed(bare, Picture(np.zeros((64, 64, 3), np.uint8)), key_of()),
        lambda: next(drafts(bare, [Secret(b"")], [key_of()], asked())),
    ):
        with pytest.raises(WeightsError, match="no generator"):
            use()


# -- the latents


def written(method, monkeypatch, secrets, request, keys=None):
    """The latents of the first draft, as they go into G2, and the draft."""
    seen = []
    draw = Glow2.draw

    def noted(self, z, *rest):
        seen.append(z.numpy().copy())
        return draw(self, z, *rest)

    monkeypatch.setattr(Glow2, "draw", noted)
    # These flows never learnt anything, and bring little through JPEG: the rule for draws is not what is tested here.
    monkeypatch.setattr(Rule, "accepts", lambda self, z, x: acceptable(x))
    tries = drafts(method, secrets, keys or [key_of(i) for i in range(len(secrets))], request)
    made = next(tries)
    monkeypatch.setattr(Glow2, "draw", draw)
    return seen[-1], made


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1])


def check_uncorrelated(a, b):
    assert abs(correlation(a, b)) < 4 / np.sqrt(len(a))


def check_normal_and_independent(z, bands):
    """Distribution, all bands together and each by itself; every latent and its neighbours in its plane."""
    assert kstest(z, "norm").pvalue > 0.001
    for band in bands:
        plane = z[band.stretch].reshape(band.channels, band.height, band.width)
        assert kstest(plane.ravel(), "norm").pvalue > 1e-5  # of many such tests
        neighbours = [(plane[:, :, 1:], plane[:, :, :-1]), (plane[:, 1:], plane[:, :-1]), (plane[1:], plane[:-1])]
        for a, b in neighbours:
            if a.size > 100:
                check_uncorrelated(a.ravel(), b.ravel())
                check_uncorrelated(np.abs(a).ravel(), np.abs(b).ravel())


FULL = -1
CASES = {
    "nothing": ([b""], asked(size=LARGE)),
    "a file": ([b"secret" * 20], asked(size=LARGE)),
    "a full stego": ([FULL], asked(size=LARGE)),
    "a full stego of zeros past jpeg": ([FULL], asked("jpeg:60", size=LARGE)),
    "a compressed picture": ([picture_secret()], asked(size=LARGE)),
    "a cascade": ([picture_secret()], asked(size=LARGE, travel="cascade")),
    "a cascade past jpeg": ([picture_secret()], asked("jpeg:80", size=LARGE, travel="cascade")),
    "a cascade in a wide stego": ([picture_secret()], asked("jpeg:80", size=(256, 64), travel="cascade")),
    "a flat picture in a cascade": (
        [Secret(b"", Picture(np.zeros((60, 80, 3), np.uint8)))], asked(size=LARGE, travel="cascade"),
    ),
    "four receivers of files": ([b"a" * 50, b"", FULL, b"d" * 500], asked(size=LARGE)),
    "three receivers by tokens": ([picture_secret(i) for i in range(3)], asked(size=LARGE, travel="cascade")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_latents_are_standard_normal_whatever_they_carry(tiny, monkeypatch, fixed, case):
    given, request = CASES[case]
    room = capacity(tiny, request, len(given))
    made = [bytes(room) if g == FULL else g for g in given]
    secrets = [Secret(m) if isinstance(m, bytes) else m for m in made]
    stegos = [written(tiny, monkeypatch, secrets, request)[0] for _ in range(2)]
    bands = tiny.g2.bands(*request.options.size[::-1])
    for z in stegos:
        check_normal_and_independent(z, bands)
    check_uncorrelated(*stegos)
    check_uncorrelated(*np.abs(stegos))


def test_latents_of_one_secret_under_one_key_share_nothing(tiny, monkeypatch, fixed):
    """Not even where the header lies, whose places the key fixes once for all."""
    places = sender.header_places(tiny.g2.bands(*LARGE), key_of(), Share())
    request = asked(size=LARGE)
    headers = [np.sign(written(tiny, monkeypatch, [Secret(b"secret")], request)[0][places]) for _ in range(6)]
    for a, b in itertools.combinations(headers, 2):
        check_uncorrelated(a, b)


def order_of(method, side):
    """The secret's latents in the order in which they take places."""
    return carriers.in_blocks(method.g1.bands(side, side), method.tables["png"], 1).ravel()


@pytest.mark.parametrize("size", [LARGE, (192, 64)])
def test_a_cascades_latents_tell_nothing_of_the_secrets(tiny, monkeypatch, fixed, size):
    secret = picture_secret()
    request = asked(size=size, travel="cascade")
    z, _ = written(tiny, monkeypatch, [secret], request)
    side = min(size)
    latents = pictures.to_latents(tiny.g1, secret.picture, side).astype(np.float64)
    order = order_of(tiny, side)
    bands = tiny.g2.bands(*size[::-1])
    sturdy_first = np.concatenate([np.arange(b.start, b.start + b.size) for b in reversed(bands)])
    for arranged in (z[: len(latents)], z[sturdy_first][: len(latents)]):
        for carried in (latents, latents[order]):
            check_uncorrelated(arranged, carried)
            check_uncorrelated(np.abs(arranged), np.abs(carried))


def test_latents_tell_nothing_of_the_files_bits(tiny, monkeypatch, fixed):
    room = capacity(tiny, asked(size=LARGE))
    data = np.random.default_rng(0).integers(0, 256, room, np.uint8)
    bits = np.resize(np.unpackbits(data), 3 * LARGE[0] * LARGE[1]).astype(np.float64)
    z, _ = written(tiny, monkeypatch, [Secret(data.tobytes())], asked(size=LARGE))
    check_uncorrelated(z, bits)
    check_uncorrelated(np.abs(z), bits)


# -- there and back


def first_that(tries, judge):
    """Drafts are to be tried until one will do."""
    for made in tries:
        found = judge(made)
        if found is not None:
            return found
    raise AssertionError("no draft will do")


def read_or_none(method, arrived, key=None):
    try:
        return revealed(method, arrived, key or key_of())
    except RevealError:
        return None


@pytest.mark.parametrize("size", [SMALL, (128, 64), (64, 192), (512, 64)])
def test_files_come_back_from_stegos_of_any_size(trained, size):
    tries = list(itertools.islice(drafts(trained, [Secret(b"hello" * 10)], [key_of()], asked(size=size)), 2))
    assert {d.picture.pixels.shape for d in tries} == {(size[1], size[0], 3)}
    assert first_that(tries, lambda d: read_or_none(trained, d.picture)).data == b"hello" * 10


@pytest.mark.parametrize("quality", [95, 80, 60, 40])
def test_a_short_file_survives_jpeg(trained, quality):
    tries = drafts(trained, [Secret(b"hello")], [key_of()], asked(f"jpeg:{quality}", size=LARGE))
    back = first_that(tries, lambda d: read_or_none(trained, as_jpeg(d.picture.pixels, quality)))
    assert back.data == b"hello"


@pytest.mark.parametrize("quality", [95, 90, 80, 60, 40])
def test_a_stego_that_was_a_jpeg_on_its_way_reveals_too(trained, quality):
    """Saved as a PNG afterwards, it no longer says so."""
    tries = drafts(trained, [Secret(b"hello")], [key_of()], asked(f"jpeg:{quality}", size=LARGE))
    back = first_that(tries, lambda d: read_or_none(trained, Picture(as_jpeg(d.picture.pixels, quality).pixels)))
    assert back.data == b"hello"


@pytest.mark.parametrize("quality", [None, 80])
@pytest.mark.parametrize("size", [LARGE, (192, 128)])
def test_the_cascade_brings_a_likeness_in_the_pictures_own_size(trained, size, quality):
    secret = picture_secret(height=40, width=90)
    survive = f"jpeg:{quality}" if quality else "png"
    request = asked(survive, travel="cascade", size=size)
    tries = list(itertools.islice(drafts(trained, [secret], [key_of()], request), 2))
    assert {(d.exact, d.forms) for d in tries} == {((None,), ("cascade",))}
    arrived = [as_jpeg(d.picture.pixels, quality) if quality else d.picture for d in tries]
    back = first_that(arrived, lambda a: read_or_none(trained, a))
    assert back.data is None
    assert back.picture.pixels.shape == (40, 90, 3)
    assert metrics.psnr(back.picture.pixels, secret.picture.pixels) > 15


def test_the_upscaler_restores_pictures_larger_than_the_cascade(tiny):
    """Here it has learnt nothing: it enlarges as bicubic does."""
    shapes = {"g1": SHAPE, "g2": SHAPE, "sr": {"blocks": 1, "width": 4}}
    fresh = build(**shapes).networks.state_dict()
    with_sr = with_tensors(build(**shapes), fresh | tiny.networks.state_dict())
    secret = picture_secret(height=100, width=200)
    made = next(drafts(with_sr, [secret], [key_of()], asked(size=SMALL, travel="cascade")))
    plain, enlarged = (revealed(m, made.picture, key_of()).picture.pixels for m in (tiny, with_sr))
    assert plain.shape == enlarged.shape == (100, 200, 3)
    assert 0 < np.abs(plain.astype(int) - enlarged).mean() < 10


def test_a_picture_too_large_to_tell_the_size_of_comes_back_smaller(tiny):
    pixels = np.zeros((50, 4094, 3), np.uint8)
    made = next(drafts(tiny, [Secret(b"", Picture(pixels))], [key_of()], asked(size=SMALL, travel="cascade")))
    assert made.notes == ("the revealed picture will have at most 2047 pixels per side",)
    assert revealed(tiny, made.picture, key_of()).picture.pixels.shape == (25, 2047, 3)


@pytest.mark.parametrize(("name", "temperature"), [("textures-4", 0.9), ("textures-4", 1.0), ("landscapes-2", 0.95)])
def test_the_receiver_need_not_know_the_temperature(name, temperature):
    method = weights.load("glow2", name)
    tries = drafts(method, [Secret(b"hello")], [key_of()], asked(size=LARGE, temperature=temperature))
    assert first_that(tries, lambda d: read_or_none(method, d.picture)).data == b"hello"


def test_cooler_than_the_weights_bear_is_refused(trained):
    cooler = trained.coolest - 0.05
    with pytest.raises(UsageError, match=f"no temperature {cooler:g}") as refused:
        next(drafts(trained, [Secret(b"hello")], [key_of()], asked(size=LARGE, temperature=cooler)))
    assert f"{trained.coolest:g} to 1" in str(refused.value.hint)


def test_a_short_message_goes_as_if_the_channel_were_the_harshest(tiny):
    room = capacity(tiny, asked(size=LARGE))
    short, long = (Sender(tiny, asked(size=LARGE))._message(Secret(bytes(n)), Share()) for n in (5, room))
    assert (short.descriptor.channel, long.descriptor.channel) == (layout.CHANNELS[-1], "png")
    harsh = Sender(tiny, asked("jpeg:90", size=LARGE))._message(Secret(bytes(5)), Share())
    assert harsh.descriptor.channel == layout.CHANNELS[-1]


def test_a_changed_stego_reveals_nothing(trained):
    made = next(drafts(trained, [Secret(b"hello")], [key_of()], asked(size=LARGE)))
    small = np.asarray(Pillow.fromarray(made.picture.pixels).resize(SMALL))
    stego = made.picture.pixels
    changed = [stego[:64, :64], stego[:, :127], stego[::-1], small, 255 - stego]
    for pixels in changed:
        assert read_or_none(trained, Picture(np.ascontiguousarray(pixels))) is None


def test_without_g1_no_cascade_is_read_or_written(tiny):
    g2 = {n: t for n, t in tiny.networks.state_dict().items() if n.startswith("g2.")}
    bare = with_tensors(build(g2=SHAPE), g2)
    request = asked(size=SMALL, travel="cascade")
    with pytest.raises(WeightsError, match="no G1 for pictures"):
        next(drafts(bare, [picture_secret()], [key_of()], request))
    made = next(drafts(tiny, [picture_secret()], [key_of()], request))
    with pytest.raises(RevealError):
        revealed(bare, made.picture, key_of())


# -- several receivers


def receivers(method, count, travel="auto"):
    """Secrets, keys and a draft for so many receivers."""
    files = [Secret(f"for receiver {i}".encode()) for i in range(count)]
    secrets = [picture_secret(i) for i in range(count)] if travel == "cascade" else files
    keys = [key_of(i) for i in range(count)]
    return secrets, keys, next(drafts(method, secrets, keys, asked(size=LARGE, travel=travel)))


def pick_shares(monkeypatch, *wanted):
    """The receiver looks at these shares alone."""
    monkeypatch.setattr(header, "shares", lambda most: iter(wanted))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_each_receiver_reads_their_own_and_nothing_else(tiny, monkeypatch, fixed, count):
    secrets, keys, made = receivers(tiny, count)
    arrived = made.picture
    assert [revealed(tiny, arrived, k).data for k in keys] == [s.data for s in secrets]
    for index in range(count):  # the keys of all others, tried at the very place where this one's message lies
        pick_shares(monkeypatch, (index, count))
        assert revealed(tiny, arrived, keys[index]).data == secrets[index].data
        for other in (*keys[:index], *keys[index + 1 :], key_of(count)):
            with pytest.raises(RevealError):
                revealed(tiny, arrived, other)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_one_receivers_latents_tell_nothing_of_the_others_data(tiny, monkeypatch, fixed, count):
    request = asked(size=LARGE)
    rng, room = np.random.default_rng(count), capacity(tiny, request, count)
    data = [rng.integers(0, 256, room, np.uint8) for _ in range(count)]
    z, _ = written(tiny, monkeypatch, [Secret(d.tobytes()) for d in data], request)
    bands = tiny.g2.bands(*LARGE)
    shares = [np.concatenate([Share(i, count).of_band(b) for b in bands]) for i in range(count)]
    assert sum(map(len, shares)) == len(z) == len(np.unique(np.concatenate(shares)))
    for share, one in itertools.product(shares, data):  # others' data, and their own: without the key that is the same
        bits = np.resize(np.unpackbits(one), len(share)).astype(np.float64)
        check_uncorrelated(z[share], bits)
        check_uncorrelated(np.abs(z[share]), bits)
    for a, b in itertools.combinations(shares, 2):
        n = min(len(a), len(b))
        check_uncorrelated(z[a][:n], z[b][:n])


@pytest.mark.parametrize("count", [2, 3, 4])
def test_tokens_bring_each_receiver_their_picture(trained, fixed, count):
    secrets, keys, made = receivers(trained, count, "cascade")
    assert made.forms == ("token",) * count
    assert [t.shape for t in made.tokens] == [(3, *LARGE)] * count
    arrived = made.picture
    for secret, key, token in zip(secrets, keys, made.tokens, strict=True):
        back = revealed(trained, arrived, key, token).picture.pixels
        assert metrics.psnr(back, secret.picture.pixels) > 15


def test_a_token_is_nothing_without_its_key_and_a_key_nothing_without_its_token(trained, fixed):
    secrets, keys, made = receivers(trained, 2, "cascade")
    arrived = made.picture
    for key, token in ((keys[0], None), (key_of(9), made.tokens[0]), (keys[0], made.tokens[0][:, :64])):
        with pytest.raises(RevealError):
            revealed(trained, arrived, key, token)
    crossed = revealed(trained, arrived, keys[0], made.tokens[1]).picture.pixels
    right = revealed(trained, arrived, keys[0], made.tokens[0]).picture.pixels
    truths = [s.picture.pixels.astype(float).ravel() for s in secrets]
    assert correlation(right.ravel(), truths[0]) > 0.8
    assert all(abs(correlation(crossed.ravel(), t)) < 0.5 for t in truths)


def test_a_token_where_none_belongs_is_as_wrong_as_a_wrong_key(tiny, fixed):
    made = next(drafts(tiny, [picture_secret()], [key_of()], asked(size=LARGE, travel="cascade")))
    assert made.tokens == ()
    assert revealed(tiny, made.picture, key_of()).picture is not None
    with pytest.raises(RevealError):
        revealed(tiny, made.picture, key_of(), np.zeros((3, *LARGE), np.float32))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_tokens_are_uniform_and_tell_nothing_of_any_secret(tiny, monkeypatch, fixed, count):
    secrets = [picture_secret(i) for i in range(count)]
    z, made = written(tiny, monkeypatch, secrets, asked(size=LARGE, travel="cascade"))
    latents = [pictures.to_latents(tiny.g1, s.picture, LARGE[0]).astype(np.float64) for s in secrets]
    order = order_of(tiny, LARGE[0])
    for token in made.tokens:
        flat = token.ravel().astype(np.float64)
        assert 0 <= flat.min() <= flat.max() < 1
        assert kstest(flat, "uniform").pvalue > 0.001
        check_uncorrelated(flat[1:], flat[:-1])
        for one in latents:
            check_uncorrelated(flat, one)
            check_uncorrelated(flat[order], one[order])
            check_uncorrelated(z, one)


def test_too_many_receivers_for_the_size(trained):
    """The smallest stego has room for one header."""
    keys = [key_of(0), key_of(1)]
    assert capacity(trained, asked(size=SMALL), 2) == 0
    with pytest.raises(CapacityError) as refused:
        next(drafts(trained, [Secret(b"a"), Secret(b"b")], keys, asked(size=SMALL)))
    assert (refused.value.capacity, refused.value.need) == (0, 1)
    with pytest.raises(UsageError, match="too small for so many receivers"):
        next(drafts(trained, [picture_secret(i) for i in range(2)], keys, asked(size=SMALL, travel="cascade")))


# -- what is refused


SIZES = [(100, 100), (64, 63), (0, 0), (32, 64), (64, 576), (1024, 1024), (-64, 64), (8, 8)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_size_that_is_not_to_be_had(trained, size):
    request = asked(size=size)
    for use in (lambda: capacity(trained, request), lambda: next(drafts(trained, [Secret(b"")], [key_of()], request))):
        with pytest.raises(UsageError, match=rf"no size {size[0]}x{size[1]}") as refused:
            use()
        assert refused.value.hint == f"multiples of {trained.g2.side} from 64 to 512"


def test_sizes_are_multiples_of_what_the_flow_and_a_jpeg_take(tiny):
    assert tiny.g2.side == 8
    assert capacity(tiny, asked(size=(80, 64))) > capacity(tiny, asked(size=SMALL)) > 0
    with pytest.raises(UsageError, match="no size 72x64") as refused:
        capacity(tiny, asked(size=(72, 64)))
    assert refused.value.hint == "multiples of 16 from 64 to 512"


@pytest.mark.parametrize("temperature", [0.83, 0.6, 1.05, -0.9, 0.0, 10, float("nan"), float("inf")])
def test_a_temperature_that_no_header_tells(tiny, temperature):
    with pytest.raises(UsageError, match=rf"no temperature {temperature:g}") as refused:
        next(drafts(tiny, [Secret(b"")], [key_of()], asked(size=SMALL, temperature=temperature)))
    assert refused.value.hint == "0.65 to 1 in steps of 0.05"


@pytest.mark.parametrize("channel", ["noise:5", "resize:0.5"])
def test_a_channel_that_is_not_survived(tiny, channel):
    with pytest.raises(UsageError, match="does not survive"):
        capacity(tiny, asked(channel))


@pytest.mark.parametrize("travel", ["picture", "compressed", "cascade"])
def test_what_is_no_picture_does_not_travel_as_one(tiny, travel):
    with pytest.raises(FileError, match="the secret is not a picture"):
        next(drafts(tiny, [Secret(b"text")], [key_of()], asked(size=SMALL, travel=travel)))


def test_one_byte_too_many_for_one_receiver_of_several(tiny):
    room = capacity(tiny, asked(size=LARGE), 2)
    secrets = [Secret(b""), Secret(bytes(room + 1))]
    with pytest.raises(CapacityError) as refused:
        next(drafts(tiny, secrets, [key_of(0), key_of(1)], asked(size=LARGE)))
    assert refused.value.need == room + 1
    assert refused.value.capacity in (room, room + 1)  # shares may differ by a latent
