## Lo que registros e informes contienen como {"key": …}: avisos de un backup, hallazgos de una validación, privilegios que faltan.

warning-corrupt-pages = { $pages ->
    [one] Una página del clúster está dañada: { $file }, bloque { $block }
   *[other] { $pages } páginas del clúster están dañadas; la primera: { $file }, bloque { $block }
}
warning-full-instead = Se hizo un FULL en lugar del { $wanted }, porque no hay base para uno. El backup { $id } no puede ser la base: { $reason }
warning-full-instead-first = Se hizo un FULL en lugar del { $wanted }: todavía no hay ningún backup que pueda ser su base.
warning-base-passed-over = El backup { $id } no puede ser la base, así que este se apoya en el backup { $base }: { $reason }
warning-logical-no-passwords = Las contraseñas de los roles no están en el backup: el rol { $role } no puede leerlas. Los roles restaurados de él no tendrán ninguna.
warning-logical-said = { $program } dijo de la base de datos { $database }: { $said }
verify-dump = pg_restore no puede leer el volcado de la base de datos { $database }: { $detail }
warning-no-slot = No se obtuvo un slot de replicación, así que el servidor podía eliminar WAL durante el backup. No lo hizo. Motivo: { $cause }
warning-external-config = El archivo de configuración { $path } está fuera del directorio de datos y no quedó en el backup: { $cause }
warning-followed-links = { $count ->
    [one] Se siguió un enlace simbólico del directorio de datos: { $path }
   *[other] Se siguieron { $count } enlaces simbólicos del directorio de datos; el primero: { $path }
}
warning-left-out = { $count ->
    [one] Quedó afuera algo del directorio de datos que no es archivo ni carpeta: { $path }
   *[other] Quedaron afuera { $count } elementos del directorio de datos que no son archivos ni carpetas; el primero: { $path }
}

privilege-backup-control = iniciar y terminar backups
privilege-control-data = leer los datos de control
privilege-read-files = leer los archivos del clúster por SQL
privilege-slot = crear slots de replicación, que conservan el WAL mientras corre un backup, y recibir el WAL
privilege-settings = ver todas las opciones, como el directorio de datos
privilege-switch-wal = cerrar el segmento de WAL actual
privilege-restore-point = crear puntos de restauración

verify-tar-header = { $path }: su encabezado tar, o lo que le sigue, no es lo que dice el índice
verify-tar-end = El flujo tar no termina como debe
verify-member-content = { $path }: su contenido no coincide con su checksum, o no se puede descomprimir
verify-page-checksum = { $path }, bloque { $block }: el checksum de la página es { $found }, debería ser { $expected }
verify-page-header = { $path }, bloque { $block }: el encabezado de la página es imposible
verify-page-known-corrupt = { $path }, bloque { $block }: esta página ya estaba dañada en el clúster al hacer el backup
verify-partial-page = { $path }: { $size_bytes } no es un número entero de páginas
verify-manifest-unlisted = { $path } está en el archivo y no en su manifiesto
verify-manifest-absent = { $path } está en el manifiesto y no en el archivo
verify-manifest-twice = { $path } aparece dos veces
verify-manifest-size = { $path } mide { $found_bytes }; el manifiesto dice { $listed_bytes }
verify-manifest-checksum = { $path }: el archivo y el manifiesto dan checksums distintos
verify-manifest-mismatch = El manifiesto tiene { $what } { $found }; el registro dice { $recorded }
verify-more-findings = { $count ->
    [one] y un hallazgo más
   *[other] y { $count } hallazgos más
}

restore-wrote-config = El backup no contenía { $file } (Debian lo guarda fuera del directorio de datos); se escribió uno mínimo. Una copia del original, si se pudo leer, está en cadena_external_config.
restore-kept-config = Los archivos de configuración que estaban fuera del directorio de datos del origen están en { $folder }; no se usan, porque nombran las carpetas del origen
restore-dropped-signal = { $file } quedó afuera, para que el clúster restaurado sea un primario independiente
restore-removed-remains = Primero se eliminó lo que una restauración interrumpida había dejado en { $directory }
daemon-started = Iniciado: proceso { $pid }, repositorio { $repository }
daemon-waiting = En espera: el demonio del proceso { $pid } en { $host } trabaja para este repositorio desde { $since }
daemon-wait-failed = No se pudo ver si el otro demonio ya no está: { $error }
daemon-lock-lost = Otro demonio tomó el relevo (proceso { $pid } en { $host }, desde { $since }) mientras este estaba en pausa o sin conexión: deja todo lo que hacía
daemon-stopped = Detenido; todo lo recibido está a salvo
daemon-receiver-failed = { $error } (próximo intento en { $seconds } s)
daemon-stream-ended = El servidor terminó la transmisión en { $lsn } (próximo intento en { $seconds } s)
daemon-lagging = El archivo lleva { $seconds } s de retraso respecto al servidor: { $lag_bytes }
daemon-lagging-remedy = Revise el disco del repositorio y la red.
daemon-caught-up = El archivo está al día, en { $lsn }
