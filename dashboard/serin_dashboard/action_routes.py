"""Routes of actions: a page that says what will happen, and the form that it sends."""

from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from serin_cli.action_plans import ActionRefusedError
from serin_cli.request_errors import AbsentError, ClusterError
from serin_dashboard.acting import Acting
from serin_dashboard.pages import Pages, problem_page

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_BYTES: Final = 20_000
"""Length of a form; its longest field is a reason."""
_LONGEST_REASON: Final = 300
"""Characters of a reason, as many as the operator keeps."""


class FormTokens(Protocol):
    """The token that every form sends."""

    @property
    def form_token(self) -> str:
        """The token."""

    def is_form_token(self, given: str) -> bool:
        """Return whether a form has sent the right token."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What actions need: who asks and sends, and how a form of these pages is known."""

    acting: Acting
    tokens: FormTokens


def routes(actions: Actions, pages: Pages) -> APIRouter:
    """Return the routes of actions."""
    router, acting, tokens = APIRouter(), actions.acting, actions.tokens

    @router.get("/models/{namespace}/{name}/actions/{action}", response_class=HTMLResponse)
    def question(namespace: str, name: str, action: str) -> Response:
        try:
            asked = acting.ask((namespace, name), action)
        except (ActionRefusedError, ClusterError) as error:
            return _refusal(error, f"/models/{namespace}/{name}")
        return pages.page(
            "action.html.j2",
            question=asked,
            namespace=namespace,
            name=name,
            longest=_LONGEST_REASON,
            form_token=tokens.form_token,
        )

    @router.post("/models/{namespace}/{name}/actions/{action}", response_class=HTMLResponse)
    async def send(namespace: str, name: str, action: str, request: Request) -> Response:
        form = await _form(request)
        if not tokens.is_form_token(form.get("form_token", "")):
            raise HTTPException(403, "The form was not sent by a page of this server. Open the page again.")
        page = f"/models/{namespace}/{name}"
        effect, reason = form.get("effect", ""), form.get("reason", "")[:_LONGEST_REASON]
        try:
            await run_in_threadpool(acting.send, (namespace, name), action, effect=effect, reason=reason)
        except (ActionRefusedError, ClusterError) as error:
            return _refusal(error, page)
        return RedirectResponse(f"{page}#requests", 303)

    return router


def _refusal(error: Exception, back: str) -> HTMLResponse:
    status = 404 if isinstance(error, AbsentError) else 409 if isinstance(error, ActionRefusedError) else 502
    return problem_page(status, "Not done", str(error), back=back)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises HTTPException for anything else."""
    if request.headers.get("content-type", "").partition(";")[0] != _FORM:
        raise HTTPException(415, "Actions are sent as a form.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "The form is too long.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    return {name: values[-1].replace("\r\n", "\n") for name, values in fields.items()}
