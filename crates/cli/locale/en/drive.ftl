# Google Drive.

help-drive = Prepares Google Drive as a place for copies.
help-drive-login = Lets a person allow this program the use of a Google Drive, and keeps the credentials in a file.
help-drive-login-client = The JSON of an OAuth client of the type "Desktop app", from Google's console.
help-drive-login-output = Where the credentials go: a new file that only its owner may read, for gdrive_credentials.
help-drive-login-scope = drive (the default), or drive.file: only what this program makes itself.
help-drive-login-wait = How long the browser is waited for; 300 if not given.
drive-open = Open this address in a browser on this machine, and allow it: { $url }
drive-logged-in = The credentials are in { $file }. Name it in cadena.toml: gdrive_credentials_file = "{ $file }"
