# El horario y sus ejecuciones.
