"""A server that speaks the part of Google Drive's version 3 that is used: folders, multipart and resumable uploads, ranged downloads,
searches in pages, tokens that end, and the refusals of the real one. Google's own client passes against it (drive_client.py).

Argument: a folder, in which it writes the credentials that it takes: service.json, user.json, client.json. Its first line of output
is the port on which it listens.
POST /fake/rules sets what goes wrong next, as a list of objects: "method" and "path" (a regular expression on the path with its
query) say of which requests, "times" how many of them, "skip" how many pass before; "status", "reason", "message", "retry_after" the refusal;
"do": "revoke" (tokens end), "drop" (the request is carried out, its answer lost), "stall" (for "seconds"), "cut" (only "keep" bytes of
an upload's piece are taken), "spoil" (a byte of what is stored is changed), "forget" (uploads that were begun end).
POST /fake/options sets how long tokens last, the quota, the longest page; POST /fake/add makes a file behind the client's back.
"""

import base64, datetime, hashlib, json, os, re, sys, threading, time, urllib.parse, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FOLDER = "application/vnd.google-apps.folder"
GRANULE = 256 << 10
ROOTS = {"root-mine": None, "root-shared": "drive-1"}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LOCK = threading.RLock()
FILES, SESSIONS, TOKENS, CODES, RULES, LOG = {}, {}, {}, {}, [], []
LAST = [0]
OPTIONS = {"lifetime": 3600, "limit": 1 << 40, "page": 1000}


class Refused(Exception):
    def __init__(self, status, reason, message="", retry_after=None):
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after


def now():
    # No two files are as old.
    with LOCK:
        LAST[0] = max(LAST[0] + 1, int(time.time() * 1000))
        at = datetime.datetime.fromtimestamp(LAST[0] / 1000, datetime.timezone.utc)
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (LAST[0] % 1000)


for root, drive in ROOTS.items():
    FILES[root] = dict(id=root, name=root, mimeType=FOLDER, parents=[], createdTime=now(), modifiedTime=now(), trashed=False,
                       appProperties={}, driveId=drive, content=None)


def shown(file, fields):
    whole = {key: value for key, value in file.items() if key != "content" and value is not None}
    if file["content"] is not None:
        whole.update(size=str(len(file["content"])), sha256Checksum=hashlib.sha256(file["content"]).hexdigest(),
                     md5Checksum=hashlib.md5(file["content"]).hexdigest())
    whole["kind"] = "drive#file"
    if fields and fields != "*":
        wanted = [name.split("(")[0].strip() for name in re.split(r",(?![^(]*\))", fields)]
        return {key: value for key, value in whole.items() if key in wanted}
    return whole if fields == "*" else {key: whole[key] for key in ("kind", "id", "name", "mimeType")}


def present(id):
    if id not in FILES:
        raise Refused(404, "notFound", f"File not found: {id}.")
    return FILES[id]


def gone_with(id):
    for child in [file["id"] for file in FILES.values() if id in file["parents"]]:
        gone_with(child)
    del FILES[id]


def is_binned(file):
    return file["trashed"] or any(is_binned(FILES[parent]) for parent in file["parents"] if parent in FILES)


TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(!=|=|\(|\))|([A-Za-z0-9_.]+))")


