"""House rules that a parser can hold: the way of imports, clean gradient rules, a light import."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tinygrad_astro"

# Each part may import those before it, and itself. "tinygrad_astro" is the package as a whole; what
# comes after it are applications, which `import tinygrad_astro` leaves alone.
ORDER = """
    _version files extras bounds modes shapes kernels arrays writes tape reverse pullback
    ops tensor autodiff testing random initializers activations schedules losses metrics
    optimizers layers
    checkpoints callbacks training models data mosaic explain photoz spectra morphology cuda
    tinygrad_astro segmentation sizes deblending commands cli
""".split()


def module_name(path):
    parts = ["tinygrad_astro", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(p): p for p in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def part_of(module):
    """Give the part of the package that a module belongs to: its second name."""
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def imported(module, tree):
    """List what a module imports, anywhere in it, by absolute name."""
    package = (
        module if SOURCES.get(module, Path()).name == "__init__.py" else module.rpartition(".")[0]
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")
            base = base[: len(base) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{start}.{alias.name}"
                yield inner if inner in SOURCES else start


def wrong_arrows(module, tree):
    """List the imports of ours that point up the order, or out of the kernels."""
    here = part_of(module)
    for name in imported(module, tree):
        there = part_of(name)
        if name.split(".")[0] != "tinygrad_astro" or there == here:
            continue
        if here == "kernels" or ORDER.index(there) > ORDER.index(here):
            yield f"{module} imports {name}"


def test_every_part_has_its_place():
    unknown = {part_of(m) for m in SOURCES} - set(ORDER)
    assert not unknown, f"give these a place in ORDER: {sorted(unknown)}"


def test_imports_run_one_way():
    wrong = [arrow for module, tree in TREES.items() for arrow in wrong_arrows(module, tree)]
    assert not wrong, wrong


@pytest.mark.parametrize(
    "module, text",
    [
        ("tinygrad_astro.ops.conv", "from tinygrad_astro.layers import Conv2D"),
        ("tinygrad_astro.tape", "def f():\n    import tinygrad_astro.models.unet"),
        ("tinygrad_astro.tape", "from tinygrad_astro import ops"),
        ("tinygrad_astro.layers.core", "import tinygrad_astro as ta"),
        ("tinygrad_astro.kernels.cpu.conv", "from tinygrad_astro.shapes import span"),
        ("tinygrad_astro.kernels.cpu.conv", "from ...tape import Tensor"),
        ("tinygrad_astro.data.fits", "from ..segmentation import run"),
    ],
)
def test_a_planted_wrong_arrow_is_found(module, text):
    assert list(wrong_arrows(module, ast.parse(text)))


@pytest.mark.parametrize(
    "module, text",
    [
        ("tinygrad_astro.layers.core", "from tinygrad_astro import ops"),
        ("tinygrad_astro.kernels.cpu.conv", "from .target import parallel\nimport numba"),
        ("tinygrad_astro.cli", "import tinygrad_astro as ta"),
    ],
)
def test_a_right_arrow_passes(module, text):
    assert not list(wrong_arrows(module, ast.parse(text)))


# ---- gradient rules ------------------------------------------------------------------------------

# The sums of batch norm's gradient travel on as raw numbers to a primitive whose own rule derives
# them anew from g and x, so nothing is lost to the tape.
RAW_BY_DESIGN = {("tinygrad_astro.ops.norm", "sums.data")}


def rules(tree):
    """List the gradient rules of a module: what `primitive` is called with."""
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "primitive":
            for given in [*node.args, *(k.value for k in node.keywords if k.arg == "joint")]:
                rule = functions.get(given.id) if isinstance(given, ast.Name) else given
                if isinstance(rule, (ast.Lambda, ast.FunctionDef)):
                    yield rule


def offences(tree):
    """List what a gradient rule must not do: leave the tape, or write into what it was given."""
    for rule in rules(tree):
        for node in ast.walk(rule):
            if isinstance(node, ast.Attribute) and node.attr in ("data", "numpy", "detach", "item"):
                yield ast.unparse(node)
            if isinstance(node, ast.AugAssign):
                yield ast.unparse(node)
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                yield ast.unparse(node)


def test_gradient_rules_never_reach_for_raw_arrays():
    found = {(module, text) for module, tree in TREES.items() for text in offences(tree)}
    assert found == RAW_BY_DESIGN


def test_most_modules_of_ops_have_rules_to_look_at():
    assert sum(len(list(rules(tree))) for name, tree in TREES.items() if ".ops" in name) > 50


@pytest.mark.parametrize(
    "text",
    [
        "@primitive(lambda g, out, x: g.data * 2)\ndef f(x): pass",
        "@primitive(None, lambda g, out, x, y: Tensor(x.numpy()))\ndef f(x, y): pass",
        "def rule(g, out, x, wanted):\n    g *= 2\n@primitive(joint=rule)\ndef f(x): pass",
        "def rule(g, out, x):\n    g[0] = 1\n    return g\n@primitive(rule)\ndef f(x): pass",
    ],
)
def test_a_planted_offence_is_found(text):
    assert list(offences(ast.parse(text)))


# ---- forbidden words -----------------------------------------------------------------------------


def test_no_star_imports_no_pickle_no_blanket_fastmath():
    wrong = []
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
                wrong.append(f"{module}: import *")
            if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
                if node.value.value is True and node.arg in ("fastmath", "allow_pickle"):
                    wrong.append(f"{module}: {node.arg}=True")
            if isinstance(node, ast.keyword) and node.arg == "fastmath":
                if isinstance(node.value, ast.Set):
                    flags = {ast.literal_eval(e) for e in node.value.elts}
                    if not flags <= {"contract", "reassoc", "nsz", "arcp"}:
                        wrong.append(f"{module}: fastmath={flags}")
        foreign = {name.split(".")[0] for name in imported(module, tree)}
        wrong += [
            f"{module}: {n}" for n in foreign & {"pickle", "dill", "joblib", "torch", "keras"}
        ]
    assert not wrong


def test_files_are_named_by_subject():
    kinds = {"utils", "util", "helpers", "helper", "misc", "common", "base"}
    assert not {name for name in SOURCES if name.rpartition(".")[2] in kinds}


def test_fastmath_keeps_nan_and_infinity():
    from tinygrad_astro.kernels.cpu.target import FASTMATH

    assert {"contract", "reassoc"} >= FASTMATH


# ---- devices mirror each other -------------------------------------------------------------------


def kernels_used():
    """List (family, function) for all kernels that the readable parts launch."""
    found = set()
    for module, tree in TREES.items():
        if part_of(module) == "kernels":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                family = node.value
                of = family.value
                if isinstance(of, ast.Call) and getattr(of.func, "id", "") == "of":
                    found.add((family.attr, node.attr))
    return found


def signatures(device, family):
    """Give the parameter names of each public function in a file of kernels."""
    tree = TREES[f"tinygrad_astro.kernels.{device}.{family}"]
    return {
        n.name: [a.arg for a in n.args.args]
        for n in tree.body
        if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")
    }


def test_every_kernel_that_is_launched_exists():
    used = kernels_used()
    assert len(used) >= 15
    missing = [(f, k) for f, k in used if k not in signatures("cpu", f)]
    assert not missing


@pytest.mark.skipif(
    "tinygrad_astro.kernels.cuda" not in SOURCES, reason="there are no CUDA kernels yet"
)
def test_cuda_mirrors_the_cpu_in_names_and_signatures():
    wrong = []
    for family, kernel in sorted(kernels_used()):
        ours = signatures("cpu", family)[kernel]
        if f"tinygrad_astro.kernels.cuda.{family}" not in SOURCES:
            wrong.append(f"kernels/cuda/{family}.py is missing")
        elif signatures("cuda", family).get(kernel) != ours:
            theirs = signatures("cuda", family).get(kernel)
            wrong.append(f"{family}.{kernel}: cpu has {ours}, cuda has {theirs}")
    assert not wrong, wrong


def importers(package):
    """List the modules of ours that import a package, or a part of it."""
    return {
        module
        for module, tree in TREES.items()
        if any(f"{name}.".startswith(f"{package}.") for name in imported(module, tree))
    }


def test_one_module_imports_numba_cuda_and_one_writes_instructions():
    """Another compiler for the card is a change of these two."""
    assert importers("numba.cuda") == {"tinygrad_astro.kernels.cuda.build"}
    folder = "tinygrad_astro.kernels.cuda."
    assert {m for m in importers("llvmlite") if m.startswith(folder)} == {folder + "intrinsics"}


def test_readable_kernels_are_short():
    """Functions that run on the card, but for the generated ones: at most 40 lines each."""
    long, seen = [], 0
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if module.startswith("tinygrad_astro.kernels.cuda.") and isinstance(
                node, ast.FunctionDef
            ):
                marks = [ast.unparse(d).partition("(")[0] for d in node.decorator_list]
                if {"kernel", "device"} & set(marks):
                    seen += 1
                    if node.end_lineno - node.lineno >= 40:
                        long.append(f"{module}.{node.name}")
    assert seen > 30 and not long, long


# ---- a light import ------------------------------------------------------------------------------

PROBE = """
import json, os, sys, threading
import numba
from numba.core import event
before = set(sys.modules)
threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else None
with event.install_recorder("numba:compile") as compiled:
    import tinygrad_astro
