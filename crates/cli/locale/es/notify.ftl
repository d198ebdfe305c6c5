# Notificaciones, métricas y salud.

problem-backup-failing = El último backup { $kind } falló ({ $failed_at }): { $error }
problem-run-failing = La última ejecución de { $job } falló ({ $failed_at }): { $error }
problem-wal-gap = Falta WAL en la línea de tiempo { $timeline }, de { $from_lsn } a { $to_lsn }, y no se tomó ningún backup después: { $cause }
problem-wal-gap-remedy = Nada posterior al hueco se puede restaurar hasta que haya un backup nuevo: `cadena full`.
problem-repository-unreadable = No se puede examinar el repositorio: { $error }
problem-catalog-down = El catálogo en la base de datos (esquema seguridad) no está al día: { $error }

news-backup-started = El backup { $name } ({ $kind }) ha comenzado.
news-backup-completed = El backup { $name } ({ $kind }) está completo: { $plain_bytes } en { $archive_bytes }, en { $took_seconds }.
news-backup-failed = El backup { $name } ({ $kind }) falló: { $error }
news-validation-passed = El backup { $name } se validó ({ $level }) y está sano.
news-validation-failed = El backup { $name } se validó ({ $level }) y está dañado.

notify-title = { $cluster }: { $sentence }
notify-title-lasts = { $cluster }, todavía: { $sentence }
notify-title-over = { $cluster }, resuelto: { $sentence }
notify-lasts = Dura ya { $duration }.
notify-lasted = Duró { $duration }.
notify-test = Esta es una prueba del canal { $channel }. No hay ningún problema.
notify-fact-host = Equipo
notify-fact-time = Hora
notify-fact-since = Desde
notify-taken = { $channel }: { $host } aceptó el mensaje ({ $answer })
notify-not-taken = { $channel }: { $message }
notify-untold = No se pudo avisar a nadie: { $message }

notify-failing = Las notificaciones por { $channel } no llegan: { $error }
notify-recovered = Las notificaciones por { $channel } vuelven a llegar
notify-dropped = { $count ->
    [one] Se abandonó una notificación por { $channel }
   *[other] Se abandonaron { $count } notificaciones por { $channel }
}

error-notify-settings = El canal { $channel } no tiene sentido: { $detail }
error-notify-settings-remedy = Corregirlo en [[notify]] de cadena.toml; docs/reference/notifications.md tiene ejemplos.
error-notify-no-channel = No hay ningún canal { $name }. Configurados: { $known }
error-notify-no-channel-remedy = Los canales están en [[notify]] de cadena.toml; docs/reference/notifications.md tiene ejemplos.
error-notify-template = No se puede usar la plantilla { $template } del canal { $channel }: { $detail }
error-notify-template-remedy = Corregirla y probarla con `cadena notify test`.
error-notify-unreachable = No se llega a { $host } (canal { $channel }): { $detail }
error-notify-unreachable-remedy = Revisar la dirección, la red, el cortafuegos y si hace falta un proxy: `proxy` en [[notify]].
error-notify-timeout = { $host } no respondió en { $seconds } s (canal { $channel })
error-notify-timeout-remedy = Revisar la dirección y la red; timeout_seconds en [[notify]] fija cuánto se espera.
error-notify-refused = { $host } respondió { $status } (canal { $channel }): { $answer }
error-notify-refused-remedy = 401, 403 y 404 suelen indicar una dirección o un token equivocado o revocado; 400, que la plantilla y la dirección son de servicios distintos.
error-notify-redirected = { $host } respondió { $status }, una redirección (canal { $channel }). No se sigue: el mensaje y el token irían a otro lugar.
error-notify-redirected-remedy = Indicar la dirección a la que lleva, si es de confianza.
error-notify-mail = { $host } no aceptó el correo (canal { $channel }): { $detail }
    { $permanent ->
        [true] Tampoco lo aceptará más tarde.
       *[other] Se vuelve a intentar.
    }
error-notify-mail-remedy = Revisar host, port y tls, user y password, y que el servidor permita a este remitente escribir a estas personas.
error-metrics-remote = { $address } no es una dirección de este equipo únicamente, y las páginas no tienen contraseña ni TLS.
error-metrics-remote-remedy = Escuchar en 127.0.0.1 y poner un proxy delante, o indicar allow_remote = true en [metrics] donde un cortafuegos proteja el puerto.
error-metrics-listen = No se puede escuchar en { $address }: { $cause }
error-metrics-listen-remedy = Elegir otro puerto en [metrics] de cadena.toml, o ver quién lo ocupa: ss -ltnp
error-config-missing-key = { $file }, línea { $line }: falta { $name } en [[{ $section }]]
error-config-missing-key-remedy = Agregarlo; docs/reference/notifications.md tiene ejemplos.
error-config-name-twice = { $file }, línea { $line }: hay otro canal con el nombre { $name }
error-config-name-twice-remedy = Dar a cada canal un nombre propio.
error-config-secret-file = No se puede leer el secreto del canal { $channel } en { $file }: { $cause }
error-config-secret-file-remedy = Ponerlo en la primera línea del archivo y permitir que lo lea el usuario que ejecuta cadena.
error-config-secret-variable = El secreto del canal { $channel } debería estar en la variable de entorno { $variable }, que no está definida
error-config-secret-variable-remedy = Definirla donde se inicia cadena (Environment= o EnvironmentFile= del servicio).
