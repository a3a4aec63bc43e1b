"""Asking the admin listener of a running bearerd."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final

from bearerd.cli.output import Failure, Unreachable
from bearerd.serve.folder import TOKEN, read_token
from bearerd.serve.patience import to_revoke

if TYPE_CHECKING:
    from bearerd.cli.place import Place

SECONDS: Final = 15.0  # more than bearerd lets its workers take
_MOST: Final = 16 * 1024 * 1024  # bytes of an answer


def admin(place: Place, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of one request with the admin token.  Raises Failure."""
    file = place.data_dir / TOKEN
    try:
        token = read_token(file)
    except FileNotFoundError:
        raise Unreachable(f"there is no {file}: has bearerd run with this configuration?") from None
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}: run this as the user that runs bearerd") from None
    except ValueError as error:
        raise Failure(f"{file} is not used: {error}") from None
    headers = {"Authorization": f"Bearer {token}"}
    status, answer = ask(place.admin, method, path, body, headers, seconds=SECONDS + to_revoke(place.enforce_timeout))
    if status == 401:
        raise Failure(f"bearerd at {place.admin} does not know the token of {file}: it has another data_dir")
    return status, answer


def ask(
    address: str,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    *,
    seconds: float,
) -> tuple[int, Any]:
    """Status and JSON of one request.  Raises Unreachable."""
    host, _, port = address.rpartition(":")
    fields = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=seconds)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), fields)
        response = connection.getresponse()
        return response.status, json.loads(response.read(_MOST))
    except ConnectionRefusedError:
        raise Unreachable(f"nobody listens on {address}: is bearerd running?") from None
    except TimeoutError:
        raise Unreachable(f"bearerd at {address} did not answer within {seconds:g} seconds") from None
    except OSError as error:
        raise Unreachable(f"{address}: {error.strerror or error}") from None
    except (http.client.HTTPException, ValueError):
        raise Unreachable(f"who listens on {address} does not answer as bearerd does") from None
    finally:
        connection.close()


def expect(status: int, answer: Any, *good: int) -> Any:
    """The answer, if its status is one of those expected.  Raises Failure with what it says."""
    if status in good:
        return answer
    problem = answer.get("error") if isinstance(answer, dict) else None
    raise Failure(str(problem or f"bearerd answered {status}"), 1 if status < 500 or status == 507 else 2)
