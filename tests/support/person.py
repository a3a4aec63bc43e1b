"""A person with a browser: signs in and agrees to whatever an authorization server asks for."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

STEPS = 20


async def sign_in(url: str, callback: str, *, person: str = "alice") -> dict[str, str]:
    """Follow an authorization request to its end: the parameters with which the client is called back."""
    async with httpx2.AsyncClient(trust_env=False) as browser:
        return (await walked(browser, url, callback, person))[0]


async def walked(browser: httpx2.AsyncClient, url: str, callback: str, person: str) -> tuple[dict[str, str], list[str]]:
    """The same in a browser that may be signed in already; and what the person was asked for on the way."""
    asked: list[str] = []
    answer = await browser.get(url)
    for _ in range(STEPS):
        if answer.is_redirect:
            url = urljoin(str(answer.url), answer.headers["location"])
            if url.startswith(callback):
                return dict(parse_qsl(urlsplit(url).query)), asked
            answer = await browser.get(url)
            continue
        action, prompt = _form(answer.text)
        asked.append(prompt)
        answer = await browser.post(action, data={"prompt": prompt, "login": person, "password": "any"})
    raise AssertionError(f"the authorization server does not come to an end: {answer.status_code} {answer.text[:500]}")


def _form(page: str) -> tuple[str, str]:
    """Where the page's form goes, and what it is for."""
    action = re.search(r'<form[^>]* action="([^"]+)"', page)
    prompt = re.search(r'name="prompt" value="(\w+)"', page)
    assert action is not None, page[:2000]
    assert prompt is not None, page[:2000]
    return html.unescape(action[1]), prompt[1]
