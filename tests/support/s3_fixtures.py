"""The fixtures of the tests of the destination `s3`: moto's server, and faults of its answers."""

import json
import socket
import subprocess
import sys
import time

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from tests.support.activation_rig import KEY, ConsentRig

BUCKET = "audiences"
S3 = {
    "destination": "s3",
    "key": KEY,
    "group_by": "segment_name",
    "bucket": BUCKET,
    "prefix": "marketing/ads",
    "url_env": "STORE_URL",
    "region": "eu-central-1",
    "key_id_env": "STORE_KEY_ID",
    "secret_env": "STORE_SECRET",
}
PLACE = "marketing/ads/s/"
ENVIRONMENT = {"STORE_KEY_ID": "AKIATEST", "STORE_SECRET": "geheim-secret"}
START_SECONDS = 60


class Store:
    """The process of moto's server, and what its bucket has."""

    def __init__(self, address):
        self.address = address
        self.client = boto3.client(
            "s3",
            endpoint_url=address,
            region_name="eu-central-1",
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="x",
        )

    def clean(self):
        """Leave one empty bucket."""
        found = self.client.list_buckets()["Buckets"]
        if not found:
            region = {"LocationConstraint": "eu-central-1"}
            self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
        for key in self.names():
            self.client.delete_object(Bucket=BUCKET, Key=key)

    def names(self):
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in found]

    def text(self, key):
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def put(self, key, text):
        self.client.put_object(Bucket=BUCKET, Key=key, Body=text.encode())


@pytest.fixture(scope="session")
def store_process(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.05)
        yield Store(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def store(store_process):
    store_process.clean()
    return store_process


class S3Rig(ConsentRig):
    """A rig with one sync `s` to a bucket."""

    def __init__(self, folder, store):
        super().__init__(folder)
        self.store = store
        self.environment |= ENVIRONMENT | {"STORE_URL": store.address}
        self.declare(s=S3)

    def held(self):
        """The label by (profile, segment), of all objects of the sync; checks where a row is."""
        found = {}
        for key in self.store.names():
            if key.startswith(PLACE) and key.endswith(".jsonl"):
                for line in self.store.text(key).splitlines():
                    row = json.loads(line)
                    assert key == f"{PLACE}{row['segment_name']}.jsonl"
                    found[row["profile_id"], row["segment_name"]] = row["segment_label"]
        return found


@pytest.fixture
def stored(tmp_path, store):
    return S3Rig(tmp_path, store)


class Faults:
    """What happens to the next requests: `ok`, `lost before`, `lost after`, or a status."""

    def __init__(self, send):
        self._send = send
        self.script = []
        self.method = "PUT"
        self.seen = []

    def send(self, session, request):
        is_meant = request.method == self.method
        fault = self.script.pop(0) if self.script and is_meant else "ok"
        if is_meant:
            self.seen.append((request.url, fault))
        if fault.isdigit():
            return answer(request, int(fault))
        reply = None if fault == "lost before" else self._send(session, request)
        if fault.startswith("lost"):
            raise ConnectionClosedError(endpoint_url=request.url)
        return reply


def answer(request, status):
    """An answer in the form of S3's errors."""
    code = {403: "AccessDenied", 404: "NoSuchBucket", 503: "SlowDown", 501: "NotImplemented"}
    body = f"<Error><Code>{code.get(status, 'Other')}</Code><Message>geheim</Message></Error>"

    class Raw:
        def stream(self, *_, **__):
            yield body.encode()

        def read(self, *_):
            return body.encode()

    return AWSResponse(request.url, status, {}, Raw())


@pytest.fixture
def faults(monkeypatch):
    faults = Faults(URLLib3Session.send)
    monkeypatch.setattr(URLLib3Session, "send", lambda self, request: faults.send(self, request))
    return faults
