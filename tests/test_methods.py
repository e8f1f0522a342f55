"""The contract every method keeps, found by discovery, on its smallest configurations."""

import importlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from stegcli import methods, weights
from stegcli.coding.payload import Plan
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import Asked, Request, Secret
from stegcli.nn.inference import inference
from stegcli.options import flags
from stegcli.pictures import image
from stegcli.pictures.channel import parse, parse_survive
from stegcli.pictures.image import Picture
from stegcli.recipe import seeded
from stegcli.slots import BitMethod

TRAINED = [name for name in methods.names() if methods.has_module(name, "recipe")]
CONFIGS = [(n, i) for n in TRAINED for i in range(len(methods.module(n, "recipe").TINY))]
CHANNELS = ("png", "jpeg:95", "jpeg:90", "jpeg:80", "jpeg:60", "jpeg:40")
"""From the mildest to the harshest."""
SMALL, LARGE = (64, 64), (128, 128)
"""Sizes of stegos; several receivers need the larger one."""


def tiny(name, index):
    return methods.build(name, **methods.module(name, "recipe").TINY[index])


BITS = [c for c in CONFIGS if isinstance(tiny(*c), BitMethod)]
KEYLESS = [c for c in CONFIGS if not tiny(*c).about.keyed]
"""Forms without a key: each has tests of its own."""
PICTURES = [c for c in CONFIGS if "picture" in methods.about(c[0]).carries and c not in KEYLESS]
FILE_CARRIERS = [c for c in PICTURES if "bytes" in methods.about(c[0]).carries]
"""Methods that carry any file besides pictures: they have a say in how a secret travels."""
OTHERS = [c for c in CONFIGS if c not in BITS and c not in PICTURES and c not in KEYLESS]
"""Methods that carry files in a way of their own."""


def built(request):
    method, networks = seeded(lambda: tiny(*request.param), 0)
    if networks is not None:
        networks.eval().requires_grad_(False)
    return method


@pytest.fixture(autouse=True)
def _as_when_hiding():
    with inference():
        yield


@pytest.fixture(params=CONFIGS, ids=lambda c: f"{c[0]}-{c[1]}")
def method(request):
    return built(request)


@pytest.fixture(params=BITS, ids=lambda c: f"{c[0]}-{c[1]}")
def bit_method(request):
    return built(request)


@pytest.fixture(params=PICTURES, ids=lambda c: f"{c[0]}-{c[1]}")
def picture_method(request):
    return built(request)


@pytest.fixture(params=FILE_CARRIERS, ids=lambda c: f"{c[0]}-{c[1]}")
def file_method(request):
    return built(request)


@pytest.fixture
def cover():
    return Picture(np.random.default_rng(0).integers(0, 256, (66, 71, 3), np.uint8))


def shape_of(method, cover):
    slots = method.slots(cover.height, cover.width)
    return (2, slots) if method.layout == "coset" else (slots,)


def test_every_method_is_found():
    assert {"cs-fnns", "glow2", "lossless-inn"} <= set(methods.names())
    assert all(methods.about(name).carries == {"bytes"} for name, _ in OTHERS)


def test_an_unknown_method_is_a_usage_error():
    with pytest.raises(UsageError, match="no method"):
        methods.about("nonesuch")


def shapes(networks):
    return None if networks is None else {n: p.shape for n, p in networks.state_dict().items()}


def test_config_rebuilds_the_method(method):
    again = methods.build(method.name, **method.config)
    assert again.config == method.config
    assert shapes(again.networks) == shapes(method.networks)


def test_package_offers_what_discovery_needs():
    for name in methods.names():
        about = methods.about(name)
        package = importlib.import_module(methods.registry().packages[name])
        assert package.__doc__
        assert "Reference" in package.__doc__
        assert about.name == name
        assert about.summary
        assert about.reference
        assert about.carries <= {"bytes", "picture"}
    for name in TRAINED:
        recipes = methods.recipes(name)
        assert recipes
        assert {part.partition("/")[0] for part in recipes} == set(methods.about(name).parts)
        assert next(iter(recipes)) == methods.about(name).parts[0]
        assert methods.module(name, "recipe").TINY


