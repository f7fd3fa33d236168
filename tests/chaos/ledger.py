"""The ledger of a chaos run: what was requested, the outcomes, and violations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.audit import Audit

REPEATABLE_TASKS = {"slow_compute", "confirm_delete"}
"""The tools of the run's tasks that say of themselves that they only read: running twice does no harm."""


@dataclass
class Ledger:
    """Counts of one run. `lost`, `duplicated` and `misdelivered` must stay 0."""

    calls: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    duplicated: int = 0
    misdelivered: int = 0
    sessions: int = 0
    kills: int = 0
    cuts: int = 0
    stops: int = 0
    """How often a process stood still for longer than a lease."""
    fenced: int = 0
    """How often a process learned that another one had taken over its call."""
    changes: list[float] = field(default_factory=list)
    """The seconds that each subscription took, which all processes have to confirm."""
    crashes: int = 0
    """Lines in the logs of the servers that report a bug."""
    repeated: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """Progress that was not strictly rising, by (session, request): each must be of a call that ran again, or
    of a client that asked for it again."""
    asked_again: set[str] = field(default_factory=set)
    """The sessions of clients that asked for some events twice."""
    rerun: set[tuple[str, str]] = field(default_factory=set)
    tasks: int = 0
    task_ends: Counter[str] = field(default_factory=Counter)
    """How the tasks ended, each counted once: all that were made, or some were lost."""
    tasks_rerun: int = 0
    drafted: list[str] = field(default_factory=list)
    """The notes that tasks said they made."""
    notes: int = 0
    edits: int = 0
    """Edits of notes that were acknowledged: each must be heard of by who follows the note."""
    details: list[str] = field(default_factory=list)
    audit: Audit = field(default_factory=Audit)
    is_audited: bool = True
    """Whether all processes write an audit."""

    @property
    def is_clean(self) -> bool:
        """Whether there were no violations, and enough happened."""
        kept = self.lost == self.duplicated == self.misdelivered == 0
        # While processes stand still or start again, the balancer answers for them: 502.
        answered_mostly = self.answered > (2 if self.stops else 10) * sum(self.failed.values())
        audited = self.audit.is_clean or not self.is_audited
        return kept and answered_mostly and audited and self.crashes == 0 and self.kills + self.stops > 0

    def note(self, kind: str, detail: str) -> None:
        """Count a violation, with the details needed to investigate it."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.details.append(f"{kind}: {detail}")

    def settle(self, logs: Iterable[str]) -> None:
        """Read from the servers' logs which calls ran again; only those may have repeated themselves."""
        for line in logs:
            if "another process took over this call" in line:
                self.fenced += 1
            if 'crashed"' in line or line.startswith("Traceback"):
                self.crashes += 1
                self.details.append(line[:1000])
            if '"re-running a call whose process died"' in line:
                fields = json.loads(line)
                self.rerun.add((fields["session"], str(fields["call"])))
            elif '"re-running a task whose process died"' in line:
                fields = json.loads(line)
                self.tasks_rerun += 1
                if fields["tool"] not in REPEATABLE_TASKS:
                    self.note("duplicated", f"task {fields['task']} of {fields['tool']} ran again")
        for call, progress in self.repeated.items():
            if call not in self.rerun and call[0] not in self.asked_again:
                self.note("duplicated", f"progress {progress} of {call}")

    def check_audit(self, text: str) -> None:
        """Compare the audit with what the clients got."""
        self.audit.check(text)
        self.details += self.audit.details

    def count_notes(self, titles: Iterable[str]) -> None:
        """Compare the existing notes with what tasks reported: each created one, and none created two."""
        found = Counter(titles)
        for title in self.drafted:
            if title not in found:
                self.note("lost", f"the note {title} of a completed task")
        for title, copies in found.items():
            if copies > 1:
                self.note("duplicated", f"the note {title} was made {copies} times")
        self.notes = len(found)

    def report(self) -> dict[str, Any]:
        return {
            "sessions opened": self.sessions,
            "processes killed": self.kills,
            "Redis connections cut": self.cuts,
            "processes suspended": self.stops,
            "calls lost to another process": self.fenced,
            "subscriptions: 50 %, 99 %, max": " ".join(f"{ms:.0f} ms" for ms in self._quantiles()),
            "calls made": self.calls,
            "answered": self.answered,
            "run again after a loss": len(self.rerun),
            "tasks made": self.tasks,
            "tasks ended": dict(self.task_ends),
            "tasks run again after a loss": self.tasks_rerun,
            "notes that tasks made": self.notes,
            "edits of notes heard of": self.edits,
            "failed with a defined error": dict(self.failed),
            "lost": self.lost,
            "duplicated": self.duplicated,
            "delivered to the wrong session": self.misdelivered,
            "bugs in the logs": self.crashes,
            **(self.audit.report() if self.is_audited else {}),
        }

    def _quantiles(self) -> list[float]:
        """The median, the 99th percentile and the maximum of `changes`, in milliseconds."""
        times = sorted(self.changes) or [0.0]
        return [1000 * times[min(len(times) - 1, int(part * len(times)))] for part in (0.5, 0.99, 1.0)]
