"""The page on which a person decides about an order: HTML and CSS without any script, every text of others escaped."""

import base64
import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from orders.model import Order

MAX_COMMENT_CHARACTERS = 1000
CHOICES = {"confirm": "CONFIRMED", "cancel": "CANCELLED"}  # what the form sends, and what it decides

_STYLE = """
:root { color-scheme: light dark; --back: #eef1f5; --card: #fff; --text: #17202c; --soft: #556070; --line: #818b9a;
  --well: #f5f7fa; --accent: #1b4fc4; --on-accent: #fff; --good: #14653a; --bad: #a82117; --bad-well: #fdf0ee; }
@media (prefers-color-scheme: dark) { :root { --back: #10141a; --card: #1a2029; --text: #e8ecf2; --soft: #a7b1c0;
  --line: #717d8e; --well: #222a35; --accent: #8fb6ff; --on-accent: #0c1a36; --good: #7bdca6; --bad: #ffa89f;
  --bad-well: #3a1d1b; } }
* { box-sizing: border-box; }
body { margin: 0; padding: clamp(1rem, 5vw, 4rem) 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif; }
main { max-width: 36rem; margin: 0 auto; padding: clamp(1.25rem, 5vw, 2.25rem); background: var(--card);
  border-top: .3rem solid var(--mark, var(--accent)); border-radius: .75rem;
  box-shadow: 0 1px 2px #0002, 0 8px 24px #0001; overflow-wrap: anywhere; }
main.CONFIRMED { --mark: var(--good); }
main.CANCELLED, main.EXPIRED, main.FAILED, main.STOPPED { --mark: var(--bad); }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.25; color: var(--mark, var(--text)); }
p { margin: 0 0 1rem; }
dl { margin: 1.25rem 0 0; }
dt, .hint, .asks { color: var(--soft); font-size: .875rem; }
.asks { margin-bottom: .25rem; }
.hint { margin-top: .3rem; }
dd { margin: 0 0 .9rem; }
.said { margin-top: .2rem; padding: .7rem .9rem; background: var(--well); border-radius: .5rem; white-space: pre-wrap; }
.problem, .notice { margin-top: .75rem; padding: .7rem .9rem; border-left: .25rem solid; border-radius: .25rem;
  font-weight: 600; }
.problem { background: var(--bad-well); color: var(--bad); }
.notice { background: var(--well); }
fieldset { min-width: 0; margin: 1.5rem 0 1.25rem; padding: 0; border: 0; }
legend, .name { display: block; margin-bottom: .4rem; padding: 0; font-weight: 600; }
.choice { display: flex; gap: .75rem; align-items: center; margin-bottom: .6rem; padding: .8rem .9rem;
  border: 1px solid var(--line); border-radius: .5rem; cursor: pointer; }
.choice b, .choice .hint { display: block; }
.choice .hint { margin: 0; }
[aria-invalid] .choice, textarea[aria-invalid] { border-color: var(--bad); box-shadow: inset 0 0 0 1px var(--bad); }
.choice:has(:checked) { border-color: var(--accent); background: var(--well);
  box-shadow: inset 0 0 0 1px var(--accent); }
input { flex: none; width: 1.2rem; height: 1.2rem; margin: 0; accent-color: var(--accent); }
textarea { display: block; width: 100%; padding: .6rem .75rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; resize: vertical; }
button { width: 100%; margin-top: .25rem; padding: .85rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 0; border-radius: .5rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# What goes with every page. A form that is sent from it has `Origin: null`, because of no-referrer.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_OVER = "It does not go ahead, and nothing can be decided about it now. Please ask whoever sent you the link."
_WORDS = {
    "PROCESSING": (
        "Not ready yet",
        "This order is still being prepared. Nothing was decided: open the link again in a minute.",
    ),
    "WAITING": (
        "Confirm this order?",
        "Choose, then send. The first decision counts, and it cannot be changed.",
    ),
    "CONFIRMED": ("Order confirmed", "The order goes ahead. There is nothing left to do here."),
    "CANCELLED": ("Order cancelled", "The order does not go ahead. There is nothing left to do here."),
    "EXPIRED": ("Too late to decide", "The time to decide has run out, so this order does not go ahead."),
    "FAILED": ("This order failed", f"Something went wrong with this order. {_OVER}"),
    "STOPPED": ("This order was stopped", f"Somebody stopped this order. {_OVER}"),
}
_DONE = {"CONFIRMED": "confirmed", "CANCELLED": "cancelled"}


@dataclass(frozen=True)
class View:
    """What the page behind a link shows: an order, who asks about it, and what was posted, if anything was.

    `choice` and `comment` are as they were posted; both are empty while nothing was.
    """

    order: Order
    confirmation_id: str
    asked_by: str
    choice: str | None = None
    comment: str = ""

    @property
    def problem(self) -> str:
        """Why a post cannot decide; empty where it can, or nothing was posted."""
        if self.choice is not None and self.choice not in CHOICES:
            return "Nothing was sent. Please choose: confirm the order, or cancel it."
        if len(self.comment) > MAX_COMMENT_CHARACTERS:
            return f"Nothing was sent. Please shorten the comment to {MAX_COMMENT_CHARACTERS:,} characters."
        return ""

    @property
    def notice(self) -> str:
        """What became of a post that came too late; empty where it decided, or nothing was posted."""
        decided = CHOICES.get(self.choice or "")
        if not (decided and self.order.decision):
            return ""
        if decided != self.order.decision:
            done = _DONE[self.order.decision]
            return f"This order was {done} before you sent your decision, which therefore changed nothing."
        if self.comment and self.comment != self.order.comment:
            return "This order was decided before, in the same way. Your comment was not kept."
        return ""


def confirmation_page(view: View) -> str:
    """The page behind a confirmation link: the form while the order waits for a decision, or else how it stands."""
    order = view.order
    heading, text = _WORDS[order.state]
    waits, message = order.state == "WAITING", ""
    # The focus is on the message, so that it is what a screen reader reads and a keyboard goes on from
    if waits and view.problem:
        message = f'<p class="problem" id="problem" role="alert" tabindex="-1" autofocus>{_safe(view.problem)}</p>'
    elif view.notice:
        message = f'<p class="notice" role="status" tabindex="-1" autofocus>{_safe(view.notice)}</p>'
    return _page(
        f"Problem: {heading}" if waits and view.problem else heading,
        f'<p class="asks">{_safe(view.asked_by)} {"asks" if waits else "asked"} you</p><h1>{heading}</h1>'
        f"{message}<p>{text}</p>"
        f"<dl>{_facts(view)}</dl>{_form(view) if waits else ''}",
        order.state,
    )


def message_page(title: str, text: str) -> str:
    """A page without an order, such as for a link that leads nowhere."""
    return _page(title, f"<h1>{_safe(title)}</h1><p>{_safe(text)}</p>")


def _page(title: str, content: str, state: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{_safe(title)}</title><style>{_STYLE}</style></head>"
        f'<body><main class="{state}">{content}</main></body></html>'
    )


def _facts(view: View) -> str:
    order = view.order
    facts = [_fact("Order", _safe(order.order_id)), _said("Details", order.order_details)]
    if order.state in ("WAITING", "EXPIRED") and order.expires_at:
        facts.append(_fact("Decide by" if order.state == "WAITING" else "Expired", _time(order.expires_at)))
    if order.decision and order.decided_at:
        facts.append(_fact(f"{_DONE[order.decision].capitalize()} on", _time(order.decided_at)))
    if order.decision and order.comment:
        facts.append(_said("Comment", order.comment))
    if view.notice and view.comment and view.comment != order.comment:
        facts.append(_said("Your comment, which was not kept", view.comment))
    return "".join(facts)


def _fact(name: str, value: str) -> str:
    return f"<dt>{name}</dt><dd>{value}</dd>"


def _said(name: str, text: str) -> str:
    return f'<dt>{name}</dt><dd class="said" dir="auto">{_safe(text)}</dd>'


def _form(view: View) -> str:
    chosen, link = view.choice or "", quote(view.confirmation_id, safe="", errors="replace")
    wrong = ' aria-invalid="true" aria-describedby="problem"' if view.problem else ""
    at_choice, at_comment = ("", wrong) if chosen in CHOICES else (wrong, "")
    # Without autocomplete="off", a browser may bring back a choice of before
    return (
        f'<form method="post" action="{_safe(link)}" autocomplete="off">'
        f'<fieldset role="radiogroup" aria-required="true"{at_choice}><legend>Your decision</legend>'
        f"{_choice('confirm', chosen, 'Confirm the order', 'Keep it: it goes ahead.')}"
        f"{_choice('cancel', chosen, 'Cancel the order', 'Drop it: it does not go ahead.')}"
        '</fieldset><label class="name" for="comment">Comment (optional)</label>'
        f'<textarea id="comment" name="comment" rows="3" maxlength="{MAX_COMMENT_CHARACTERS}"'
        # The parser takes one newline after the tag for its own
        f"{at_comment or ' aria-describedby=hint'}>\n{_safe(view.comment)}</textarea>"
        f'<p class="hint" id="hint">Up to {MAX_COMMENT_CHARACTERS:,} characters, kept with the decision.</p>'
        '<button type="submit">Send the decision</button></form>'
    )


def _choice(value: str, chosen: str, name: str, meaning: str) -> str:
    checked = " checked" if value == chosen else ""
    return (
        f'<label class="choice"><input type="radio" name="decision" value="{value}" required{checked}>'
        f'<span><b>{name}</b> <span class="hint">{meaning}</span></span></label>'
    )


def _safe(text: str) -> str:
    """Text as HTML shows it, in an attribute too. Half a surrogate pair, which no response can carry, becomes `?`."""
    return escape(text.encode(errors="replace").decode())


def _time(seconds: int) -> str:
    """A time, as far away as it is for whoever reads: the page knows no time zone but UTC."""
    at = datetime.fromtimestamp(seconds, UTC)
    utc = f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at.day} {at:%B %Y, %H:%M} UTC</time>'
    away = int(seconds - time.time())
    return f"{utc} (in {_span(away)})" if away > 0 else f"{utc} ({_span(-away)} ago)"


def _span(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}s"
    minutes = seconds // 60
    return f"{minutes} minutes" if minutes > 1 else "a minute" if minutes else "less than a minute"