@pytest.mark.parametrize(
    ("name", "size", "survive"),
    [
        ("lossless-inn", (768, 512), "png"),
        ("glow2", (128, 128), "png"),
        ("glow2", (128, 128), "jpeg:80"),
        ("cs-fnns", (256, 256), "png"),
        ("cs-fnns", (256, 256), "jpeg:75..95"),
    ],
)
def test_the_room_that_the_tables_tell_is_true(name, size, survive):
    method = weights.load(name)
    colours = np.random.default_rng(0).integers(1, 255, (size[1], size[0], 3), np.uint8)
    cover = Picture(colours) if method.about.cover == "given" else None
    options = options_of(method, size=size)
    found = method.capacity(Request(cover=cover, survive=parse_survive(survive), options=options))
    width, height = size
    told = next(part for part in method.about.room.split("; ") if survive in part or survive == "png")
    assert f"{found:,} " in told
    assert f"{width}x{height}" in method.about.room


def test_names_are_unique_and_dashed():
    assert all(a != b for a, b in itertools.pairwise(methods.names()))
    assert not any("_" in n for n in methods.names())


# -- methods that carry bits


def test_reading_gives_one_log_odds_per_slot(bit_method, cover, key):
    soft = bit_method.log_odds(cover, key)
    assert soft.shape == shape_of(bit_method, cover)
    assert soft.dtype == np.float32
    assert np.isfinite(soft).all()


def random_plan(method, cover, key):
    shape = shape_of(method, cover)
    bits = np.random.default_rng(1).integers(0, 2, shape, np.uint8)
    return Plan(bits, np.ones(shape, bool), bits.size, key)


def test_stego_is_a_picture_and_the_cover_untouched(bit_method, cover, key):
    before = cover.pixels.copy()
    stego = bit_method.carry(random_plan(bit_method, cover, key), cover, key)
    assert stego.pixels.shape == cover.pixels.shape
    assert stego.pixels.dtype == np.uint8
    if bit_method.layout == "coset":  # a network that nobody trained changes nothing
        assert (stego.pixels != cover.pixels).any()
    assert (cover.pixels == before).all()


def test_alpha_and_profile_of_a_cover_stay(bit_method, cover, key):
    alpha = np.full((cover.height, cover.width), 9, np.uint8)
    kept = replace(cover, alpha=alpha, icc_profile=b"profile")
    plan = random_plan(bit_method, cover, key)
    for stego in (bit_method.carry(plan, kept, key), bit_method.mend(kept, plan)):
        assert (stego.alpha == alpha).all()
        assert stego.icc_profile == b"profile"


def test_same_bits_for_one_and_two_threads(bit_method, cover, key):
    threads = torch.get_num_threads()
    read = []
    for count in (1, 2):
        torch.set_num_threads(count)
        read.append(bit_method.log_odds(cover, key))
    torch.set_num_threads(threads)
    assert np.abs(read[0] - read[1]).max() < 1e-3


def moved(method, device):
    """The same method with its networks on another device."""
    method.device = device
    if method.networks is not None:
        method.networks.to(device)
    return method


@pytest.mark.cuda
def test_cuda_reads_what_the_cpu_wrote(bit_method, cover):
    key = Key(bit_method.name, "x", bytes(32))
    here = bit_method.log_odds(cover, key)
    there = moved(bit_method, "cuda").log_odds(cover, key)
    assert np.abs(here - there).max() < 1e-2


# -- methods that make the stego for the secret


def key_of(method, number=0):
    return Key(method.name, "x", bytes([number]) * 32)


