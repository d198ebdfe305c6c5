# Restauraciones de varios archivos juntos, y sobre lo que ya está.

error-chain-file-missing = El backup { $newer } contiene cambios de { $path }, pero el backup { $id }, sobre el que se hizo, no contiene nada de ese archivo.
error-chain-file-missing-remedy = Se eliminó lo escrito. Restaurar un backup anterior al { $newer } y hacer ahora un FULL nuevo.
error-chain-file-twice = El archivo del backup { $id } contiene { $path } dos veces: entero y como cambios.
error-chain-file-twice-remedy = No usar este backup. Restaurar uno anterior y hacer ahora un FULL nuevo.
error-chain-file-damaged = El archivo del backup { $id } contiene cambios de { $path } que no se entienden: { $detail }
error-chain-file-damaged-remedy = No usar este backup. Restaurar uno anterior y hacer ahora un FULL nuevo.
error-chain-label = El backup_label del backup { $id } dice que se hizo sobre { $what } { $found }; su registro dice { $recorded }.
error-chain-label-remedy = El archivo o su registro fue cambiado por otro. Recuperar ambos desde una copia, o usar otro backup.
error-chain-incomplete = Se iba a juntar una cadena de backups sin su comienzo.
error-chain-incomplete-remedy = Es un defecto de Cadena: informar de él. No se escribió nada.

restore-passed-over = El backup { $id } también lleva al objetivo, pero no se puede restaurar: { $reason }
window-backup-broken = El backup { $id } no se cuenta: { $reason }
