"""Files on an SFTP server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tideline.activation.destinations.api import check_timeout
from tideline.activation.destinations.files.files import (
    Files,
    FilesOptions,
    ServedFiles,
    file_stem,
)
from tideline.activation.destinations.files.remote import Remote
from tideline.activation.destinations.files.session import Login, Session
from tideline.activation.destinations.protocol import Capabilities, Origin
from tideline.warehouse.errors import DeclarationError, NotConfigured

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

# These become words of commands, so they have no blank, quote, wildcard or leading `-`.
NAMES = {
    "host": (re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*"), "files.example.com"),
    "user": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*"), "tideline"),
    "directory": (re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][\w.-]*)*"), "/upload"),
}


@dataclass(frozen=True, kw_only=True)
class SftpOptions(FilesOptions):
    """`host`, `port`, `user`: where to log in. `directory`: a folder that exists there; the files
    are in a folder below it with the name of the sync. `host_key_env`: the name of the variable
    with the public key of the host. `key_env`: the name of the variable with a private key without
    a passphrase. `password_env`: the name of a variable with a password, instead of the key.
    `timeout_seconds`: limit of each read or write of a file.
    """

    host: str
    user: str
    directory: str
    port: int = 22
    host_key_env: str = "SFTP_HOST_KEY"
    key_env: str = "SFTP_KEY"
    password_env: str | None = None
    timeout_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for name, (pattern, example) in NAMES.items():
            value = getattr(self, name)
            if not pattern.fullmatch(value):
                raise ValueError(
                    f"`{name}` is {value!r}; write letters, digits, `.`, `_` and `-`, as {example}"
                )
        if not 0 < self.port < 65_536:
            raise ValueError(f"`port` is {self.port}; write a number from 1 to 65535")
        check_timeout(self.timeout_seconds)


class Sftp(ServedFiles):
    """The files `<directory>/<sync name>/<group>.<format>` of a server."""

    Options: ClassVar[type] = SftpOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="SFTP",
        holds="a line of a JSONL or CSV file",
        delivery="set",
        removal="the line is taken out",
        tried_against="OpenSSH's server, with connections cut during writes",
        page="sftp",
    )

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Files:
        """The files of this sync.

        Raises NotConfigured if a variable is not set, another ActivationError if the server cannot
        be read or the files belong to another warehouse.
        """
        options: SftpOptions = sync.options
        folder = f"{options.directory}/{file_stem(sync.name)}"
        host = options.host if options.port == 22 else f"{options.host}:{options.port}"
        where = f"sftp://{options.user}@{host}/{folder.lstrip('/')}"
        session = Session(_login(sync.name, options, environment))
        return cls.at(Remote(session, folder, where, _advice(options)), sync, origin)


def _advice(options: SftpOptions) -> dict[str, str]:
    """What a person has to do, by words of OpenSSH before it has sent a command."""
    secret = options.password_env or options.key_env
    return {
        "Host key verification failed": "the server has another host key than the one in "
        f"{options.host_key_env}; find out why, then correct the variable and run again",
        "Permission denied (": f"the login was refused; correct {secret} or `user`, then run again",
        "Too many authentication failures": f"the login was refused; correct {secret} or `user`, "
        "then run again",
        "`sftp` is missing": "the program `sftp` is missing; install OpenSSH's client",
    }


def _login(sync_name: str, options: SftpOptions, environment: Mapping[str, str]) -> Login:
    """The login from the environment."""
    host_keys = _variable(options.host_key_env, environment, "the public key of the host")
    key = password = None
    if options.password_env:
        password = _variable(options.password_env, environment, "the password")
        if re.search(r"[\x00\r\n]", password):
            raise DeclarationError(
                f"sync `{sync_name}`: {options.password_env} has a line break, which no password "
                "has; remove it"
            )
    else:
        key = _variable(options.key_env, environment, "a private key").replace("\r\n", "\n")
        if "PRIVATE KEY-----" not in key:
            raise DeclarationError(
                f"sync `{sync_name}`: {options.key_env} is no private key; set it to the content "
                "of the file with the key, not to its name"
            )
    login = Login(
        options.host,
        options.port,
        options.user,
        host_keys,
        key,
        password,
        options.timeout_seconds,
    )
    if not login.known_hosts():
        raise DeclarationError(
            f"sync `{sync_name}`: {options.host_key_env} has no public key of "
            f"`{options.host}`; set it to a line such as `ssh-ed25519 AAAA...`, which you have "
            "checked with whoever runs the server"
        )
    return login


def _variable(name: str, environment: Mapping[str, str], what: str) -> str:
    if not environment.get(name):
        raise NotConfigured(f"set {name} to {what}; until then nothing is sent")
    return environment[name]