def keys_of(method, count):
    """Keys of several receivers; they draw one cover if the method asks for it."""
    keys = [key_of(method, i) for i in range(count)]
    group = keys[0].cover_secret() if method.about.shares_cover else None
    return [keys[0], *(replace(k, group=group) for k in keys[1:])]


def secret_of(number=0):
    """A picture and its file: whatever the method carries, it can carry this."""
    y, x = np.mgrid[:20, :30]
    waves = np.stack([np.sin(x / (4 + c) + number) + np.cos(y / 5) for c in range(3)], axis=-1)
    pixels = (128 + 50 * waves).astype(np.uint8)
    return Secret(image.encode(Picture(pixels)), Picture(pixels))


def options_of(method, **values):
    """The method's options at `hide`, as far as it has these."""
    known = {"travel": "as"}
    return method.about.hide(**{n: v for n, v in values.items() if known.get(n, n) in flags(method.about.hide)})


def asked_for(method, secrets=(), keys=(), survive="png", **values):
    """A request, with a cover of the stego's size if the method needs one."""
    width, height = values.get("size") or SMALL
    pixels = np.random.default_rng(0).integers(40, 216, (height, width, 3), np.uint8)
    cover = Picture(pixels) if method.about.cover == "given" else None
    return Request(tuple(secrets), tuple(keys), cover, (parse(survive),), options_of(method, **values))


def draft(method, secrets, keys, **values):
    """The first of the drafts from which every receiver reads something."""
    for found in method.drafts(asked_for(method, secrets, keys, **values)):
        try:
            for index, key in enumerate(keys):
                revealed(method, found, key, index)
        except RevealError:
            continue
        return found
    raise AssertionError("no draft reveals")


def revealed(method, made, key, index=0):
    token = made.tokens[index] if made.tokens else None
    (found,) = method.reveal(made.picture, Asked(key, token, made.told or method.about.reveal()))
    return found


def reads(method, pixels, key):
    return method.reveal(Picture(pixels), Asked(key, options=method.about.reveal()))


def check_came_back(back, secret, exact):
    """Bytes are those that were promised; a picture has the size of the one that was hidden."""
    if exact is not None:
        assert back.data == exact
    assert (back.picture is None) == (secret.picture is None)
    if secret.picture is not None:
        assert back.picture.pixels.shape == secret.picture.pixels.shape


@pytest.mark.parametrize("size", [SMALL, LARGE, (128, 64)])
def test_a_stego_is_as_large_as_asked_for_and_brings_the_secret(picture_method, size):
    secret, key = secret_of(), key_of(picture_method)
    made = draft(picture_method, [secret], [key], size=size)
    assert made.picture.pixels.dtype == np.uint8
    assert made.picture.pixels.shape == (size[1], size[0], 3)
    assert len(made.exact) == len(made.forms) == 1
    assert made.capacity == picture_method.capacity(asked_for(picture_method, size=size))
    check_came_back(revealed(picture_method, made, key), secret, made.exact[0])


@pytest.mark.parametrize("length", [0, 1, 400])
def test_any_file_comes_back_to_the_byte(file_method, length):
    data, key = bytes(i * 7 % 256 for i in range(length)), key_of(file_method)
    made = draft(file_method, [Secret(data)], [key], size=SMALL)
    assert made.exact == (data,)
    assert revealed(file_method, made, key).data == data
    assert revealed(file_method, made, key).picture is None


def test_a_picture_may_travel_as_a_file(file_method):
    secret, key = secret_of(), key_of(file_method)
    made = draft(file_method, [secret], [key], size=LARGE, travel="bytes")
    assert made.exact == (secret.data,)
    assert revealed(file_method, made, key).data == secret.data


def test_another_key_and_an_innocent_picture_reveal_nothing(picture_method):
    key, other = key_of(picture_method), key_of(picture_method, 1)
    made = draft(picture_method, [secret_of()], [key], size=SMALL)
    innocent = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    for pixels, tried in ((made.picture.pixels, other), (innocent, key), (made.picture.pixels[:, ::-1].copy(), key)):
        with pytest.raises(RevealError):
            reads(picture_method, pixels, tried)


