"""The contract every method keeps, found by discovery, on its smallest configurations."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from stegcli import methods, training
from stegcli.errors import CapacityError, RevealError, UsageError
from stegcli.keys.key import Key
from stegcli.method import BitMethod, Drawn, PictureMethod, Secret, Wish
from stegcli.nn import tensors
from stegcli.pictures import image
from stegcli.pictures.channel import parse
from stegcli.pictures.image import Picture

CONFIGS = [(n, i) for n in methods.names() for i in range(len(methods.get(n).TINY))]
CHANNELS = ("png", "jpeg:95", "jpeg:90", "jpeg:80", "jpeg:60", "jpeg:40")
"""From the mildest to the harshest."""
SMALL, LARGE = (64, 64), (128, 128)
"""Sizes of stegos; several receivers need the larger one."""


def of(kind):
    return [c for c in CONFIGS if issubclass(methods.get(c[0]).METHOD, kind)]


FILE_CARRIERS = [c for c in of(PictureMethod) if "as" in methods.get(c[0]).METHOD.options]
"""Methods that make the stego and carry any file besides pictures: they have a say in how a secret travels."""


def built(request):
    name, index = request.param
    package = methods.get(name)
    return training._seeded(lambda: package.build(**package.TINY[index]), 0).eval().requires_grad_(False)


@pytest.fixture(params=CONFIGS, ids=lambda c: f"{c[0]}-{c[1]}")
def method(request):
    return built(request)


@pytest.fixture(params=of(BitMethod), ids=lambda c: f"{c[0]}-{c[1]}")
def bit_method(request):
    return built(request)


@pytest.fixture(params=of(PictureMethod), ids=lambda c: f"{c[0]}-{c[1]}")
def picture_method(request):
    return built(request)


@pytest.fixture(params=FILE_CARRIERS, ids=lambda c: f"{c[0]}-{c[1]}")
def file_method(request):
    return built(request)


@pytest.fixture
def cover():
    pixels = np.random.default_rng(0).integers(0, 256, (66, 71, 3), np.uint8)
    return tensors.to_tensor(pixels)


def shape_of(method, cover):
    slots = method.capacity(*cover.shape[2:])
    return (2, slots) if method.layout == "coset" else (slots,)


def test_every_method_is_found():
    assert {"glow2", "lossless-inn"} <= set(methods.names())
    assert len(of(BitMethod)) + len(of(PictureMethod)) == len(CONFIGS)


def test_an_unknown_method_is_a_usage_error():
    with pytest.raises(UsageError, match="no method"):
        methods.get("nonesuch")


def test_config_rebuilds_the_method(method):
    again = methods.get(method.name).build(**method.config)
    assert again.config == method.config
    assert {n: p.shape for n, p in again.state_dict().items()} == {n: p.shape for n, p in method.state_dict().items()}


def test_package_offers_what_discovery_needs():
    for name in methods.names():
        package = methods.get(name)
        assert package.__doc__
        assert "Reference" in package.__doc__
        assert package.METHOD.name == name
        assert package.RECIPES
        assert package.TINY


def test_names_are_unique_and_dashed():
    assert all(a != b for a, b in itertools.pairwise(methods.names()))
    assert not any("_" in n for n in methods.names())


# -- methods that carry bits


def test_reveal_has_one_log_odds_per_slot(bit_method, cover, key):
    soft = bit_method.reveal(cover, key)
    assert soft.shape == shape_of(bit_method, cover)
    assert soft.dtype == np.float32
    assert np.isfinite(soft).all()


def test_stego_is_on_the_8_bit_grid_and_the_cover_untouched(bit_method, cover, key):
    before = cover.clone()
    shape = shape_of(bit_method, cover)
    bits = np.random.default_rng(1).integers(0, 2, shape, np.uint8)
    stego = bit_method.hide(bits, np.ones(shape, bool), cover, key)
    assert stego.shape == cover.shape
    assert torch.allclose(stego, tensors.quantise(stego), atol=1e-6)
    assert stego.min() >= 0
    assert stego.max() <= 1
    assert torch.equal(cover, before)


def test_same_bits_for_one_and_two_threads(bit_method, cover, key):
    threads = torch.get_num_threads()
    read = []
    for count in (1, 2):
        torch.set_num_threads(count)
        read.append(bit_method.reveal(cover, key))
    torch.set_num_threads(threads)
    assert np.abs(read[0] - read[1]).max() < 1e-3


@pytest.mark.cuda
def test_cuda_reads_what_the_cpu_wrote(bit_method, cover):
    key = Key(bit_method.name, "x", bytes(32))
    here = bit_method.reveal(cover, key)
    there = bit_method.to("cuda").reveal(cover, key)
    assert np.abs(here - there).max() < 1e-2


# -- methods that make the stego for the secret


def key_of(method, number=0):
    return Key(method.name, "x", bytes([number]) * 32)


def keys_of(method, count):
    """Keys of several receivers; they draw one cover if the method asks for it."""
    keys = [key_of(method, i) for i in range(count)]
    group = keys[0].cover_secret() if method.shares_cover else None
    return [keys[0], *(replace(k, group=group) for k in keys[1:])]


def secret_of(number=0):
    """A picture and its file: whatever the method carries, it can carry this."""
    y, x = np.mgrid[:20, :30]
    waves = np.stack([np.sin(x / (4 + c) + number) + np.cos(y / 5) for c in range(3)], axis=-1)
    pixels = (128 + 50 * waves).astype(np.uint8)
    return Secret(image.encode(Picture(pixels)), Picture(pixels))


def drafts(method, secrets, keys, wish):
    """The method's drafts, in a cover of its own size if it needs one."""
    width, height = wish.size or SMALL
    pixels = np.random.default_rng(0).integers(40, 216, (height, width, 3), np.uint8)
    return method.drafts(secrets, keys, wish, Picture(pixels) if method.cover == "given" else None)


