# Almacenamientos fuera del equipo.
error-storage-unreachable = No se puede llegar a { $storage } para { $object }; se desistió tras { $seconds } s: { $cause }
error-storage-unreachable-remedy = Revisar la red, la dirección (endpoint) y que el almacenamiento funcione; después ejecutar el comando de nuevo. Lo que estaba en curso no quedó visible allí. give_up_seconds dice cuánto se insiste.
error-storage-throttled = { $storage } pide bajar el ritmo; se desistió de { $object } tras { $seconds } s: { $cause }
error-storage-throttled-remedy = Ejecutar el comando más tarde, o bajar concurrency; give_up_seconds dice cuánto se insiste.
error-storage-wrong-bytes = { $object } en { $storage }: los bytes que llegaron no son los que se enviaron: { $detail }
error-storage-wrong-bytes-remedy = Algo en el camino altera los bytes: revisar proxies, red y memoria; después ejecutar el comando de nuevo.
error-storage-changed = Otro modificó { $object } en { $storage } mientras tanto
error-storage-changed-remedy = Ejecutar el comando de nuevo. Si se repite, ver quién más escribe allí: el repositorio de un cluster ocupa un prefijo propio.
error-storage-lock-lost = El bloqueo { $object } en { $storage } venció y ya no es nuestro
error-storage-lock-lost-remedy = Este proceso estuvo detenido, o no pudo llegar al almacenamiento, por más tiempo que el plazo (lease_seconds). No se perdió nada; ejecutar el comando de nuevo.
error-storage-replica-only = { $storage } no tiene escrituras condicionales: puede guardar una réplica, pero no un repositorio
error-storage-replica-only-remedy = Tener el repositorio en una carpeta o en S3, y nombrar este almacenamiento en un [[replica]].
error-storage-setting = { $storage }: { $setting }: { $detail }
error-storage-setting-remedy = Corregirlo donde se nombra el almacenamiento: cadena.toml, BACKUP_DIR o --repository.
error-storage-credentials = No hay credenciales utilizables para { $storage }: { $detail }
error-storage-credentials-remedy = Darlas en el entorno, en un archivo o por la cadena propia del proveedor; comparar también el reloj de este equipo con la hora real.
error-config-store-secret-file = No se puede usar { $name } en { $file }: { $cause }
error-config-store-secret-file-remedy = Indicar un archivo que exista, contenga el secreto (una contraseña, en la primera línea) y que solo su dueño pueda leer (chmod 600).
error-config-store-secret-variable = { $name } debería estar en la variable de entorno { $variable }, que no está definida
error-config-store-secret-variable-remedy = Definirla donde se inicia cadena (Environment= o EnvironmentFile= del servicio).
