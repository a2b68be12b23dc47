"""A panic at every place where a call looks whether to go on: InternalError, and the process lives.

    PYTHONPATH=tests python tests/faults/panics.py

Builds the core once more, with the cargo feature `faults`, into target/faults; needs cargo.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "target" / "faults"
PLACES = 24


def build():
    """Lay out a package with the panicking core, and give the folder to import it from."""
    command = ["cargo", "build", "--locked", "--lib", "--features", "python,faults", "--target-dir", BUILD]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return lay_out(BUILD, next((BUILD / "debug").glob("libpropensity.*o")))


def lay_out(folder, core):
    """Put a package with another core into a folder, and give the one to import it from."""
    package = folder / "package" / "propensity"
    shutil.copytree(
        ROOT / "python" / "propensity",
        package,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("core*.so", "__pycache__"),
    )
    shutil.copy(core, package / "core.abi3.so")
    return package.parent


def child(name):
    """Call twice in a process whose first call panics somewhere, and say how it went."""
    from core_calls import ALL_CALLS, arrays, numbers
    from propensity.errors import InternalError

    data = arrays(40_000, 4)
    try:
        numbers(name, ALL_CALLS[name](data, n_threads=2))
        word = "no panic"  # the call has fewer places than that
    except InternalError as error:
        word = f"InternalError: {error}"
    del os.environ["PROPENSITY_PANIC_AT"]
    numbers(name, ALL_CALLS[name](arrays(1_000), n_threads=2))
    sys.stdout.write(json.dumps(word))


def outcome(name, place, package):
    """Tell how the call went that panics at its `place`-th check."""
    environment = {
        **os.environ,
        "PROPENSITY_PANIC_AT": str(place),
        "PYTHONPATH": f"{package}{os.pathsep}{ROOT / 'tests'}",
    }
    done = subprocess.run(
        [sys.executable, __file__, name], env=environment, capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else f"died: {done.stderr[-300:]}"


def main():
    """Print the table."""
    from core_calls import ALL_CALLS

    package = build()
    sys.stdout.write("| call | panics injected | InternalError | anything else |\n|---|---|---|---|\n")
    for name in ALL_CALLS:
        found = [outcome(name, place, package) for place in range(1, PLACES + 1)]
        injected = [word for word in found if word != "no panic"]
        caught = [word for word in injected if word.startswith("InternalError")]
        sys.stdout.write(f"| {name} | {len(injected)} | {len(caught)} | {len(injected) - len(caught)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1])
    else:
        main()