def draft(method, secrets, keys, wish):
    """The first of the drafts from which every receiver reads something."""
    for found in drafts(method, secrets, keys, wish):
        try:
            for index, key in enumerate(keys):
                revealed(method, found, key, index)
        except RevealError:
            continue
        return found
    raise AssertionError("no draft reveals")


def revealed(method, made, key, index=0):
    token = made.tokens[index] if made.tokens else None
    return method.reveal(Picture(made.pixels), key, token, Drawn(made.number))


def check_came_back(back, secret, exact):
    """Bytes are those that were promised; a picture has the size of the one that was hidden."""
    if exact is not None:
        assert back.data == exact
    assert (back.picture is None) == (secret.picture is None)
    if secret.picture is not None:
        assert back.picture.pixels.shape == secret.picture.pixels.shape


@torch.no_grad()
@pytest.mark.parametrize("size", [SMALL, LARGE, (128, 64)])
def test_a_stego_is_as_large_as_asked_for_and_brings_the_secret(picture_method, size):
    secret, key = secret_of(), key_of(picture_method)
    made = draft(picture_method, [secret], [key], Wish(size=size))
    assert made.pixels.dtype == np.uint8
    assert made.pixels.shape == (size[1], size[0], 3)
    assert len(made.exact) == len(made.forms) == 1
    assert made.capacity == picture_method.room(Wish(size=size))
    check_came_back(revealed(picture_method, made, key), secret, made.exact[0])


@torch.no_grad()
@pytest.mark.parametrize("length", [0, 1, 400])
def test_any_file_comes_back_to_the_byte(file_method, length):
    data, key = bytes(i * 7 % 256 for i in range(length)), key_of(file_method)
    made = draft(file_method, [Secret(data)], [key], Wish(size=SMALL))
    assert made.exact == (data,)
    assert revealed(file_method, made, key).data == data
    assert revealed(file_method, made, key).picture is None


@torch.no_grad()
def test_a_picture_may_travel_as_a_file(file_method):
    secret, key = secret_of(), key_of(file_method)
    made = draft(file_method, [secret], [key], Wish(size=LARGE, travel="bytes"))
    assert made.exact == (secret.data,)
    assert revealed(file_method, made, key).data == secret.data


