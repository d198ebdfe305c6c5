# Google Drive.

help-drive = Prepara Google Drive como sitio para copias.
help-drive-login = Permite que una persona autorice a este programa a usar un Google Drive, y guarda las credenciales en un archivo.
help-drive-login-client = El JSON de un cliente OAuth del tipo "App de escritorio", de la consola de Google.
help-drive-login-output = Dónde van las credenciales: un archivo nuevo que solo su dueño puede leer, para gdrive_credentials.
help-drive-login-scope = drive (si no se indica), o drive.file: solo lo que crea este programa.
help-drive-login-wait = Cuánto se espera al navegador; 300 si no se indica.
drive-open = Abrir esta dirección en un navegador de este equipo, y autorizarlo: { $url }
drive-logged-in = Las credenciales están en { $file }. Nombrarlo en cadena.toml: gdrive_credentials_file = "{ $file }"