after = len(os.listdir("/proc/self/task")) if threads is not None else None
ops = tinygrad_astro.ops
print(json.dumps({
    "modules": sorted(set(sys.modules) - before),
    "compiled": len(compiled.buffer),
    "threads": [threads, after, threading.active_count()],
    "missing": [n for n in tinygrad_astro.__all__ if not hasattr(tinygrad_astro, n)],
    "undocumented": [n for n in ops.__all__ if not getattr(ops, n).__doc__],
}))
"""


@pytest.fixture(scope="module")
def fresh_import():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name",
    ["scipy", "matplotlib", "astropy", "h5py", "numba.cuda", "numba_cuda", "cuda", "pandas",
     "torch", "keras"],
)  # fmt: skip
def test_importing_brings_in_nothing_heavy(fresh_import, name):
    """Beyond what `import numba` brings, which looks for scipy itself."""
    heavy = [m for m in fresh_import["modules"] if m == name or m.startswith(name + ".")]
    assert not heavy


def test_importing_compiles_nothing_and_starts_no_thread(fresh_import):
    before, after, python_threads = fresh_import["threads"]
    assert fresh_import["compiled"] == 0
    assert before == after and python_threads == 1


def test_public_names_exist_and_are_documented(fresh_import):
    assert fresh_import["missing"] == [] and fresh_import["undocumented"] == []
