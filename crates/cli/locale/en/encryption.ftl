# Encryption.

encryption-on = { $repository } encrypts new backups and new WAL for:
encryption-off = { $repository } does not encrypt. `cadena encryption set` switches it on for what comes from then on.
encryption-opened = (its identity was given)
encryption-not-opened = (its identity was not given)
encryption-passphrase = An identity under a passphrase lies in the repository ({ $object }). Keep a copy elsewhere: without it, or without the passphrase, nothing opens what is encrypted for it alone.
encryption-backups = Backups: { $encrypted } encrypted, { $plain } not.
encryption-daemons = A daemon that runs goes on with the list that it began with: start it anew after a change.
encryption-identity-made = { $file } holds a new identity: a secret, which opens what is encrypted for
    { $recipient }
    Keep it where the backups are not, and more than once. What is encrypted for it alone is lost with it.

check-encryption = encryption for { $recipients }
check-encryption-off = no encryption
check-encryption-blind = encrypted, and no identity was given here: backups can be taken, not restored

error-encryption-identity-missing = { $object } in { $storage } is encrypted, and no identity was given.
error-encryption-identity-missing-remedy = Name the file with the identity: identity_file in [encryption] of cadena.toml, or CADENA_IDENTITY_FILE. If it is under a passphrase: CADENA_PASSPHRASE, or passphrase_file.
error-encryption-identity-wrong = { $object } in { $storage } is encrypted for others than the identities that were given.
error-encryption-identity-wrong-remedy = `cadena encryption show` and the backup's record (NAME.json, encryption) name the recipients; give the identity of one of them.
error-encryption-damaged = { $object } in { $storage } can't be decrypted: { $detail }.
error-encryption-damaged-remedy = It was changed, cut or lengthened since it was written. `cadena replica verify --repair` makes it anew from a good copy.
error-encryption-recipient = { $recipient } is no recipient that can be used: { $detail }.
error-encryption-recipient-remedy = A recipient begins with age1 and is printed by `cadena encryption identity FILE` or `age-keygen`. `cadena encryption show` lists those of the repository.
error-encryption-identity = { $origin } holds no identity: { $detail }.
error-encryption-identity-remedy = Name a file with an AGE-SECRET-KEY-1… line, as `cadena encryption identity FILE` or `age-keygen` makes it.
error-encryption-identity-file = { $file } can't be made: { $cause }.
error-encryption-identity-file-remedy = Name a file that is not there yet, in a folder where you may write.
error-encryption-passphrase-missing = The identity in { $origin } is protected by a passphrase, and none was given.
error-encryption-passphrase-missing-remedy = Give it: CADENA_PASSPHRASE, or passphrase_file in [encryption] of cadena.toml.
error-encryption-passphrase-wrong = The passphrase does not open the identity in { $origin }.
error-encryption-passphrase-wrong-remedy = Give the passphrase under which the identity was put: CADENA_PASSPHRASE, or passphrase_file in [encryption].
error-encryption-passphrase-short = The passphrase is shorter than { $least } characters.
error-encryption-passphrase-short-remedy = Take a longer one, of several words.
error-encryption-unreadable = { $object } in { $storage } can't be read: { $detail }.
error-encryption-unreadable-remedy = It says for whom is encrypted. Bring it back from a copy of the repository; without it nothing is written, so that nothing is written in plain.
error-encryption-newer = { $object } has format version { $found }; this program reads up to { $supported }.
error-encryption-newer-remedy = Use the version of Cadena that wrote it, or a newer one.
error-encryption-recipients-differ = The repository in { $storage } encrypts for { $found }, and the configuration names { $wanted }.
error-encryption-recipients-differ-remedy = Nothing was written. If the configuration is right: `cadena encryption set`. If the repository is: change recipients in [encryption] of cadena.toml. If you changed neither, somebody else did.
error-encryption-last-recipient = { $recipient } is the only recipient of the repository in { $storage }.
error-encryption-last-recipient-remedy = Add another one first. Encryption can't be switched off; a new repository can be without it.
error-encryption-failed = Encryption failed: { $detail }.
error-encryption-failed-remedy = Try again; if it stays so, report it.
error-usage-no-recipient = No recipient was named, here or in [encryption] of cadena.toml.
error-usage-no-recipient-remedy = `cadena encryption identity FILE` makes an identity and prints its recipient; `cadena encryption set RECIPIENT` encrypts for it.
error-usage-no-passphrase = No passphrase was given.
error-usage-no-passphrase-remedy = Give it in CADENA_PASSPHRASE, or name a file: passphrase_file in [encryption] of cadena.toml.
