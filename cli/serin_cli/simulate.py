"""`serin simulate`: what a resource would do with traffic that you describe, beside the rules of other tools."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError

from serin_cli.lint_command import Output, read_manifests
from serin_cli.simulate_page import render
from serin_cli.simulate_pool import play_all
from serin_cli.simulate_text import as_json, tell
from serin_core.api.durations import parse_duration
from serin_core.api.spec import SuggestionModelSpec
from serin_core.contract import names
from serin_core.contract.documents import one_line
from serin_core.gates import active_gates
from serin_core.rollout.canary_steps import effective_steps
from serin_simulation.rollout import Setting
from serin_simulation.scenarios import simulated
from serin_simulation.summary import Summary, summarize
from serin_simulation.traffic import Rates, Traffic

app = typer.Typer()
_RATE: Final = re.compile(r"^([0-9.]+(?:,[0-9.]+)*)/(s|m|h|d)$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_HOURS: Final = 24
_SHARES: Final = tuple(field.name for field in fields(Rates) if field.name != "own")
_WHAT: Final = (
    "Simulated is what decides: the operator's own decision, look by look. Pods confirm at once and never fail; "
    "requests come evenly, users are in the canary by their exact share, and a user is counted once a stage."
)
_OTHERS: Final = (
    "Flagger: one passed check a stage, rolled back at 5 failed ones in all (pkg/controller/scheduler.go at 15bd6ad). "
    "Argo Rollouts: 10 measurements a stage, rolled back at more than failureLimit failed ones (analysis/analysis.go "
    "at 9f8d111). Both look at the share of good requests since the last check, a check every analysis.interval."
)
NOTES: Final = (_WHAT, _OTHERS)


@app.command(name="simulate")
def simulate_command(  # noqa: PLR0913 - a description of traffic has many parts
    *,
    file: Annotated[str, typer.Option("-f", "--file", help="The manifest; - reads standard input.")],
    rate: Annotated[
        str, typer.Option(help="Requests: 20/s, 500/m, 1000/h, or 24 numbers by hour of the day: 5,2,...,9/s.")
    ] = "20/s",
    users: Annotated[int, typer.Option(min=1, help="How many different users make them.")] = 5000,
    agreement: Annotated[float, typer.Option(min=0, max=1, help="Share of comparisons that agree.")] = 0.85,
    availability: Annotated[float, typer.Option(min=0, max=1, help="Share of requests the run could answer.")] = 1.0,
    errors: Annotated[float, typer.Option(min=0, max=1, help="Share of attempts that fail.")] = 0.0,
    fast: Annotated[float, typer.Option(min=0, max=1, help="Share of attempts within 0.1 s.")] = 0.999,
    eligible: Annotated[float, typer.Option(min=0, max=1, help="Share of answers over their threshold.")] = 0.9,
    promised: Annotated[
        float | None, typer.Option(min=0, max=1, help="What the run's report promises of that; the same by default.")
    ] = None,
    accepted: Annotated[float, typer.Option(min=0, max=1, help="Share of eligible answers that are shown.")] = 1.0,
    feedback: Annotated[float, typer.Option(min=0, max=1, help="Share of answers somebody says something of.")] = 0.0,
    liked: Annotated[float, typer.Option(min=0, max=1, help="Share of that which accepts, in the canary.")] = 0.9,
    liked_control: Annotated[float, typer.Option(min=0, max=1, help="The same in the control group.")] = 0.9,
    own: Annotated[
        list[str] | None, typer.Option(help="An own gate's share of good: orders=0.995; as often as needed.")
    ] = None,
    visit: Annotated[int, typer.Option(min=1, help="Requests that a user makes in a row.")] = 1,
    correlation: Annotated[
        float, typer.Option(min=0, max=0.99, help="Between two outcomes of one user (ICC); 0: all users are alike.")
    ] = 0.0,
    classes: Annotated[int, typer.Option(min=1, help="Classes that perClass tells apart, equally frequent.")] = 10,
    harm_at: Annotated[str, typer.Option(help="When harm begins, from the first stage on: 6h.")] = "0s",
    harm: Annotated[
        list[str] | None, typer.Option(help="A share from then on: agreement=0.55; as often as needed.")
    ] = None,
    outage: Annotated[
        list[str] | None, typer.Option(help="When Prometheus is away, and for how long: 2h+30m; as often as needed.")
    ] = None,
    restarts: Annotated[float, typer.Option(min=0, help="Restarts of pods a day.")] = 0.0,
    begin: Annotated[str, typer.Option(help="Time of day at which the first stage begins: 9h.")] = "9h",
    every: Annotated[
        str | None, typer.Option(help="Look so often, instead of analysis.interval: quicker to simulate.")
    ] = None,
    rollouts: Annotated[int, typer.Option(min=1, help="How many.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 7,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="text or json.")] = Output.TEXT,
    page: Annotated[Path | None, typer.Option(help="Also write one HTML page, with the curves, there.")] = None,
) -> None:
    """Play rollouts of a SuggestionModel in virtual time: how long they take, how they end, beside others' rules."""
    name, spec = read_spec(file, every=every)
    shares = {
        "agreement": agreement,
        "availability": availability,
        "errors": errors,
        "fast": fast,
        "eligible": eligible,
        "accepted": accepted,
        "feedback": feedback,
        "liked": liked,
        "liked_control": liked_control,
    }
    rates = Rates(**shares, own=_own(spec, own or []))
    traffic = Traffic(
        per_second=_per_second(rate),
        users=users,
        requests_per_visit=visit,
        correlation=correlation,
        rates=rates,
        harmed=_harmed(rates, harm or []),
        harm_at=duration(harm_at, "--harm-at"),
        classes=classes,
        outages=tuple(map(_outage, outage or [])),
        restarts_per_day=restarts,
        processes=max(spec.server.replicas, 1),
        has_shared_store=spec.server.store.postgres is not None,
    )
    begins = duration(begin, "--begin")
    setting = Setting(spec, promised=eligible if promised is None else promised, begins=begins)
    mine, others = simulated(setting, traffic, seed=seed)
    plans = {"this resource": mine, **{str(plan.rule): plan for plan in others}}
    found = summarized(plans, rollouts=rollouts, jobs=jobs)
    asked = {"name": name, "rollouts": rollouts, "seed": seed, "rate": rate, "users": users, **shares, "own": own or []}
    asked |= {"promised": setting.promised, "visit": visit, "correlation": correlation}
    asked |= {"harm": harm or [], "harmAt": harm_at, "outage": outage or [], "restarts": restarts, "begin": begin}
    head = f"{name}: {rollouts:,} rollouts, {rate} of {users:,} users, agreement {100 * agreement:g} %, seed {seed}"
    if harm:
        head += f"; from {harm_at} on {', '.join(harm)}"
    present(found, asked=asked, title=f"Simulated rollouts of {name}", head=head, output=output, page=page)


