"""The page docs/reliability.md, written from the figures of storms."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from faults.report import Summary, load, total

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"

_PROMISES = {
    "operator: KILL": "the next operator continues from status; no step early, no request twice",
    "operator: TERM": "another operator takes over at once",
    "operator: STOP": "a leader that was frozen past its Lease writes nothing that is out of date",
    "operator: all STOP": "after the supervision timeout, here 1m, the candidate serves nobody",
    "API server: 409": "read and decide again",
    "API server: 410": "list again, and miss nothing",
    "API server: 429": "wait as long as Retry-After asks for",
    "API server: 500": "back off, read and decide again",
    "API server: 503": "back off, read and decide again",
    "API server: reset": "back off, read and decide again",
    "API server: lost answer": "a write that was carried out, and whose answer was lost, is not made twice",
    "API server: slow": "nothing but delay",
    "API server: cut": "watches begin again where they ended",
    "API server: silent": "no decision is written on reads that are out of date",
    "API server: late": "no decision is written on reads that are out of date",
    "API server: doubled": "an event that comes twice does nothing the second time",
    "API server: lost": "a state that no event told of is read before anything is written",
    "API server: killed and restarted": "connect, list and decide again",
    "Prometheus: away": "the share is kept; no step, no rollback",
    "Prometheus: hangs": "the share is kept, and no other decision waits",
    "Prometheus: slow": "no other decision waits",
    "Prometheus: empty": "no data is no evidence",
    "Prometheus: old": "an earlier answer, as of a cache, is never counted twice or taken for new",
    "Prometheus: behind": "a replica that is 10 s behind lowers no count",
    "Prometheus: half": "counts of targets that are missing are kept",
    "Prometheus: NaN": "what is no count is refused",
    "Prometheus: HTML": "what is no result is refused; the share is kept",
    "Prometheus: truncated": "what is no result is refused; the share is kept",
    "Prometheus: warnings": "a partial result is refused",
    "Prometheus: 500": "the share is kept; no step, no rollback",
    "Prometheus: restarted": "counts go on",
    "Prometheus: restarted without its data": "what was read is kept; what was not, and is lost, is not made up",
    "Prometheus: misses scrapes": "counts are late, never wrong",
    "pods: KILL": "the restarted process goes back to no lower revision; its counts are added once",
    "pods: frozen": "no step without its confirmation; no rollback of a sound run",
    "pods: out of memory": "as KILL; too few to be the candidate's fault",
    "pods: evicted": "a replaced pod serves what was decided; the failed one is ignored",
    "nodes: lost and back": "no step without its pods, none of them is removed, and back they serve nothing withdrawn",
    "pods: deleted": "a replaced pod serves what was decided",
    "kubelet: mounts nothing": "pods get the routing from the operator itself",
    "registry: slow": "pods load it in the background, and serve what they have",
    "registry: away": "pods wait, and what serves goes on",
    "people: edit routing": "reverted with a higher revision and a new stage",
    "people: delete child": "restored",
    "people: edit deployment": "restored",
    "people: edit status": "decided by what the operator has packed, not by what is shown",
    "people: recreate": "a new object starts again; nothing of the former one acts on it",
    "people: edit spec ten times": "the last one holds; evidence is reset where counts change their meaning",
    "people: suspend": "no step while suspended",
    "people: touch": "an edit that means nothing changes nothing",
    "people: abort": "acts once, on its run",
    "people: promote": "acts once, on its run and stage",
    "people: promote wrong stage": "acts on its stage only",
    "people: pause and resume": "no step while paused",
    "people: pause for a while": "no step while paused",
    "people: retry": "acts once, on a run that was rolled back",
    "people: repeat": "an old request does nothing",
}
_CLOCKS = "a soak is at most a tenth shorter or longer; the next operator takes the time of the API server"
_HEAD = """\
# Reliability

What was done to Serin on purpose, what it promises then, and what was seen. `make faults` writes this page.

