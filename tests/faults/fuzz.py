"""Junk calls: every public function, both doors, with random types, shapes, layouts, values and arguments.

    python tests/faults/fuzz.py 1000000        # calls in all; a seed may follow
    python tests/faults/fuzz.py --one 7 1234   # call 1234 of seed 7 again, here, with its traceback

Calls are made in child processes, each a batch. A child that dies, or stays in one call for half a minute, is
a finding; so is an exception that no docstring promises, a panic, an `InternalError`, and an estimate that is
not a finite number. Call i of seed s is always the same call. What is printed is a table for
docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

BATCH = 50_000  # a child takes as long to start as for some 2,000 calls
COUNTED = 500  # calls after which a child says what it has counted, so that as few are lost with it
STUCK = 30.0  # seconds in one call: a thousand times what the slowest ought to take
MEMORY = 6 << 30  # bytes of address space: threads' stacks and NumPy's own take some of it


NEVER = ("another error", "wrong answer", "panicked", "crashed", "did not end")


@dataclass
class Tally:
    """What came of so many calls, and each kind of finding with a seed and a number to see it again."""

    calls: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, dict[str, object]] = field(default_factory=dict)

    def add(self, report: dict[str, object]) -> None:
        """Add what a child reports."""
        self.calls += report["calls"]
        self.outcomes.update(report["outcomes"])
        for finding in report["findings"]:
            self.findings.setdefault(finding["what"], finding)

    def table(self) -> str:
        """How many calls ended how; what must not happen is there, happen or not."""
        rows = {**dict.fromkeys(NEVER, 0), **self.outcomes}
        order = sorted(rows, key=lambda outcome: (outcome in NEVER, -rows[outcome]))
        lines = [f"| {outcome} | {rows[outcome]:,} |" for outcome in order]
        last = f"| all, in {self.seconds / 60:,.0f} minutes | {self.calls:,} |"
        return "\n".join(["| outcome | calls |", "|---|---|", *lines, last])


def run(n_calls: int, seed: int = 0, *, processes: int = 1, watch: bool = False) -> Tally:
    """Make `n_calls` junk calls, a batch a child, so many children at a time."""
    tally, start = Tally(), time.monotonic()
    size = min(BATCH, -(-n_calls // processes))
    todo = [(seed + k, min(size, n_calls - k * size)) for k in range(-(-n_calls // size))]
    children: list[Child] = []
    while todo or children:
        while todo and len(children) < processes:
            children.append(Child(*todo.pop(0)))
        time.sleep(0.02)
        for child in list(children):
            report = child.report()
            if report is None:
                continue
            children.remove(child)
            child.close()
            known = set(tally.findings)
            tally.add(report)
            if report["next"] is not None:
                todo.insert(0, report["next"])
            if watch:
                print(f"{tally.calls:,} calls, {len(tally.findings)} findings", file=sys.stderr)
                for what in set(tally.findings) - known:
                    print(f"FINDING {tally.findings[what]}", file=sys.stderr)
    tally.seconds = time.monotonic() - start
    return tally


class Child:
    """A process that makes a batch of calls, and notes in a file which one it is in."""

    def __init__(self, seed: int, n_calls: int, start: int = 0) -> None:
        self.seed, self.n_calls, self.start = seed, n_calls, start
        self.note, self.out, self.err = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115
        words = [sys.executable, __file__, "--batch", *map(str, (seed, start, n_calls, self.note.fileno()))]
        self.process = subprocess.Popen(
            words, stdout=self.out, stderr=self.err, pass_fds=[self.note.fileno()]
        )
        self.seen, self.since = -1, time.monotonic()

    def report(self) -> dict[str, object] | None:
        """What the batch came to, or None while it runs."""
        code, here = self.process.poll(), self._here()
        if here != self.seen:
            self.seen, self.since = here, time.monotonic()
        if code is None and time.monotonic() - self.since < STUCK:
            return None
        if code is None:
            self.process.kill()
        self.process.wait()
        self.err.seek(0)
        complaint = self.err.read().decode(errors="replace").strip()
        self.out.seek(0)
        lines = self.out.read().splitlines()
        told = [json.loads(line) for line in lines if line.startswith(b'{"calls"')]
        report = told[-1] if told else {"calls": 0, "outcomes": {}, "findings": []}
        if len(told) < len(lines):  # nothing is printed by the library
            printed = next(line for line in lines if not line.startswith(b'{"calls"'))
            what = f"something printed: {printed.decode(errors='replace')}"
            report["findings"].append({"what": what, "seed": self.seed, "call": here})
        if code == 0:
            return {**report, "next": None}
        what = "a call that does not end" if code is None else f"a child that ended with {code}"
        fate = "did not end" if code is None else "crashed"
        last = complaint.splitlines()[-1] if complaint else ""
        finding = {"what": f"{what}: {last}", "seed": self.seed, "call": here}
        # What the child had not told yet is lost with it; the rest of its batch is for another.
        made = here + 1 - self.start
        lost = made - 1 - report["calls"]
        outcomes = Counter(report["outcomes"]) + Counter({fate: 1, "not known, lost in a crash": lost})
        following = (self.seed, self.n_calls, here + 1) if here + 1 < self.n_calls else None
        findings = [*report["findings"], finding]
        return {"calls": made, "outcomes": outcomes, "findings": findings, "next": following}

    def close(self) -> None:
        """Let go of its files, once it has ended and its report is read."""
        for file in (self.note, self.out, self.err):
            file.close()

    def _here(self) -> int:
        written = os.pread(self.note.fileno(), 8, 0)
        return int.from_bytes(written, "little") if written else self.start


def batch(seed: int, start: int, n_calls: int, note: int) -> None:
    """Make calls `start` to `n_calls` of a seed, and report in a line of JSON."""
    import fuzz_calls

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    outcomes: Counter[str] = Counter()
    findings: list[dict[str, object]] = []

    def tell(calls: int) -> None:
        print(json.dumps({"calls": calls, "outcomes": outcomes, "findings": findings}), flush=True)

    for call in range(start, n_calls):
        os.pwrite(note, call.to_bytes(8, "little"), 0)
        found = fuzz_calls.make(seed, call)
        outcomes[found.outcome] += 1
        if found.wrong:
            findings.append({"what": found.wrong, "seed": seed, "call": call})
        if found.wrong or (call + 1 - start) % COUNTED == 0:
            tell(call + 1 - start)
    tell(n_calls - start)


def main() -> int:
    """What the command line asks for; 1 where there is a finding."""
    if sys.argv[1] == "--batch":
        batch(*map(int, sys.argv[2:6]))
        return 0
    if sys.argv[1] == "--one":
        import fuzz_calls

        print(fuzz_calls.make(int(sys.argv[2]), int(sys.argv[3]), loud=True))
        return 0
    n_calls, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    tally = run(n_calls, seed, processes=os.cpu_count() or 1, watch=True)
    print(tally.table())
    for finding in tally.findings.values():
        print(f"FINDING {finding['what']}  (--one {finding['seed']} {finding['call']})", file=sys.stderr)
    return int(bool(tally.findings))


if __name__ == "__main__":
    sys.exit(main())
