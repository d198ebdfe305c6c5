# Google Drive.

drive-open = Open this address in a browser on this machine, and allow it: { $url }
drive-logged-in = The credentials are in { $file }. Name it in cadena.toml: gdrive_credentials_file = "{ $file }"
