"""Parts trained one by one -> one weights file.

    python training/assemble.py glow2 -o OUT.safetensors [--half] [--config FILE.json] PART.safetensors[:NAME]...

The configurations of the parts are joined; `--config` adds to them. A part may be joined weights itself; with `:NAME`
only the tensors whose names begin so are taken of it, a part or a part's bands: for some are trained in a file with
others. `--half` stores float16, which
the loader widens again: sender and receiver then have the same rounded numbers. Prints what weights.toml needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import torch

from stegcli import weights

SUFFIX = ".safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method")
    parser.add_argument("parts", nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    config, tensors, training = join(options.method, options.parts)
    if options.config:
        config |= json.loads(options.config.read_text())
    if options.half:
        tensors = {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()}
    data = weights.pack(options.method, config, tensors, training)
    options.output.write_bytes(data)
    print(f'file = "{options.output.name}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nbytes = {len(data)}')


def join(method: str, parts: list[str]) -> tuple[dict[str, object], dict[str, torch.Tensor], dict[str, object]]:
    """Weights files -> configuration, tensors and training facts of all together; a later one replaces an earlier."""
    config: dict[str, object] = {}
    tensors: dict[str, torch.Tensor] = {}
    training: dict[str, object] = {}
    for part in parts:
        found, held = read(part)
        if found.method != method:
            raise SystemExit(f"{part} is of {found.method}")
        config |= found.config
        tensors |= {n: t.contiguous() for n, t in held.items()}
        facts = found.training
        training |= {str(facts["part"]): facts} if "part" in facts else facts
    return config, tensors, training


def read(part: str) -> tuple[weights.Trained, dict[str, torch.Tensor]]:
    """FILE or FILE:NAME -> what the file says, and its tensors or only those whose names begin so."""
    path, ending, name = part.rpartition(f"{SUFFIX}:")
    if not ending:
        found = weights.read(Path(part))
        return found, dict(found.tensors())
    found = weights.read(Path(path + SUFFIX))
    part = name.split(".")[0]
    if part not in found.config:
        raise SystemExit(f"{path}{SUFFIX} holds no {name}")
    tensors = {n: t for n, t in found.tensors().items() if n.startswith(name)}
    training = found.training
    if "part" not in training:  # facts of several parts, or of bands trained one by one
        training = {n: facts for n, facts in training.items() if n.split("/")[0] == part}
    return replace(found, config={part: found.config[part]}, training=training), tensors


if __name__ == "__main__":
    main()
