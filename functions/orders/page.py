"""The page on which a person decides about an order: HTML and CSS without any script, every text of others escaped."""

import base64
import hashlib
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from orders.model import Order

MAX_COMMENT_CHARACTERS = 1000

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
main.CANCELLED, main.EXPIRED, main.FAILED { --mark: var(--bad); }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.25; color: var(--mark, var(--text)); }
p { margin: 0 0 1rem; }
dl { margin: 1.25rem 0 0; }
dt, .hint { color: var(--soft); font-size: .875rem; }
.hint { margin-top: .3rem; }
dd { margin: 0 0 .9rem; }
.said { margin-top: .2rem; padding: .7rem .9rem; background: var(--well); border-radius: .5rem; white-space: pre-wrap; }
.problem { margin-top: .75rem; padding: .7rem .9rem; background: var(--bad-well); color: var(--bad);
  border-left: .25rem solid; border-radius: .25rem; font-weight: 600; }
fieldset { min-width: 0; margin: 1.5rem 0 1.25rem; padding: 0; border: 0; }
legend, .name { display: block; margin-bottom: .4rem; padding: 0; font-weight: 600; }
.choice { display: flex; gap: .75rem; align-items: center; margin-bottom: .6rem; padding: .8rem .9rem;
  border: 1px solid var(--line); border-radius: .5rem; cursor: pointer; }
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

_BY_DECISION = {"confirm": "CONFIRMED", "cancel": "CANCELLED"}
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
    "FAILED": ("This order failed", "Something went wrong with this order, and it does not go ahead."),
}


def confirmation_page(order: Order, confirmation_id: str, problem: str | None = None) -> str:
    """The page behind a confirmation link: the form while the order waits for a decision, or else how it stands.

    A `problem` is told first: why the post before did not decide. While nothing is decided, the order's comment is
    what was typed before, and the form brings it back.
    """
    # A decision counts before the workflow knows, but not when the workflow ended without it
    state = order.state
    if order.decision and state not in ("EXPIRED", "FAILED"):
        state = _BY_DECISION[order.decision]
    heading, text = _WORDS[state]
    alert = f'<p class="problem" id="problem" role="alert">{_safe(problem)}</p>' if problem else ""
    form = _form(order, confirmation_id, described=bool(problem)) if state == "WAITING" else ""
    return _page(
        f"Problem: {heading}" if problem else heading,
        f"<h1>{heading}</h1>{alert}<p>{text}</p><dl>{_facts(order, state)}</dl>{form}",
        state,
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


def _facts(order: Order, state: str) -> str:
    facts = [_fact("Order", _safe(order.order_id)), _said("Details", order.order_details)]
    if state in ("WAITING", "EXPIRED"):
        facts.append(_fact("Decide by" if state == "WAITING" else "Expired", _time(order.expires_at)))
    if order.decision:
        decided = {"confirm": "Confirm", "cancel": "Cancel"}[order.decision]
        facts.append(
            _fact("Decision", decided if order.decided_at is None else f"{decided}, {_time(order.decided_at)}")
        )
        if order.comment:
            facts.append(_said("Comment", order.comment))
    return "".join(facts)


def _fact(name: str, value: str) -> str:
    return f"<dt>{name}</dt><dd>{value}</dd>"


def _said(name: str, text: str) -> str:
    return f'<dt>{name}</dt><dd class="said" dir="auto">{_safe(text)}</dd>'


def _form(order: Order, confirmation_id: str, described: bool) -> str:
    describedby = ' aria-describedby="problem"' if described else ""
    # Without autocomplete="off", a browser may bring back a choice of before
    return (
        f'<form method="post" action="{_safe(quote(confirmation_id, safe="", errors="replace"))}" autocomplete="off">'
        f"<fieldset{describedby}><legend>Your decision</legend>"
        '<label class="choice"><input type="radio" name="decision" value="confirm" required>Confirm the order</label>'
        '<label class="choice"><input type="radio" name="decision" value="cancel" required>Cancel the order</label>'
        '</fieldset><label class="name" for="comment">Comment (optional)</label>'
        f'<textarea id="comment" name="comment" rows="3" maxlength="{MAX_COMMENT_CHARACTERS}" '
        # The parser takes one newline after the tag for its own
        f'aria-describedby="hint">\n{_safe(order.comment or "")}</textarea>'
        f'<p class="hint" id="hint">Up to {MAX_COMMENT_CHARACTERS:,} characters, kept with the decision.</p>'
        '<button type="submit">Send the decision</button></form>'
    )


def _safe(text: str) -> str:
    """Text as HTML shows it, in an attribute too. Half a surrogate pair, which no response can carry, becomes `?`."""
    return escape(text.encode(errors="replace").decode())


def _time(seconds: int) -> str:
    time = datetime.fromtimestamp(seconds, UTC)
    return f'<time datetime="{time:%Y-%m-%dT%H:%M:%SZ}">{time.day} {time:%B %Y, %H:%M} UTC</time>'
