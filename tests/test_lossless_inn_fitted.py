"""lossless-inn: a trained density on arrays says what the network says."""

import numpy as np
import pytest
import torch
from skimage import data as samples

from stegcli.methods.lossless_inn.density import Density, log_likelihood
from stegcli.methods.lossless_inn.fitted import Fitted, losses


def network(width: int, side: int) -> Density:
    torch.manual_seed(0)
    net = Density(width, side)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net.requires_grad_(False)


def arrays_of(net: Density) -> dict[str, np.ndarray]:
    return {f"density.{name}": tensor.numpy() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize(("width", "side"), [(4, 5), (32, 7), (3, 3)])
def test_it_agrees_with_the_network(width: int, side: int) -> None:
    net, levels = network(width, side), samples.coffee()[100:150, 200:270].transpose(2, 0, 1).astype(np.float32)
    fitted = Fitted.of(arrays_of(net), width, side)
    padded = np.pad(levels, ((0, 0), *[(fitted.reach, fitted.reach)] * 2), mode="reflect")
    expected = net(torch.from_numpy(levels)[None])
    for found, said in zip(fitted(padded), expected, strict=True):
        assert np.allclose(found, said[0].numpy(), rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("scale", [0.004, 0.3, 20.0, 3000.0])
def test_losses_are_differences_of_the_log_likelihood(scale: float) -> None:
    levels = torch.arange(0.0, 256.0).double()
    mean, spread = torch.full_like(levels, 120.3), torch.full_like(levels, scale)
    here, above, below = (log_likelihood(levels + step, mean, spread) for step in (0, 1, -1))
    up, down = losses(*(t.numpy().astype(np.float32) for t in (levels, mean, spread)))
    known = torch.isfinite(here - above).numpy()  # far away the network's form runs out of numbers
    assert known.any()
    assert np.allclose(up[known], (here - above).numpy()[known], rtol=1e-2, atol=1e-3)
    known = torch.isfinite(here - below).numpy()
    assert np.allclose(down[known], (here - below).numpy()[known], rtol=1e-2, atol=1e-3)
    assert np.isfinite(up).all()
    assert np.isfinite(down).all()


def test_tensors_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the tensors"):
        Fitted.of(arrays_of(network(4, 5)), 4, 7)
