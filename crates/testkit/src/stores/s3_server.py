"""An S3 server for tests: moto behind a gate that does what S3 does and moto leaves out.

Requests are taken one at a time, so that what is written on a condition is as atomic as S3 promises. The digest that a request was
signed with, and the checksum that it carries, are compared with what came. Arguments: BUCKET, [OPTION…]. Prints the port.
"""
import base64
import hashlib
import io
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


def crc32c_table():
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc32c_table()


def crc32c(content):
    value = 0xFFFFFFFF
    for byte in content:
        value = (value >> 8) ^ TABLE[(value ^ byte) & 0xFF]
    return base64.b64encode((value ^ 0xFFFFFFFF).to_bytes(4, "big")).decode()


class Gate:
    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        refusal = None
        if len(content) != declared:
            refusal = "IncompleteBody"
        digest = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "UNSIGNED-PAYLOAD")
        if len(digest) == 64 and hashlib.sha256(content).hexdigest() != digest:
            refusal = "XAmzContentSHA256Mismatch"
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM_CRC32C")
        # In Python a large one takes too long.
        if checksum and len(content) <= 4096 and crc32c(content) != checksum:
            refusal = "BadDigest"
        if environ["REQUEST_METHOD"] in ("PUT", "POST") and not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC-SHA256"):
            refusal = "AccessDenied"
        if refusal:
            start_response("400 Bad Request" if refusal != "AccessDenied" else "403 Forbidden", [("content-type", "application/xml")])
            return [f"<Error><Code>{refusal}</Code><Message>gate</Message></Error>".encode()]
        environ["wsgi.input"] = io.BytesIO(content)
        with self.lock:
            return [b"".join(self.app(environ, start_response))]


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


def main():
    import boto3

    app = Gate(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=sys.argv[1], ObjectLockEnabledForBucket="object-lock" in sys.argv[2:])
    if "versioned" in sys.argv[2:]:
        client.put_bucket_versioning(Bucket=sys.argv[1], VersioningConfiguration={"Status": "Enabled"})
    print(server.port, flush=True)
    # Ends with whoever started it.
    sys.stdin.read()


main()
