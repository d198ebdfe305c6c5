## Lo que registros e informes contienen como {"key": …}: avisos de un backup, hallazgos de una validación, privilegios que faltan.

warning-corrupt-pages = { $pages ->
    [one] Una página del clúster está dañada: { $file }, bloque { $block }
   *[other] { $pages } páginas del clúster están dañadas; la primera: { $file }, bloque { $block }
}
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
privilege-slot = crear un slot de replicación, que conserva el WAL durante el backup
privilege-settings = ver todas las opciones, como el directorio de datos
privilege-switch-wal = cerrar el segmento de WAL actual
privilege-restore-point = crear puntos de restauración