def read_spec(file: str, *, every: str | None) -> tuple[str, SuggestionModelSpec]:
    """Answer the one SuggestionModel of a file; exit 2, with one line, where there is none that can be played."""
    found = [one for one in read_manifests(file) if isinstance(one, Mapping) and one.get("kind") == names.KIND]
    if len(found) != 1:
        refuse(f"{file}: it holds {len(found)} SuggestionModels, one is played at a time")
    try:
        spec = SuggestionModelSpec.model_validate(found[0].get("spec") or {})
    except ValidationError as error:
        refuse(f"{file}: spec.{one_line(error)}")
    if spec.suspend:
        refuse(f"{file}: spec.suspend is true: nothing would move")
    if every is not None:
        interval = duration(every, "--every")
        if interval < timedelta(seconds=1):
            refuse("--every: at least 1s")
        spec = spec.model_copy(update={"analysis": spec.analysis.model_copy(update={"interval": interval})})
    return str((found[0].get("metadata") or {}).get("name") or "it"), spec


def summarized(plans: Mapping[str, Any], *, rollouts: int, jobs: int | None) -> list[Summary]:
    """Play all plans and sum each up; exit 130 where a person stops it."""
    try:
        outcomes = play_all(dict(plans), rollouts=rollouts, jobs=jobs)
    except KeyboardInterrupt:
        typer.echo("serin: stopped", err=True)
        raise typer.Exit(130) from None
    return [summarize(rule, found) for rule, found in outcomes.items()]


def present(  # noqa: PLR0913 - one way out for two verbs
    found: Sequence[Summary],
    *,
    asked: Mapping[str, Any],
    title: str,
    head: str,
    output: Output,
    page: Path | None,
    notes: Sequence[str] = NOTES,
) -> None:
    """Print what was found, and write the page."""
    if page is not None:
        try:
            page.write_text(render(found, title=title, head=head, notes=notes), encoding="utf-8")
        except OSError as error:
            refuse(f"{page}: {error.strerror}")
    if output is Output.JSON:
        typer.echo(json.dumps(as_json(found, asked), indent=2))
    else:
        typer.echo(tell(found, head))


def refuse(message: str) -> NoReturn:
    """End with one line and exit status 2."""
    typer.echo(f"serin: {message}", err=True)
    raise typer.Exit(2)


def duration(text: str, option: str) -> timedelta:
    """Read a duration of an option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        refuse(f"{option}: {error}")


def _per_second(rate: str) -> tuple[float, ...]:
    found = _RATE.match(rate)
    try:
        numbers = [float(one) for one in found[1].split(",")] if found else []
    except ValueError:
        numbers = []
    if found is None or len(numbers) not in (1, _HOURS):
        refuse(f"--rate: {rate} is neither one rate, like 20/s, nor 24 of them, like 5,2,...,9/s")
    return tuple(number / _SECONDS[found[2]] for number in numbers)


def _share(text: str, option: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        refuse(f"{option}: {text} is not a name and a share, like agreement=0.55")
    return name, value


def _own(spec: SuggestionModelSpec, own: Sequence[str]) -> dict[str, float]:
    told = dict(_share(one, "--own") for one in own)
    wanted = {
        gate.name
        for percent in (0.0, *effective_steps(spec.canary))
        for gate in active_gates(spec, percent=percent)
        if gate.custom_key
    }
    if missing := sorted(wanted - set(told)):
        refuse(f"gate {missing[0]} is your own: say how good it is, --own {missing[0]}=0.99")
    if unknown := sorted(set(told) - wanted):
        refuse(f"--own: there is no own gate {unknown[0]}")
    return told


def _harmed(rates: Rates, harm: Sequence[str]) -> Rates | None:
    if not harm:
        return None
    changed: dict[str, Any] = {name: getattr(rates, name) for name in _SHARES}
    own = dict(rates.own)
    for name, value in (_share(one, "--harm") for one in harm):
        key = name.replace("-", "_")
        if key in changed:
            changed[key] = value
        elif name in own:
            own[name] = value
        else:
            refuse(f"--harm: there is no share {name}; known are {', '.join((*changed, *own))}")
    return Rates(**changed, own=own)


def _outage(text: str) -> tuple[timedelta, timedelta]:
    begins, _, lasts = text.partition("+")
    return duration(begins, "--outage"), duration(lasts, "--outage")
