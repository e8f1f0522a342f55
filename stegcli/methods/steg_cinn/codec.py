"""Uniform numbers <-> colours, given the luminance: the flow, with the rounding inside.

    u in [0, 1)  ->  the whole number c with u in [F(c - 1), F(c))  ->  pixels

Each colour difference of each pixel that is drawn has a number u of its own. F is the distribution function of what the
difference may be, given all that was drawn before it. A receiver finds the cell [F(c - 1), F(c)) in which u was. With
uniform u the colours are a sample of the networks' distribution, and Phi^-1(u) is exactly normal.

Still pixels (`still`) are not drawn: their numbers stand for nothing. Nor are pixels of levels 1 to 3 whose neighbours
all have one colour: drawn ones would be specks in grey areas. A receiver finds the same pixels, as all that was known
before comes back exactly; their cells are [0, 1), which tells nothing.

    numbers of a picture: base (q, p) | coarsest level, group by group (all q, then all p, row by row) | ... | level 1

Groups of pixels are drawn in windows of rows, so that memory does not grow with the picture; windows change nothing but
the last bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from stegcli.methods.steg_cinn import space, still
from stegcli.methods.steg_cinn.coarse import FIRST_LEVEL, Coarse, Context, top_level
from stegcli.methods.steg_cinn.groups import Group, grid_size
from stegcli.methods.steg_cinn.nets import Fine, LevelNet, Scene, Seen, Window, statistics, whole_picture
from stegcli.nn.discrete import DiscreteMixture

WINDOW_PLACES = 2**15
FEWEST_ROWS = 16
EVERYTHING = 0
"""In place of the coarsest level to be drawn: all levels, and the base."""


@dataclass(frozen=True)
class Drawing:
    """How a picture's colours are drawn.

    top: levels 1 to top are drawn, and the places above keep their colours; EVERYTHING: nothing is kept. grain: of the
    levels of `Fine`. temperature: of the levels above those, and of the base.
    """

    top: int
    grain: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True)
class Entry:
    """A group, and where its numbers lie: 2 rows columns of them from `start` on. group None: the base."""

    group: Group | None
    start: int
    rows: int
    columns: int

    @property
    def stop(self) -> int:
        return self.start + 2 * self.rows * self.columns

    @property
    def level(self) -> int:
        return self.group.level if self.group else 99

    def view(self, numbers: np.ndarray) -> np.ndarray:
        """The group's part of all numbers, as (2, rows, columns)."""
        return numbers[self.start : self.stop].reshape(2, self.rows, self.columns)

    def whole(self) -> Window:
        return Window(0, self.rows, 0, self.columns)


@dataclass
class Sheet:
    """A picture being coloured: luminance uint8 (h, w); colours float32 (1, 2, h, w), q before p, whole numbers; still:
    pixels that keep their colours, bool (h, w); blank: nothing is kept of a cover."""

    grey: np.ndarray
    colours: Tensor
    still: np.ndarray
    blank: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return self.grey.shape[0], self.grey.shape[1]


@dataclass(frozen=True)
class Cells:
    """The cell [low, high) of each number of a picture, float32 (n,); empty, 0 to 0, where none was asked for."""

    low: np.ndarray
    high: np.ndarray


