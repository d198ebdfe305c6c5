"""Google's own client makes the calls that ours makes, against the server of the test kit: so that server is true to what that client
takes for Drive. Arguments: the endpoint, the file of the service account's key."""

import io, sys
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload

endpoint, key_file = sys.argv[1], sys.argv[2]
credentials = service_account.Credentials.from_service_account_file(key_file, scopes=["https://www.googleapis.com/auth/drive"])
drive = build("drive", "v3", credentials=credentials, static_discovery=True, client_options={"api_endpoint": endpoint + "/drive/v3/"}, cache_discovery=False)
# Uploads go to an address of their own, which the option does not change.
drive._rootDesc["rootUrl"] = endpoint + "/"
files = drive.files()
FIELDS = "id,name,size,sha256Checksum,createdTime,modifiedTime,headRevisionId,parents,trashed,appProperties"
ALL = dict(supportsAllDrives=True)

for root in ("root-mine", "root-shared"):
    assert files.get(fileId=root, fields="id,mimeType,driveId", **ALL).execute()["mimeType"].endswith("folder")
    folder = files.create(body=dict(name="it's a \\ folder", parents=[root], mimeType="application/vnd.google-apps.folder"), fields="id", **ALL).execute()["id"]

    small = MediaIoBaseUpload(io.BytesIO(b"small\r\n--content"), "application/octet-stream")
    made = files.create(body=dict(name="small", parents=[folder], appProperties=dict(cadenaWriter="w")), media_body=small, fields=FIELDS, **ALL).execute()
    assert made["size"] == "16" and made["appProperties"] == dict(cadenaWriter="w"), made

    content = bytes(range(256)) * 8192
    large = MediaIoBaseUpload(io.BytesIO(content), "application/octet-stream", chunksize=512 << 10, resumable=True)
    request = files.create(body=dict(name="large", parents=[folder]), media_body=large, fields=FIELDS, **ALL)
    pieces, done = 0, None
    while done is None:
        _, done = request.next_chunk()
        pieces += 1
    assert pieces == 4 and done["size"] == str(len(content)), (pieces, done)

    again = MediaIoBaseUpload(io.BytesIO(b"replaced"), "application/octet-stream")
    changed = files.update(fileId=made["id"], body=dict(appProperties=dict(cadenaWriter="x")), media_body=again, fields=FIELDS, **ALL).execute()
    assert changed["id"] == made["id"] and changed["headRevisionId"] != made["headRevisionId"], changed
    assert files.get_media(fileId=made["id"], **ALL).execute() == b"replaced"

    got = io.BytesIO()
    download = MediaIoBaseDownload(got, files.get_media(fileId=done["id"], **ALL), chunksize=700_000)
    is_done = False
    while not is_done:
        _, is_done = download.next_chunk()
    assert got.getvalue() == content

    quoted = "'it\\'s a \\\\ folder'"
    search = f"name = {quoted} and ('{root}' in parents) and mimeType = 'application/vnd.google-apps.folder' and trashed = false"
    seen = dict(includeItemsFromAllDrives=True, **ALL)
    found = files.list(q=search, fields="nextPageToken,files(id,name)", **seen).execute()
    assert found["files"] == [dict(id=folder, name="it's a \\ folder")], found
    names, request = [], files.list(q=f"'{folder}' in parents and trashed = false", pageSize=1, orderBy="createdTime", fields="nextPageToken,files(name)", **seen)
    while request is not None:
        page = request.execute()
        names += [file["name"] for file in page["files"]]
        request = files.list_next(request, page)
    assert names == ["small", "large"], names

    files.update(fileId=folder, body=dict(trashed=True), **ALL).execute()
    assert files.list(q=search, fields="files(id)", **seen).execute()["files"] == []
    files.delete(fileId=folder, **ALL).execute()
    try:
        files.get(fileId=done["id"], **ALL).execute()
        raise SystemExit("a file outlived its folder")
    except HttpError as error:
        assert error.resp.status == 404 and error.error_details[0]["reason"] == "notFound", error

assert int(drive.about().get(fields="storageQuota(limit,usage)").execute()["storageQuota"]["limit"]) > 0
print("passed")
