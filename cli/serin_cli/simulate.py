"""`serin simulate`: simulated rollouts of a SuggestionModel on described traffic, compared with other tools."""

from typing import Annotated, Final

import typer

from serin_cli.options import Manifest, OutputOption, examples
from serin_cli.simulation_options import (
    SHARES,
    Every,
    Jobs,
    Page,
    Seed,
    custom_shares,
    duration,
    harmed_rates,
    left_out_note,
    parse_outage,
    read_spec,
    requests_per_second,
)
from serin_cli.simulation_result import play_and_summarize, present
from serin_simulation.rollout import Setting
from serin_simulation.scenarios import simulated
from serin_simulation.scope import simulated_part
from serin_simulation.traffic import Rates, Traffic

app = typer.Typer()
_OTHERS: Final = (
    "Flagger: one passed check per stage, rolled back at 5 failed checks in total (pkg/controller/scheduler.go at "
    "15bd6ad). Argo Rollouts: 10 measurements per stage, rolled back at more than failureLimit failed ones "
    "(analysis/analysis.go at 9f8d111). Both compare the share of good requests since the last check with the bound, "
    "once per analysis.interval."
)


def _share(help_: str) -> object:
    return typer.Option(min=0, max=1, metavar="SHARE", help=help_)


@app.command(
    name="simulate",
    epilog=examples(
        "serin simulate -f suggestionmodel.yaml --rate 20/s --users 5000 --agreement 0.75",
        "serin simulate -f suggestionmodel.yaml --harm-at 30h --harm errors=0.03 --outage 26h+40m",
        "serin simulate -f suggestionmodel.yaml --every 10m --page simulation.html",
    ),
)
def simulate_command(  # noqa: PLR0913 - a description of traffic has many parts
    *,
    file: Manifest,
    rate: Annotated[
        str, typer.Option(help="Request rate: 20/s, 500/m, 1000/h, or 24 rates by hour of the day: 5,2,...,9/s.")
    ] = "20/s",
    users: Annotated[int, typer.Option(min=1, help="Number of different users.")] = 5000,
    agreement: Annotated[float, _share("Share of comparisons that agree with the control answer.")] = 0.85,
    availability: Annotated[float, _share("Share of requests for which the run is available.")] = 1.0,
    errors: Annotated[float, _share("Share of predictions that fail.")] = 0.0,
    fast: Annotated[float, _share("Share of predictions that take at most 0.1 s.")] = 0.999,
    eligible: Annotated[float, _share("Share of answers above their confidence threshold.")] = 0.9,
    promised: Annotated[
        float | None, _share("Share above their threshold as the run's report states it; --eligible by default.")
    ] = None,
    accepted: Annotated[float, _share("Share of eligible answers that are shown.")] = 1.0,
    feedback: Annotated[float, _share("Share of answers that get feedback.")] = 0.0,
    liked: Annotated[float, _share("Share of the feedback that is positive, in the canary.")] = 0.9,
    liked_control: Annotated[float, _share("Share of the feedback that is positive, in the control group.")] = 0.9,
    own: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SHARE", help="Share of good of a custom gate: orders=0.995. Repeatable."),
    ] = None,
    visit: Annotated[int, typer.Option(min=1, help="Consecutive requests of a user.")] = 1,
    correlation: Annotated[
        float, typer.Option(min=0, max=0.99, help="Correlation between two outcomes of the same user (ICC).")
    ] = 0.0,
    classes: Annotated[int, typer.Option(min=1, help="Number of equally frequent classes, for perClass.")] = 10,
    harm_at: Annotated[
        str, typer.Option(metavar="DURATION", help="When harm begins, counted from the first stage: 6h.")
    ] = "0s",
    harm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SHARE", help="Share after the harm has begun: agreement=0.55. Repeatable."),
    ] = None,
    outage: Annotated[
        list[str] | None,
        typer.Option(metavar="START+LENGTH", help="Outage of Prometheus: 2h+30m. Repeatable."),
    ] = None,
    restarts: Annotated[float, typer.Option(min=0, help="Pod restarts per day.")] = 0.0,
    begin: Annotated[str, typer.Option(metavar="DURATION", help="Time of day at which the first stage begins.")] = "9h",
    every: Every = None,
    rollouts: Annotated[int, typer.Option(min=1, help="Number of rollouts.")] = 1000,
    seed: Seed = 7,
    jobs: Jobs = None,
    output: OutputOption = "text",
    page: Page = None,
) -> None:
    """Simulate rollouts of a SuggestionModel; compare with Flagger and Argo Rollouts.

    Prints how often a run is promoted, rolled back or held, and how long each stage takes.
    """
    given = locals()
    name, whole = read_spec(file, every=every)
    spec, left_out = simulated_part(whole)
    shares = {share: given[share] for share in SHARES}
    rates = Rates(**shares, own=custom_shares(spec, own or []))
    traffic = Traffic(
        per_second=requests_per_second(rate),
        users=users,
        requests_per_visit=visit,
        correlation=correlation,
        rates=rates,
        harmed=harmed_rates(rates, harm or []),
        harm_at=duration(harm_at, "--harm-at"),
        classes=classes,
        outages=tuple(map(parse_outage, outage or [])),
        restarts_per_day=restarts,
        processes=max(spec.server.initial_replicas, 1),
        has_shared_store=spec.server.store.postgres is not None,
    )
    promised = eligible if promised is None else promised
    setting = Setting(spec, promised=promised, begins=duration(begin, "--begin"))
    found = play_and_summarize(simulated(setting, traffic, seed=seed), rollouts=rollouts, jobs=jobs)
    parameters = {"name": name, "rollouts": rollouts, "seed": seed, "rate": rate, "users": users, **shares} | {
        "own": own or [],
        "promised": promised,
        "visit": visit,
        "correlation": correlation,
        "harm": harm or [],
        "harmAt": harm_at,
        "outage": outage or [],
        "restarts": restarts,
        "begin": begin,
    }
    head = f"{name}: {rollouts:,} rollouts, {rate} of {users:,} users, agreement {100 * agreement:g} %, seed {seed}"
    if harm:
        head += f"; from {harm_at} on {', '.join(harm)}"
    head += left_out_note(left_out)
    notes = (_assumptions(setting), _OTHERS)
    title = f"Simulated rollouts of {name}"
    present(found, parameters=parameters, title=title, head=head, notes=notes, output=output, page=page)


def _assumptions(setting: Setting) -> str:
    return (
        "Only the decision logic is simulated: the operator's own, at every check. Pods confirm after "
        f"{setting.confirms_after.total_seconds():g} s and never fail; requests arrive evenly, users are in the canary "
        "by their exact share, and a user is counted once per stage. Steps are "
        "approved at once. Held: no decision within analysis.maxDuration."
    )