def search(text):
    """Makes a predicate of a search: and, or, not, brackets, =, !=, in."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if not match:
            raise Refused(400, "invalid", "Invalid Value")
        tokens.append(match)
        at = match.end()
    tokens.reverse()

    def word():
        return tokens[-1].group(2) or tokens[-1].group(3) if tokens else None

    def value(match):
        return re.sub(r"\\(.)", r"\1", match.group(1)[1:-1]) if match.group(1) else match.group(3)

    def either():
        left = both()
        while word() == "or":
            tokens.pop()
            left = (lambda a, b: lambda file: a(file) or b(file))(left, both())
        return left

    def both():
        left = one()
        while word() == "and":
            tokens.pop()
            left = (lambda a, b: lambda file: a(file) and b(file))(left, one())
        return left

    def one():
        if word() == "(":
            tokens.pop()
            inner = either()
            if word() != ")":
                raise Refused(400, "invalid", "Invalid Value")
            tokens.pop()
            return inner
        if len(tokens) < 3:
            raise Refused(400, "invalid", "Invalid Value")
        left, verb, right = value(tokens.pop()), tokens.pop(), value(tokens.pop())
        verb = verb.group(2) or verb.group(3)
        if verb == "in" and right == "parents":
            present(left)
            return lambda file: left in file["parents"]
        if left == "trashed" and verb == "=":
            return lambda file: is_binned(file) == (right == "true")
        if left in ("name", "mimeType") and verb in ("=", "!="):
            return lambda file: (file[left].lower() == right.lower()) == (verb == "=")
        raise Refused(400, "invalid", "Invalid Value")

    predicate = either()
    if tokens:
        raise Refused(400, "invalid", "Invalid Value")
    return predicate


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Head and content together, not 40 ms apart.
    wbufsize = -1

    def log_message(self, *_):
        pass

    def answer(self, status, content=b"", headers=()):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers = [*headers, ("Content-Type", "application/json; charset=UTF-8")]
        if self.is_dropped:
            self.close_connection = True
            return
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_all(self):
        self.is_dropped, self.rule = False, None
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        try:
            if len(self.body) != length:
                raise Refused(400, "invalid", "short body")
            if url.path.startswith("/fake/"):
                return self.control(url.path[6:])
            with LOCK:
                LOG.append(f"{self.command} {self.path}")
                self.rule = self.next_rule()
            if self.rule and self.rule.get("do") == "drop":
                self.is_dropped = True
            if self.rule and self.rule.get("do") == "stall":
                time.sleep(self.rule["seconds"])
            if self.rule and self.rule.get("do") == "revoke":
                TOKENS.clear()
            if self.rule and self.rule.get("do") == "forget":
                SESSIONS.clear()
            if self.rule and "status" in self.rule:
                raise Refused(self.rule["status"], self.rule.get("reason", ""), self.rule.get("message", ""), self.rule.get("retry_after"))
            if url.path == "/token":
                return self.token()
            if url.path == "/auth":
                return self.consent()
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if TOKENS.get(bearer, 0) < time.time():
                raise Refused(401, "authError", "Invalid Credentials")
            self.drive(url.path)
        except Refused as refused:
            error = {"code": refused.status, "message": refused.message}
            if refused.reason:
                error["errors"] = [{"domain": "global", "reason": refused.reason, "message": refused.message}]
            wait = [("Retry-After", str(refused.retry_after))] if refused.retry_after is not None else []
            self.answer(refused.status, {"error": error}, wait)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_all

    def next_rule(self):
        for rule in RULES:
            if rule.get("method", self.command) == self.command and re.search(rule.get("path", ""), self.path):
                if rule.get("skip", 0) > 0:
                    rule["skip"] -= 1
                elif rule.get("times", 1) > 0:
                    rule["times"] = rule.get("times", 1) - 1
                    return rule
        return None

    def control(self, what):
        with LOCK:
            if what == "rules":
                RULES[:] = json.loads(self.body)
                LOG.clear()
            elif what == "options":
                OPTIONS.update(json.loads(self.body))
            elif what == "add":
                self.add(json.loads(self.body))
            self.answer(200, {"log": LOG, "tokens": len(TOKENS), "sessions": len(SESSIONS), "files": [shown(file, "*") for file in FILES.values()]})

    def token(self):
        form = dict(urllib.parse.parse_qsl(self.body.decode()))
        kind, extra = form.get("grant_type"), {}

        def wrong(error="invalid_grant", said="Bad Request"):
            self.answer(400, {"error": error, "error_description": said})

        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            head, claims, signature = form["assertion"].split(".")
            padded = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            try:
                KEY.public_key().verify(padded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
            except Exception:
                return wrong("invalid_grant", "Invalid JWT Signature.")
            claims = json.loads(padded(claims))
            if not claims["iat"] - 60 <= time.time() <= claims["exp"] <= claims["iat"] + 3600:
                return wrong("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)")
            if not claims["aud"].endswith("/token") or "/auth/drive" not in claims["scope"]:
                return wrong("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        elif (form.get("client_id"), form.get("client_secret")) != ("client-1", "client-secret"):
            return self.answer(401, {"error": "invalid_client"})
        elif kind == "refresh_token":
            if form["refresh_token"] != "refresh-1":
                return wrong("invalid_grant", "Token has been expired or revoked.")
        elif kind == "authorization_code":
            challenge, redirect = CODES.pop(form["code"], (None, None))
            told = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
            if told != challenge or redirect != form["redirect_uri"]:
                return wrong()
            extra = {"refresh_token": "refresh-1"}
        else:
            return wrong("unsupported_grant_type")
        token = "ya29." + uuid.uuid4().hex
        TOKENS[token] = time.time() + OPTIONS["lifetime"]
        self.answer(200, {"access_token": token, "expires_in": OPTIONS["lifetime"], "token_type": "Bearer", **extra})

    def consent(self):
        code = uuid.uuid4().hex
        assert self.query["code_challenge_method"] == "S256" and self.query["access_type"] == "offline"
        CODES[code] = (self.query["code_challenge"], self.query["redirect_uri"])
        where = self.query["redirect_uri"] + "/?" + urllib.parse.urlencode({"state": self.query["state"], "code": code})
        self.answer(302, headers=[("Location", where)])

    def drive(self, path):
        fields = self.query.get("fields")
        if path == "/drive/v3/about":
            used = sum(len(file["content"] or b"") for file in FILES.values())
            return self.answer(200, {"storageQuota": {"limit": str(OPTIONS["limit"]), "usage": str(used)}})
        if path.startswith("/upload/"):
            return self.upload(path)
        id = path.removeprefix("/drive/v3/files").strip("/")
        knows_drives = self.query.get("supportsAllDrives") == "true"
        with LOCK:
            if not id and self.command == "GET":
                return self.list(knows_drives)
            if not id and self.command == "POST":
                return self.answer(200, shown(self.add({**json.loads(self.body), "content": None}), fields))
            file = present(id)
            if file["driveId"] and not knows_drives:
                raise Refused(404, "notFound", f"File not found: {id}.")
            if self.command == "DELETE":
                gone_with(id)
                return self.answer(204)
            if self.command == "PATCH":
                self.change(file, json.loads(self.body))
                return self.answer(200, shown(file, fields))
            if self.query.get("alt") != "media":
                return self.answer(200, shown(file, fields))
            content = file["content"]
        if content is None:
            raise Refused(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        range = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not range:
            return self.answer(200, content)
        start, end = int(range[1]), min(int(range[2]), len(content) - 1)
        if start > end:
            raise Refused(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        self.answer(206, content[start:end + 1], [("Content-Range", f"bytes {start}-{end}/{len(content)}")])

    def list(self, knows_drives):
        is_wanted = search(self.query["q"])
        if self.query.get("corpora") == "drive" and not (knows_drives and self.query.get("driveId")):
            raise Refused(400, "invalid", "driveId is needed")
        sees_drives = knows_drives and self.query.get("includeItemsFromAllDrives") == "true"
        found = [file for file in FILES.values() if file["parents"] and is_wanted(file) and (sees_drives or not file["driveId"])]
        found.sort(key=lambda file: file["createdTime"])
        start = int(self.query.get("pageToken", "0"))
        end = start + min(int(self.query.get("pageSize", "100")), OPTIONS["page"])
        each = re.search(r"files\(([^)]*)\)", self.query.get("fields", ""))
        page = {"files": [shown(file, each and each[1]) for file in found[start:end]], "incompleteSearch": False}
        if end < len(found):
            page["nextPageToken"] = str(end)
        self.answer(200, page)

    def add(self, told):
        parents = told.get("parents") or ["root-mine"]
        parent = present(parents[0])
        at = now()
        file = dict(id=uuid.uuid4().hex, name=told.get("name", "Untitled"), parents=parents[:1], createdTime=at, modifiedTime=at,
                    mimeType=told.get("mimeType", "application/octet-stream"), trashed=False,
                    appProperties=told.get("appProperties", {}), driveId=parent["driveId"], content=told.get("content"))
        if isinstance(file["content"], str):
            file["content"] = file["content"].encode()
        if file["content"] is not None:
            file["headRevisionId"] = uuid.uuid4().hex
        FILES[file["id"]] = file
        return file

    def change(self, file, told):
        for name in ("name", "trashed"):
            if name in told:
                file[name] = told[name]
        file["appProperties"] = {**file["appProperties"], **told.get("appProperties", {})}

    def store(self, id, told, content):
        if self.rule and self.rule.get("do") == "spoil" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        with LOCK:
            if sum(len(file["content"] or b"") for file in FILES.values()) + len(content) > OPTIONS["limit"]:
                raise Refused(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")
            if not id:
                return self.add({**told, "content": content})
            file = present(id)
            self.change(file, told)
            file.update(content=content, modifiedTime=now(), headRevisionId=uuid.uuid4().hex)
            return file

    def upload(self, path):
        id, fields = path.removeprefix("/upload/drive/v3/files").strip("/"), self.query.get("fields")
        if "upload_id" in self.query:
            return self.piece(self.query["upload_id"])
        if self.command != ("PATCH" if id else "POST"):
            raise Refused(404, "notFound")
        if id:
            present(id)
        if self.query.get("uploadType") == "multipart":
            boundary = re.search(r'boundary="?([^";]+)"?', self.headers["Content-Type"])[1].encode()
            parts = re.split(rb"(?:\r?\n)?--" + re.escape(boundary) + rb"(?:\r?\n|--)", self.body)
            cut = lambda part: re.split(rb"\r?\n\r?\n", part, maxsplit=1)[1]
            told, content = json.loads(cut(parts[1])), cut(parts[2])
            return self.answer(200, shown(self.store(id, told, content), fields))
        if self.query.get("uploadType") != "resumable":
            raise Refused(400, "invalid", "uploadType")
        told, session = json.loads(self.body or b"{}"), uuid.uuid4().hex
        for parent in told.get("parents", []):
            present(parent)
        SESSIONS[session] = dict(id=id, told=told, fields=fields, content=bytearray(), file=None, lock=threading.Lock())
        where = f"http://{self.headers['Host']}{path}?uploadType=resumable&upload_id={session}"
        self.answer(200, headers=[("Location", where)])

    def piece(self, key):
        if key not in SESSIONS:
            raise Refused(404, "notFound")
        session = SESSIONS[key]
        if self.command == "DELETE":
            del SESSIONS[key]
            return self.answer(499)
        with session["lock"]:
            if session["file"]:
                return self.answer(200, shown(session["file"], session["fields"]))
            content = session["content"]
            told = self.headers.get("Content-Range")
            range = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", told) if told else None
            if told and not range:
                raise Refused(400, "invalid", "Content-Range")
            total = (None if range[3] == "*" else int(range[3])) if range else len(self.body)
            if self.body:
                start, end = (int(range[1]), int(range[2])) if range else (0, len(self.body) - 1)
                if start != len(content) or end + 1 - start != len(self.body):
                    raise Refused(400, "invalid", "the range does not follow")
                if (total is None or end + 1 < total) and len(self.body) % GRANULE:
                    raise Refused(400, "invalid", "a piece is a multiple of 256 KiB")
                keep = len(self.body)
                if self.rule and self.rule.get("do") == "cut":
                    keep = self.rule["keep"] // GRANULE * GRANULE
                content += self.body[:keep]
            if total is not None and len(content) == total:
                session["file"] = self.store(session["id"], session["told"], bytes(content))
                content.clear()
                return self.answer(200, shown(session["file"], session["fields"]))
        received = [("Range", f"bytes=0-{len(content) - 1}")] if content else []
        self.answer(308, headers=received)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


def write(name, told):
    with open(os.open(os.path.join(sys.argv[1], name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(told, file)


server = Server(("127.0.0.1", 0), Handler)
port = server.server_address[1]
pem = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
token_uri, secret = f"http://127.0.0.1:{port}/token", dict(client_id="client-1", client_secret="client-secret")
write("service.json", dict(type="service_account", client_email="copias@test.iam.gserviceaccount.com", private_key_id="key-1",
                           private_key=pem, token_uri=token_uri))
write("user.json", dict(type="authorized_user", refresh_token="refresh-1", token_uri=token_uri, **secret))
write("client.json", dict(installed=dict(auth_uri=f"http://127.0.0.1:{port}/auth", token_uri=token_uri, **secret)))
print(port, flush=True)
server.serve_forever()
