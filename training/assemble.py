"""Parts trained one by one -> one weights file.

    python training/assemble.py glow2 -o OUT.safetensors [--half] [--config FILE.json] PART.safetensors...

The configurations of the parts are joined; `--config` adds to them. `--half` stores float16, which the loader widens
again: sender and receiver then have the same rounded numbers. Prints what weights.toml needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch

from stegcli import weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method")
    parser.add_argument("parts", nargs="+", type=Path)
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


def join(method: str, parts: list[Path]) -> tuple[dict[str, object], dict[str, torch.Tensor], dict[str, object]]:
    """Weights files -> configuration, tensors and training facts of all together; a later one replaces an earlier."""
    config: dict[str, object] = {}
    tensors: dict[str, torch.Tensor] = {}
    training: dict[str, object] = {}
    for path in parts:
        found = weights.read(path)
        if found.method != method:
            raise SystemExit(f"{path} is of {found.method}")
        config |= found.config
        tensors |= {n: t.contiguous() for n, t in found.tensors.items()}
        training[str(found.training["part"])] = found.training
    return config, tensors, training


if __name__ == "__main__":
    main()