A storm runs a real control plane, a real Prometheus, operators as processes of their own, each behind a proxy that
breaks its requests, and server pods that are the server's own code with runs that stand in for trained ones. Rollouts
of sound and bad runs go on all the while. Everything that is decided, written, served, counted, requested and
notified is recorded outside Serin, and checked by a program that shares no code with it
([why](decisions/0182-a-checker-that-shares-no-code.md)): invariants (a) to (g), (i), (k) and (l) of
[contracts](contracts.md#invariants), no step early, skipped, held or unproven, no rollback false or lost, no answer
of a run that was not to answer that user, no request executed twice, every transition notified, and evidence equal to
what the servers' own logs add up to. When the faults are over, every rollout has to end as it would have without
them.
"""
_LIMITS = """\
## Not tried

Failures of images and volumes with a real kubelet (`make test-node` has some of them); a disk that is full; Postgres
(`tests/server/test_killed.py` and `tests/server/stores` have it without an operator); an etcd that is restored from a
backup (`tests/faults/test_restored_cluster.py` has it by itself); checks, windows and autoscalers during a storm; other
clocks than those of API server and operator. The server pods are parts of one process: a killed one ends between two
requests, never within one.

Where the clock of the API server is an hour off while an operator starts, and is put right afterwards, a stage holds
(ClockBehind, which the condition Ready names) until that time has passed; nothing is decided on wrong evidence. A
storm may be over before that, so storms do not do it any more.
"""
_AGAIN = """\
`make faults` runs storms for `MINUTES=110` from `SEED=1` on, keeps the figures of each in `.bench/faults/`, and
writes this page from all of them, so that it can be run in pieces. A storm with a violation keeps its history there,
and prints the command that repeats it. A seed fixes what is drawn, not how processes interleave: a rare violation may
need several runs. `python -m faults check FILE` checks a history again. `make test` runs a short storm, and plants
faults in a recorded history, each of which the checker has to find.
"""


def page(summaries: Sequence[Summary]) -> str:
    """Return the page as Markdown."""
    faults = total(one.faults for one in summaries)
    hits = total(one.hits for one in summaries)
    events = total(one.events for one in summaries)
    violations = total(one.violations for one in summaries)
    rollouts = sum(one.rollouts for one in summaries)
    minutes = sum(one.seconds for one in summaries) / 60
    faults_seen = f"{_number(sum(faults.values()), 'fault')} in {_number(len(summaries), 'storm')}"
    rollouts_seen, broken = _number(rollouts, "rollout"), _number(sum(violations.values()), "violation")
    lines = [
        _HEAD,
        "## Result",
        "",
        f"{faults_seen}, {minutes:.0f} minutes with faults, over {rollouts_seen}: **{broken}**.",
        "",
        "| checked | number |",
        "|---|---|",
        *(f"| {what} | {number:,} |" for what, number in _checked(summaries)),
        "",
        "Transitions: " + ", ".join(f"{number:,} {event}" for event, number in sorted(events.items())) + ".",
        "",
        "| fault | times | requests or events hit | promise | violations |",
        "|---|---|---|---|---|",
    ]
    seen = "none" if not violations else "see below"
    for name, number in sorted(faults.items()):
        hit = f"{hits[name]:,}" if name in hits else ""
        promise = _CLOCKS if name.startswith("clocks") else _PROMISES.get(name, "")
        lines.append(f"| {name} | {number:,} | {hit} | {promise} | {seen} |")
    lines += _by_stage(total(one.stages for one in summaries))
    if violations:
        lines += ["", "| broken promise | times |", "|---|---|"]
        lines += [f"| {promise} | {number:,} |" for promise, number in sorted(violations.items())]
    shapes = sorted({(one.replicas, one.models, one.pods, not one.elects) for one in summaries})
    shown = "; ".join(
        f"{replicas}{' without leader election' if all_act else ''}, {models} and {pods}"
        for replicas, models, pods, all_act in shapes
    )
    seeds = ", ".join(str(one.seed) for one in summaries)
    lines += [
        "",
        f"Seeds: {seeds}. Operators, SuggestionModels and pods of each: {shown}.",
        "",
        _LIMITS,
        "## Reproduce it",
        "",
        _AGAIN.rstrip(),
        "",
    ]
    return "\n".join(lines)


def _by_stage(found: Mapping[str, int]) -> list[str]:
    if not found:
        return []
    stages = sorted({name.partition(": ")[2] for name in found}, key=lambda one: (one == "bake", len(one), one))
    faults = sorted({name.partition(": ")[0] for name in found})
    return [
        "",
        "Faults of Prometheus, by the stages that rollouts were in when they began:",
        "",
        f"| fault | {' | '.join(stages)} |",
        f"|---|{'---|' * len(stages)}",
        *(
            f"| {fault} | " + " | ".join(f"{found.get(f'{fault}: {stage}', 0):,}" for stage in stages) + " |"
            for fault in faults
        ),
    ]


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _checked(summaries: Sequence[Summary]) -> list[tuple[str, int]]:
    return [
        ("answers to users", sum(one.answers for one in summaries)),
        ("states of SuggestionModels", sum(one.statuses for one in summaries)),
        ("routing documents", sum(one.documents for one in summaries)),
        ("scrapes of server processes", sum(one.scrapes for one in summaries)),
        ("manual requests", sum(one.requests for one in summaries)),
        ("notifications", sum(one.notifications for one in summaries)),
        ("of these repeated, with the same id", sum(one.repeated for one in summaries)),
    ]


def write_page(folder: Path) -> int:
    """Write docs/reliability.md from all figures in a folder; return the exit status."""
    summaries = load(folder)
    PAGE.write_text(page(summaries), encoding="utf-8")
    return int(any(one.violations for one in summaries))
