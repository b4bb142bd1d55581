"""The desk's pages. Each is made when it is asked for; a script of the page asks again every few seconds."""

import math
import re
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException

from tools import ToolError
from tools.answer import Answer, send
from tools.aws import Aws, reason
from tools.desk import data
from tools.desk.graph import draw
from tools.desk.guard import Guard
from tools.desk.mask import mask_text, masked
from tools.story import find_story, what_happened
from tools.waits.command import asked, heartbeats, span, state
from tools.waits.find import Finder, Wait, machines


def make_app(aws: Aws, guard: Guard) -> Flask:
    app = Flask(__name__)
    guard.protect(app)
    desk = Desk(aws, guard.may_change)
    app.jinja_env.filters |= {
        "masked": masked,
        "state": state,
        "asked": asked,
        "words": _words,
        "name": lambda arn: arn.rpartition(":")[2],
    }
    app.jinja_env.globals |= {
        "may_change": guard.may_change,
        "aws": aws,
        "span": span,
    }
    app.context_processor(lambda: {"now": aws.now()})
    for path, page in (
        ("/", desk.waiting),
        ("/executions", desk.executions),
        ("/execution", desk.execution),
        ("/queues", desk.queues),
        ("/answer", desk.answer),
    ):
        app.add_url_rule(path, page.__name__, page)
    for path, action in (
        ("/answer", desk.send),
        ("/start", desk.start),
        ("/stop", desk.stop),
        ("/redrive", desk.redrive),
        ("/move", desk.move),
    ):
        app.add_url_rule(path, action.__name__, action, methods=["POST"])
    app.register_error_handler(Exception, _explain)
    return app


def _words(name: str) -> Markup:
    """A name that a narrow cell breaks between its words: `Request` `Payment`."""
    return Markup("<span>{}</span>").format(Markup("<wbr>").join(map(escape, re.split(r"(?<=[a-z\d])(?=[A-Z])", name))))


def _explain(error: Exception) -> ResponseReturnValue:
    """A page for what went wrong; never the service's own words, nor a traceback, which may repeat what was sent."""
    if isinstance(error, HTTPException):
        return render_template("message.html", title=error.name, text=error.description), error.code or 500
    if isinstance(error, ToolError):
        return render_template("message.html", title="This cannot be done", text=str(error)), 400
    if isinstance(error, BotoCoreError | ClientError):
        return render_template("message.html", title="AWS does not answer", text=reason(error)), 502
    return render_template("message.html", title="The desk is at fault", text=type(error).__name__), 500


class Row(NamedTuple):
    """A wait as the page shows it: made here, for a thousand of them are made faster than by a template."""

    name: str
    execution: str
    execution_link: str
    answer_link: str
    state: str
    asked: str
    order: int
    since: str
    late: bool
    left_seconds: float
    left: str
    next_heartbeat: str
    last_heartbeat: str


def _row(wait: Wait, now: datetime) -> Row:
    left, late = wait.deadline - now if wait.deadline else None, wait.is_late(now)
    arn = quote(wait.execution, safe=":")
    return Row(
        wait.name,
        wait.execution.rpartition(":")[2],
        f"/execution?arn={arn}",
        f"/answer?execution={arn}&event={wait.event}",
        state(wait),
        asked(wait),
        int(wait.since.timestamp()),
        f"{wait.since:%m-%d %H:%M:%S}",
        late,
        left.total_seconds() if left else math.inf,
        f"{span(left)}{' late' if late else ''}" if left else "never",
        *heartbeats(wait, now),
    )