class Codec:
    """The flow of one set of networks. coarse may be missing if nothing but levels 1 to 3 is ever drawn."""

    def __init__(self, fine: Fine, coarse: Coarse | None, device: str | torch.device = "cpu"):
        self.fine, self.coarse, self.device = fine, coarse, torch.device(device)

    def sheet(self, grey: np.ndarray, colours: np.ndarray) -> Sheet:
        """Luminance (h, w) and differences int16 (2, h, w) -> a sheet of its own."""
        planes = torch.from_numpy(colours[None].astype(np.float32)).to(self.device)
        return Sheet(grey, planes, np.zeros(grey.shape, bool))

    def order(self, height: int, width: int, top: int) -> list[Entry]:
        """The groups of a picture of that size in the order of drawing, and where their numbers lie."""
        found: list[Entry] = [Entry(None, 0, 1, 1)] if top == EVERYTHING else []
        start = 2 * len(found)
        for level in range(top_level(height, width) if top == EVERYTHING else top, 0, -1):
            for group in self._net(level, 0).groups:
                # Networks of the coarsest levels serve several levels.
                entry = Entry(replace(group, level=level), start, *group_shape(group, level, height, width))
                if entry.rows and entry.columns:
                    found.append(entry)
                    start = entry.stop
        return found

    def draw(self, sheet: Sheet, drawing: Drawing, u: np.ndarray) -> Cells:
        """Numbers float64 (n,) in [0, 1), in `order` -> the sheet coloured in place, and the cells."""
        return self._run(sheet, drawing, u)

    def read(self, sheet: Sheet, drawing: Drawing) -> Cells:
        """The sheet as it came -> the cells of the numbers that it was drawn from."""
        return self._run(sheet, drawing, None)

    def read_parts(self, sheet: Sheet, drawing: Drawing, parts: list[tuple[Entry, Window]]) -> Cells:
        """`read`, of some windows of level 1 alone."""
        order = self.order(*sheet.size, drawing.top)
        cells = _empty(order[-1].stop)
        sheet.still = stays(sheet.grey, drawing.top)
        with torch.inference_mode():
            scene = self._scene(sheet, drawing.grain, 1)
            for entry, window in parts:
                self._window(sheet, scene, entry, window, 1.0, self.fine.level(1), None, cells)
        return cells

    def nats(self, sheet: Sheet, grains: tuple[float, ...], parts: list[tuple[Entry, Window]]) -> np.ndarray:
        """How unlikely the colours of some windows of level 1 are at each grain, nats per number, float64 (grains,)."""
        total, count = torch.zeros(len(grains), dtype=torch.float64), 0
        with torch.inference_mode():
            one = self._scene(sheet, 0.0, 1)
            scene = replace(one, grain=torch.tensor(grains, device=self.device))
            for name in ("colours", "grey", "statistics", "whole"):
                found = getattr(one, name)
                scene = replace(scene, **{name: found.expand(len(grains), *found.shape[1:])})
            for entry, window in parts:
                assert entry.group is not None
                nats = self.fine.level(1).nats(scene, entry.group, window)
                total += nats.double().sum((1, 2, 3)).cpu()
                count += nats[0].numel()
        return (total / max(count, 1)).numpy()

    # -- one group after the other

    def _net(self, level: int, shift: int) -> LevelNet:
        if level < FIRST_LEVEL:
            return self.fine.level(level)
        assert self.coarse is not None
        return self.coarse.level(level, shift)

    def _run(self, sheet: Sheet, drawing: Drawing, u: np.ndarray | None) -> Cells:
        order = self.order(*sheet.size, drawing.top)
        cells = _empty(order[-1].stop)
        sheet.still, sheet.blank = stays(sheet.grey, drawing.top), drawing.top == EVERYTHING
        if u is not None and sheet.blank:
            sheet.colours *= torch.from_numpy(~sheet.still).to(self.device)  # black and white have no colour
        with torch.inference_mode():
            context: Context | None = None
            if drawing.top == EVERYTHING:
                assert self.coarse is not None
                context = self.coarse.context(_grey(sheet, self.device))
            seen_level, scene = 0, None
            for entry in order:
                warm = drawing.temperature if entry.level >= FIRST_LEVEL else 1.0
                if entry.group is None:
                    assert context is not None
                    self._base(sheet, context, entry, warm, u, cells)
                    continue
                if scene is None or entry.level != seen_level:
                    seen_level = entry.level
                    scene = self._scene(sheet, drawing.grain if seen_level < FIRST_LEVEL else 0.0, seen_level)
                told = scene
                if context is not None and seen_level >= FIRST_LEVEL:
                    told = replace(scene, context=context.at(entry.group, *sheet.size))
                net = self._net(seen_level, context.shift if context else 0)
                for window in windows(entry):
                    self._window(sheet, told, entry, window, warm, net, u, cells)
        return cells

    def _scene(self, sheet: Sheet, grain: float, level: int) -> Scene:
        grey = _grey(sheet, self.device)
        told = torch.tensor([grain], dtype=torch.float32, device=self.device)
        return Scene(sheet.colours, grey, statistics(grey), whole_picture(sheet.colours, level), told)

    def _base(
        self, sheet: Sheet, context: Context, entry: Entry, warm: float, u: np.ndarray | None, cells: Cells
    ) -> None:
        assert self.coarse is not None
        net, grey = self.coarse.base, _grey(sheet, self.device)[..., :1, :1]
        h = net.features(context.base(), grey)
        first = slice(0, 1), slice(0, 1)
        corner = _Corner(sheet, first, torch.zeros_like(sheet.colours[..., :1, :1]), _still(sheet, first))
        q = self._decide(corner, net.mixture_q(h, grey), 0, entry, entry.whole(), warm, u, cells)
        self._decide(corner, net.mixture_p(h, grey, q), 1, entry, entry.whole(), warm, u, cells)

    def _window(
        self, sheet: Sheet, scene: Scene, entry: Entry, window: Window, warm: float, net: LevelNet,
        u: np.ndarray | None, cells: Cells,
    ) -> None:  # fmt: skip
        assert entry.group is not None
        phase = net.phase(entry.group)
        h, seen = phase.features(scene, entry.group, window)
        where = pixels(entry.group, window)
        alike, fixed = _alike(seen, sheet.blank), _still(sheet, where)
        if entry.level >= FIRST_LEVEL:
            alike = torch.zeros_like(alike)
        corner = _Corner(sheet, where, seen.base.round(), fixed | alike)
        if u is not None and sheet.blank:
            corner.clear(alike)
        q = self._decide(corner, phase.mixture_q(h, seen), 0, entry, window, warm, u, cells)
        self._decide(corner, phase.mixture_p(h, seen, q), 1, entry, window, warm, u, cells)

    def _decide(
        self, corner: _Corner, mixture: DiscreteMixture, channel: int, entry: Entry, window: Window, warm: float,
        u: np.ndarray | None, cells: Cells,
    ) -> Tensor:  # fmt: skip
        """Draw or read the q (channel 0) or p (1) of a window, and note the cells. -> the colours, (1, 1, h, w)."""
        mixture, base = mixture.double(), corner.base[:, channel : channel + 1].double()
        y, x = slice(window.top, window.bottom), slice(window.left, window.right)
        if u is not None:
            numbers = torch.from_numpy(_tempered(entry.view(u)[channel, y, x], warm)).to(self.device)
            corner.set(channel, corner.past_holes(channel, mixture.quantile(numbers[None, None]) + base))
        found = corner.get(channel).double()
        before = corner.before_holes(channel, found - 1)
        low, high = mixture.cells(found - base, before - base)
        low, high = (torch.where(corner.still, b, bound) for b, bound in ((0.0, low), (1.0, high)))
        for kept, bound in ((cells.low, low), (cells.high, high)):
            entry.view(kept)[channel, y, x] = _tempered(bound[0, 0].cpu().numpy(), 1 / warm)
        return found.float()


