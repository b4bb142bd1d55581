"""The page on which a person decides an order."""

from html import escape

from orders.model import Order

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def confirmation_page(order: Order, confirmation_id: str, problem: str | None = None) -> str:
    form = ""
    if order.state == "WAITING":
        form = (
            f'<form method="post" action="{escape(confirmation_id)}">'
            '<label><input type="radio" name="decision" value="confirm"> Confirm</label>'
            '<label><input type="radio" name="decision" value="cancel"> Cancel</label>'
            '<label>Comment <textarea name="comment"></textarea></label><button>Send</button></form>'
        )
    told = "".join(
        f"<p>{escape(text)}</p>" for text in (problem, order.state, order.order_details, order.comment) if text
    )
    return message_page(f"Order {order.order_id}", "").replace("<p></p>", told + form)


def message_page(title: str, text: str) -> str:
    shown = f"<h1>{escape(title)}</h1><p>{escape(text)}</p>"
    return f'<!doctype html><html lang="en"><title>{escape(title)}</title>{shown}</html>'
