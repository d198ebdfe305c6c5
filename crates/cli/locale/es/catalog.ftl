# El catálogo en la base de datos.
