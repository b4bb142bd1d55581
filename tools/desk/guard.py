"""Who may use the desk: whoever was given its address, from this machine, and no other site's page."""

import hmac
import secrets

from flask import Flask, Response, abort, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from tools.desk.mask import mask_text

READS = ("GET", "HEAD")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Answers only requests to this port by its own names, from its own pages, with the secret.

    Without `may_change`, only what changes nothing is answered. It looks before anything is routed, so that a request
    for a WebSocket gets no further than any other.
    """

    def __init__(self, port: int, *, may_change: bool) -> None:
        self.may_change = may_change
        self._secret = secrets.token_urlsafe(32)
        suffix = "" if port == 80 else f":{port}"  # as browsers send it
        self._hosts = {f"127.0.0.1{suffix}", f"localhost{suffix}"}
        self._cookie = f"desk-{port}"
        self.address = f"http://127.0.0.1:{port}/?secret={self._secret}"

    def protect(self, app: Flask) -> None:
        app.before_request(self._check)
        app.after_request(self._seal)

    def _check(self) -> AnyResponse | None:
        """A link with the secret, which may stand anywhere, only sets the cookie."""
        if request.host in self._hosts and request.method == "GET" and self._knows(request.args.get("secret", "")):
            answer = make_response(redirect(request.path))
            answer.set_cookie(self._cookie, self._secret, httponly=True, samesite="Strict")
            return answer
        if reason := self._refusal():
            abort(403, reason)
        return None

    def _refusal(self) -> str | None:
        """Why a request is not answered."""
        origin = request.headers.get("Origin")
        if request.host not in self._hosts:
            return "The desk answers to its own address only."
        site = request.headers.get("Sec-Fetch-Site", "none")
        if origin not in (None, f"http://{request.host}") or site not in ("none", "same-origin"):
            return "Another site's page may not use the desk."
        if not self._knows(request.cookies.get(self._cookie, "")):
            return "Open the address that `make desk` printed: it holds the secret."
        if request.method in READS:
            return None
        if origin is None:
            return "Only the desk's own pages may change something."
        return None if self.may_change else "On AWS the desk only shows, unless it is started with --allow-answers."

    def _knows(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._secret.encode())

    def _seal(self, answer: Response) -> Response:
        answer.headers.update(HEADERS)
        if answer.mimetype == "text/html":
            # Names, errors and causes come from outside: whatever they hold, no page has a token or a card's number
            answer.set_data(mask_text(answer.get_data(as_text=True)))
        return answer
