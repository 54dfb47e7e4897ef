"""An HTTP endpoint becomes the classifier under audit: asked in batches, patiently, never cached.

The protocol is that of TensorFlow Serving, which KServe calls V1: POST {"instances": [...]}, one
instance per input, is answered by {"predictions": [...]}, one row of scores per instance.
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final
from urllib.parse import urljoin, urlsplit

import numpy as np
import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from auditkit.errors import ConfigError, ModelError
from auditkit.models.asked import Asked, Questions, classifier_around
from auditkit.models.classifier import Classifier, Identity

if TYPE_CHECKING:
    from auditkit.models.load import ModelSpec

TOKEN = "AUDIT_ENDPOINT_TOKEN"  # noqa: S105 - the name of an environment variable
TIMEOUT = 30.0  # seconds
TRIES = 5  # of one request
MOST_INPUTS = 32  # of one request
MOST_NUMBERS = 200_000  # of one request; about 4 MB as JSON
MOST_BYTES = 16 * 2**20  # of one answer
LONGEST_WAIT = 60  # seconds between two tries, whatever the server asks for
_PATIENCE = 0.5  # seconds before the second try; they double with every further one
_QUOTED = 160  # characters of an answer
_AGAIN = frozenset({429, *range(500, 600)})  # statuses that may be another one next time


@final
@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where scores are asked for, and how.

    Parameters
    ----------
    url : str
        Full address that takes the POST, of http or https.
    rate_limit : float, optional
        Requests per second, repeated ones included.
    timeout : float
        Seconds to wait for a connection, and then for each part of an answer.
    patience : float
        Seconds before the second try of a request; they double with every further one, and are
        shortened at random by up to a half.

    Raises
    ------
    ConfigError
        If the address is none, or holds a password.
    """

    url: str
    rate_limit: float | None = None
    timeout: float = TIMEOUT
    patience: float = _PATIENCE

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        else:
            host = host if parts.scheme in ("http", "https") else None
        if host is None:
            raise ConfigError(
                f"--endpoint is {shown(self.url)!r}, expected an address of http or https.",
                hint="Write it like https://host/v1/models/NAME:predict",
            )
        if urlsplit(self.url).username is not None:
            raise ConfigError(
                "The address of the endpoint holds a user name or password, which would end up in"
                " the report.",
                hint=f"Put a bearer token into the environment variable {TOKEN} instead.",
            )

    @property
    def host(self) -> str:
        """The host, with the port where one is given: "localhost-8501"."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}-{parts.port}" if parts.port else str(parts.hostname)

    @property
    def is_local(self) -> bool:
        """Whether requests stay on this machine."""
        host = str(urlsplit(self.url).hostname)
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def is_encrypted(self) -> bool:
        """Whether others on the way cannot read along."""
        return urlsplit(self.url).scheme == "https"


def shown(url: str) -> str:
    """Return an address without what may be secret: user, password, query and fragment.

    Examples
    --------
    >>> shown("https://me:pass@host/v1?key=secret")
    'https://host/v1?...'
    """
    start, query, _ = url.partition("?")
    scheme, slashes, rest = start.partition("#")[0].rpartition("//")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}{'?...' if query else ''}"


def load_endpoint(spec: ModelSpec) -> Classifier:
    """Return a classifier that asks an endpoint.

    A bearer token is taken from the environment variable AUDIT_ENDPOINT_TOKEN, where it is set.

    Parameters
    ----------
    spec : ModelSpec
        With its endpoint.

    Raises
    ------
    ModelError
        If nothing says what it reads, or it does not answer as expected.
    """
    endpoint = spec.endpoint
    assert endpoint is not None
    client = Client(endpoint, token=os.environ.get(TOKEN, ""))
    notes = [
        f"The model is the endpoint {shown(endpoint.url)}, which has no hash: what answers there"
        " may change at any time, and its answers cannot be replayed by hash."
    ]
    if endpoint.rate_limit is not None:
        notes.append(f"It was asked at most {endpoint.rate_limit:g} times a second.")
    if client.has_token and not (endpoint.is_encrypted or endpoint.is_local):
        notes.append(f"The token in {TOKEN} was sent unencrypted, because the address is http.")
    return classifier_around(
        Asked(
            name=f"The endpoint {endpoint.host}",
            ask=client.ask,
            identity=Identity(
                name=endpoint.host, architecture="HTTP endpoint", notes=(*notes, *spec.notes)
            ),
            incidents=client.incidents,
        ),
        spec,
    )


@final
class Client:
    """Asks an endpoint, batch by batch.

    Parameters
    ----------
    endpoint : Endpoint
        Where and how.
    token : str
        Sent as a bearer token where it is not empty; never shown.

    Raises
    ------
    ModelError
        If the token cannot be sent.
    """

    def __init__(self, endpoint: Endpoint, *, token: str = "") -> None:
        self._endpoint, self._token = endpoint, token.strip()
        if not re.fullmatch(r"[!-~]*", self._token):
            raise ModelError(
                f"The environment variable {TOKEN} holds characters that no token has.",
                hint="Set it to the token alone, without quotes, spaces and line ends.",
            )
        self.incidents: list[str] = []
        self._pace = _Pace(endpoint.rate_limit)
        self._session = requests.Session()
        self._session.trust_env = not endpoint.is_local  # no proxy on the way to this machine
        self._session.auth = self._authorised  # or requests would look for passwords in ~/.netrc
        adapter = HTTPAdapter(max_retries=_Patient.of(endpoint, self._pace))
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    @property
    def has_token(self) -> bool:
        """Whether a token is sent."""
        return bool(self._token)

    def _authorised(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def ask(self, questions: Questions) -> list[object]:
        """Return one prediction per question, as the endpoint wrote it.

        Raises
        ------
        ModelError
            If it cannot be reached, refuses, or answers with something else.
        """
        answers: list[object] = []
        for batch in _batches(questions):
            answers += self._predictions(batch)
        return answers

    def _predictions(self, instances: list[object]) -> list[object]:
        status, body = self._post(json.dumps({"instances": instances}, allow_nan=False))
        if status != 200:
            raise self._refused(status, body)
        try:
            content: object = json.loads(body)
        except (ValueError, RecursionError):
            raise self._no_json(body) from None
        found = content.get("predictions") if isinstance(content, dict) else content
        if not isinstance(found, list):
            seen = f"the keys {', '.join(map(str, content))}" if isinstance(content, dict) else ""
            raise ModelError(
                f"{self._name} answered with JSON that has no list of predictions"
                f" ({self._quoted(seen or type(content).__name__)}).",
                hint='Expected is {"predictions": [[0.1, 0.9], ...]}, as TensorFlow Serving and'
                " KServe V1 answer.",
            )
        if len(found) != len(instances):
            raise ModelError(
                f"{self._name} answered with {len(found)} predictions about {len(instances)}"
                " instances.",
                hint="It has to answer every instance, in their order.",
            )
        return found

    @property
    def _name(self) -> str:
        return f"The endpoint {self._endpoint.host}"

    # --- one request -----------------------------------------------------------------------------

    def _post(self, text: str) -> tuple[int, bytes]:
        """Return status and body of the last try."""
        self._pace.wait()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            with self._session.post(
                self._endpoint.url,
                data=text.encode(),
                headers=headers,
                timeout=self._endpoint.timeout,
                allow_redirects=False,  # the token is for this host alone
                stream=True,
            ) as response:
                self._note(response)
                if response.is_redirect:
                    raise self._moved(response)
                return response.status_code, self._read(response)
        # Their texts may quote the whole address, so that they are not chained.
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        except HTTPError as error:
            raise self._unreachable(error) from None

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        for part in response.iter_content(65_536):
            body += part
            if len(body) > MOST_BYTES:
                raise ModelError(
                    f"{self._name} answered with more than {MOST_BYTES >> 20} MiB.",
                    hint="It should answer with one score per class and instance, and no more.",
                )
        return bytes(body)

    def _note(self, response: requests.Response) -> None:
        """Keep that a request was repeated, and why."""
        retries = getattr(response.raw, "retries", None)
        for one in retries.history if isinstance(retries, Retry) else ():
            why = f"answered {one.status}" if one.status else _reason(one.error)
            self.incidents.append(f"{self._name} {why}, and was asked again.")

    # --- what can be wrong -----------------------------------------------------------------------

    def _quoted(self, text: str) -> str:
        if self._token:
            text = text.replace(self._token, "(the token)")
        return text[:_QUOTED] + ("..." if len(text) > _QUOTED else "")

    def _first_line(self, body: bytes) -> str:
        lines = (line.strip() for line in body[:4096].decode("utf-8", "replace").splitlines())
        return self._quoted(next((line for line in lines if line), ""))

    def _refused(self, status: int, body: bytes) -> ModelError:
        line = self._first_line(body)
        tries = f", {TRIES} times" if status in _AGAIN else ""
        return ModelError(
            f"{self._name} answered {status}{tries}" + (f": {line}" if line else "."),
            hint=self._advice(status),
        )

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            done = "Renew" if self._token else "Set"
            return f"{done} the token in the environment variable {TOKEN}."
        if status in (404, 405):
            return "Check the address; it is usually like https://host/v1/models/NAME:predict"
        if status == 413:
            return "Let the server take larger requests."
        if status == 429:
            return "Ask less often: --rate-limit 1"
        if status in _AGAIN:
            return "Look at the log of the server; it may not take inputs of this shape."
        return "Check what the model reads: --input-shape C,H,W or --features A,B,..."

    def _no_json(self, body: bytes) -> ModelError:
        text = body[:4096].decode("utf-8", "replace")
        page = text.lstrip("\ufeff \r\n\t").lower().startswith(("<!doctype", "<html", "<head"))
        title = re.search(r"<title[^>]*>\s*([^<]*?)\s*<", text, re.IGNORECASE)
        seen = title[1] if page and title else self._first_line(body)
        return ModelError(
            f"{self._name} answered with {'a web page' if page else 'something'} that is no JSON:"
            f" {self._quoted(seen)}",
            hint="Check the address; it is usually like https://host/v1/models/NAME:predict",
        )

    def _moved(self, response: requests.Response) -> ModelError:
        there = urljoin(self._endpoint.url, response.headers["Location"])
        return ModelError(
            f"{self._name} redirects to {self._quoted(shown(there))}, which is not followed.",
            hint="Name that address with --endpoint, if it is to be trusted with the inputs.",
        )

    def _unreachable(self, error: Exception) -> ModelError:
        cause = error.args[0] if error.args else error
        cause = cause.reason if isinstance(cause, MaxRetryError) else cause
        cause = error if cause is None else cause
        late = isinstance(cause, ReadTimeoutError) or isinstance(error, requests.Timeout)
        return ModelError(
            f"{self._name} {_reason(cause)}"
            + (f" within {self._endpoint.timeout:g} s." if late else "."),
            hint="Give it more time: --request-timeout 2m"
            if late
            else "Check the address, and that the server runs.",
        )


def _reason(error: object) -> str:
    """Return why there was no answer, without the address."""
    if isinstance(error, ReadTimeoutError | requests.ReadTimeout):
        return "did not answer"
    if isinstance(error, requests.ConnectTimeout):
        return "did not take the connection"
    text = str(error).strip()
    known = re.search(
        r"Connection refused|Name or service not known|No address|Failed to resolve|CERTIFICATE"
        r"|Connection reset|Remote end closed|No route|Network is unreachable|SSL|timed out"
        r"|IncompleteRead|nodename nor servname",
        text,
    )
    words = {
        "Connection refused": "refused the connection",
        "CERTIFICATE": "has no certificate that is trusted here",
        "SSL": "does not speak https as expected",
        "Connection reset": "broke the connection",
        "Remote end closed": "closed the connection without an answer",
        "IncompleteRead": "broke the connection in the middle of an answer",
        "timed out": "did not take the connection",
        "No route": "cannot be reached over the network",
        "Network is unreachable": "cannot be reached over the network",
    }
    if known is None:
        return f"could not be asked ({type(error).__name__})"
    return words.get(known[0], "has a name that is not known here")


# --- pace ----------------------------------------------------------------------------------------


@final
class _Pace:
    """Lets no more than so many requests a second begin."""

    def __init__(
        self,
        per_second: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = -float("inf")

    def wait(self) -> None:
        """Return when the next request may begin."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._gap


