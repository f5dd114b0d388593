"""`serin replay`: the rollout of a SuggestionModel on recorded counts."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from serin_cli.options import Manifest, OutputOption, examples, file_errors, refuse
from serin_cli.replay_file import read_record
from serin_cli.replay_prometheus import read_range
from serin_cli.simulation_options import Every, Jobs, Page, Seed, gate_names, left_out_note, moment, read_spec
from serin_cli.simulation_result import play_and_summarize, present
from serin_core.api.durations import format_duration
from serin_core.api.gate_names import GateName
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting.stage_query import StageQuery, stale_after
from serin_simulation.replay import Record, RecordError
from serin_simulation.rollout import Setting
from serin_simulation.scenarios import replayed
from serin_simulation.scope import simulated_part

app = typer.Typer()
_NOTE: Final = (
    "Recorded counts of all users are replayed. What a stage counts in the canary only is a random sample of its "
    "share, so rollouts on the same record differ. A rollout that is still running where the record ends is held."
)


@app.command(
    name="replay",
    epilog=examples(
        "serin replay -f suggestionmodel.yaml --counts counts.csv",
        "serin replay -f suggestionmodel.yaml --prometheus http://prometheus:9090 --uid UID --stage 7 \\\n"
        "      --from 2026-01-05T09:00:00Z --to 2026-01-12T09:00:00Z",
    ),
)
def replay_command(  # noqa: PLR0913 - two sources, each with its own description
    *,
    file: Manifest,
    counts: Annotated[
        Path | None, typer.Option(help="Cumulative counts: JSON lines or CSV with time, gate, good, total.")
    ] = None,
    prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="Read the counts from this Prometheus instead.")
    ] = None,
    uid: Annotated[str, typer.Option(help="With --prometheus: metadata.uid of the resource of the counts.")] = "",
    run: Annotated[str, typer.Option(help="With --prometheus: the run; spec.runID by default.")] = "",
    stage: Annotated[int, typer.Option(help="With --prometheus: the stage, as in status.candidate.stage.")] = 0,
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="With --prometheus: start time, 2026-01-05T09:00:00Z.")
    ] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="With --prometheus: end time.")] = "",
    promised: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Share of answers above their threshold as the run's report states it; as recorded by default.",
        ),
    ] = None,
    every: Every = None,
    rollouts: Annotated[int, typer.Option(min=1, help="Number of rollouts.")] = 100,
    seed: Seed = 7,
    jobs: Jobs = None,
    output: OutputOption = "text",
    page: Page = None,
) -> None:
    """Run the rollout of a SuggestionModel on recorded counts.

    Shows how the rollout of this resource would have ended, for example with last week's traffic.
    """
    name, whole = read_spec(file, every=every)
    spec, left_out = simulated_part(whole)
    if (counts is None) == (prometheus is None):
        refuse("give one of --counts and --prometheus")
    try:
        if counts is not None:
            record = _of_file(counts, spec)
        else:
            period = (moment(begin, "--from"), moment(end, "--to"))
            query = _stage_query(spec, uid=uid, run=run, stage=stage, started_at=period[0])
            record = read_range(prometheus or "", query, end=period[1])
    except RecordError as error:
        refuse(f"{counts}: {error}" if counts else error)
    setting = Setting(spec, promised=_promised(record) if promised is None else promised, longest=record.duration)
    found = play_and_summarize(replayed(setting, record, seed=seed), rollouts=rollouts, jobs=jobs)
    present(
        found,
        parameters={"name": name, "rollouts": rollouts, "seed": seed, "seconds": record.duration.total_seconds()},
        title=f"Replayed rollouts of {name}",
        head=f"{name}: {rollouts:,} rollouts on {format_duration(record.duration)} of recorded counts, seed {seed}"
        + left_out_note(left_out),
        notes=(_NOTE,),
        output=output,
        page=page,
    )


def _of_file(counts: Path, spec: SuggestionModelSpec) -> Record:
    with file_errors(counts):
        text = counts.read_text(encoding="utf-8")
    custom = [name for name, is_custom in gate_names(spec).items() if is_custom]
    return read_record(text, gap=stale_after(spec.analysis.interval), own=custom)


def _stage_query(spec: SuggestionModelSpec, *, uid: str, run: str, stage: int, started_at: datetime) -> StageQuery:
    gates = gate_names(spec)
    if custom := [gate for gate, is_custom in gates.items() if is_custom]:
        refuse(f"{custom[0]} is a custom gate: it can be replayed from --counts only")
    return StageQuery(
        uid=uid,
        run_id=run or spec.run_id,
        stage=stage,
        percent=0,
        gates=tuple(GateName(gate) for gate in gates),
        started_at=started_at,
        checkpoint=None,
        interval=spec.analysis.interval,
        has_shared_store=spec.server.store.postgres is not None,
    )


def _promised(record: Record) -> float:
    low, total = record.entries[-1].counts.get(GateName.LOW_CONFIDENCE.value, (0.0, 0.0))
    return round(1 - low / total, 6) if total else 1.0