@dataclass(frozen=True)
class _Corner:
    """Some pixels of a sheet, and what their colours are told relative to."""

    sheet: Sheet
    places: tuple[slice, slice]
    base: Tensor
    still: Tensor

    def clear(self, where: Tensor) -> None:
        """Grey instead of whatever colour the cover has."""
        self.sheet.colours[:, :, self.places[0], self.places[1]] *= ~where

    def get(self, channel: int) -> Tensor:
        return self.sheet.colours[:, channel : channel + 1, self.places[0], self.places[1]]

    def set(self, channel: int, values: Tensor) -> None:
        found = torch.where(self.still, self.get(channel), values.float())
        self.sheet.colours[:, channel : channel + 1, self.places[0], self.places[1]] = found

    def past_holes(self, channel: int, values: Tensor) -> Tensor:
        """In dark pixels some p do not exist; the next one takes their place."""
        return values if channel == 0 else values + self._missing(values)

    def before_holes(self, channel: int, values: Tensor) -> Tensor:
        """The last number before a colour's own cell: holes just below it belong to it."""
        return values if channel == 0 else values - self._missing(values)

    def _missing(self, p: Tensor) -> Tensor:
        grey = self.sheet.grey[self.places]
        dark = grey < space.DARKEST_WITHOUT_HOLES
        found = np.zeros(grey.shape, np.float64)
        if dark.any():
            q = self.get(0)[0, 0].cpu().numpy()[dark].astype(np.int64)
            at = p[0, 0].cpu().numpy()[dark].astype(np.int64)
            table = space.gamut()
            index = grey[dark], q + space.SPAN
            inside = (at > table.p_low[index]) & (at < table.p_high[index])
            found[dark] = inside & ~space.exists(grey[dark], np.stack([q, at]))
        return torch.from_numpy(found).to(p.device)[None, None]