@final
class _Patient(Retry):
    """Repeats a request that may succeed next time, later and later, and within the pace."""

    RETRY_AFTER_STATUS_CODES = frozenset({429, 503})
    pace: _Pace
    patience: float

    @classmethod
    def of(cls, endpoint: Endpoint, pace: _Pace) -> _Patient:
        """Return it for one endpoint."""
        made = cls(
            total=TRIES - 1,
            other=0,  # a certificate that is not trusted will not be next time
            allowed_methods=None,  # also of POST
            status_forcelist=_AGAIN,
            raise_on_status=False,  # the last answer says what is wrong
        )
        made.pace, made.patience = pace, endpoint.patience
        return made

    def new(self, **changes: object) -> _Patient:
        """Return a copy with another history."""
        made = super().new(**changes)
        made.pace, made.patience = self.pace, self.patience
        return made

    def get_backoff_time(self) -> float:
        """Return seconds until the next try: doubled each time, shortened by chance."""
        wait = self.patience * 2 ** (len(self.history) - 1)
        return min(wait, LONGEST_WAIT) * random.Random().uniform(0.5, 1)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds that the server asks for, where they are numbers."""
        try:
            wanted = super().get_retry_after(response)
        except HTTPError:  # no number and no date
            return None
        return None if wanted is None else min(wanted, LONGEST_WAIT)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait for the next try."""
        super().sleep(response)
        self.pace.wait()


# --- what is sent --------------------------------------------------------------------------------


def _batches(questions: Questions) -> Iterator[list[object]]:
    """Yield instances: nested lists (c, h, w) of an image, a list of the cells of a row."""
    if isinstance(questions, pd.DataFrame):
        rows = [[_cell(one) for one in row] for row in questions.to_dict("split")["data"]]
        width = len(questions.columns)
    else:
        rows, width = questions, int(np.prod(questions.shape[1:]))
    size = max(1, min(MOST_INPUTS, MOST_NUMBERS // max(1, width)))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield list(part) if isinstance(part, list) else part.astype(np.float64).tolist()


def _cell(value: object) -> object:
    """Return a cell as JSON knows it: a missing value is null."""
    return None if isinstance(value, float) and math.isnan(value) else value
