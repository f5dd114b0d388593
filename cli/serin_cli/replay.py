"""`serin replay`: what a resource would have done with counts that were really made."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from serin_cli.lint_command import Output
from serin_cli.replay_file import read_record
from serin_cli.replay_prometheus import read_range
from serin_cli.simulate import present, read_spec, refuse, summarized
from serin_core.api.durations import format_duration
from serin_core.api.gates import GateName
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting import StageQuery, stale_after
from serin_core.gates import active_gates
from serin_core.rollout.canary_steps import effective_steps
from serin_simulation.replay import Record, RecordError
from serin_simulation.rollout import Setting, first_stage
from serin_simulation.scenarios import Replayed

app = typer.Typer()
_NOTE: Final = (
    "Replayed are recorded counts of everybody. What a stage counts on the canary alone is thinned to its share by "
    "chance, so rollouts of the same record differ; where the record ends, a rollout that has not ended is held."
)


@app.command(name="replay")
def replay_command(  # noqa: PLR0913 - two sources, each with its own description
    *,
    file: Annotated[str, typer.Option("-f", "--file", help="The manifest; - reads standard input.")],
    counts: Annotated[
        Path | None, typer.Option(help="Cumulative counts: JSON lines or CSV with time, gate, good, total.")
    ] = None,
    prometheus: Annotated[str | None, typer.Option(help="Or the address of a Prometheus that has them.")] = None,
    uid: Annotated[str, typer.Option(help="With --prometheus: the uid of the resource that made them.")] = "",
    run: Annotated[str, typer.Option(help="The run; spec.runID by default.")] = "",
    stage: Annotated[int, typer.Option(help="The stage: status.candidate.stage, or in its history.")] = 0,
    begin: Annotated[str, typer.Option("--from", help="From when on: 2026-01-05T09:00:00Z.")] = "",
    end: Annotated[str, typer.Option("--to", help="Until when.")] = "",
    promised: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share over their thresholds that the report promises; as recorded otherwise."),
    ] = None,
    every: Annotated[str | None, typer.Option(help="Look so often, instead of analysis.interval.")] = None,
    rollouts: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 7,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="text or json.")] = Output.TEXT,
    page: Annotated[Path | None, typer.Option(help="Also write one HTML page, with the curves, there.")] = None,
) -> None:
    """Play a SuggestionModel against recorded counts: what would it have done last week?"""
    name, spec = read_spec(file, every=every)
    try:
        if (counts is None) == (prometheus is None):
            refuse("give one of --counts and --prometheus")
        if counts is not None:
            record = _of_file(counts, spec)
        else:
            if own := [gate for gate, is_own in _names(spec).items() if is_own]:
                refuse(f"gate {own[0]} is your own: it is replayed from --counts only")
            started_at, until = _moment(begin, "--from"), _moment(end, "--to")
            asked = StageQuery(
                uid=uid,
                run_id=run or spec.run_id,
                stage=stage,
                percent=0,
                gates=tuple(GateName(gate) for gate in _names(spec) if gate in set(GateName)),
                started_at=started_at,
                checkpoint=None,
                interval=spec.analysis.interval,
                has_shared_store=spec.server.store.postgres is not None,
            )
            record = read_range(prometheus or "", asked, end=until)
    except RecordError as error:
        refuse(f"{counts or prometheus}: {error}" if counts else str(error))
    lasting = Setting(spec, promised=_promised(record) if promised is None else promised, longest=record.duration)
    plan = Replayed(lasting, record, seed, first_stage(lasting))
    head = f"{name}: {rollouts:,} rollouts on {format_duration(record.duration)} of recorded counts, seed {seed}"
    asked_for = {"name": name, "rollouts": rollouts, "seed": seed, "seconds": record.duration.total_seconds()}
    present(
        summarized({"this resource": plan}, rollouts=rollouts, jobs=jobs),
        asked=asked_for,
        title=f"Replayed rollouts of {name}",
        head=head,
        output=output,
        page=page,
        notes=(_NOTE,),
    )


def _of_file(counts: Path, spec: SuggestionModelSpec) -> Record:
    try:
        text = counts.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{counts}: {' '.join(str(error).split())}")
    own = [name for name, is_own in _names(spec).items() if is_own]
    return read_record(text, gap=stale_after(spec.analysis.interval), own=own)


def _names(spec: SuggestionModelSpec) -> Mapping[str, bool]:
    """Answer every gate that judges some stage, and whether it is the user's own."""
    stages = (0.0, *effective_steps(spec.canary))
    return {gate.name: bool(gate.custom_key) for percent in stages for gate in active_gates(spec, percent=percent)}


def _promised(record: Record) -> float:
    low, total = record.entries[-1].counts.get(GateName.LOW_CONFIDENCE.value, (0.0, 0.0))
    return round(1 - low / total, 6) if total else 1.0


def _moment(text: str, option: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        refuse(f"{option}: {text or 'nothing'} is no time, like 2026-01-05T09:00:00Z")
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
