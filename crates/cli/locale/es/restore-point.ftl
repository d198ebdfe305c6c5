## Restauración a un instante: errores (error-KEY, error-KEY-remedy) y notas.

error-restore-target-unreachable = No se puede llegar a { $target }. Lo más cercano antes: { $earlier_lsn ->
        [none] nada
       *[other] { $earlier_at ->
            [none] LSN { $earlier_lsn }
           *[other] { $earlier_at } (LSN { $earlier_lsn })
        }
    }; lo más cercano después: { $later_lsn ->
        [none] nada
       *[other] { $later_at ->
            [none] LSN { $later_lsn }
           *[other] { $later_at } (LSN { $later_lsn })
        }
    }.
error-restore-target-unreachable-remedy = No se escribió nada. Pedir uno de esos instantes. Líneas de tiempo que llevan al objetivo (--timeline N): { $timelines ->
        [none] ninguna
       *[other] { $timelines }
    }. `cadena windows` muestra todo lo que se puede restaurar.
error-restore-target-ambiguous = { $target } corresponde a varios puntos de restauración: { $found }
error-restore-target-ambiguous-remedy = No se escribió nada. Indicar cuál con --lsn, o con --timeline si están en líneas distintas.
error-restore-unknown-timeline = No existe la línea de tiempo { $timeline }; se conocen: { $known }
error-restore-unknown-timeline-remedy = No se escribió nada. Nombrar una de esas en --timeline, u omitirla para usar la más nueva.
error-restore-unknown-point = No existe el punto de restauración { $name } en esta línea de tiempo. Los más nuevos son: { $known }
error-restore-unknown-point-remedy = No se escribió nada. Líneas de tiempo que lo tienen (--timeline N): { $timelines ->
        [none] ninguna
       *[other] { $timelines }
    }. `cadena windows` muestra todos los puntos de restauración.
error-restore-wal-missing = Falta el segmento de WAL { $segment }: el registro se corta en { $needed_from }, antes de { $target }.
error-restore-wal-missing-remedy = No se escribió nada. El instante anterior más cercano que se puede restaurar es { $earlier_at ->
        [none] nada
       *[other] { $earlier_at }
    }; el posterior más cercano, { $later_at ->
        [none] nada
       *[other] { $later_at }
    }. Si el servidor u otra copia aún tiene el segmento, archivarlo con `cadena wal-push`.
error-restore-wal-damaged = El segmento de WAL { $segment }, necesario para esta restauración, está dañado: { $detail }
error-restore-wal-damaged-remedy = No se escribió nada. El instante más cercano antes del daño es { $earlier_lsn ->
        [none] nada
       *[other] { $earlier_at ->
            [none] LSN { $earlier_lsn }
           *[other] { $earlier_at } (LSN { $earlier_lsn })
        }
    }. Si el servidor aún tiene el segmento en pg_wal, apartar el archivo dañado y archivarlo de nuevo; revisar el disco.
error-restore-fetch-unusable = El servidor restaurado, que ejecuta { $owner }, no puede buscar su WAL: lo impide { $detail }.
error-restore-fetch-unusable-remedy = No se escribió nada. Usar --wal stage, que pone el WAL en el directorio de datos, o permitir a ese usuario llegar al repositorio y ejecutar el programa.
error-restore-ended-short = La recuperación en { $directory } terminó en { $recovered_lsn } y no en { $expected_lsn }, como estaba previsto.
error-restore-ended-short-remedy = El servidor fue detenido: no usar lo que hay en esta carpeta. Ver en su registro (cadena-start.log) qué le impidió seguir y restaurar de nuevo.

restore-archiving-off = El clúster restaurado no archiva WAL ni espera a ninguna réplica, digan lo que digan los ajustes del original; --archive-mode preserve los conserva
restore-fetches-wal = Mientras se recupera, el servidor obtiene su WAL del repositorio con `{ $command }`; el repositorio y el programa deben seguir en su sitio hasta que termine
gap-segments-missing = Los segmentos { $first } a { $last } no están en el archivo
gap-segment-damaged = El segmento { $segment } está dañado: { $detail }
gap-segment-partial = Del segmento { $segment } solo está archivado el comienzo
window-history-missing = Falta el archivo de historia de la línea de tiempo { $timeline }: nada dice de dónde viene
window-backup-unreadable = No se puede leer { $object }: { $detail }
