"""Compile every CUDA kernel for every architecture, without a GPU, and read what came out.

    python benchmarks/cuda_compile.py            # compare with results/cuda_compile.json, exit 1
    python benchmarks/cuda_compile.py --write    # renew the table, or the rows that are compiled
    python benchmarks/cuda_compile.py conv tf32  # only kernels with these words in their names

Checked for each kernel: no spilled register, registers within the limit written beside the kernel,
the instructions that it is meant to have (16-byte loads, tensor-core products, asynchronous
copies), and no local-memory traffic from arrays that should live in registers. Needs
`pip install 'tinygrad_astro[cuda]' 'cuda-toolkit[nvdisasm]==13.*'`.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from importlib import metadata
from pathlib import Path

from tinygrad_astro.kernels.cuda import build, gemm_kernels, maps, target

TABLE = Path(__file__).parent / "results" / "cuda_compile.json"
ARCHITECTURES = {
    "sm_75": (7, 5), "sm_80": (8, 0), "sm_90a": (9, 0, "a"), "sm_100": (10, 0), "sm_120": (12, 0),
}  # fmt: skip
PACKAGES = ("numba", "numba-cuda", "nvidia-nvjitlink")


def register_all():
    """Make the kernels that are generated on demand: each elementwise function, each tile."""
    for name in maps.EXPRESSIONS:
        operands = 3 if name == "where" else 2 if name in (*maps.BINARY, *maps.RATIOS) else 1
        operands = 2 if re.search(r"\bb\b", maps.EXPRESSIONS[name]) and operands < 2 else operands
        for dtype in ("float32", "float64"):
            if name in ("invert", "bitwise_and", "bitwise_or"):
                dtype = {"float32": "int32", "float64": "int64"}[dtype]
            dtypes = ("uint8", dtype, dtype) if name == "where" else (dtype,) * operands
            out = "uint8" if name in maps.TESTS else dtype
            for rank in (0, 3) if name in ("copy", "add", "where") else (0,):
                made = maps.map_kernel(name, dtypes, "p" * operands, rank, out)
                made.dtypes = (dtype,)
    gemm_kernels.register_all()


def disassembled(cubin):
    """Count the instructions of machine code."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run(
            [nvdisasm(), "-c", file.name], capture_output=True, text=True, check=True
        ).stdout
    pattern = r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\d+ |@!?UPT |@!?PT )?([A-Z][\w.]*)"
    return Counter(re.findall(pattern, text, re.M))


def nvdisasm():
    """Find the disassembler that pip has installed, or the system's."""
    import nvidia

    for folder in nvidia.__path__:
        for path in Path(folder).glob("*/bin/nvdisasm"):
            return str(path)
    return "nvdisasm"


def row(kernel, dtype, architecture):
    """Compile one kernel: (what the table keeps, what is wrong with it)."""
    cubin, _, report = build.compile_program(kernel.program(dtype), ARCHITECTURES[architecture])
    codes = disassembled(cubin)
    # Turing spells a shared load of 16 bytes LDS.U.128.
    real = Counter()
    for code, n in codes.items():
        if code != "NOP":
            real[code.replace("LDS.U.", "LDS.")] += n
    found = {
        "registers": report["registers"],
        "shared": report["shared"],
        "instructions": sum(real.values()),
    }
    double = sum(n for code, n in real.items() if re.match(r"D(ADD|MUL|FMA|SETP|MNMX)", code))
    if double:
        found["double"] = double
    wrong = []
    if report["spill_stores"] or report["spill_loads"]:
        wrong.append(f"spills {report['spill_stores']} + {report['spill_loads']} bytes")
    if report["registers"] > kernel.registers:
        wrong.append(f"{report['registers']} registers, at most {kernel.registers} allowed")
    for pattern in kernel.expects:
        count = sum(n for code, n in real.items() if re.match(pattern, code))
        found[pattern] = count
        if not count:
            wrong.append(f"no {pattern}")
    return found, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--arch", nargs="*", default=list(ARCHITECTURES), choices=ARCHITECTURES)
    arguments = parser.parse_args()
    register_all()
    table, failures = {}, []
    for kernel in target.REGISTRY:
        name = f"{kernel.function.__module__ or 'generated'}:{kernel.__name__}".split("cuda.")[-1]
        if arguments.words and not any(word in name for word in arguments.words):
            continue
        for dtype in kernel.dtypes:
            label = f"{name} {kernel.label} {dtype}".replace("  ", " ")
            for architecture in arguments.arch:
                if ARCHITECTURES[architecture][:2] < kernel.min_cc:
                    continue
                found, wrong = row(kernel, dtype, architecture)
                table.setdefault(label, {})[architecture] = found
                failures += [f"{label} on {architecture}: {text}" for text in wrong]
                if arguments.words:
                    print(label, architecture, found)
    print(f"{sum(map(len, table.values()))} programs of {len(table)} kernels compiled")
    failures += finish(table, arguments)
    for line in failures:
        print("WRONG", line)
    sys.exit(bool(failures))


def finish(table, arguments):
    """Merge what was compiled into the table, or tell where it differs from what is kept."""
    versions = {p: metadata.version(p) for p in PACKAGES}
    kept = json.loads(TABLE.read_text()) if TABLE.exists() else {"versions": versions}
    known = kept.get("kernels", {}) if kept["versions"] == versions else {}
    if arguments.write:
        for label, found in table.items():
            known[label] = {**known.get(label, {}), **found}
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(known.items())]
        text = f'{{"versions": {json.dumps(versions)}, "kernels": {{\n' + ",\n".join(lines)
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text + "\n}}\n")
        return []
    if kept["versions"] != versions:
        print(f"not compared: the table is from {kept['versions']}, here is {versions}")
        return []
    return [
        f"{label} on {architecture}: {found}, in the table {known.get(label, {}).get(architecture)}"
        "; if that is meant, run with --write and review the difference"
        for label, per in table.items()
        for architecture, found in per.items()
        if known.get(label, {}).get(architecture) != found
    ]


if __name__ == "__main__":
    main()
