"""The credentials of a Salesforce app, and the form with which it asks for an access token.

With a private key it is the JWT bearer flow, else the client credentials flow. The variables have
the names that `tideline load salesforce` reads.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tideline.activation.destinations.api import secret
from tideline.warehouse.errors import DeclarationError, NotConfigured

LIFETIME = 180  # seconds; Salesforce accepts an assertion for at most 5 minutes


@dataclass(frozen=True)
class Login:
    """`variables` have the credentials; `key` is that of the JWT bearer flow."""

    variables: tuple[str, ...]
    client_id: str
    client_secret: str = ""
    username: str = ""
    audience: str = ""
    key: Any = None

    def form(self) -> dict[str, str]:
        """The fields of a request for an access token."""
        if self.key is None:
            return {
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            }
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": self._assertion(),
        }

    def _assertion(self) -> str:
        """A signed statement that the app acts for the user."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        claims = {
            "iss": self.client_id,
            "sub": self.username,
            "aud": self.audience,
            "exp": int(time.time()) + LIFETIME,
        }
        signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
        return f"{signed}.{_url_safe(self.key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def read_login(sync_name: str, prefix: str, audience: str, environment: Mapping[str, str]) -> Login:
    """The credentials in the variables that begin with `prefix`.

    Raises NotConfigured if one is not set, DeclarationError if one cannot be used.
    """
    client, private, user, word = (
        f"{prefix}{name}" for name in ("CLIENT_ID", "PRIVATE_KEY", "USERNAME", "CLIENT_SECRET")
    )
    client_id = secret(environment, client, "the consumer key of the app", sync_name)
    if environment.get(private):
        key = _private_key(environment[private], f"sync `{sync_name}`: {private}")
        username = secret(
            environment, user, "the name of the user that the app acts for", sync_name
        )
        variables = (client, private, user)
        return Login(variables, client_id, username=username, audience=audience, key=key)
    if not environment.get(word):
        raise NotConfigured(
            f"set {word} to the consumer secret of the app, or {private} and {user} for the JWT "
            "bearer flow; until then nothing is sent"
        )
    client_secret = secret(environment, word, "the consumer secret of the app", sync_name)
    return Login((client, word), client_id, client_secret=client_secret)


def _private_key(pem: str, where: str) -> Any:
    """An RSA key; some places keep a line break of a variable as a backslash and an n."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise DeclarationError(
            f"{where} is not an RSA private key in PEM format without a password; set it to the "
            "content of the key's file, from -----BEGIN to -----END"
        )
    return key


def _part(content: Mapping[str, Any]) -> str:
    return _url_safe(json.dumps(content, separators=(",", ":")).encode())


def _url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
