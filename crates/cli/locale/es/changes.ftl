## Por qué una forma de encontrar los bloques cambiados no puede decirlo.

changes-wal-missing = El segmento de WAL { $segment } no está ni en el archivo ni en el servidor
changes-wal-damaged = El segmento de WAL { $segment } no se puede leer: { $detail }
changes-wal-level-minimal = En { $lsn } el servidor corría con wal_level = minimal: no todo lo que cambió después está en su WAL
changes-base-elsewhere = La base llega hasta { $lsn } en la línea de tiempo { $timeline }, que la línea { $to_timeline } había dejado antes: contiene lo que aquí nunca ocurrió
changes-base-later = La base empezó en { $from_lsn }, después de este backup ({ $to_lsn }): el servidor está atrasado respecto al de la base
changes-history-missing = Falta el archivo de historia de la línea de tiempo { $timeline }: nada dice de dónde viene
changes-no-server-summaries = PostgreSQL { $version } no guarda resúmenes de WAL; lo hacen las versiones 17 y posteriores
changes-summaries-off = El servidor no guarda resúmenes de WAL: summarize_wal está en off
changes-summaries-behind = El servidor resumió su WAL hasta { $summarized_lsn } y no avanza hacia { $wanted_lsn }
changes-summary-missing = El servidor no tiene, o ya no tiene, un resumen de WAL desde { $lsn } en la línea de tiempo { $timeline }
changes-summary-damaged = El resumen de WAL { $summary } del servidor no se puede leer: { $detail }
changes-not-allowed = El servidor no permite leer lo necesario: { $detail }
