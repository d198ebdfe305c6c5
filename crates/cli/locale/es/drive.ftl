# Google Drive.

drive-open = Abrir esta dirección en un navegador de este equipo, y autorizarlo: { $url }
drive-logged-in = Las credenciales están en { $file }. Nombrarlo en cadena.toml: gdrive_credentials_file = "{ $file }"
