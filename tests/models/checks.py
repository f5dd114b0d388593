"""The endpoint of checks in the model, and invariant (h): no step begins without a Pass of the checks before it.

The receiver responds as `verdict` says. It remembers every Pass that it gave, for what it gave it.
"""

from dataclasses import dataclass, field

from models.parts import Broken, Operator

from serin_core.api.check_status import CheckVerdict
from serin_core.api.resource import Resource
from serin_core.api.status import Candidate
from serin_core.rollout.check_questions import CheckAnswer, declared
from serin_core.rollout.checks import CheckCall

ENDPOINT = "ci"


@dataclass
class Receiver:
    """An endpoint that responds to each request once, when the model lets it."""

    verdict: CheckVerdict | None = CheckVerdict.PASS
    is_silent: bool = False
    message: str = ""
    passes: set[tuple[object, ...]] = field(default_factory=set)
    requests: list[CheckCall] = field(default_factory=list)

    def answer(self, operator: Operator, now) -> None:
        """Respond to the oldest request of an operator, if there is one."""
        if self.is_silent or not operator.in_flight:
            return
        call = operator.in_flight.pop(0)
        self.requests.append(call)
        asked = call.document
        if self.verdict is CheckVerdict.PASS:
            run, step = asked["run"], asked["step"]
            about = run["name"], run["digest"], run["attempt"], step["stage"], step["percent"]
            self.passes.add((asked["resource"]["uid"], call.name, call.endpoint, *about))
        answer = CheckAnswer(call.id, call.name, call.number, self.verdict, self.message, now)
        operator.answers.append(answer)

    def check_step(self, resource: Resource, was: Candidate, to: float) -> None:
        """(h): every check that is declared before the step was passed for exactly this stage of this attempt."""
        for check in declared(resource.spec, percent=was.percent, to=to):
            about = was.run_id, was.digest, was.attempt, was.stage, to
            if (resource.uid, check.name, check.endpoint, *about) not in self.passes:
                raise Broken(f"(h) the step to {to:g} % began without a Pass of {check.name}")
