# Lo que cuenta el diario del repositorio, y lo que puede fallar con él.

backup-started = Empezó el backup { $name }.
backup-completed = El backup { $name } está completo.
backup-failed = Falló el backup { $name }.
validation = Se validó el backup { $name } ({ $level }): { $result }.

error-journal-busy = Otro proceso escribe los eventos de { $storage } desde hace { $seconds } s.
error-journal-busy-remedy = Buscar un proceso de cadena que no responde, y volver a intentar.
error-journal-event-invalid = No se puede escribir el evento { $event }: { $detail }.
error-journal-event-invalid-remedy = Es un error del programa; por favor, informarlo.
