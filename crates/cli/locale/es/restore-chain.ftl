# Restauraciones de varios archivos juntos, y sobre lo que ya está.

error-chain-file-missing = El backup { $newer } contiene cambios de { $path }, pero el backup { $id }, sobre el que se hizo, no contiene nada de ese archivo.
error-chain-file-missing-remedy = Se eliminó lo escrito. Restaurar un backup anterior al { $newer } y hacer ahora un FULL nuevo.
error-chain-file-twice = El archivo del backup { $id } contiene { $path } dos veces: entero y como cambios.
error-chain-file-twice-remedy = No usar este backup. Restaurar uno anterior y hacer ahora un FULL nuevo.
error-chain-file-damaged = El archivo del backup { $id } contiene cambios de { $path } que no se entienden: { $detail }
error-chain-file-damaged-remedy = No usar este backup. Restaurar uno anterior y hacer ahora un FULL nuevo.
error-chain-label = El backup_label del backup { $id } dice que se hizo sobre { $what } { $found }; su registro dice { $recorded }.
error-chain-label-remedy = El archivo o su registro fue cambiado por otro. Recuperar ambos desde una copia, o usar otro backup.
error-chain-start = El backup_label del backup { $id } dice que comenzó en { $found } (línea de tiempo/LSN); su registro dice { $recorded }.
error-chain-start-remedy = El archivo o su registro fue cambiado por otro. Recuperar ambos desde una copia, o usar otro backup.
error-chain-incomplete = Se iba a juntar una cadena de backups sin su comienzo.
error-chain-incomplete-remedy = Es un defecto de Cadena: informar de él. No se escribió nada.

restore-passed-over = El backup { $id } también lleva al objetivo, pero no se puede restaurar: { $reason }
window-backup-broken = El backup { $id } no se cuenta: { $reason }

error-restore-no-cluster = { $directory } no contiene un clúster sobre el que se pueda restaurar: { $detail }
error-restore-no-cluster-remedy = No se cambió nada. Quitar --delta y elegir una carpeta vacía o que todavía no exista.
error-restore-foreign-cluster = { $directory } contiene el clúster { $found }; el backup es del clúster { $wanted }.
error-restore-foreign-cluster-remedy = No se cambió nada. Elegir la carpeta del propio clúster del backup, o una vacía.
error-restore-unfinished-over = Se interrumpió una restauración sobre el clúster en { $directory }. Sus archivos no son ni el estado anterior ni el nuevo.
error-restore-unfinished-over-remedy = Terminarla con `cadena restore … --delta`, o eliminar la carpeta a mano si no hace falta nada de ella.
error-restore-ended-over = La restauración sobre el clúster en { $directory } terminó antes de tiempo: { $reason }
error-restore-ended-over-remedy = Ningún servidor arranca ahí ahora. Corregir lo dicho arriba y ejecutar de nuevo la misma restauración con --delta: sigue donde haya diferencias.
error-restore-cancelled-over = La restauración sobre el clúster en { $directory } fue cancelada antes de terminar.
error-restore-cancelled-over-remedy = Ningún servidor arranca ahí ahora. Ejecutar de nuevo la misma restauración con --delta: sigue donde haya diferencias.

restore-removed-link = El enlace { $link } no está en el backup y fue eliminado; { $destination }, adonde llevaba, quedó como estaba
verify-changes = { $path } contiene cambios que no se pueden poner en un archivo: { $detail }