@torch.no_grad()
def test_another_key_and_an_innocent_picture_reveal_nothing(picture_method):
    key, other = key_of(picture_method), key_of(picture_method, 1)
    made = draft(picture_method, [secret_of()], [key], Wish(size=SMALL))
    innocent = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    for pixels, tried in ((made.pixels, other), (innocent, key), (made.pixels[:, ::-1].copy(), key)):
        with pytest.raises(RevealError):
            picture_method.reveal(Picture(pixels), tried)


@torch.no_grad()
def test_a_picture_of_any_size_reveals_or_raises_reveal_error(picture_method):
    for height, width in ((64, 65), (1, 1), (64, 200), (63, 64)):
        with pytest.raises(RevealError):
            picture_method.reveal(Picture(np.zeros((height, width, 3), np.uint8)), key_of(picture_method))


@torch.no_grad()
def test_nothing_repeats_under_one_key(picture_method):
    """Each message has a nonce or a number of its own: the same secret and key give other stegos, each time."""
    key, secret = key_of(picture_method), secret_of()
    numbers = (0, 1) if "number" in picture_method.options else (None, None)
    wishes = [Wish(size=SMALL, drawn=Drawn(n)) for n in numbers]
    made = [draft(picture_method, [secret], [key], w) for w in wishes]
    more = drafts(picture_method, [secret], [key], wishes[0])
    again = itertools.islice(more, 2 if numbers[0] is None else 0)  # drafts of one number share a cover
    for a, b in itertools.combinations([m.pixels for m in (*made, *again)], 2):
        assert (a != b).mean() > 0.5
    for one in made:
        check_came_back(revealed(picture_method, one, key), secret, one.exact[0])


def test_harsher_channels_and_more_receivers_leave_less_room(picture_method):
    channels = CHANNELS if "jpeg:Q" in picture_method.survives else CHANNELS[:1]
    rooms = [picture_method.room(Wish(parse(c), size=LARGE)) for c in channels]
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[-1] > 0
    assert len(channels) == 1 or rooms[0] > rooms[-1]
    shared = [picture_method.room(Wish(size=LARGE), n) for n in range(1, picture_method.most_receivers + 1)]
    assert all(a >= b > 0 for a, b in itertools.pairwise(shared))
    if not picture_method.shares_cover:  # receivers of one cover pay with its quality
        assert len(set(shared)) == len(shared)
    if picture_method.cover == "generated":
        assert picture_method.room(Wish(size=LARGE)) > picture_method.room(Wish(size=SMALL))


@torch.no_grad()
def test_the_room_is_what_fits(file_method):
    wish, key = Wish(size=SMALL), key_of(file_method)
    room = file_method.room(wish)
    assert next(drafts(file_method, [Secret(bytes(room))], [key], wish)).exact == (bytes(room),)
    with pytest.raises(CapacityError) as refused:
        next(drafts(file_method, [Secret(bytes(room + 1))], [key], wish))
    assert (refused.value.capacity, refused.value.need) == (room, room + 1)


@pytest.mark.cuda
@torch.no_grad()
def test_cpu_and_cuda_reveal_what_the_other_hid(picture_method):
    secret, key = secret_of(), key_of(picture_method)
    here = draft(picture_method, [secret], [key], Wish(size=SMALL))
    there = draft(picture_method.to("cuda"), [secret], [key], Wish(size=SMALL))
    check_came_back(revealed(picture_method, here, key), secret, here.exact[0])
    check_came_back(revealed(picture_method.to("cpu"), there, key), secret, there.exact[0])


@torch.no_grad()
def test_every_receiver_gets_their_own(picture_method):
    for count in range(2, picture_method.most_receivers + 1):
        secrets = [secret_of(i) for i in range(count)]
        keys = keys_of(picture_method, count)
        made = draft(picture_method, secrets, keys, Wish(size=LARGE))
        assert len(made.exact) == len(made.forms) == count
        got = [revealed(picture_method, made, key, i) for i, key in enumerate(keys)]
        for back, secret, exact in zip(got, secrets, made.exact, strict=True):
            check_came_back(back, secret, exact)
        assert len({b.picture.pixels.tobytes() for b in got}) == count
        with pytest.raises(RevealError):
            picture_method.reveal(Picture(made.pixels), key_of(picture_method, count))
