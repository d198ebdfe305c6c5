# Simulacros.

drill-proved = Probado: la cadena vuelve.
drill-warned = La cadena vuelve; algo requiere atención.
drill-failed = El simulacro encontró que no todo vuelve.
drill-chain = Cadena
drill-instant = Instante probado
drill-end = Recuperado hasta
drill-rto = Hasta aceptar conexiones
drill-recovery = De eso, recuperación
drill-size = Restaurado
drill-pages = Páginas revisadas
drill-no-checksums = ninguna (el cluster no tiene sumas de verificación)
drill-amcheck-label = pg_amcheck
drill-amcheck = pg_amcheck: { $detail }
drill-amcheck-ran = { $count } bases de datos
drill-amcheck-missing = no está en esta máquina
drill-amcheck-refused = no pudo revisar ninguna base de datos (su extensión no está en esta máquina)
drill-amcheck-skipped = pg_amcheck no pudo revisar la base de datos { $database }: { $detail }
drill-amcheck-off = desactivado
drill-assertions = Afirmaciones
drill-assertions-held = se cumplen { $holding } de { $count }
drill-report = Informe
drill-finding = Encontrado: { $message }

drill-page = { $known ->
    [true] La página { $block } de { $path } está corrupta; ya lo estaba cuando se tomó el backup.
   *[false] La página { $block } de { $path } está corrupta.
  }
drill-partial-page = { $path } termina en medio de una página ({ $size_bytes }).
drill-assertion = { $name } (base de datos { $database }) dio { $answer } en lugar de { $wanted }.
drill-assertion-failed = { $name } (base de datos { $database }) no se pudo preguntar: { $detail }
drill-server = El servidor restaurado no arrancó, o no llegó al final de su recuperación: { $detail }
drill-gap = No se llega a lo archivado después, porque falta WAL: { $gap }. Tome un backup ahora.
drill-remains = Se revisó todo, pero el servidor desechable no terminó en orden, o no se pudo eliminar: { $detail }
run-note-drilled = simulacro { $result }, { $rto_seconds } s hasta aceptar conexiones, { $report }
run-note-no-drill = no hay simulacro en esta máquina: { $error }
job-drill = Simulacro
status-drill = Simulacros
status-drill-proved = Último instante probado
status-drill-proved-value = { $instant } (simulacro del { $at }, { $rto } hasta aceptar conexiones)
status-drill-never = ninguno todavía; `cadena validate --level drill` prueba uno
status-drill-last = Último simulacro
attention-drill-failed = El último simulacro ({ $at }) encontró que no todo vuelve: { $report }, en el repositorio, dice qué. Ejecute `cadena validate --level drill` cuando esté corregido.
