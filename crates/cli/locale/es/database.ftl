# Una base de datos sacada de un backup, exportaciones y clústeres desechables.

phase-dumping = Volcando la base de datos
phase-loading = Cargando la base de datos

database-will-make = La base de datos { $database } se creará en { $server } con el nombre { $name }.
database-will-replace = La base de datos { $database } se creará en { $server } y tomará el nombre { $name }; la que lo tenga ahora se conserva con otro.
database-done = La base de datos { $database } está en { $server } como { $name }: { $tables } tablas, { $size }, en { $duration }
database-end-lsn = Recuperada hasta
database-time = Tiempo
database-time-value = recuperación { $recover }, volcado { $dump }, carga { $load }
database-created-roles = Roles creados (sin inicio de sesión ni contraseña)
database-kept = La anterior
database-kept-value = se conserva como { $name }; sesiones terminadas: { $count }
database-swept = Un comando al que mataron había dejado un clúster desechable en { $directory }; se eliminó
database-not-swept = Un comando al que mataron dejó un clúster desechable en { $directory } que no se pudo eliminar: { $problem }

export-done = La base de datos { $database } está en { $file } ({ $size }), en { $duration }. La escribió pg_dump { $version }: se carga con `pg_restore -d BASE ARCHIVO` de esa versión o posterior
explore-ready =
    El clúster está listo: { $command }
    { $until }
explore-until-time = Se elimina después de { $duration }, o con ^C.
explore-until-stopped = Se elimina con ^C.
explore-removed = El clúster desechable se eliminó.
explore-server-ended = El servidor terminó por su cuenta; el clúster desechable se eliminó.

restore-without-library = La biblioteca { $library }, que el servidor original carga al arrancar, no está en esta máquina; el clúster desechable funciona sin ella
warning-database-swept = Una restauración anterior a la que mataron había dejado sin terminar la base de datos { $database }; se borró
warning-database-prepared = Las transacciones preparadas que estaban abiertas en ese momento no están en la copia: { $count }
warning-database-subscriptions = Suscripciones en la copia, desactivadas y sin slot, para no quitar nada a sus publicadores: { $count }
warning-database-foreign-keys = Se dejaron fuera claves foráneas hacia tablas que no se pidieron: { $names }
warning-database-old-kept = La base reemplazada no se pudo borrar y se conserva como { $database }: { $cause }
warning-database-setting = El ajuste { $name } no se trasladó (rol { $role }): { $cause }
warning-database-label = La etiqueta de seguridad de { $provider } no se trasladó: { $cause }

error-throw-away-folder = No se puede hacer un clúster desechable en { $directory }: { $cause }
error-throw-away-folder-remedy = No se restauró nada. Indique una carpeta con espacio suficiente en --work-dir, CADENA_WORK_DIR o [restore] work_dir; el usuario que ejecuta el servidor debe poder atravesarla.
error-throw-away-remains = El clúster desechable de { $directory } no se pudo eliminar: { $cause }
error-throw-away-remains-remedy = El próximo comando lo intenta otra vez. Si también falla, detenga el servidor que corre ahí y elimine la carpeta a mano.
error-throw-away-no-superuser = No se encontró ningún superusuario del clúster restaurado; se probó con: { $tried }
error-throw-away-no-superuser-remedy = No se cambió nada. Indique un superusuario de aquel momento con --user.
error-database-unknown = En ese punto no había una base de datos { $database }. Había: { $known }
error-database-unknown-remedy = No se cambió nada. Nombre una de esas, u otro punto: `cadena windows` muestra qué se puede restaurar.
error-database-dump-whole = El backup { $id } es lógico: su volcado de { $database } se exporta tal cual, y no en parte.
error-database-dump-whole-remedy = Exportarlo entero, y sacar partes del archivo con `pg_restore --table`, `--schema`, `--schema-only` o `--data-only`.
dump-as-of = Volcada al
dump-size = Volcado
error-database-unknown-object = { $database } no tenía { $name } en ese punto. Tenía: { $known }
error-database-unknown-object-remedy = No se cambió nada. Nombre una de esas, como la escribe SQL: [ESQUEMA.]NOMBRE.
error-database-ambiguous-table = { $name } corresponde a varias tablas: { $found }
error-database-ambiguous-table-remedy = No se cambió nada. Indíquela con su esquema.
error-database-exists = { $server } ya tiene una base de datos { $database }.
error-database-exists-remedy = No se cambió nada. Elija otro nombre en --as, o use --replace: la nueva se construye aparte y la anterior se conserva con otro nombre.
error-database-name = { $database } no puede ser el nombre de la base nueva: { $reason }.
error-database-name-remedy = No se cambió nada. Elija otro nombre en --as.
error-database-server-older = { $server } es PostgreSQL { $version }; el backup es de la versión { $needed } y una base de datos no puede ir a un servidor anterior.
error-database-server-older-remedy = No se cambió nada. Indique en --into un servidor de la misma versión o posterior.
error-database-missing-roles = A { $server } le faltan roles que { $database } necesita: { $roles }
error-database-missing-roles-remedy = Ahí no se cambió nada. --create-roles los crea sin inicio de sesión ni contraseña; --no-owner y --no-privileges prescinden de dueños y permisos.
error-database-missing-extensions = A { $server } le faltan extensiones que { $database } necesita: { $extensions }
error-database-missing-extensions-remedy = Ahí no se cambió nada. Instale sus paquetes en la máquina del servidor, o restaure en otro servidor con --into.
error-database-missing-tablespaces = A { $server } le faltan tablespaces que { $database } necesita: { $tablespaces }
error-database-missing-tablespaces-remedy = Ahí no se cambió nada. Créelos, o use --no-tablespaces: todo va al predeterminado.
error-database-no-space = { $directory } tiene { $free_bytes } libres; { $database } necesita ahí unos { $needed_bytes }.
error-database-no-space-remedy = No se cambió nada. Haga lugar, o indique otra carpeta en --work-dir si se trata de esa.
error-database-in-use = No se pudo reemplazar { $database }: { $sessions } sesiones volvían tan rápido como se terminaban.
error-database-in-use-remedy = Está como estaba, y la nueva se borró. Detenga lo que se conecta a ella, como un pool de conexiones, y repita; o restaure con otro nombre.
error-database-unfinished = La restauración falló: { $reason } Lo que se había hecho, la base de datos { $database }, no se pudo borrar: { $cause }
error-database-unfinished-remedy = No se cambió nada más. Borre esa base a mano; la próxima restauración en este servidor también lo intenta.
error-database-file = No se puede escribir { $file }: { $cause }
error-database-file-remedy = No quedó ningún archivo. Indique otro en --output, o corrija lo que se dice.
error-throw-away-hollow = Se omitieron archivos de otras bases de datos y { $database } puede necesitarlos: { $detail }.
error-throw-away-hollow-remedy = En su lugar se restaura el cluster entero; si este es el último mensaje, eso también falló. Por favor, infórmelo.
