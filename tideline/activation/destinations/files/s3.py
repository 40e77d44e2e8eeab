"""Files in Amazon S3 and compatible stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tideline.activation.destinations.answers import place_of, problem_of_address
from tideline.activation.destinations.api import LOCAL, check_timeout
from tideline.activation.destinations.files.bucket import Bucket
from tideline.activation.destinations.files.files import (
    Files,
    FilesOptions,
    ServedFiles,
    file_stem,
)
from tideline.activation.destinations.protocol import Capabilities, Origin
from tideline.warehouse.errors import DeclarationError, NotConfigured

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

READS = 3  # attempts to read; a write is tried once, and again by the engine


@dataclass(frozen=True, kw_only=True)
class S3Options(FilesOptions):
    """`bucket`: the bucket. `prefix`: what the keys begin with, before the name of the sync.

    `url_env`: the name of a variable with the address of a compatible store; without it, Amazon's.
    `region`: the region of the bucket. `key_id_env`, `secret_env`: names of variables with the
    access key; without them, AWS's usual places are read. `conditional_writes`: whether the store
    takes writes on a condition (`If-Match`); turn it off only for one that does not.
    `timeout_seconds`: limit of each wait for the store.
    """

    bucket: str
    prefix: str = ""
    url_env: str | None = None
    region: str | None = None
    key_id_env: str | None = None
    secret_env: str | None = None
    conditional_writes: bool = True
    timeout_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if not self.bucket or "/" in self.bucket:
            raise ValueError(f"`bucket` is {self.bucket!r}; write its name alone")
        if self.prefix != self.prefix.strip("/") or "//" in self.prefix:
            raise ValueError(
                f"`prefix` is {self.prefix!r}; write it without `/` at its ends, as marketing/ads"
            )
        if (self.key_id_env is None) != (self.secret_env is None):
            raise ValueError("`key_id_env` and `secret_env` need each other; name both or none")
        check_timeout(self.timeout_seconds)


class S3(ServedFiles):
    """The objects `<prefix>/<sync name>/<group>.<format>` of a bucket."""

    Options: ClassVar[type] = S3Options
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Amazon S3 and compatible stores",
        holds="a line of a JSONL or CSV object",
        delivery="set",
        removal="the line is taken out",
        tried_against="moto's S3 server, with kills around each write",
        page="s3",
    )

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Files:
        """The objects of this sync.

        Raises NotConfigured if there is no credential, another ActivationError if the bucket cannot
        be read or the objects belong to another warehouse.
        """
        options = sync.options
        stem = file_stem(sync.name)
        prefix = f"{options.prefix}/{stem}" if options.prefix else stem
        reads, writes = _clients(sync.name, options, environment)
        url = _endpoint(sync.name, options, environment)
        bucket = Bucket(
            reads,
            writes,
            options.bucket,
            prefix,
            options.conditional_writes,
            url and place_of(url),
        )
        return cls.at(bucket, sync, origin)


def _clients(sync_name: str, options: S3Options, environment: Mapping[str, str]) -> tuple[Any, Any]:
    """Two clients: one tries again to read, one tries each write once."""
    import boto3  # takes a third of a second, which other commands need not wait for

    key_id = _variable(options.key_id_env, environment, "the id of an access key")
    secret = _variable(options.secret_env, environment, "its secret")
    endpoint = _endpoint(sync_name, options, environment)
    try:
        session = boto3.Session(key_id, secret, region_name=options.region)
        if session.get_credentials() is None:
            raise NotConfigured(
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name other variables in "
                "`key_id_env` and `secret_env`; until then nothing is sent"
            )
        reads, writes = (
            session.client("s3", endpoint_url=endpoint, config=_settings(options, attempts))
            for attempts in (READS, 1)
        )
    except (BotoCoreError, ValueError) as error:
        raise DeclarationError(
            f"sync `{sync_name}`: the credentials or the region of AWS cannot be used "
            f"({type(error).__name__}); correct ~/.aws/config, AWS's variables or `region`"
        ) from None
    return reads, writes


def _settings(options: S3Options, attempts: int) -> Config:
    return Config(
        connect_timeout=options.timeout_seconds,
        read_timeout=options.timeout_seconds,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        s3={"addressing_style": "path"} if options.url_env else None,
        # Compatible stores may refuse the checksums that Amazon has added.
        request_checksum_calculation="when_required",
    )


def _variable(name: str | None, environment: Mapping[str, str], what: str) -> str | None:
    if name is None:
        return None
    if not environment.get(name):
        raise NotConfigured(f"set {name} to {what}; until then nothing is sent")
    return environment[name]


def _endpoint(sync_name: str, options: S3Options, environment: Mapping[str, str]) -> str | None:
    """The address of a compatible store, which is reached by TLS unless it is on this machine."""
    url = _variable(options.url_env, environment, "the address of the store")
    if url is None:
        return None
    problem = problem_of_address(url)
    if not problem and not url.startswith("https://") and urlsplit(url).hostname not in LOCAL:
        problem = "is not an https:// address, so the rows would be readable on their way"
    if problem:
        raise DeclarationError(f"sync `{sync_name}`: {options.url_env} {problem}")
    return url
