"""Compile every CUDA kernel for every architecture, without a GPU, and read what came out.

    python benchmarks/cuda_compile.py            # compare with results/cuda_compile.json, exit 1
    python benchmarks/cuda_compile.py --write    # renew the table, or the rows that are compiled
    python benchmarks/cuda_compile.py conv tf32  # only kernels with these words in their names

Checked for each kernel: no spilled register, registers within the limit written beside the kernel,
the instructions that it is meant to have (16-byte loads, tensor-core products, asynchronous
copies), and in those no local-memory traffic: their tiles should live in registers. Needs
`pip install 'tinygrad_astro[cuda]' 'cuda-toolkit[nvdisasm]==13.*'`. A comparison wants the
compiler's versions that the table is from: `--requirements` gives them to pip.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path

TABLE = Path(__file__).parent / "results" / "cuda_compile.json"
ARCHITECTURES = {
    "sm_75": (7, 5), "sm_80": (8, 0), "sm_90a": (9, 0, "a"), "sm_100": (10, 0), "sm_120": (12, 0),
}  # fmt: skip
PACKAGES = ("numba", "llvmlite", "numba-cuda", "nvidia-nvvm", "nvidia-nvjitlink",
            "nvidia-cuda-nvdisasm")  # fmt: skip
SHARES = 4  # pieces of the work for one architecture, for the processes to share


def register_all():
    """Make the kernels that are generated on demand: each elementwise function, each tile."""
    from tinygrad_astro.kernels.cuda import gemm_kernels, maps

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


def programs(words=()):
    """List (label, kernel, dtype) for all kernels, or for those with one of the words."""
    from tinygrad_astro.kernels.cuda import target

    register_all()
    found = []
    for kernel in target.REGISTRY:
        name = f"{kernel.function.__module__ or 'generated'}:{kernel.__name__}".split("cuda.")[-1]
        if not words or any(word in f"{name} {kernel.label}" for word in words):
            for dtype in kernel.dtypes:
                label = f"{name} {kernel.label} {dtype}".replace("  ", " ")
                found.append((label, kernel, dtype))
    return found


def supported(kernel, architecture):
    """Tell whether an architecture has the instructions that a kernel uses."""
    return ARCHITECTURES[architecture][:2] >= kernel.min_cc


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
    from tinygrad_astro.kernels.cuda import build

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
    for pattern in kernel.expects:
        found[pattern] = sum(n for code, n in real.items() if re.match(pattern, code))
    wrong = faults(found, kernel)
    local = sum(n for code, n in real.items() if re.match("LDL|STL", code))
    if local and kernel.expects:  # elsewhere it may be the table that sin and cos reduce by
        wrong.append(f"{local} accesses to local memory")
    if report["spill_stores"] or report["spill_loads"]:
        wrong.append(f"spills {report['spill_stores']} + {report['spill_loads']} bytes")
    return found, wrong


def faults(found, kernel):
    """List what is wrong with a row of the table."""
    wrong = [f"no {pattern}" for pattern in kernel.expects if not found[pattern]]
    if found["registers"] > kernel.registers:
        wrong.append(f"{found['registers']} registers, at most {kernel.registers} allowed")
    return wrong


def compiled(architecture, share, words):
    """Compile one share of the kernels for one architecture: a list of (label, row, faults)."""
    mine = [p for p in programs(words) if supported(p[1], architecture)][share::SHARES]
    return [(label, *row(kernel, dtype, architecture)) for label, kernel, dtype in mine]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--arch", nargs="*", default=list(ARCHITECTURES), choices=ARCHITECTURES)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--requirements", action="store_true", help="print the table's versions")
    arguments = parser.parse_args()
    if arguments.requirements:
        print("\n".join(f"{p}=={v}" for p, v in json.loads(TABLE.read_text())["versions"].items()))
        return
    work = [(a, share, arguments.words) for a in arguments.arch for share in range(SHARES)]
    table, failures = {}, []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for (architecture, *_), rows in zip(work, pool.map(compiled, *zip(*work))):
            for label, found, wrong in rows:
                table.setdefault(label, {})[architecture] = found
                failures += [f"{label} on {architecture}: {text}" for text in wrong]
                if arguments.words:
                    print(label, architecture, found)
    print(f"{sum(map(len, table.values()))} programs of {len(table)} kernels compiled")
    partial = bool(arguments.words) or len(arguments.arch) < len(ARCHITECTURES)
    failures += finish(table, arguments.write, partial)
    for line in failures:
        print("WRONG", line)
    sys.exit(bool(failures))


def finish(table, write, partial=False, path=TABLE):
    """Merge what was compiled into the table, or tell where it differs from what is kept."""
    versions = {p: metadata.version(p) for p in PACKAGES}
    kept = json.loads(path.read_text()) if path.exists() else {"versions": versions}
    known = kept.get("kernels", {}) if kept["versions"] == versions else {}
    if write and partial and kept["versions"] != versions:
        return [f"not written: the table is from {kept['versions']}; write all of it anew"]
    if write:
        current = {label for label, *_ in programs()}
        known = {label: per for label, per in known.items() if label in current}
        for label, found in table.items():
            known[label] = {**known.get(label, {}), **found}
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(known.items())]
        text = f'{{"versions": {json.dumps(versions)}, "kernels": {{\n' + ",\n".join(lines)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n}}\n")
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