def test_a_picture_of_any_size_reveals_or_raises_reveal_error(picture_method):
    for height, width in ((64, 65), (1, 1), (64, 200), (63, 64)):
        with pytest.raises(RevealError):
            reads(picture_method, np.zeros((height, width, 3), np.uint8), key_of(picture_method))


def test_nothing_repeats_under_one_key(picture_method):
    """Each message has a nonce or a number of its own: the same secret and key give other stegos, each time."""
    key, secret = key_of(picture_method), secret_of()
    numbers = (0, 1) if picture_method.about.numbered else (None, None)
    made = [draft(picture_method, [secret], [key], size=SMALL, number=n) for n in numbers]
    more = picture_method.drafts(asked_for(picture_method, [secret], [key], size=SMALL, number=numbers[0]))
    again = itertools.islice(more, 2 if numbers[0] is None else 0)  # drafts of one number share a cover
    for a, b in itertools.combinations([m.picture.pixels for m in (*made, *again)], 2):
        assert (a != b).mean() > 0.5
    for one in made:
        check_came_back(revealed(picture_method, one, key), secret, one.exact[0])


def room(method, secrets=1, survive="png", size=LARGE):
    return method.capacity(asked_for(method, [Secret(b"")] * secrets, survive=survive, size=size))


def test_harsher_channels_and_more_receivers_leave_less_room(picture_method):
    about = picture_method.about
    channels = CHANNELS if "jpeg:Q" in about.survives else CHANNELS[:1]
    rooms = [room(picture_method, survive=c) for c in channels]
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[-1] > 0
    assert len(channels) == 1 or rooms[0] > rooms[-1]
    shared = [room(picture_method, secrets=n) for n in range(1, about.most_secrets + 1)]
    assert all(a >= b > 0 for a, b in itertools.pairwise(shared))
    if not about.shares_cover:  # receivers of one cover pay with its quality
        assert len(set(shared)) == len(shared)
    if about.cover != "given":
        assert room(picture_method) > room(picture_method, size=SMALL)


def test_the_room_is_what_fits(file_method):
    key, most = key_of(file_method), room(file_method, size=SMALL)
    fits = file_method.drafts(asked_for(file_method, [Secret(bytes(most))], [key], size=SMALL))
    assert next(fits).exact == (bytes(most),)
    with pytest.raises(CapacityError) as refused:
        next(file_method.drafts(asked_for(file_method, [Secret(bytes(most + 1))], [key], size=SMALL)))
    assert (refused.value.capacity, refused.value.need) == (most, most + 1)


@pytest.mark.cuda
def test_cpu_and_cuda_reveal_what_the_other_hid(picture_method):
    secret, key = secret_of(), key_of(picture_method)
    here = draft(picture_method, [secret], [key], size=SMALL)
    there = draft(moved(picture_method, "cuda"), [secret], [key], size=SMALL)
    check_came_back(revealed(picture_method, here, key), secret, here.exact[0])
    check_came_back(revealed(moved(picture_method, "cpu"), there, key), secret, there.exact[0])


def test_every_receiver_gets_their_own(picture_method):
    for count in range(2, picture_method.about.most_secrets + 1):
        secrets = [secret_of(i) for i in range(count)]
        keys = keys_of(picture_method, count)
        made = draft(picture_method, secrets, keys, size=LARGE)
        assert len(made.exact) == len(made.forms) == count
        got = [revealed(picture_method, made, key, i) for i, key in enumerate(keys)]
        for back, secret, exact in zip(got, secrets, made.exact, strict=True):
            check_came_back(back, secret, exact)
        assert len({b.picture.pixels.tobytes() for b in got}) == count
        with pytest.raises(RevealError):
            reads(picture_method, made.picture.pixels, key_of(picture_method, count))
