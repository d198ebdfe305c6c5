"""A server that speaks the part of Google Cloud Storage that is used: the JSON interface for objects, the XML one for uploads in parts,
and the exchange of tokens of a workload identity. Names are decoded once, as Google does; a request without its token, or with a body of
unknown length, is refused.

Arguments: a folder, in which it writes the credentials that it takes (credentials.json, and wrong.json, which it does not), and the
bucket's name. Its first line of output is the port on which it listens.
"""

import base64, datetime, hashlib, json, os, re, sys, threading, time, urllib.parse, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER, BUCKET = sys.argv[1:3]
SUBJECT, TOKEN = uuid.uuid4().hex, "ya29." + uuid.uuid4().hex
LOCK = threading.RLock()
OBJECTS, UPLOADS = {}, {}
# Small, so that there is more than one.
PAGE = 3
LEAST_PART = 5 << 20


class Refused(Exception):
    def __init__(self, status, reason, message):
        self.status, self.reason, self.message = status, reason, message


def store(name, content, metadata, storage_class):
    with LOCK:
        at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        generation = str(time.time_ns() // 1000)
        OBJECTS[name] = dict(content=content, shown={
            "kind": "storage#object", "name": name, "bucket": BUCKET, "size": str(len(content)), "generation": generation,
            "etag": base64.b64encode(generation.encode()).decode(), "updated": at, "timeCreated": at, "metadata": metadata,
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(), "storageClass": storage_class or "STANDARD",
        })
        return OBJECTS[name]["shown"]


def present(name):
    if name not in OBJECTS:
        raise Refused(404, "notFound", f"No such object: {BUCKET}/{name}")
    return OBJECTS[name]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content=b"", kind="application/json", headers=()):
        content = json.dumps(content).encode() if isinstance(content, dict) else content
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if status != 204 else b"")

    def handle_request(self):
        try:
            if "Transfer-Encoding" in self.headers or (self.command in ("POST", "PUT") and "Content-Length" not in self.headers):
                self.close_connection = True
                raise Refused(411, "lengthRequired", "Length Required")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            if (self.command, url.path) == ("POST", "/token"):
                return self.token(body)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "authError", "Invalid Credentials")
            with LOCK:
                self.route(url.path, query, body)
        except Refused as refused:
            error = {"code": refused.status, "message": refused.message,
                     "errors": [{"domain": "global", "reason": refused.reason, "message": refused.message}]}
            self.answer(refused.status, {"error": error})

    do_GET = do_PUT = do_POST = do_DELETE = handle_request

    def token(self, body):
        fields = json.loads(body) if body[:1] == b"{" else dict(urllib.parse.parse_qsl(body.decode()))
        fields = {key.replace("_", "").lower(): value for key, value in fields.items()}
        if fields.get("subjecttoken") != SUBJECT:
            return self.answer(400, {"error": "invalid_grant", "error_description": "the subject token is not taken"})
        self.answer(200, {"access_token": TOKEN, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                          "token_type": "Bearer", "expires_in": 3600})

    def route(self, path, query, body):
        json_path = re.fullmatch(r"(/upload)?/storage/v1/b/([^/]+)/o(?:/([^/]+))?", path)
        xml_path = re.fullmatch(r"/([^/]+)/(.+)", path)
        bucket = json_path[2] if json_path else xml_path[1] if xml_path else None
        if bucket != BUCKET:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        if json_path and json_path[1]:
            return self.insert(query, body)
        if json_path and not json_path[3]:
            return self.list(query)
        if json_path:
            return self.object(urllib.parse.unquote(json_path[3]), query)
        self.parts(urllib.parse.unquote(xml_path[2]), query, body)

    def insert(self, query, body):
        if query["uploadType"] != "multipart":
            raise Refused(400, "invalid", "no metadata")
        boundary = re.fullmatch(r"multipart/related; boundary=(.+)", self.headers["Content-Type"])[1].encode()
        _, first, rest = body.split(b"--" + boundary + b"\r\n", 2)
        resource = json.loads(first.split(b"\r\n\r\n", 1)[1])
        # The client that is tested leaves out the line break after an empty part.
        content, end = (b"\r\n" + rest.split(b"\r\n\r\n", 1)[1]).rsplit(b"\r\n--" + boundary, 1)
        content = content[2:]
        if end.strip() != b"--":
            raise Refused(400, "invalid", "the body is cut off")
        if query.get("ifGenerationMatch") == "0" and query["name"] in OBJECTS:
            raise Refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        self.answer(200, store(query["name"], content, resource.get("metadata", {}), resource.get("storageClass")))

    def list(self, query):
        names = sorted(name for name in OBJECTS if name.startswith(query.get("prefix", "")) and name > query.get("pageToken", ""))
        answer = {"kind": "storage#objects", "items": [OBJECTS[name]["shown"] for name in names[:PAGE]]}
        if len(names) > PAGE:
            answer["nextPageToken"] = names[PAGE - 1]
        self.answer(200, answer)

    def object(self, name, query):
        found = present(name)
        if self.command == "DELETE":
            del OBJECTS[name]
            return self.answer(204)
        if query.get("alt") != "media":
            return self.answer(200, found["shown"])
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        content = found["content"]
        if not wanted:
            return self.answer(200, content, "application/octet-stream")
        begin, end = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        if begin >= len(content):
            raise Refused(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        span = f"bytes {begin}-{end}/{len(content)}"
        self.answer(206, content[begin:end + 1], "application/octet-stream", [("Content-Range", span)])

    def parts(self, name, query, body):
        if self.command == "POST" and "uploads" in query:
            upload = uuid.uuid4().hex
            metadata = {key[12:].lower(): value for key, value in self.headers.items() if key.lower().startswith("x-goog-meta-")}
            UPLOADS[upload] = dict(name=name, metadata=metadata, parts={}, storage_class=self.headers.get("x-goog-storage-class"))
            text = f"<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, text.encode(), "application/xml")
        upload = UPLOADS.get(query.get("uploadId"))
        if not upload or upload["name"] != name:
            raise Refused(404, "NoSuchUpload", "The specified upload does not exist.")
        if self.command == "PUT":
            etag = '"' + hashlib.md5(body).hexdigest() + '"'
            upload["parts"][int(query["partNumber"])] = (etag, body)
            return self.answer(200, headers=[("ETag", etag)])
        del UPLOADS[query["uploadId"]]
        if self.command == "DELETE":
            return self.answer(204)
        named = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>(.*?)</ETag>", body.decode().replace("&quot;", '"'))
        chosen = [upload["parts"].get(int(number), (None, b"")) for number, _ in named]
        if [etag for etag, _ in chosen] != [etag for _, etag in named]:
            raise Refused(400, "InvalidPart", "One or more of the specified parts could not be found.")
        if any(len(content) < LEAST_PART for _, content in chosen[:-1]):
            raise Refused(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
        store(name, b"".join(content for _, content in chosen), upload["metadata"], upload["storage_class"])
        self.answer(200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>", "application/xml")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    for name, subject in (("credentials", SUBJECT), ("wrong", "nobody")):
        with open(os.path.join(FOLDER, f"{name}.subject"), "w") as file:
            file.write(subject)
        with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
            json.dump({"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
                       "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                       "token_url": f"http://127.0.0.1:{server.server_port}/token",
                       "credential_source": {"file": os.path.join(FOLDER, f"{name}.subject"), "format": {"type": "text"}}}, file)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    # Ends with whoever started it.
    sys.stdin.read()


main()