def _still(sheet: Sheet, where: tuple[slice, slice]) -> Tensor:
    """The still pixels of a part of a picture, bool (1, 1, h, w)."""
    return torch.from_numpy(sheet.still[where]).to(sheet.colours.device)[None, None]


def _alike(seen: Seen, grey: bool) -> Tensor:
    """Which places have neighbours of one colour, or, with `grey`, none but grey neighbours, bool (1, 1, h, w)."""
    one = torch.zeros_like(seen.colours[:, :, :1]) if grey else seen.colours[:, :, :1]
    return (seen.colours == one).all(2).all(1, keepdim=True)


def stays(grey: np.ndarray, top: int) -> np.ndarray:
    """Luminance uint8 (h, w) and what is drawn -> the pixels that keep their colour, bool (h, w).

    Where everything is drawn only black and white ones do: an even area must get its colour from somewhere.
    """
    return still.clipped(grey) if top == EVERYTHING else still.still(grey)


def pixels(group: Group, window: Window) -> tuple[slice, slice]:
    """A window of a group's lattice -> its rows and columns in the picture."""

    def span(first: int, start: int, stop: int) -> slice:
        step = group.period * group.step
        return slice(first * group.step + start * step, first * group.step + (stop - 1) * step + 1, step)

    return span(group.y, window.top, window.bottom), span(group.x, window.left, window.right)


def group_shape(group: Group, level: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a network's group at some level, which may be coarser than the network's own."""
    return replace(group, level=level).shape(height, width)


def windows(entry: Entry) -> Iterator[Window]:
    """A group's lattice in strips of rows."""
    rows = max(FEWEST_ROWS, WINDOW_PLACES // max(1, entry.columns))
    for top in range(0, entry.rows, rows):
        yield Window(top, min(entry.rows, top + rows), 0, entry.columns)


def within(entry: Entry, top: int, left: int, side: int) -> Window:
    """The part of a level's group that lies in a square of the picture."""
    assert entry.group is not None
    step = entry.group.period * entry.group.step

    def span(first: int, start: int, size: int) -> tuple[int, int]:
        offset = first * entry.group.step if entry.group else 0
        low, high = grid_size(max(0, start - offset), step), grid_size(max(0, start + side - offset), step)
        return min(low, size), min(high, size)

    rows, columns = span(entry.group.y, top, entry.rows), span(entry.group.x, left, entry.columns)
    return Window(rows[0], rows[1], columns[0], columns[1])


def _grey(sheet: Sheet, device: torch.device) -> Tensor:
    return torch.from_numpy(sheet.grey[None, None]).to(device).float()


def _empty(n: int) -> Cells:
    return Cells(np.zeros(n, np.float32), np.zeros(n, np.float32))


def _tempered(u: np.ndarray, temperature: float) -> np.ndarray:
    """Numbers whose normal latents are scaled by the temperature."""
    if temperature == 1:
        return u
    found: np.ndarray = ndtr(ndtri(np.clip(u, 0, 1)) * temperature)
    return found