class Desk:
    def __init__(self, aws: Aws, may_change: bool) -> None:
        self._aws = aws
        self._may_change = may_change
        self._finder = Finder(aws)
        self._waiting = data.Waiting(aws, self._finder)

    # ------------------------------------------------------------------ pages

    def waiting(self) -> ResponseReturnValue:
        self._waiting.read()
        found, now = self._waiting.found, self._aws.now()
        waits = sorted(found.waits, key=lambda wait: data.urgency(wait, now)) if found else []
        rows = [_row(wait, now) for wait in waits]
        return render_template("waiting.html", found=found, rows=rows, waiting=self._waiting)

    def executions(self) -> ResponseReturnValue:
        known = self._finder.know(machines(self._aws))
        names = {arn: (each.name(arn) or arn).rpartition(":")[2] for arn, each in known.items()}
        machine = request.args.get("machine") or next(iter(names), "")
        status = request.args.get("status") or None
        listed = data.executions(self._aws, machine, status) if machine else []
        return render_template(
            "executions.html",
            machines=names,
            machine=machine,
            status=status,
            statuses=data.STATUSES,
            executions=listed,
            samples=data.samples(),
        )

    def execution(self) -> ResponseReturnValue:
        arn = request.args.get("arn", "")
        story = find_story(self._aws.client, arn)
        if story is None:
            raise ToolError("There is no such execution.")
        described = story.execution
        ended_as = described["status"] if described.get("stopDate") else None
        waits = [] if ended_as else self._finder.waits(described)[0]
        definition = data.definition(self._aws, described["executionArn"])
        return render_template(
            "execution.html",
            execution=described,
            machine=self._finder.machine(described["stateMachineArn"]),
            ended_as=ended_as,
            graph=draw(definition, data.statuses(story.steps, waits, ended_as)),
            steps=[(step, list(what_happened(step, story))) for step in story.steps],
            waits=waits,
            outcome=request.args.get("outcome"),
        )

    def queues(self) -> ResponseReturnValue:
        return render_template(
            "queues.html", queues=data.queues(self._aws, self._finder), moved=request.args.get("moved")
        )

    def answer(self) -> ResponseReturnValue:
        return render_template("answer.html", wait=self._wait(request.args), form={}, problem=None)

    # ------------------------------------------------------------------ what changes something

    def send(self) -> ResponseReturnValue:
        wait, form = self._wait(request.form), request.form
        kinds = {
            "output": Answer(output=form.get("output", "")),
            "error": Answer(error=form.get("error", ""), cause=form.get("cause") or None),
            "heartbeat": Answer(),
        }
        try:
            answer = kinds[form.get("kind", "")]
            answer.check()
        except (KeyError, ToolError) as problem:
            shown = render_template("answer.html", wait=wait, form=form, problem=mask_text(str(problem)))
            return shown, 422
        outcome = send(self._aws, wait, answer)
        return self._done(wait.execution, outcome=outcome)

    def start(self) -> ResponseReturnValue:
        return self._done(data.start(self._aws, request.form["machine"], request.form["sample"]))

    def stop(self) -> ResponseReturnValue:
        self._aws.client("stepfunctions").stop_execution(executionArn=request.form["arn"])
        return self._done(request.form["arn"])

    def redrive(self) -> ResponseReturnValue:
        self._aws.client("stepfunctions").redrive_execution(executionArn=request.form["arn"])
        return self._done(request.form["arn"])

    def move(self) -> ResponseReturnValue:
        found = [queue for queue in data.queues(self._aws, self._finder) if queue.url == request.form["queue"]]
        moved = sum(data.move_back(self._aws, queue) for queue in found)
        return redirect(url_for("queues", moved=moved))

    def _done(self, arn: str, **said: Any) -> ResponseReturnValue:  # noqa: ANN401
        self._waiting.forget()
        return redirect(url_for("execution", arn=arn, **said), 303)

    def _wait(self, values: Any) -> Wait:  # noqa: ANN401 - of the address, or of a form
        """The wait that a page names; read anew, for it may be over."""
        described = self._aws.client("stepfunctions").describe_execution(executionArn=values.get("execution", ""))
        waits, _ = self._finder.waits(described)
        found = next((wait for wait in waits if str(wait.event) == values.get("event")), None)
        if found is None:
            raise ToolError("This task waits no longer: it was answered, timed out, or its execution has ended.")
        return found
