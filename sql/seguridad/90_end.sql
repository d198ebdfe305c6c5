END
$migracion$;

RESET client_encoding;
