# Cifrado.

encryption-on = { $repository } cifra las copias y el WAL nuevos para:
encryption-off = { $repository } no cifra. `cadena encryption set` lo activa para lo que venga a partir de entonces.
encryption-opened = (se dio su identidad)
encryption-not-opened = (no se dio su identidad)
encryption-passphrase = En el repositorio hay una identidad bajo contraseña ({ $object }). Conviene guardar otra copia en otro lugar: sin ella, o sin la contraseña, nada abre lo que está cifrado solo para ella.
encryption-backups = Copias: { $encrypted } cifradas, { $plain } sin cifrar.
encryption-daemons = Un servicio en marcha sigue con la lista con la que empezó: hay que reiniciarlo después de un cambio.
encryption-identity-made = { $file } contiene una identidad nueva: un secreto, que abre lo cifrado para
    { $recipient }
    Conviene guardarla donde no están las copias, y más de una vez. Lo que esté cifrado solo para ella se pierde con ella.

check-encryption = cifrado para { $recipients }
check-encryption-off = sin cifrado
check-encryption-blind = cifrado, y aquí no se dio ninguna identidad: se pueden hacer copias, no restaurarlas

error-encryption-identity-missing = { $object } en { $storage } está cifrado, y no se dio ninguna identidad.
error-encryption-identity-missing-remedy = Indicar el archivo con la identidad: identity_file en [encryption] de cadena.toml, o CADENA_IDENTITY_FILE. Si está bajo contraseña: CADENA_PASSPHRASE, o passphrase_file.
error-encryption-identity-wrong = { $object } en { $storage } está cifrado para otros que las identidades dadas.
error-encryption-identity-wrong-remedy = `cadena encryption show` y el registro de la copia (NAME.json, encryption) nombran a los destinatarios; dar la identidad de uno de ellos.
error-encryption-damaged = { $object } en { $storage } no se puede descifrar: { $detail }.
error-encryption-damaged-remedy = Fue cambiado, cortado o alargado desde que se escribió. `cadena replica verify --repair` lo rehace desde una copia buena.
error-encryption-recipient = { $recipient } no es un destinatario utilizable: { $detail }.
error-encryption-recipient-remedy = Un destinatario empieza por age1 y lo muestra `cadena encryption identity ARCHIVO` o `age-keygen`. `cadena encryption show` lista los del repositorio.
error-encryption-identity = { $origin } no contiene ninguna identidad: { $detail }.
error-encryption-identity-remedy = Indicar un archivo con una línea AGE-SECRET-KEY-1…, como lo crea `cadena encryption identity ARCHIVO` o `age-keygen`.
error-encryption-identity-file = { $file } no se puede crear: { $cause }.
error-encryption-identity-file-remedy = Indicar un archivo que aún no exista, en una carpeta donde se pueda escribir.
error-encryption-passphrase-missing = La identidad en { $origin } está protegida por una contraseña, y no se dio ninguna.
error-encryption-passphrase-missing-remedy = Darla: CADENA_PASSPHRASE, o passphrase_file en [encryption] de cadena.toml.
error-encryption-passphrase-wrong = La contraseña no abre la identidad en { $origin }.
error-encryption-passphrase-wrong-remedy = Dar la contraseña con la que se protegió la identidad: CADENA_PASSPHRASE, o passphrase_file en [encryption].
error-encryption-passphrase-short = La contraseña tiene menos de { $least } caracteres.
error-encryption-passphrase-short-remedy = Elegir una más larga, de varias palabras.
error-encryption-unreadable = { $object } en { $storage } no se puede leer: { $detail }.
error-encryption-unreadable-remedy = Dice para quién se cifra. Recuperarlo de una copia del repositorio; sin él no se escribe nada, para que nada se escriba sin cifrar.
error-encryption-newer = { $object } tiene la versión de formato { $found }; este programa lee hasta la { $supported }.
error-encryption-newer-remedy = Usar la versión de Cadena que lo escribió, o una más nueva.
error-encryption-recipients-differ = El repositorio en { $storage } cifra para { $found }, y la configuración nombra a { $wanted }.
error-encryption-recipients-differ-remedy = No se escribió nada. Si la configuración es correcta: `cadena encryption set`. Si lo es el repositorio: cambiar recipients en [encryption] de cadena.toml. Si no se cambió ninguno de los dos, lo hizo otra persona.
error-encryption-last-recipient = { $recipient } es el único destinatario del repositorio en { $storage }.
error-encryption-last-recipient-remedy = Añadir antes otro. El cifrado no se puede desactivar; un repositorio nuevo puede no tenerlo.
error-encryption-failed = El cifrado falló: { $detail }.
error-encryption-failed-remedy = Intentarlo de nuevo; si se repite, informar de ello.
error-usage-no-recipient = No se nombró ningún destinatario, ni aquí ni en [encryption] de cadena.toml.
error-usage-no-recipient-remedy = `cadena encryption identity ARCHIVO` crea una identidad y muestra su destinatario; `cadena encryption set DESTINATARIO` cifra para él.
error-usage-no-passphrase = No se dio ninguna contraseña.
error-usage-no-passphrase-remedy = Darla en CADENA_PASSPHRASE, o indicar un archivo: passphrase_file en [encryption] de cadena.toml.
