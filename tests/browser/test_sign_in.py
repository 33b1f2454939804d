"""Signing in through OpenID Connect: a provider of our own in this process, a real browser."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlparse

import pytest

pytest.importorskip("authlib")

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(1200)]


class Provider:
    """An identity provider that signs in one person at once, with keys it publishes.

    Attributes:
        groups: What the identity token lists as the person's groups.
        signing: The key that tokens are signed with; another one than the published is a forgery.
    """

    def __init__(self) -> None:
        from joserfc.jwk import RSAKey

        self.published = RSAKey.generate_key(2048, {"kid": "k1"})
        self.signing, self.groups, self.nonce = self.published, ["quality-office"], None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path: str, asked: dict[str, str]) -> dict | str | None:
        """Return JSON, or where to send the browser, or None for what is not there."""
        if path == "/.well-known/openid-configuration":
            ends = {"authorization": "authorize", "token": "token"}
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                **{f"{name}_endpoint": f"{self.issuer}/{end}" for name, end in ends.items()},
            }
        if path == "/keys":
            return {"keys": [self.published.as_dict(private=False)]}
        if path == "/authorize":
            self.nonce = asked.get("nonce")
            back = urlencode({"code": "once", "state": asked["state"]})
            return f"{asked['redirect_uri']}?{back}"
        return None

    def token(self) -> dict[str, str]:
        """Return the signed identity of the person."""
        from joserfc import jwt

        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "auscult", "sub": "u1", "iat": now, "exp": now + 600}
        claims |= {"email": "r@hospital.example", "groups": self.groups, "nonce": self.nonce}
        header = {"alg": "RS256", "kid": "k1"}
        signed = jwt.encode(header, claims, self.signing)
        return {"access_token": "unused", "token_type": "Bearer", "id_token": signed}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            asked = urlparse(self.path)
            found = provider.get(asked.path, {k: v[0] for k, v in parse_qs(asked.query).items()})
            if isinstance(found, str):
                self.send_response(302)
                self.send_header("Location", found)
                self.end_headers()
            else:
                self._json(found)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._json(provider.token())

        def _json(self, found: dict | None) -> None:
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def _provider():
    held = Provider()
    thread = threading.Thread(target=held.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        held.server.shutdown()
        held.server.server_close()
        thread.join()


def _account(home, provider: Provider, port: int) -> None:
    (home / ".streamlit").mkdir(parents=True)
    (home / ".streamlit" / "secrets.toml").write_text(
        f"""[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "{"k" * 40}"
client_id = "auscult"
client_secret = "unused"
server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"
[auscult]
role_claim = "groups"
[auscult.roles]
clinician = ["radiology"]
reviewer = ["quality-office"]
""",
        encoding="utf-8",
    )


def test_a_sign_in_opens_what_the_groups_of_the_person_allow_and_a_forged_one_nothing(
    watch, serve, port, tmp_path
):
    from joserfc.jwk import RSAKey

    with _provider() as provider:
        _account(tmp_path / "home", provider, port)
        with serve(port=port, home=tmp_path / "home") as url:
            provider.signing = RSAKey.generate_key(2048, {"kid": "k1"})
            page = _to_sign_in(watch(url=url), url)
            with page.expect_response(re.compile("/oauth2callback")):
                page.get_by_role("button", name="Sign in").click()
            page.wait_for_load_state()
            page.get_by_role("button", name="Sign in").wait_for()  # sent back, still a stranger
            assert page.get_by_text("240 cases").count() == 0

            provider.signing = provider.published
            page = _to_sign_in(watch(url=url), url)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("heading", name="Overview", level=1).wait_for()
            page.get_by_text("240 cases").first.wait_for()
            page.get_by_role("link", name="Case review", exact=True).first.click()
            page.get_by_text("Denied").wait_for()
            assert page.get_by_text("c-000").count() == 0
            page.get_by_role("link", name="Bias audit", exact=True).first.click()
            page.get_by_text("Declared before any result").wait_for()


def _to_sign_in(watched, url: str):
    """Follow a deep link as a stranger: the sign-in, and nothing of any run."""
    page = watched.page
    page.goto(f"{url}/bias?run=run-a&section=verdicts")
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.get_by_text("Race").count() == 0
    assert page.get_by_text("Disparit").count() == 0
    return page
