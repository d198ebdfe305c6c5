# El horario y sus ejecuciones.

error-schedule-unknown-job = No hay una tarea { $name }. Hay { $known }.
error-schedule-unknown-job-remedy = Nombrar una de ellas; `cadena schedule show` las muestra.
error-schedule-pattern = «{ $text }» no es un patrón cron: { $detail }
error-schedule-pattern-remedy = Un patrón es «MINUTO HORA DÍA MES DÍA_DE_SEMANA», como «30 23 * * SUN»; un sexto campo adelante cuenta segundos. `off` desactiva una tarea.
error-schedule-never = Ninguna fecha coincide con «{ $text }».
error-schedule-never-remedy = Corregir el día o el mes; L es el último día del mes. `off` desactiva una tarea.
error-schedule-time = { $name } = { $value } no es parte de una hora; se permite: { $allowed }.
error-schedule-time-remedy = Los días de la semana se cuentan de 0, lunes, a 6, domingo.
error-schedule-days = Se dieron a la vez un día del mes ({ $day }) y un día de la semana ({ $weekday }).
error-schedule-days-remedy = Dar uno de los dos, o un patrón cron.
error-schedule-unreadable = No se puede leer { $object } en { $storage }: { $detail }
error-schedule-unreadable-remedy = Corregir el archivo o eliminarlo: sin schedule.json valen los horarios por defecto, y scheduler.json se crea de nuevo.
error-schedule-fixed = { $file } dice cuándo se ejecuta { $job } ({ $name } en [schedule]).
error-schedule-fixed-remedy = Cambiarlo ahí o quitarlo del archivo; un demonio en marcha ve ambas cosas en segundos.
error-schedule-busy = Otro proceso está cambiando el horario: { $pid } en { $host }.
error-schedule-busy-remedy = Ejecutar el comando de nuevo.

error-daemon-busy = Ya hay un demonio para este repositorio: proceso { $pid } en { $host }, desde { $since }.
error-daemon-busy-remedy = Con uno basta. Detenerlo antes de iniciar otro, o iniciar este con --wait: toma el relevo cuando el otro ya no esté.
error-daemon-lock-lost = Otro demonio tomó el relevo en este repositorio: proceso { $pid } en { $host }, desde { $since }.
error-daemon-lock-lost-remedy = Este estuvo en pausa, o sin conexión con el repositorio, por más tiempo del que dura su bloqueo, y se detuvo. Con un demonio basta; con --wait esperaría su turno.
error-daemon-part-died = Una parte del demonio terminó de forma inesperada: { $part }.
error-daemon-part-died-remedy = Iniciar el demonio de nuevo (systemd lo hace por sí solo) e informar lo que escribió en la salida de errores: es un defecto.
error-daemon-idle = No hay nada que hacer: no se quiere ni WAL ni horario.
error-daemon-idle-remedy = Quitar --no-wal o --no-schedule.

run-missed = { $job } tocaba el { $due_at } y no se hizo: se recupera ahora
run-replaced = { $job } del { $due_at } no se hizo antes de que tocara el siguiente, el { $next_at }: se hará solo ese
run-started = Empieza { $job } del { $due_at }
run-finished = { $job } del { $due_at } está hecho tras { $seconds } s: { $note }
run-found-faults = { $job } del { $due_at } está hecho tras { $seconds } s: { $note }
run-found-faults-remedy = `cadena status` muestra lo que hay que revisar.
run-unneeded = { $job } del { $due_at } ya no hace falta: { $note }
run-failed = { $job } del { $due_at } falló (intento { $attempt }) y se vuelve a intentar en { $seconds } s: { $error }
run-waiting = { $job } del { $due_at } espera: { $error }
run-stopped = { $job } del { $due_at } se detuvo con el demonio; se recupera en el próximo inicio
run-note-backup = backup { $id }, { $kind }, { $name } ({ $archive_bytes })
run-note-validated = { $count ->
    [one] se validó un backup
   *[other] se validaron { $count } backups
}, { $damaged ->
    [0] ninguno está dañado
    [one] uno está dañado
   *[other] { $damaged } están dañados
}
run-note-cleaned = { $count ->
    [one] se eliminó un backup
   *[other] se eliminaron { $count } backups
}, quedan libres { $freed_bytes }
run-note-nothing = no había nada que hacer
schedule-changed = { $job } se ejecuta ahora según «{ $rule }»; la próxima vez, el { $next_at }
schedule-reload-failed = No se puede leer el horario; sigue el anterior: { $error }
scheduler-memory-lost = No se puede leer lo que recordaba el scheduler; se guía por los registros de los backups: { $error }
scheduler-memory-unwritten = No se puede escribir lo que el scheduler debe recordar: { $error }
clock-set-back = El reloj se atrasó del { $from_at } al { $to_at }

daemon-journal-failed = No se pudo escribir el evento en el diario del repositorio: { $error }

service-running = { $job } se ejecuta desde { $time }
service-next = Próximo: { $job }, el { $time }
service-idle = No hay nada programado

job-validate = VALIDACIÓN
job-cleanup = LIMPIEZA
column-job = Tarea
column-when = Cuándo
column-last-run = Última ejecución
column-set-in = Definido en
schedule-off = desactivada
schedule-cron = cron «{ $pattern }»
schedule-daily = todos los días a las { $time }
schedule-weekly = { $weekday ->
    [0] los lunes
    [1] los martes
    [2] los miércoles
    [3] los jueves
    [4] los viernes
    [5] los sábados
   *[6] los domingos
} a las { $time }
schedule-monthly = el día { $day } del mes a las { $time }
schedule-monthly-or-last = el día { $day } del mes, o el último, a las { $time }
schedule-source-default = por defecto
schedule-running = en marcha desde { $time }
schedule-last-done = { $time }: { $what }
schedule-last-failed = { $time }: FALLÓ: { $what }
schedule-daemon = El demonio está en marcha: proceso { $pid } en { $host }.
schedule-no-daemon = Ningún demonio ejecuta el horario. Lo hace `cadena start`.
schedule-set = { $job }: { $rule }. Próxima vez: { $next }.
